"""What a client of the soak asks, what it is answered, and what is right

It has the servers' pools, counts what happened, and knows of an answer of the standby whether it
may still be, or already.
"""

import collections
import json
import os
import random
import sys
import time

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
stale_for = []  # in seconds
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


def place_now():
    """Behind all that was committed"""
    return wal_of(backend, "pg_current_wal_flush_lsn")


def replayed():
    """Where the standby is"""
    return wal_of(runner_there, "pg_last_wal_replay_lsn")


class Truth:
    """What something answers, and from what place in the WAL on for sure"""

    def __init__(self, before, now, place=None):
        self.history = [(0, before, 0.0)]
        self.becomes(now, place)

    def becomes(self, answer, place=None):
        self.history.append((place_now() if place is None else place, answer, time.time()))

    def now(self):
        return self.history[-1][1]

    def may_be(self, replayed):
        """What a standby may answer that had replayed so much before"""
        first = max(i for i, (place, _, _) in enumerate(self.history) if place <= replayed)
        return [answer for _, answer, _ in self.history[first:]]


def check_there(what, got, truth, place):
    if got not in truth.may_be(place):
        fault(what, f"{got!r} in place of one of {truth.may_be(place)!r}")
    elif got != truth.now():
        stale[what] += 1
        stale_for.append(time.time() - truth.history[-1][2])


def some(things):
    things = list(things)
    return chance.choice(things) if things else None


def pair():
    """Every third time what is resolved comes in a box."""
    return {"private_key": PRIVATE_KEY} if chance.random() < 0.3 else {}


def public_key(conn):
    return bytes(one(conn, "SELECT public_key FROM tarx_keys.sealing_public_key()"))
