"""One of the soak's clients: does everything at random for so many seconds, by a seed, and
compares each answer with what is right at that time.

Each object is one client's own, so that it knows what is right; but all are in rooms, projects
that clients share, and some are everybody's. Values name what they belong to.

    client.py NUMBER SECONDS SEED OUTPUT     and what soak.pl has in SOAK, as JSON
"""

import json
import os
import sys
import time
import traceback

import tarx_keys as keys
from answers import (
    ME, NEXT_ROOM, NUMBER, PROVIDER, ROOM, SECONDS, Unexpected, ask, backend, calls, chance, change, check,
    fault, faults, one, place_now, refusals, replayed, runner, runner_there, stale, stale_for, unexpected,
    web, web_there)
from llm_keys import (
    add_agent, add_key, any_key, delete_agent, delete_key, fall_back, gone_keys, own_agents, own_keys,
    replace_key, repoint_agents, requests, resolve_agent_key, resolve_agent_key_there, resolve_key,
    resolve_key_there, resolve_keys, route, update_agent, update_key)
from project_secrets import (
    change_secret, gone_secrets, own_secrets, resolve_secret, resolve_secret_there, resolve_secrets,
    set_secret)
from runs import issue_ticket, issue_ticket_there, renew_ticket, revoke_tickets, use_ticket
from people import (
    guests, login, make_token, revoke_token, service_accounts, short_project, short_user, tokens, use_jwt,
    use_token)
from shared import resolve_shared, shared, stricter, two_projects


# Lists, versions, and what is refused

def lists():
    rows = ask("llm_keys", lambda: keys.as_user(backend, lambda conn, _: conn.execute(
        "SELECT id::text, priority, state, status FROM tarx_keys.llm_keys WHERE provider = %s ORDER BY id", (PROVIDER,)).fetchall(),
        user=ME, project=ROOM, attempts=1))
    check("llm_keys", [(row[0], row[1], row[2] == "enabled", row[3]) for row in rows],
          [(key.id, key.priority, key.is_enabled(), "ok") for key in sorted(own_keys.values(), key=lambda key: key.id)])
    rows = ask("secrets", lambda: keys.as_user(backend, lambda conn, _: conn.execute(
        "SELECT name, version FROM tarx_keys.secrets WHERE name ^@ %s ORDER BY name", (f"S{NUMBER}_",)).fetchall(),
        user=ME, project=ROOM, attempts=1))
    check("secrets", rows, [(name, max(own_secrets[name].versions)) for name in sorted(own_secrets)])
    rows = ask("agents", lambda: keys.as_user(backend, lambda conn, _: conn.execute(
        "SELECT id::text, coalesce(user_api_key_id::text, provider) FROM tarx_keys.agents WHERE name ^@ %s ORDER BY id",
        (f"{ME} ",)).fetchall(), user=ME, project=ROOM, attempts=1))
    check("agents", rows, [(agent.id, getattr(agent.target.now(), "id", agent.target.now()))
                           for agent in sorted(own_agents.values(), key=lambda agent: agent.id)])
    count = ask("platform_keys", lambda: keys.as_user(backend, lambda conn, _: one(
        conn, "SELECT count(*) FROM tarx_keys.platform_keys WHERE status = 'ok'"), user=ME, attempts=1))
    check("platform_keys", count, sum(token.truth.now() == ME for token in tokens))


def versions():
    ask_version = lambda db, what: ask(what, lambda: keys.transaction(db, lambda conn: one(
        conn, "SELECT tarx_keys.project_version(%s)", ROOM)))
    before, there = ask_version(runner, "project_version"), ask_version(runner_there, "project_version on the standby")
    set_secret()
    after = ask_version(runner, "project_version")
    check("project_version", before < after, True)
    check("project_version on the standby", there <= after, True)


def wrong():
    key = any_key()
    if key is not None:
        got = ask("resolve_key", lambda: keys.resolve_key(runner, project=NEXT_ROOM, key=key.id).value, "TK001")
        check("resolve_key", got, "TK001")
    got = change("act_as", ("SELECT 1",), user=f"stranger{NUMBER}", expected=("42501",))
    check("act_as", got, "42501")


WEIGHTS = {
    add_key: 8, update_key: 6, replace_key: 5, delete_key: 3, resolve_key: 12, resolve_key_there: 12, resolve_keys: 4, requests: 4,
    route: 5, fall_back: 3, add_agent: 5, update_agent: 5, repoint_agents: 2, delete_agent: 2, resolve_agent_key: 8,
    resolve_agent_key_there: 6, set_secret: 7, change_secret: 5, resolve_secret: 8, resolve_secret_there: 8, resolve_secrets: 4,
    issue_ticket: 5, issue_ticket_there: 2, use_ticket: 8, renew_ticket: 3, revoke_tickets: 1, make_token: 3, revoke_token: 2, use_token: 8,
    use_jwt: 3, guests: 3, service_accounts: 1, short_project: 1, short_user: 1, shared: 8, resolve_shared: 6, two_projects: 3,
    stricter: 3, lists: 3, versions: 2, wrong: 2}


def check_all():
    """At the end, everything on both servers"""
    place = place_now()
    until = time.time() + 60
    while replayed() < place:
        if time.time() > until:
            return fault("standby", "does not catch up")
        time.sleep(0.05)
    for db in (runner, runner_there):
        for key in [*own_keys.values(), *gone_keys]:
            got = ask("at the end", lambda: keys.resolve_key(db, project=ROOM, key=key.id).value, "TK002", "TK015")
            check("at the end", got, key.truth.now())
        for name, secret in [*own_secrets.items(), *gone_secrets]:
            got = ask("at the end", lambda: keys.resolve_secret(db, project=ROOM, name=name), "TK011")
            check("at the end", got, secret.truth.now())
    for db in (web, web_there):
        for token in tokens:
            check("at the end", login(db, "at the end", token=token.text), token.truth.now())


only = os.environ.get("SOAK_ONLY", "").split()
actions = [action for action in WEIGHTS if not only or action.__name__ in only]
end = time.time() + SECONDS
while time.time() < end:
    action = chance.choices(actions, [WEIGHTS[action] for action in actions])[0]
    try:
        action()
    except Unexpected:
        pass
    except Exception:
        fault(action.__name__, traceback.format_exc())
try:
    check_all()
except Unexpected:
    pass
with open(sys.argv[4], "w") as output:
    json.dump({"calls": calls, "refusals": refusals, "unexpected": unexpected, "faults": faults, "stale": stale,
               "stale_for": max(stale_for, default=0)}, output)
