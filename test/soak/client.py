"""One of the soak's clients: does everything at random for so many seconds, by a seed, and
compares each answer with what is right at that time.

Each object is one client's own, so that it knows what is right; but all are in rooms, projects
that clients share, and some are everybody's. Values name what they belong to.

    client.py NUMBER SECONDS SEED OUTPUT     and what soak.pl has in SOAK, as JSON
"""

import collections
import json
import os
import pathlib
import random
import sys
import time
import traceback
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "../../examples/client"))

import psycopg
import sealing
import tarx_keys as keys

NUMBER, SECONDS, SEED = map(int, sys.argv[1:4])
SOAK = json.loads(os.environ["SOAK"])
MARKER, PROVIDER, DESTINATION = SOAK["marker"], f"soak{NUMBER}", SOAK["destination"]
ROOM = SOAK["rooms"][NUMBER % len(SOAK["rooms"])]
NEXT_ROOM = SOAK["rooms"][(NUMBER + 1) % len(SOAK["rooms"])]
ME, GUEST = f"user{NUMBER}", f"guest{NUMBER}"
PRIVATE_KEY = sealing.new_private_key()
MOST = 10  # of each kind that a client has at a time

chance = random.Random(f"{SEED} {NUMBER}")
# every fourth client has connections of its own, the others come through the pooler
way = SOAK["direct" if NUMBER % 4 == 0 else "pooled"]


def pool(server, login):
    return keys.open_pool(f"{way[server]} user={login}", min_size=1, max_size=2)


backend, web, runner, ender = (pool("primary", login) for login in ("service", "web", "runner", "ender"))
backend_there, web_there, runner_there = (pool("standby", login) for login in ("service", "web", "runner"))


# What happened: calls, refusals by SQLSTATE, those that should not have been, stale answers

calls = collections.Counter()
refusals = collections.Counter()
unexpected = collections.Counter()
stale = collections.Counter()
faults = []
longest_stale = 0.0
serials = iter(range(1, 10**9))


class Unexpected(Exception):
    pass


def fault(what, is_wrong):
    if len(faults) < 20:
        faults.append(f"{what}: {is_wrong}")
    unexpected[what] += 1


def check(what, got, wanted):
    if got != wanted:
        fault(what, f"{got!r} in place of {wanted!r}")


def ask(what, work, *expected):
    """What work() returns, or the SQLSTATE with which it is refused"""
    calls[what] += 1
    try:
        return work()
    except (keys.KeysError, psycopg.Error) as error:
        state = getattr(error, "sqlstate", None) or type(error).__name__
        refusals[f"{what} {state}"] += 1
        if state in expected:
            return state
        fault(what, f"{state}: {error}")
        raise Unexpected from error


def value_of(row):
    return row[0] if row is not None and len(row) == 1 else row


def one(conn, statement, *values):
    return value_of(conn.execute(statement, values).fetchone())


def change(what, *statements, expected=(), user=ME, project=ROOM, db=None):
    """A transaction as a user: what each of these statements, with their values, returns"""
    db = db or backend
    return ask(what, lambda: keys.as_user(
        db, lambda conn, _: [one(conn, *each) for each in statements], user=user, project=project, attempts=1), *expected)


def wal_of(db, call):
    return keys.transaction(db, lambda conn: int(one(conn, f"SELECT {call}() - '0/0'::pg_lsn")))


class Truth:
    """What something answers, and from what place in the WAL on for sure"""

    def __init__(self, before, now):
        self.history = [(0, before, 0.0)]
        self.becomes(now)

    def becomes(self, answer):
        self.history.append((wal_of(backend, "pg_current_wal_flush_lsn"), answer, time.time()))

    def now(self):
        return self.history[-1][1]

    def may_be(self, replayed):
        """What a standby may answer that had replayed so much before"""
        first = max(i for i, (place, _, _) in enumerate(self.history) if place <= replayed)
        return [answer for _, answer, _ in self.history[first:]]


def replayed():
    return wal_of(runner_there, "pg_last_wal_replay_lsn")


def check_there(what, got, truth, place):
    global longest_stale
    if got not in truth.may_be(place):
        fault(what, f"{got!r} in place of one of {truth.may_be(place)!r}")
    elif got != truth.now():
        stale[what] += 1
        longest_stale = max(longest_stale, time.time() - truth.history[-1][2])


def some(things):
    return chance.choice(list(things)) if things else None


def pair():
    """Every third time what is resolved comes in a box."""
    return {"private_key": PRIVATE_KEY} if chance.random() < 0.3 else {}


def public_key(conn):
    return bytes(one(conn, "SELECT public_key FROM tarx_keys.sealing_public_key()"))


# LLM keys. Their truth is the value, or the SQLSTATE.

class Key:
    def __init__(self, key_id, name, value, priority):
        self.id, self.name, self.value, self.priority = str(key_id), name, value, priority
        self.cools_until = 0.0
        self.truth = Truth("TK001", value)

    def is_enabled(self):
        return self.truth.now() == self.value


own_keys, gone_keys = {}, collections.deque(maxlen=30)


def new_value(serial):
    return f"{MARKER}-key-of-{NUMBER}-{serial}"


def add_key():
    if len(own_keys) >= MOST:
        return delete_key()
    serial, priority = next(serials), chance.choice((50, 100, 150))
    name, value = f"{ME} key {serial}", new_value(serial)
    options = {"priority": priority, "headers": {"x-soak": f"{MARKER}-{serial}"}}

    def sealed(conn, _):
        box = sealing.seal_llm_key(public_key(conn), ROOM, PROVIDER, name, value, destination=DESTINATION, options=options)
        return one(conn, "SELECT tarx_keys.add_sealed_llm_key(%s, %s, %s, %s)", ROOM, PROVIDER, name, box)
    if chance.random() < 0.3:
        key_id = ask("add_sealed_llm_key", lambda: keys.as_user(backend, sealed, user=ME, project=ROOM, attempts=1))
    else:
        (key_id,) = change("add_llm_key", (
            "SELECT tarx_keys.add_llm_key(%s, %s, %s, %s, NULL, %s)", ROOM, PROVIDER, name, value, json.dumps(options)))
    key = Key(key_id, name, value, priority)
    own_keys[key.id] = key


def update_key():
    key = some(own_keys.values())
    if key is None:
        return add_key()
    kind = chance.choice(("enabled", "priority", "name", "expires_at"))
    changes = {"enabled": not key.is_enabled(), "priority": chance.choice((50, 100, 150)),
               "name": f"{ME} key {next(serials)}", "expires_at": "2001-01-01T00:00:00Z"}
    given = {kind: changes[kind]} if kind != "enabled" or changes["enabled"] is False else {"enabled": True, "expires_at": None}
    change("update_llm_key", ("SELECT tarx_keys.update_llm_key(%s, %s, %s)", ROOM, key.id, json.dumps(given)))
    key.name, key.priority, key.cools_until = given.get("name", key.name), given.get("priority", key.priority), 0.0
    key.truth.becomes({"enabled": key.value if changes["enabled"] else "TK015", "expires_at": "TK015"}.get(kind, key.truth.now()))


def replace_key():
    old = some(key for key in own_keys.values() if key.is_enabled())
    if old is None:
        return add_key()
    serial = next(serials)
    name, value = f"{ME} key {serial}", new_value(serial)
    options = {"name": name, "headers": {"x-soak": f"{MARKER}-{serial}"}}

    def sealed(conn, _):
        box = sealing.seal_replacement(public_key(conn), ROOM, old.id, PROVIDER, value, destination=DESTINATION, options=options)
        return one(conn, "SELECT tarx_keys.replace_sealed_llm_key(%s, %s, %s)", ROOM, old.id, box)
    if chance.random() < 0.3:
        key_id = ask("replace_sealed_llm_key", lambda: keys.as_user(backend, sealed, user=ME, project=ROOM, attempts=1))
    else:
        (key_id,) = change("replace_llm_key", (
            "SELECT tarx_keys.replace_llm_key(%s, %s, %s, %s)", ROOM, old.id, value, json.dumps(options)))
    key = Key(key_id, name, value, old.priority)
    old.name = None  # with the time of the server
    old.truth.becomes("TK015")
    own_keys[key.id] = key
    for agent in own_agents.values():
        if agent.target.now() is old:
            agent.target.becomes(key)
    if len(own_keys) > MOST:
        delete_key(old)


def delete_key(key=None):
    key = key or some(own_keys.values())
    if key is None:
        return
    change("delete_llm_key", ("SELECT tarx_keys.delete_llm_key(%s, %s)", ROOM, key.id))
    key.truth.becomes("TK002")
    del own_keys[key.id]
    gone_keys.append(key)
    resolve_key(key)


def any_key():
    return some([*own_keys.values(), *own_keys.values(), *gone_keys])


def resolve_key(key=None):
    key = key or any_key()
    if key is None:
        return
    got = ask("resolve_key", lambda: keys.resolve_key(runner, project=ROOM, key=key.id, **pair()).value, "TK002", "TK015")
    check("resolve_key", got, key.truth.now())


def resolve_key_there():
    key = any_key()
    if key is None:
        return
    place = replayed()
    got = ask("resolve_key on the standby", lambda: keys.resolve_key(runner_there, project=ROOM, key=key.id, **pair()).value,
              "TK001", "TK002", "TK015")
    check_there("resolve_key on the standby", got, key.truth, place)


def resolve_keys():
    enabled = [key for key in own_keys.values() if key.is_enabled()]
    got = ask("resolve_keys", lambda: keys.transaction(runner, lambda conn: conn.execute(
        "SELECT key_id::text, key_value FROM tarx_keys.resolve_keys(%s, %s::uuid[])",
        (ROOM, [key.id for key in enabled])).fetchall()))
    check("resolve_keys", got, [(key.id, key.value) for key in enabled])


def requests():
    key = some(key for key in own_keys.values() if key.is_enabled())
    if key is None:
        return
    call = chance.choice(("models_request", "probe_request", "chat_request_base"))
    got = ask(call, lambda: keys.transaction(runner, lambda conn: one(
        conn, f"SELECT headers FROM tarx_keys.{call}(%s, %s)", ROOM, key.id)))
    check(call, got["Authorization"], f"Bearer {key.value}")
    # the header has the serial of the value
    check(call, got["x-soak"].rsplit("-", 1)[1], key.value.rsplit("-", 1)[1])


# Routing. Each client's keys are of a provider of its own.

class Refused(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status_code, self.headers = status, {"Retry-After": "3600"}


def chosen(tried):
    """The key that is next, and how many are left; None if there is none"""
    candidates = sorted((key for key in own_keys.values() if key.is_enabled() and key.id not in tried),
                        key=lambda key: (key.priority, key.id))
    usable = [key for key in candidates if key.cools_until == 0.0]
    if usable:
        return usable[0], len(usable) - 1
    return (min(candidates, key=lambda key: key.cools_until), 0) if candidates else None


def reported(key, status):
    until = {200: 0.0, 401: float("inf"), 429: time.time() + 3600}[status]
    if status == 200 or until > key.cools_until:
        key.cools_until = until


def route():
    tried, given = [], pair()
    wanted = chosen(tried)
    while wanted is not None:
        key, remaining = wanted
        got = ask("resolve_provider_key", lambda: keys.resolve_provider_key(
            runner, project=ROOM, provider=PROVIDER, tried=tried, **given))
        check("resolve_provider_key", (got.key_id, got.value, got.attempt, got.remaining),
              (key.id, key.value, len(tried) + 1, remaining))
        status = chance.choice((200, 401, 429))
        ask("report_key", lambda: keys.report_key(
            runner, project=ROOM, key=key.id, outcome=keys.outcome_of(Refused(status)) or "ok", retry_after=3600))
        reported(key, status)
        tried.append(key.id)
        if status == 200:
            return
        wanted = chosen(tried)
    got = ask("resolve_provider_key", lambda: keys.resolve_provider_key(
        runner, project=ROOM, provider=PROVIDER, tried=tried, **given), "TK014")
    check("resolve_provider_key", got, "TK014")


def fall_back():
    """What with_key() of the module does: which keys it tries, and what it says of them"""
    plan = [chance.choice((200, 401, 429)) for _ in range(len(own_keys) + 1)]
    wanted, tried = [], []
    while (choice := chosen(tried)) is not None:
        key, remaining = choice
        wanted.append(key.value)
        reported(key, plan[len(tried)])
        if plan[len(tried)] == 200 or remaining == 0:
            break
        tried.append(key.id)
    got = []

    def call(key):
        got.append(key.value)
        status = plan[len(got) - 1]
        if status != 200:
            raise Refused(status)
    calls["with_key"] += 1
    try:
        keys.with_key(runner, call, project=ROOM, provider=PROVIDER, **pair())
    except Refused:
        pass
    except keys.NoUsableKey as error:
        refusals[f"with_key {error.sqlstate}"] += 1
    check("with_key", got, wanted)


# Agents. Their target is a key, or PROVIDER, or nothing.

class Agent:
    def __init__(self, agent_id, target):
        self.id, self.target = str(agent_id), Truth("absent", target)
        self.epoch = self.target.history[-1][0]

    def wanted(self, target=None):
        target = target or self.target.now()
        if isinstance(target, Key):
            return target.truth.now()
        if target == PROVIDER:
            return chosen([])[0].value if chosen([]) else "TK014"
        return "TK003"


own_agents = {}


def some_target():
    enabled = [key for key in own_keys.values() if key.is_enabled()]
    return chance.choice([PROVIDER, *enabled])


def add_agent():
    if len(own_agents) >= MOST:
        return delete_agent()
    target = some_target()
    key_id, provider = (target.id, None) if isinstance(target, Key) else (None, target)
    (agent_id,) = change("create_agent", (
        "SELECT tarx_keys.create_agent(%s, %s, %s, %s)", ROOM, f"{ME} agent {next(serials)}", key_id, provider))
    agent = Agent(agent_id, target)
    own_agents[agent.id] = agent


def update_agent():
    agent = some(own_agents.values())
    if agent is None:
        return add_agent()
    if chance.random() < 0.2:
        change("rename_agent", ("SELECT tarx_keys.rename_agent(%s, %s, %s)", ROOM, agent.id, f"{ME} agent {next(serials)}"))
        return
    target = some_target()
    if isinstance(target, Key):
        change("set_agent_key", ("SELECT tarx_keys.set_agent_key(%s, %s, %s)", ROOM, agent.id, target.id))
    else:
        change("set_agent_provider", ("SELECT tarx_keys.set_agent_provider(%s, %s, %s)", ROOM, agent.id, target))
    agent.target.becomes(target)


def repoint_agents():
    old, new = any_key(), some(own_keys.values())
    if new is None or new is old:
        return
    pointed = [agent for agent in own_agents.values() if agent.target.now() is old]
    (count,) = change("repoint_agents", ("SELECT tarx_keys.repoint_agents(%s, %s, %s)", ROOM, old.id, new.id))
    check("repoint_agents", count, len(pointed))
    for agent in pointed:
        agent.target.becomes(new)


def delete_agent():
    agent = some(own_agents.values())
    if agent is None:
        return
    change("delete_agent", ("SELECT tarx_keys.delete_agent(%s, %s)", ROOM, agent.id))
    del own_agents[agent.id]
    got = ask("resolve_agent_key", lambda: keys.resolve_agent_key(runner, project=ROOM, agent=agent.id), "TK003")
    check("resolve_agent_key", got, "TK003")
    for ticket in tickets:
        if ticket.agent is agent:
            ticket.truth.becomes("TK016")


def resolve_agent_key():
    agent = some(own_agents.values())
    if agent is None:
        return
    got = ask("resolve_agent_key", lambda: keys.resolve_agent_key(runner, project=ROOM, agent=agent.id, **pair()).value,
              "TK002", "TK003", "TK014", "TK015")
    check("resolve_agent_key", got, agent.wanted())


def resolve_agent_key_there():
    agent = some(own_agents.values())
    if agent is None:
        return
    what, place = "resolve_agent_key on the standby", replayed()
    got = ask(what, lambda: keys.resolve_agent_key(runner_there, project=ROOM, agent=agent.id, **pair()).value,
              "TK001", "TK002", "TK003", "TK014", "TK015")
    wanted = set()
    for target in agent.target.may_be(place):
        if isinstance(target, Key):
            wanted.update(target.truth.may_be(place))
        elif target == PROVIDER:
            for key in [*own_keys.values(), *gone_keys]:
                wanted.update(answer for answer in key.truth.may_be(place) if answer == key.value)
            wanted.add("TK014")
        else:
            wanted.add("TK003")
    if got not in wanted:
        fault(what, f"{got!r} in place of one of {wanted!r}")


# Secrets. Their truth is the current value; versions are those that are kept.

class Secret:
    def __init__(self, value):
        self.versions, self.truth = {1: value}, Truth("TK011", value)

    def takes(self, version, value):
        self.versions[version] = value
        self.versions = {number: kept for number, kept in self.versions.items() if number > version - 5}
        self.truth.becomes(value)


own_secrets, gone_secrets = {}, collections.deque(maxlen=10)


def set_secret():
    names = sorted(own_secrets)
    name = chance.choice([*names, f"S{NUMBER}_{next(serials)}"] if len(names) < MOST else names)
    value = f"{MARKER}-secret-{name}-{next(serials)}"
    if chance.random() < 0.3:
        def sealed(conn, _):
            box = sealing.seal_secret(public_key(conn), ROOM, name, value)
            return one(conn, "SELECT tarx_keys.set_sealed_secret(%s, %s, %s)", ROOM, name, box)
        version = ask("set_sealed_secret", lambda: keys.as_user(backend, sealed, user=ME, project=ROOM, attempts=1))
    else:
        # in the transaction that has written it, the audit log has it already
        version, logged = change("set_secret", ("SELECT tarx_keys.set_secret(%s, %s, %s)", ROOM, name, value), (
            "SELECT revision FROM tarx_keys.project_audit WHERE action = 'secret.set' AND object_name = %s"
            " ORDER BY at DESC, seq DESC LIMIT 1", name))
        check("project_audit", logged, version)
    if name in own_secrets:
        check("set_secret", version, max(own_secrets[name].versions) + 1)
        own_secrets[name].takes(version, value)
    else:
        check("set_secret", version, 1)
        own_secrets[name] = Secret(value)


def change_secret():
    name = some(own_secrets)
    if name is None:
        return set_secret()
    secret, kind = own_secrets[name], chance.choice(("restore", "rename", "describe", "delete"))
    if kind == "restore":
        version = some(secret.versions)
        (new,) = change("restore_secret", ("SELECT tarx_keys.restore_secret(%s, %s, %s)", ROOM, name, version))
        check("restore_secret", new, max(secret.versions) + 1)
        secret.takes(new, secret.versions[version])
    elif kind == "rename":
        new_name = f"S{NUMBER}_{next(serials)}"
        change("rename_secret", ("SELECT tarx_keys.rename_secret(%s, %s, %s)", ROOM, name, new_name))
        own_secrets[new_name] = Secret(secret.truth.now())
        own_secrets[new_name].versions = secret.versions
        secret.truth.becomes("TK011")
        gone_secrets.append((name, own_secrets.pop(name)))
    elif kind == "describe":
        change("describe_secret", ("SELECT tarx_keys.describe_secret(%s, %s, %s)", ROOM, name, f"it {next(serials)}"))
    else:
        change("delete_secret", ("SELECT tarx_keys.delete_secret(%s, %s)", ROOM, name))
        secret.truth.becomes("TK011")
        gone_secrets.append((name, own_secrets.pop(name)))


def resolve_secret():
    found = some([*own_secrets.items(), *own_secrets.items(), *gone_secrets])
    if found is None:
        return
    name, secret = found
    got = ask("resolve_secret", lambda: keys.resolve_secret(runner, project=ROOM, name=name, **pair()), "TK011")
    check("resolve_secret", got, secret.truth.now())


def resolve_secret_there():
    found = some([*own_secrets.items(), *own_secrets.items(), *gone_secrets])
    if found is None:
        return
    (name, secret), place, what = found, replayed(), "resolve_secret on the standby"
    got = ask(what, lambda: keys.resolve_secret(runner_there, project=ROOM, name=name, **pair()), "TK011")
    check_there(what, got, secret.truth, place)


def resolve_secrets():
    names = chance.sample(sorted(own_secrets), min(3, len(own_secrets)))
    wanted = {name: own_secrets[name].truth.now() for name in names}
    if chance.random() < 0.5:
        got = ask("resolve_secrets", lambda: keys.resolve_secrets(runner, project=ROOM, names=names, **pair()))
        check("resolve_secrets", got, wanted)
    else:
        got = ask("render_template", lambda: keys.render_template(
            runner, project=ROOM, template="".join(f"<${{secrets.{name}}}>" for name in names) + " $${x}"))
        check("render_template", got, "".join(f"<{value}>" for value in wanted.values()) + " ${x}")


# Run tickets. Their truth is that they are entered, or the SQLSTATE.

class Ticket:
    def __init__(self, text, agent, secret, began):
        self.text, self.agent, self.secret, self.expires_at = text, agent, secret, began + SOAK["ticket_seconds"]
        self.truth = Truth("TK016", "entered")
        # it counts since its agent does
        self.truth.history[1] = (agent.epoch, "entered", began)

    def check_expired(self, what):
        if time.time() < self.expires_at:
            fault(what, "TK017 before its time")


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
    if got == "TK017":
        ticket.check_expired(what)
        tickets.remove(ticket)
    elif there:
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
    if got == "TK017":
        ticket.check_expired("renew_run_ticket")
        tickets.remove(ticket)
    elif got == "TK016":
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
    for each in tickets:
        if each.agent is ticket.agent and each.truth.now() == "entered":
            each.truth.becomes("TK016")
    ticket.agent.epoch = wal_of(backend, "pg_current_wal_flush_lsn")


# Platform keys. Their truth is the user, or the SQLSTATE.

class Token:
    def __init__(self, row, parent=None):
        self.id, self.text, self.parent, self.truth = str(row[0]), row[1], parent, Truth("TK010", ME)


tokens = collections.deque()


def login(db, what, **given):
    return ask(what, lambda: keys.as_user(db, lambda conn, person: person.user_id, project=ROOM, attempts=1, **given), "TK010")


def make_token():
    live = [token for token in tokens if token.truth.now() == ME]
    if len(live) >= MOST:
        return revoke_token()
    parent = some(live)
    if parent is None or chance.random() < 0.5:
        (row,) = change("create_platform_key", ("SELECT id, token FROM tarx_keys.create_platform_key('of the soak')",), project=None)
        tokens.append(Token(row))
    else:
        row = ask("create_platform_key after login", lambda: keys.as_user(web, lambda conn, _: one(
            conn, "SELECT id, token FROM tarx_keys.create_platform_key('of another')"), token=parent.text, attempts=1), "54000")
        if row != "54000":
            tokens.append(Token(row, parent))


def revoke_token():
    token = some(each for each in tokens if each.truth.now() == ME)
    if token is None:
        return
    change("revoke_platform_key", ("SELECT tarx_keys.revoke_platform_key(%s)", token.id), project=None)
    ended = {token}
    for each in tokens:  # in the order in which they were made
        if each in ended or each.parent in ended:
            ended.add(each)
            if each.truth.now() == ME:
                each.truth.becomes("TK010")
                check("login", login(web, "login", token=each.text), "TK010")
    while len(tokens) > 3 * MOST and tokens[0].truth.now() != ME:
        tokens.popleft()


def use_token():
    token = some(tokens)
    if token is None:
        return make_token()
    if chance.random() < 0.5:
        check("login", login(web, "login", token=token.text), token.truth.now())
    else:
        place = replayed()
        check_there("login on the standby", login(web_there, "login on the standby", token=token.text), token.truth, place)


def use_jwt():
    check("login_jwt", login(web, "login_jwt", jwt=SOAK["jwt"][NUMBER]), ME)


# Members and service accounts

guest = Truth("42501", "42501")


def guests():
    was = guest.now()
    role = chance.choice(("admin", "key_manager", "member", "viewer", None))
    if role is None and was == "42501":
        got = change("remove_member", ("SELECT tarx_keys.remove_member(%s, %s)", ROOM, GUEST), expected=("42704",))
        return check("remove_member", got, "42704")
    if role is None:
        change("remove_member", ("SELECT tarx_keys.remove_member(%s, %s)", ROOM, GUEST))
    else:
        change("add_member", ("SELECT tarx_keys.add_member(%s, %s, %s)", ROOM, GUEST, role))
    guest.becomes(role or "42501")
    visit()


def visit():
    role = guest.now()
    may_set = role in ("admin", "key_manager")
    got = change("set_secret by a guest", ("SELECT tarx_keys.set_secret(%s, %s, 'x')", ROOM, f"GUEST{NUMBER}"),
                 user=GUEST, expected=() if may_set else ("42501",))
    check("set_secret by a guest", got == "42501", not may_set)
    place = replayed()
    got = change("act_as on the standby", (
        "SELECT role FROM tarx_keys.project_members WHERE user_id = tarx_keys.current_user_id()",),
        user=GUEST, expected=("42501",), db=backend_there)
    check_there("act_as on the standby", got if got == "42501" else got[0], guest, place)


def service_accounts():
    (account,) = change("create_service_account", ("SELECT tarx_keys.create_service_account(%s, %s)", ROOM, f"{ME} build"))
    (row,) = change("create_service_account_key", (
        "SELECT id, token FROM tarx_keys.create_service_account_key(%s, %s, 'CI')", ROOM, account))
    check("login", login(web, "login", token=row[1]), account)
    change("delete_service_account", ("SELECT tarx_keys.delete_service_account(%s, %s)", ROOM, account))
    check("login", login(web, "login", token=row[1]), "TK010")


# Projects and users that end

def short_project():
    project = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    change("create_project", ("SELECT tarx_keys.create_project(%s, %s)", f"of {ME}", project), project=None)
    value = new_value(next(serials))
    key_id, _, agent, ticket = change(
        "fill a project",
        ("SELECT tarx_keys.add_llm_key(%s, %s, 'first', %s) AS key", project, PROVIDER, value),
        ("SELECT tarx_keys.set_secret(%s, 'TOKEN', %s)", project, value),
        ("SELECT tarx_keys.create_agent(%s, 'first', provider => %s)", project, PROVIDER),
        ("SELECT tarx_keys.issue_run_ticket(%s, (SELECT id FROM tarx_keys.agents), '1 minute', secret_names => '{TOKEN}')", project),
        project=project)
    in_run = lambda conn: one(conn, "SELECT key_value FROM tarx_keys.enter_run(%s) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id)", ticket)
    check("resolve in a run", ask("resolve in a run", lambda: keys.transaction(runner, in_run)), value)
    version = ask("project_version", lambda: keys.transaction(runner, lambda conn: one(
        conn, "SELECT tarx_keys.project_version(%s)", project)))
    change("revoke_run_tickets", ("SELECT tarx_keys.revoke_run_tickets(%s)", project), project=project)
    check("resolve in a run", ask("resolve in a run", lambda: keys.transaction(runner, in_run), "TK016"), "TK016")
    change("delete_project", ("SELECT tarx_keys.delete_project(%s)", project), project=None)
    # TK001 once it was purged
    got = ask("resolve_key", lambda: keys.resolve_key(runner, project=project, key=key_id).value, "TK001", "TK002")
    check("resolve_key", got in ("TK001", "TK002"), True)
    got = ask("resolve_secret", lambda: keys.resolve_secret(runner, project=project, name="TOKEN"), "TK011")
    check("resolve_secret", got, "TK011")
    check("project_version", version > 0, True)


def short_user():
    user = f"leaver{NUMBER}-{next(serials)}"
    (row,) = change("create_platform_key", ("SELECT id, token FROM tarx_keys.create_platform_key('of one who leaves')",),
                    user=user, project=None)
    change("add_member", ("SELECT tarx_keys.add_member(%s, %s, 'member')", ROOM, user))
    check("login", login(web, "login", token=row[1]), user)
    left = 2
    while left > 0:  # it leaves alone what others hold, and is called again then
        ended = ask("end_user", lambda: keys.transaction(ender, lambda conn: sum(one(conn, "SELECT * FROM tarx_keys.end_user(%s)", user))))
        left -= ended
    check("end_user", left, 0)
    check("login", login(web, "login", token=row[1]), "TK010")
    got = change("act_as", ("SELECT 1",), user=user, expected=("42501",))
    check("act_as", got, "42501")


# What everybody in a room changes. Values and headers have the room and the same serial.

def shared_value(serial):
    return f"{MARKER}-shared-{ROOM}-{serial}"


def check_shared(what, row):
    value, headers = row
    check(what, value, shared_value(headers["x-soak"]))


def shared():
    """One transaction with several changes of one project, so it waits for nobody who waits for it"""
    def work(conn, _):
        done = []
        rows = conn.execute("SELECT id, name FROM tarx_keys.llm_keys WHERE provider = 'soak' AND state = 'enabled' ORDER BY id").fetchall()
        for _ in range(chance.randrange(1, 4)):
            kind = chance.choice(("add", "replace", "delete", "update", "secret", "repoint", "agent"))
            serial = f"{NUMBER}x{next(serials)}"
            row, other = some(rows), some(rows)
            options = json.dumps({"name": serial, "headers": {"x-soak": serial}, "priority": chance.randrange(100)})
            if kind == "secret":
                one(conn, "SELECT tarx_keys.set_secret(%s, 'SHARED', %s)", ROOM, shared_value(serial))
            elif kind == "add" or row is None:
                if len(rows) < MOST:
                    one(conn, "SELECT tarx_keys.add_llm_key(%s, 'soak', %s, %s, NULL, %s)", ROOM, serial, shared_value(serial),
                        json.dumps({"headers": {"x-soak": serial}}))
            elif kind == "replace":
                one(conn, "SELECT tarx_keys.replace_llm_key(%s, %s, %s, %s)", ROOM, row[0], shared_value(serial), options)
                one(conn, "SELECT tarx_keys.delete_llm_key(%s, %s)", ROOM, row[0])
                done.append(str(row[0]))
                rows.remove(row)
            elif kind == "delete":
                one(conn, "SELECT tarx_keys.delete_llm_key(%s, %s)", ROOM, row[0])
                done.append(str(row[0]))
                rows.remove(row)
            elif kind == "update":
                one(conn, "SELECT tarx_keys.update_llm_key(%s, %s, %s)", ROOM, row[0], json.dumps({"priority": chance.randrange(100)}))
            elif kind == "repoint":
                one(conn, "SELECT tarx_keys.repoint_agents(%s, %s, %s)", ROOM, row[0], other[0])
            else:
                agent = chance.choice(SOAK["shared_agents"][ROOM])
                one(conn, "SELECT tarx_keys.set_agent_key(%s, %s, %s)", ROOM, agent, row[0])
        return done
    # others may have deleted what was listed
    deleted = ask("several changes of one project", lambda: keys.as_user(backend, work, user=ME, project=ROOM, attempts=1),
                  "TK001", "TK002", "40P01")
    if isinstance(deleted, list):
        for key_id in deleted:
            got = ask("resolve_key", lambda: keys.resolve_key(runner, project=ROOM, key=key_id).value, "TK002")
            check("resolve_key", got, "TK002")


def resolve_shared():
    agent, db = chance.choice(SOAK["shared_agents"][ROOM]), chance.choice((runner, runner_there))
    row = ask("resolve what is shared", lambda: keys.transaction(db, lambda conn: one(
        conn, "SELECT key_value, headers FROM tarx_keys.resolve_agent_key(%s, %s)", ROOM, agent)), "TK002", "TK003")
    if not isinstance(row, str):
        check_shared("resolve what is shared", row)
    row = ask("resolve what is shared", lambda: keys.transaction(db, lambda conn: one(
        conn, "SELECT key_value, headers FROM tarx_keys.resolve_provider_key(%s, 'soak')", ROOM)), "TK014")
    if row != "TK014":
        check_shared("resolve what is shared", row)
    value = ask("resolve what is shared", lambda: keys.resolve_secret(db, project=ROOM, name="SHARED"), "TK011")
    check("resolve what is shared", value == "TK011" or value.startswith(shared_value("")), True)


# Two projects in one transaction, stricter isolation

def two_projects():
    """In one order nobody waits for a circle; in any order two may."""
    in_order = chance.random() < 0.7
    rooms = sorted((ROOM, NEXT_ROOM), reverse=not in_order and chance.random() < 0.5)
    what = f"two projects in {'one' if in_order else 'any'} order"
    change(what, *(("SELECT tarx_keys.set_secret(%s, %s, %s)", room, f"TWO{NUMBER}", f"{MARKER}-two-{room}") for room in rooms),
           project=None, expected=() if in_order else ("40P01",))
    name = f"TWO{NUMBER}"
    value = ask("resolve_secret", lambda: keys.resolve_secret(runner, project=NEXT_ROOM, name=name), "TK011")
    check("resolve_secret", value in ("TK011", f"{MARKER}-two-{NEXT_ROOM}"), True)


def stricter():
    level = chance.choice(("REPEATABLE READ", "SERIALIZABLE"))

    def work(conn):
        conn.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        keys.sign_in(conn, user=ME, project=ROOM)
        return one(conn, "SELECT tarx_keys.set_secret(%s, 'STRICT', %s)", ROOM, shared_value(level[0]))
    ask(f"set_secret in {level}", lambda: keys.transaction(backend, work, attempts=1), "40001")


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
    place = wal_of(backend, "pg_current_wal_flush_lsn")
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


end = time.time() + SECONDS
actions, weights = list(WEIGHTS), list(WEIGHTS.values())
while time.time() < end:
    action = chance.choices(actions, weights)[0]
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
               "longest_stale": longest_stale}, output)
