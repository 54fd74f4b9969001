# psycopg 3, with examples/client. What stands between "doc:" and "end" is in
# docs/integration.md.

import pathlib
import select
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "../../../examples/client"))

import tarx_keys
from check import AT_AN_ARGUMENT, PROJECT, VALUE, check, failure_of, in_traceback, is_in

# doc: psycopg
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool

backend = ConnectionPool("user=app_backend", max_size=10, open=True)
runner = ConnectionPool("user=app_runner", max_size=10, open=True)


@contextmanager
def as_user(user_id, project_id):
    with backend.connection() as conn:  # COMMIT at the end, ROLLBACK after an error
        conn.execute("SELECT tarx_keys.act_as(%s, %s)", (user_id, project_id))
        yield conn


def add_key(user_id, project_id, provider, name, value):
    with as_user(user_id, project_id) as conn:
        (key_id,) = conn.execute(
            "SELECT tarx_keys.add_llm_key(%s, %s, %s, %s)", (project_id, provider, name, value)
        ).fetchone()
        return key_id


def list_keys(user_id, project_id):
    with as_user(user_id, project_id) as conn:
        return conn.execute(
            "SELECT id, name, provider, masked_key, status, agent_count, created_at"
            "  FROM tarx_keys.llm_keys ORDER BY name COLLATE tarx_keys.people, id"
        ).fetchall()
# end


# doc: a job with psycopg
RESOLVE = """
    SELECT k.provider, c.base_url, c.headers
      FROM tarx_keys.resolve_agent_key(%(project_id)s, %(agent_id)s) k,
           tarx_keys.chat_request_base(%(project_id)s, k.key_id) c"""


def next_job():
    with runner.connection() as conn:
        job = conn.execute(
            "SELECT id, project_id, agent_id FROM jobs"
            " WHERE status = 'waiting' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        ).fetchone()
        if job is None:
            return None
        job_id, project_id, agent_id = job
        try:
            with conn.transaction():  # a savepoint, because one is open
                request = conn.execute(RESOLVE, {"project_id": project_id, "agent_id": agent_id}).fetchone()
        except psycopg.Error as error:
            conn.execute(
                "UPDATE jobs SET status = 'failed', error = %s WHERE id = %s", (error.sqlstate, job_id))
            return job_id, None
        conn.execute("UPDATE jobs SET status = 'running' WHERE id = %s", (job_id,))
        return job_id, request
# end


# doc: a run with a ticket
REQUEST = """
    SELECT k.provider, c.base_url, c.headers
      FROM tarx_keys.enter_run(%s) r,
           tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k,
           tarx_keys.chat_request_base(r.project_id, k.key_id) c"""


def start_run(user_id, project_id, agent_id):
    with as_user(user_id, project_id) as conn:
        (ticket,) = conn.execute(
            "SELECT tarx_keys.issue_run_ticket(%s, %s, lifetime => '5 minutes', runner_role => 'app_runner')",
            (project_id, agent_id)).fetchone()
        return ticket  # for the runner, and for nobody else


def request_of(ticket):
    with runner.connection() as conn:
        return conn.execute(REQUEST, (ticket,)).fetchone()
# end


# doc: a longer run, in Python
def long_run(ticket, call):
    with tarx_keys.run_of(runner, ticket) as run:
        secrets = run.transaction(
            lambda conn: tarx_keys.resolve_secrets(conn, project=run.project, names=["SHOP_TOKEN"]))
        return tarx_keys.with_key(run, lambda key: call(key, secrets), project=run.project, agent=run.agent)
# end


# doc: requests with urllib
import json
import urllib.request


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None  # it would take the key along: an HTTPError instead


opener = urllib.request.build_opener(NoRedirects)


def send(method, url, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers = {**headers, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with opener.open(request, timeout=60) as response:
        return json.load(response)


def post(base_url, headers, path, body):
    return send("POST", base_url + path, headers, body)


def list_models(project_id, key_id):
    with runner.connection() as conn:
        requests = conn.execute(
            "SELECT method, url, headers FROM tarx_keys.models_request(%s, %s)", (project_id, key_id)
        ).fetchall()
    refusal = OSError("the provider lists no models")
    for request in requests:  # the first that is answered counts
        try:
            return send(*request)
        except OSError as error:  # HTTPError is one
            refusal = error
    raise refusal
# end


# doc: keys in turn, in Python
def ask(project_id, provider, model, path, body):
    return tarx_keys.with_key(
        runner, lambda key: post(key.request.base_url, key.request.headers, path, body),
        project=project_id, provider=provider, model=model)
# end


def who_next(pool):
    with pool.connection() as conn:
        return conn.execute("SELECT tarx_keys.current_user_id()").fetchone()[0]


def main():
    # The shape of a request
    key_id = add_key("alice", PROJECT, "openai", "By psycopg", VALUE)
    (row,) = [row for row in list_keys("bob", PROJECT) if row[0] == key_id]
    check("an admin adds a key, a member lists it", (row[1], is_in(row)), ("By psycopg", False))
    refused = failure_of(lambda: add_key("bob", PROJECT, "openai", "Refused", VALUE))
    check("a member is refused to add", refused.sqlstate, "42501")
    check("it is an InsufficientPrivilege", isinstance(refused, psycopg.errors.InsufficientPrivilege))

    def name_argument():
        with backend.connection() as conn:
            conn.execute(AT_AN_ARGUMENT)
    named = failure_of(name_argument)
    check("an error names the argument", (named.sqlstate, named.diag.column_name, named.diag.message_hint),
          ("22023", "base_url", "Choose another."))
    check("a state of ours is a DatabaseError",
          [(type(error), error.sqlstate) for error in [failure_of(lambda: list_models(PROJECT, PROJECT))]],
          [(psycopg.DatabaseError, "TK001")])
    check("nothing is left of who acted", who_next(backend), None)

    def swallow():
        with as_user("bob", PROJECT) as conn:
            conn.execute("SELECT tarx_keys.create_agent(%s, %s)", (PROJECT, "Swallowed"))
            failure_of(lambda: conn.execute("SELECT tarx_keys.delete_llm_key(%s, %s)", (PROJECT, key_id)))
    check("an error that was ignored raises nothing at the end", failure_of(swallow), None)
    with as_user("bob", PROJECT) as conn:
        count = conn.execute("SELECT count(*) FROM tarx_keys.agents WHERE name = 'Swallowed'").fetchone()
    check("it has undone what was before", count, (0,))

    # Types
    with as_user("bob", PROJECT) as conn:
        void = conn.execute("SELECT tarx_keys.act_as('bob')").fetchone()
    check("void is an empty string", void, ("",))
    check("uuid, bigint and timestamptz", [type(value).__name__ for value in (row[0], row[5], row[6])],
          ["UUID", "int", "datetime"])
    check("times have a zone", row[6].tzinfo is not None)

    # A connection that goes back without COMMIT, and one that breaks
    with ConnectionPool("user=app_backend", min_size=1, max_size=1, open=True) as one:
        conn = one.getconn()
        conn.execute("SELECT tarx_keys.act_as('alice')")
        one.putconn(conn)
        check("the pool rolls back what comes without COMMIT", who_next(one), None)

        def idle():
            with one.connection() as conn:
                conn.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
                select.select([conn.fileno()], [], [])
                conn.execute("SELECT 1")
        check("the server has ended a connection in use", isinstance(failure_of(idle), psycopg.Error))
        check("the next request gets another", who_next(one), None)

    # A runner
    for status, error in ("running", None), ("failed", "TK003"):
        job_id, request = next_job()
        with runner.connection() as conn:
            job = conn.execute("SELECT status, error FROM jobs WHERE id = %s", (job_id,)).fetchone()
        check(f"a job is marked {status}", (job, request is None), ((status, error), error is not None))
    check("no job is left", next_job(), None)

    def abort():
        with runner.connection() as conn:
            failure_of(lambda: conn.execute(RESOLVE, {"project_id": PROJECT, "agent_id": PROJECT}))
            conn.execute("SELECT 1")
    check("without a savepoint the transaction is over", failure_of(abort).sqlstate, "25P02")

    message = [{"role": "user", "content": "ping"}]
    bodies = {
        "anthropic": ("/v1/messages", {"model": "claude-haiku-5", "max_tokens": 10, "messages": message}),
        "google_ai": ("/v1beta/models/gemini-4-flash:generateContent", {"contents": [{"parts": [{"text": "ping"}]}]}),
    }
    keys = [key for key in list_keys("bob", PROJECT) if key[1].startswith("of ")]
    check("there is a key of each provider", len(keys), 7)
    for key in keys:
        with runner.connection() as conn:
            base_url, headers = conn.execute(
                "SELECT base_url, headers FROM tarx_keys.chat_request_base(%s, %s)", (PROJECT, key[0])).fetchone()
        path, body = bodies.get(key[2], ("/chat/completions", {"model": "gpt-6", "messages": message}))
        check(f"{key[2]}: a call", "pong" in json.dumps(post(base_url, headers, path, body)))
        models = list_models(PROJECT, key[0])
        check(f"{key[2]}: its models", len(models.get("data") or models.get("models")) > 0)
    moved = add_key("alice", PROJECT, "openai", "Moved, psycopg", "sk-moved-0123456789")
    check("a redirect is not followed", failure_of(lambda: list_models(PROJECT, moved)).code, 302)

    # Keys in turn: one that fails before one that works; client.py has the other ways
    chat = ("/chat/completions", {"model": "mistral-large-latest", "messages": message})

    def say():
        return ask(PROJECT, "mistral", chat[1]["model"], *chat)

    def as_alice(statement, *values):
        with as_user("alice", PROJECT) as conn:
            return conn.execute(statement, (PROJECT, *values)).fetchone()

    def add_first(word):
        return as_alice("SELECT tarx_keys.add_llm_key(%s, %s, %s, %s, options => %s)", "mistral", f"First, {word}",
                        f"not-a-real-key-{word}-0123456789", '{"priority": 1}')[0]

    def health_of(key_id):
        return as_alice("SELECT health, extract(epoch FROM cooling_until - health_at)::int"
                        "  FROM tarx_keys.llm_keys WHERE project_id = %s AND id = %s", key_id)

    def enable(is_enabled):
        as_alice("SELECT tarx_keys.update_llm_key(%s, %s, jsonb_build_object('enabled', %s))", good, is_enabled)

    (good,) = [key[0] for key in keys if key[2] == "mistral"]
    bad = add_first("limited")
    check("the next key answers", "pong" in json.dumps(say()))
    check("for how long to wait is known of the key", health_of(bad), ("cooling", 120))
    check("and of the one that answered that it works", health_of(good), ("ok", None))
    as_alice("SELECT tarx_keys.delete_llm_key(%s, %s)", bad)
    wrong = failure_of(lambda: ask(PROJECT, "mistral", None, "/nowhere", {}))
    check("a wrong request is tried once", wrong.code, 404)
    check("and says nothing of the key", health_of(good), ("ok", None))
    enable(False)
    only = add_first("refused")
    check("the last key fails as the provider says", failure_of(say).code, 401)
    as_alice("SELECT tarx_keys.delete_llm_key(%s, %s)", only)
    check("without any key", failure_of(say).sqlstate, "TK014")
    enable(True)

    # A run with a ticket
    (helper,) = as_alice("SELECT tarx_keys.create_agent(%s, 'Helper', %s)", good)
    ticket = start_run("bob", PROJECT, helper)
    check("in one round trip a ticket gives a request", "pong" in json.dumps(post(*request_of(ticket)[1:], *chat)))

    as_alice("SELECT tarx_keys.set_secret(%s, 'SHOP_TOKEN', 'not-a-real-token')")
    (ticket,) = as_alice("SELECT tarx_keys.issue_run_ticket(%s, %s, secret_names => '{SHOP_TOKEN}')", helper)
    check("a longer run has secrets and keys", long_run(ticket, lambda key, secrets: (secrets["SHOP_TOKEN"], key.name)),
          ("not-a-real-token", "of mistral"))

    # Where the value is in errors
    check("the value is not in an error", is_in(refused) or in_traceback(refused), False)
    check("but in a traceback with local variables", in_traceback(refused, with_locals=True))

    backend.close()
    runner.close()
    print("done")


main()
