# examples/client/tarx_keys.py, in the ways that its README shows, through a pooler if there is one.

import json
import pathlib
import pickle
import sys
import time
import traceback
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "../../../examples/client"))

import psycopg
import sealing
import tarx_keys as keys
from check import AT_AN_ARGUMENT, PROJECT, VALUE, check, failure_of, in_traceback

backend = keys.open_pool("user=client_backend", min_size=1, max_size=5)
web = keys.open_pool("user=client_web", min_size=1)
runner = keys.open_pool("user=client_runner", min_size=1, max_size=5)


def kind_of(error):
    return type(error).__name__, getattr(error, "sqlstate", None)


def until(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.025)


def as_alice(statement, *values):
    return keys.as_user(backend, lambda conn, _: conn.execute(statement, (PROJECT, *values)).fetchone(), user="alice", project=PROJECT)


def visible(error, seen=()):
    """Whether the value is in an error, or in any that hangs on it"""
    if error is None or error in seen:
        return False
    texts = [str(error), repr(error), str(error.args), str(vars(error)), str(getattr(error, "diag", None) and error.diag.message_primary)]
    return any(VALUE in text for text in texts) or in_traceback(error) or any(
        visible(each, (*seen, error)) for each in (error.__cause__, error.__context__))


# Sealing, opening, and in clear

public_key = keys.as_user(backend, lambda conn, _: keys.sealing_public_key(conn), user="alice")
(destination,) = as_alice("SELECT default_base_url FROM tarx_keys.providers WHERE slug = 'mistral' AND %s::uuid IS NOT NULL")
box = sealing.seal_llm_key(public_key, PROJECT, "mistral", "By the client", VALUE,
                           destination=destination, options={"priority": 50, "headers": {"x-team": "blue"}})
(first,) = as_alice("SELECT tarx_keys.add_sealed_llm_key(%s, 'mistral', 'By the client', %s)", box)
box = sealing.seal_replacement(public_key, PROJECT, str(first), "mistral", VALUE, destination=destination, options={"name": "Replaced"})
(key_id,) = as_alice("SELECT tarx_keys.replace_sealed_llm_key(%s, %s, %s)", first, box)
box = sealing.seal_secret(public_key, PROJECT, "BY_CLIENT", VALUE)
check("the database opens the box of a secret", as_alice("SELECT tarx_keys.set_sealed_secret(%s, 'BY_CLIENT', %s)", box), (1,))
(agent,) = as_alice("SELECT tarx_keys.create_agent(%s, 'Of the client', %s)", key_id)
error = failure_of(lambda: sealing.seal_secret(public_key, PROJECT, "BY_CLIENT", VALUE + "\udcff"))
check("an error of sealing has no value", (VALUE in repr(error), type(error), error.__context__), (False, ValueError, None))
private_key = sealing.new_private_key()
for how, pair in ("in clear", {}), ("in a box", {"private_key": private_key}):
    resolved = [
        keys.resolve_key(runner, project=PROJECT, key=key_id, **pair),
        keys.resolve_agent_key(runner, project=PROJECT, agent=str(agent), **pair),
        keys.resolve_provider_key(runner, project=PROJECT, provider="mistral", **pair)]
    check(f"a key resolves, {how}",
          [(key.key_id, key.provider, key.name, key.base_url, key.headers, key.value == VALUE) for key in resolved],
          [(str(key_id), "mistral", "Replaced", destination, {"x-team": "blue"}, True)] * 3)
    check(f"it is not printed, {how}", VALUE in repr(resolved), False)
    check(f"a provider's key counts, {how}", (resolved[2].attempt, resolved[2].remaining), (1, 1))
    check(f"a secret, {how}", keys.resolve_secret(runner, project=PROJECT, name="BY_CLIENT", **pair) == VALUE)
    for names in None, ["BY_CLIENT"]:
        secrets = keys.resolve_secrets(runner, project=PROJECT, names=names, **pair)
        check(f"{'one of the' if names else 'all'} secrets, {how}", secrets["BY_CLIENT"] == VALUE and (names is None or len(secrets) == 1))
    check(f"a secret that is not there, {how}",
          kind_of(failure_of(lambda: keys.resolve_secret(runner, project=PROJECT, name="NONE", **pair))), ("SecretGone", "TK011"))
check("a template", keys.render_template(runner, project=PROJECT, template="a ${secrets.BY_CLIENT}") == f"a {VALUE}")
request = keys.resolve_agent_key(runner, project=PROJECT, agent=agent, private_key=private_key).request
check("a box has what a request needs", (request.base_url, request.headers == {"x-team": "blue", "Authorization": f"Bearer {VALUE}"}),
      (destination, True))

# Errors without values

WRONG = "SELECT %s::text::uuid"


def wrong(conn):
    conn.execute(WRONG, (VALUE,))


with psycopg.connect("user=client_backend") as conn:
    check("psycopg's own error has the value", visible(failure_of(lambda: wrong(conn))))
error = failure_of(lambda: keys.transaction(backend, wrong))
check("an error of a transaction has it not", (visible(error), *kind_of(error)), (False, "KeysError", "22P02"))
check("and no other error hangs on it", (error.__cause__, error.__context__), (None, None))
error = failure_of(lambda: keys.transaction(backend, lambda conn: keys.savepoint(conn, wrong)))
check("nor that of a savepoint", (visible(error), error.sqlstate), (False, "22P02"))
error = failure_of(lambda: keys.resolve_key(runner, project=PROJECT, key=VALUE))
check("nor that of a resolve with arguments in the wrong order", (visible(error), error.sqlstate), (False, "22P02"))
error = failure_of(lambda: as_alice("SELECT tarx_keys.set_secret(%s, 'X', %s)", VALUE + "\udcff"))
check("nor that of a text that cannot be sent", (visible(error), getattr(error, "sqlstate", None)), (False, "22021"))


def encode(_):
    return (VALUE + "\u0142").encode("latin-1")


error = failure_of(lambda: keys.transaction(backend, encode))
check("of one that the work cannot encode, the traceback says where",
      (visible(error), error.sqlstate, "encode" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]), (False, "22021", True))


def add(who, name, value=VALUE):
    return failure_of(lambda: keys.as_user(
        backend, lambda conn, _: conn.execute("SELECT tarx_keys.add_llm_key(%s, 'mistral', %s, %s)", (PROJECT, name, value)),
        user=who, project=PROJECT))


error = add("bob", "Refused")
check("what a member may not", (visible(error), *kind_of(error), error.hint is not None), (False, "NotAllowed", "42501", True))
error = add("alice", "Replaced")
check("a name that is taken", (visible(error), *kind_of(error)), (False, "NameTaken", "23505"))
error = add("alice", "Bad", f"Bearer {VALUE}")
check("a bad argument is named, with what to do", (visible(error), *kind_of(error), error.column, error.hint is not None),
      (False, "BadInput", "22023", "key_value", True))
check("a process hands it on to another", vars(pickle.loads(pickle.dumps(error))), vars(error))
error = failure_of(lambda: keys.transaction(backend, lambda conn: conn.execute(AT_AN_ARGUMENT)))
check("its text is the database's", (str(error), error.hint), ("not accepted", "Choose another."))


def own(_):
    raise LookupError("of the application")


check("an error of the application stays", type(failure_of(lambda: keys.transaction(backend, own))), LookupError)

# Who acts

(token,) = keys.as_user(backend, lambda conn, _: conn.execute("SELECT token FROM tarx_keys.create_platform_key('client')").fetchone(), user="bob")
check("a token proves who it is", keys.as_user(web, lambda conn, person: person, token=token, project=PROJECT), keys.Person("bob", "member"))
for what in "token", "jwt":
    error = failure_of(lambda: keys.as_user(web, lambda conn, person: person, **{what: VALUE}))
    check(f"a wrong {what} does not", (visible(error), *kind_of(error)), (False, "LoginEnded", "TK010"))
check("two at once are refused", type(failure_of(lambda: keys.as_user(backend, lambda conn, _: None, user="alice", token=token))), TypeError)
with backend.connection() as conn:
    check("nobody acts afterwards", conn.execute("SELECT tarx_keys.current_user_id()").fetchone(), (None,))

# A refused resolve in the caller's transaction


def refusals(conn):
    conn.execute("UPDATE jobs SET error = 'before' WHERE id = 4")
    return [type(failure_of(call)).__name__ for call in (
        lambda: keys.resolve_key(conn, project=PROJECT, key=PROJECT), lambda: keys.resolve_agent_key(conn, project=PROJECT, agent=PROJECT),
        lambda: keys.resolve_provider_key(conn, project=PROJECT, provider="groq"),
        lambda: keys.resolve_secret(conn, project=PROJECT, name="NONE"),
        lambda: keys.render_template(conn, project=PROJECT, template="${secrets.NONE}"))]


check("each refused resolve has its class", keys.transaction(runner, refusals),
      ["KeyGone", "AgentGone", "NoUsableKey", "SecretGone", "SecretGone"])
with runner.connection() as conn:
    check("what was before them is kept", conn.execute("SELECT error FROM jobs WHERE id = 4").fetchone(), ("before",))
error = failure_of(lambda: keys.transaction(backend, lambda conn: failure_of(lambda: conn.execute("SELECT 1 / 0")) and None))
check("an error that was ignored", str(error), "rolled back, because an error was ignored")

# Again after 40001, and only then

tries = 0


def set_secret(conn, _=None):
    return conn.execute("SELECT tarx_keys.set_secret(%s, 'AGAIN', 'x')", (PROJECT,)).fetchone()


def in_new():
    return keys.as_user(backend, set_secret, user="alice", project=PROJECT)


def lose(conn, always):
    global tries
    tries += 1
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    keys.sign_in(conn, user="alice", project=PROJECT)
    if always or tries == 1:
        in_new()
    return set_secret(conn)


in_new()
version = keys.transaction(backend, lambda conn: lose(conn, False))
check("a transaction runs again after 40001", (tries, version), (2, (3,)))
tries = 0
error = failure_of(lambda: keys.transaction(backend, lambda conn: lose(conn, True), attempts=3))
check("as often as was said", (tries, *kind_of(error)), (3, "TryAgain", "40001"))
tries = 0


def divide(conn):
    global tries
    tries += 1
    conn.execute("SELECT 1 / 0")


failure_of(lambda: keys.transaction(backend, divide))
check("another error is final", tries, 1)

# Keys in turn

as_alice("SELECT tarx_keys.delete_llm_key(%s, %s)", key_id)
calls = 0


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


opener = urllib.request.build_opener(NoRedirects)


def post(path):
    def call(key):
        global calls
        calls += 1
        body = {"model": "mistral-large-latest", "messages": [{"role": "user", "content": "ping"}]}
        sent = urllib.request.Request(key.request.base_url + path, json.dumps(body).encode(),
                                      {**key.request.headers, "Content-Type": "application/json"})
        with opener.open(sent, timeout=2) as response:
            return response.read().decode()
    return call


def health_of(key):
    return as_alice("SELECT health, extract(epoch FROM cooling_until - health_at)::int"
                    "  FROM tarx_keys.llm_keys WHERE project_id = %s AND id = %s", key)


def add_first(word):
    return as_alice("SELECT tarx_keys.add_llm_key(%s, 'mistral', %s, %s, options => %s)",
                    f"Client, {word}", f"not-a-real-key-{word}-0123456789", '{"priority": 1}')[0]


def enable(is_enabled):
    as_alice("SELECT tarx_keys.update_llm_key(%s, %s, jsonb_build_object('enabled', %s))", good, is_enabled)


def say(**what):
    return keys.with_key(runner, post("/chat/completions"), project=PROJECT, **(what or {"provider": "mistral", "model": "mistral-large-latest"}))


(good,) = as_alice("SELECT id FROM tarx_keys.llm_keys WHERE project_id = %s AND name = 'of mistral'")
(by_provider,) = as_alice("SELECT tarx_keys.create_agent(%s, 'By provider', provider => 'mistral')")
failures = {"limited": ("cooling", 120), "refused": ("rejected", None), "unpaid": ("quota", 300), "broken": ("cooling", 10), "silent": ("cooling", 10)}
for word, expected in failures.items():
    failing = add_first(word)
    check(f"{word}: the next key answers", "pong" in say())
    check(f"{word}: it is known of the key, and of the one that answered", (health_of(failing), health_of(good)), (expected, ("ok", None)))
    as_alice("SELECT tarx_keys.delete_llm_key(%s, %s)", failing)
rejected = add_first("refused")
check("by an agent", "pong" in say(agent=by_provider))
check("it is known as well", health_of(rejected), ("rejected", None))
calls = 0
error = failure_of(lambda: keys.with_key(runner, post("/nowhere"), project=PROJECT, provider="mistral"))
check("a wrong request is tried once", (error.code, calls), (404, 1))
error = failure_of(lambda: keys.with_key(runner, lambda key: {}["x"], project=PROJECT, provider="mistral"))
check("so is a mistake of the program, which says nothing of the key", (type(error), health_of(good)), (KeyError, ("ok", None)))
check("with boxes", "pong" in say(provider="mistral", private_key=private_key))
enable(False)
(own_agent,) = as_alice("SELECT tarx_keys.create_agent(%s, 'Own', %s)", rejected)
check("the last key fails as the provider says", failure_of(say).code, 401)
check("so does an agent's own", failure_of(lambda: say(agent=own_agent)).code, 401)


def answer_at_the_end(key):
    as_alice("SELECT tarx_keys.delete_llm_key(%s, %s)", rejected)
    return "answered"


check("a report of a key that is gone is no failure", keys.with_key(runner, answer_at_the_end, project=PROJECT, provider="mistral"), "answered")
check("without any key", kind_of(failure_of(say)), ("NoUsableKey", "TK014"))
enable(True)

# A run

(ticket,) = as_alice("SELECT tarx_keys.issue_run_ticket(%s, %s, lifetime => '2 seconds', secret_names => '{BY_CLIENT}')", by_provider)


def state_of_the_first():
    return getattr(failure_of(lambda: keys.transaction(runner, lambda conn: conn.execute("SELECT FROM tarx_keys.enter_run(%s)", (ticket,)))), "sqlstate", None)


def in_run(conn):
    other = failure_of(lambda: keys.resolve_agent_key(conn, project=PROJECT, agent=own_agent))
    return type(other).__name__, keys.resolve_secret(conn, project=PROJECT, name="BY_CLIENT") == VALUE


with keys.run_of(runner, ticket, lifetime=2) as run:
    check("a run is entered", (run.project, run.agent, run.user), (PROJECT, str(by_provider), "alice"))
    until(lambda: state_of_the_first() == "TK017")
    check("it outlasts its first ticket", run.ticket != ticket)
    check("in it another agent is refused, without an end of the transaction", run.transaction(in_run), ("NotAllowed", True))
    answer = keys.with_key(run, post("/chat/completions"), project=run.project, agent=run.agent)
    check("keys in turn go on in a run", "pong" in answer)
    as_alice("SELECT tarx_keys.revoke_run_tickets(%s, %s)", by_provider)
    check("until it is revoked", kind_of(failure_of(lambda: run.transaction(in_run))), ("RunEnded", "TK016"))


def enter_none():
    with keys.run_of(runner, VALUE):
        pass


error = failure_of(enter_none)
check("a ticket that is none", (visible(error), *kind_of(error)), (False, "RunEnded", "TK016"))

# A connection that the server ends


def idle(conn):
    conn.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
    time.sleep(0.5)
    conn.execute("SELECT 1")


check("a connection that the server has ended", failure_of(lambda: keys.transaction(backend, idle)) is not None)
check("the next transaction gets another", as_alice("SELECT 1, %s::uuid")[0], 1)

for secret in "BY_CLIENT", "AGAIN":
    as_alice("SELECT tarx_keys.delete_secret(%s, %s)", secret)
for pool in backend, web, runner:
    pool.close()
print("done")
