"""Run tickets"""

import collections
import time

import tarx_keys as keys
from answers import (
    MOST, ROOM, SOAK, Truth, ask, backend_there, chance, change, check, check_there, fault, one, replayed,
    runner, runner_there, some)
from llm_keys import own_agents
from project_secrets import own_secrets


# Run tickets. Their truth is that they are entered, or the SQLSTATE.

class Ticket:
    def __init__(self, text, agent, secret, began):
        self.text, self.agent, self.secret, self.expires_at = text, agent, secret, began + SOAK["ticket_seconds"]
        self.truth = Truth("TK016", "entered", agent.epoch)
        agent.tickets.append(self)

    def is_over(self, what, got):
        """Whether it was refused because it has expired; its master key may be gone by then, too."""
        has_expired = time.time() >= self.expires_at
        if got == "TK017" and not has_expired:
            fault(what, "TK017 before its time")
        if got == "TK017" or got == "TK016" and has_expired:
            tickets.remove(self)
            return True
        return False


tickets = collections.deque(maxlen=MOST)


def issue_ticket(db=None):
    agent, name, began = some(own_agents.values()), some(own_secrets) or "NONE", time.time()
    if agent is None:
        return
    what = "issue_run_ticket" + (" on the standby" if db else "")
    place = replayed() if db else agent.epoch
    got = change(what, ("SELECT tarx_keys.issue_run_ticket(%s, %s, make_interval(secs => %s), secret_names => ARRAY[%s])",
                        ROOM, agent.id, SOAK["ticket_seconds"], name), db=db, expected=("TK003",) if place < agent.epoch else ())
    # of a standby that lags it may be one that has been revoked
    if place >= agent.epoch:
        tickets.append(Ticket(got[0], agent, name, began))


def issue_ticket_there():
    issue_ticket(backend_there)


def use_ticket():
    ticket = some(tickets)
    if ticket is None:
        return issue_ticket()
    there = chance.random() < 0.3
    what, place = ("run on the standby", replayed()) if there else ("run", None)

    def work():
        with keys.run_of(runner_there if there else runner, ticket.text, lifetime=SOAK["ticket_seconds"]) as run:
            got = ask(f"resolve in a {what}", lambda: run.transaction(lambda conn: one(
                conn, "SELECT key_value FROM tarx_keys.resolve_agent_key(%s, %s)", ROOM, ticket.agent.id), attempts=1),
                "TK001", "TK002", "TK003", "TK014", "TK015", "TK016", "TK017")
            other = ask(f"resolve in a {what}", lambda: run.transaction(lambda conn: one(
                conn, "SELECT key_value FROM tarx_keys.resolve_agent_key(%s, gen_random_uuid())", ROOM), attempts=1),
                "42501", "TK016", "TK017")
            secret = ask(f"resolve in a {what}", lambda: run.transaction(lambda conn: one(
                conn, "SELECT tarx_keys.resolve_secret(%s, %s)", ROOM, ticket.secret), attempts=1), "TK011", "TK016", "TK017")
            if not there and ticket.truth.now() == "entered" and "TK017" not in (got, other, secret):
                check(f"resolve in a {what}", got, ticket.agent.wanted())
                check(f"resolve in a {what}", other, "42501")
                held = own_secrets.get(ticket.secret)
                check(f"resolve in a {what}", secret, held.truth.now() if held else "TK011")
            return "entered"
    got = ask(what, work, "TK016", "TK017")
    if ticket.is_over(what, got):
        return
    if there:
        check_there(what, got, ticket.truth, place)
    else:
        check(what, got, ticket.truth.now())


def renew_ticket():
    ticket = some(tickets)
    if ticket is None:
        return
    began = time.time()
    got = ask("renew_run_ticket", lambda: keys.transaction(runner, lambda conn: one(
        conn, "SELECT tarx_keys.renew_run_ticket(%s, make_interval(secs => %s))", ticket.text, SOAK["ticket_seconds"])), "TK016", "TK017")
    if ticket.is_over("renew_run_ticket", got):
        return
    if got == "TK016":
        check("renew_run_ticket", got, ticket.truth.now())
        tickets.remove(ticket)
    else:
        check("renew_run_ticket", "entered", ticket.truth.now())
        ticket.text, ticket.expires_at = got, began + SOAK["ticket_seconds"]


def revoke_tickets():
    ticket = some(tickets)
    if ticket is None or ticket.agent.id not in own_agents:
        return
    change("revoke_run_tickets", ("SELECT tarx_keys.revoke_run_tickets(%s, %s)", ROOM, ticket.agent.id))
    ticket.agent.ends_tickets()
