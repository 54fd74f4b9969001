"""What everybody in a room changes, several projects in one transaction, stricter isolation"""

import json

import tarx_keys as keys
from answers import (
    MARKER, ME, MOST, NEXT_ROOM, NUMBER, ROOM, SOAK, ask, backend, chance, change, check, one, runner,
    runner_there, serials, some)


# What everybody in a room changes. Values and headers have the room and the same serial.

def shared_value(serial):
    return f"{MARKER}-shared-{ROOM}-{serial}"


def check_shared(what, row):
    value, headers = row
    check(what, value, shared_value(headers["x-soak"]))


def change_shared(conn, rows):
    """One call, of what others may change at the same time; the key that it has deleted, or None"""
    serial, row, other = f"{NUMBER}x{next(serials)}", some(rows), some(rows)
    kind = chance.choice(("add", "replace", "delete", "update", "secret", "repoint", "agent"))
    options = {"headers": {"x-soak": serial}}
    if kind == "secret":
        one(conn, "SELECT tarx_keys.set_secret(%s, 'SHARED', %s)", ROOM, shared_value(serial))
    elif row is None or kind == "add" and len(rows) < MOST:
        one(conn, "SELECT tarx_keys.add_llm_key(%s, 'soak', %s, %s, NULL, %s)", ROOM, serial, shared_value(serial), json.dumps(options))
    elif kind == "replace" and len(rows) < MOST:
        one(conn, "SELECT tarx_keys.replace_llm_key(%s, %s, %s, %s)", ROOM, row, shared_value(serial),
            json.dumps({"name": serial, **options}))
    elif kind == "update":
        one(conn, "SELECT tarx_keys.update_llm_key(%s, %s, %s)", ROOM, row, json.dumps({"priority": chance.randrange(100)}))
    elif kind == "repoint":
        one(conn, "SELECT tarx_keys.repoint_agents(%s, %s, %s)", ROOM, row, other)
    elif kind == "agent":
        one(conn, "SELECT tarx_keys.set_agent_key(%s, %s, %s)", ROOM, chance.choice(SOAK["shared_agents"][ROOM]), row)
    else:
        one(conn, "SELECT tarx_keys.delete_llm_key(%s, %s)", ROOM, row)
        rows.remove(row)
        return row
    return None


def shared():
    """Where all transactions make one call, nobody waits in a circle; where they make several, they may."""
    calls = 1 if ROOM in SOAK["rooms"][:2] else chance.choice((2, 3))
    what, expected = ("one change of a project", ()) if calls == 1 else ("several changes of one project", ("40P01",))

    def work(conn, _):
        rows = [row[0] for row in conn.execute("SELECT id FROM tarx_keys.llm_keys WHERE provider = 'soak' ORDER BY id").fetchall()]
        return [change_shared(conn, rows) for _ in range(calls)]
    # others may have deleted what was listed
    done = ask(what, lambda: keys.as_user(backend, work, user=ME, project=ROOM, attempts=1), "TK001", "TK002", *expected)
    for deleted in filter(None, done if isinstance(done, list) else ()):
        got = ask("resolve_key", lambda: keys.resolve_key(runner, project=ROOM, key=deleted).value, "TK002")
        check("resolve_key", got, "TK002")


def resolve_shared():
    agent, db = chance.choice(SOAK["shared_agents"][ROOM]), chance.choice((runner, runner_there))
    row = ask("resolve what is shared", lambda: keys.transaction(db, lambda conn: one(
        conn, "SELECT key_value, headers FROM tarx_keys.resolve_agent_key(%s, %s)", ROOM, agent)), "TK002", "TK003", "TK015")
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
