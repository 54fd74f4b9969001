"""LLM keys, their routing, and agents. Each client's keys are of a provider of its own."""

import collections
import json
import time

import sealing
import tarx_keys as keys
from answers import (
    DESTINATION, MARKER, ME, MOST, NUMBER, PROVIDER, ROOM, Truth, ask, backend, calls, chance, change, check,
    check_there, fault, one, pair, place_now, public_key, refusals, replayed, runner, runner_there, serials,
    some)


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
    resolve_key_there(key)
    resolve_key(key)


def any_key():
    return some([*own_keys.values(), *own_keys.values(), *gone_keys])


def resolve_key(key=None):
    key = key or any_key()
    if key is None:
        return
    got = ask("resolve_key", lambda: keys.resolve_key(runner, project=ROOM, key=key.id, **pair()).value, "TK002", "TK015")
    check("resolve_key", got, key.truth.now())


def resolve_key_there(key=None):
    key = key or any_key()
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
        # runs' tickets, and since when in the WAL they count
        self.tickets, self.epoch = [], self.target.history[-1][0]

    def ends_tickets(self):
        for ticket in self.tickets:
            ticket.truth.becomes("TK016")
        self.tickets, self.epoch = [], place_now()

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
    agent.ends_tickets()


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
