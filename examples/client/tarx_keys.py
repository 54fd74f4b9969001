"""A client of tarx_keys on psycopg 3: transactions as a user, keys and secrets, errors
without values, keys in turn, and runs. README.md shows each of them. To use it, copy this
file and sealing.py into your program; it needs psycopg, psycopg_pool and PyNaCl.

It works behind a pooler in transaction mode: nothing is prepared by name, and nothing is
left of a transaction at its end.
"""

import random
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import sealing
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool


# Errors. What leaves this module has its SQLSTATE, and one class for each kind. Neither
# text, repr() nor cause has what was given to a statement: the error of psycopg stays here.
# Its text is passed on where it can only name roles, constraints and the like.

_PLAIN = re.compile("TK|08|25|28|3D|40|53|55|57|42501$|23505$|23514$|54000$")
_PLAIN_AT_AN_ARGUMENT = ("22023", "42704", "0A000")  # PostgreSQL's own name no argument


class KeysError(Exception):
    """hint is what to do, column the argument that the error is about; or None"""

    def __init__(self, message, sqlstate, hint=None, column=None):
        super().__init__(message)
        self.sqlstate, self.hint, self.column = sqlstate, hint, column

    def __reduce__(self):
        return type(self), (*self.args, self.sqlstate, self.hint, self.column)


class KeyGone(KeysError):
    """no such key in the project, or it was deleted"""


class AgentGone(KeysError):
    """no such agent in the project, or it has no key"""


class Tampered(KeysError):
    """a stored row is not what was written"""


class NoMasterKey(KeysError):
    """the server has no keyring, or lacks a master key"""


class NobodyActs(KeysError):
    """in this transaction"""


class LoginEnded(KeysError):
    """the token is wrong, or has ended since"""


class SecretGone(KeysError):
    """no such secret in the project"""


class BoxRefused(KeysError):
    """seal the value again, with the public key of now"""


class NoUsableKey(KeysError):
    """of the provider"""


class KeyUnusable(KeysError):
    """disabled, expired, or not for this model"""


class RunEnded(KeysError):
    """the run ticket is missing, does not count, or has expired"""


class NotAllowed(KeysError):
    """also for what is another project's, or nobody's"""


class BadInput(KeysError):
    """column is the argument"""


class NameTaken(KeysError):
    """in the project"""


class LastAdmin(KeysError):
    """the project would have none"""


class TooMany(KeysError):
    """of what a project may have so many of"""


class TryAgain(KeysError):
    """others were faster: run the whole transaction again"""


_KINDS = {
    "TK001": KeyGone, "TK002": KeyGone, "TK003": AgentGone, "TK004": Tampered, "TK005": NoMasterKey, "TK006": NoMasterKey,
    "TK007": NobodyActs, "TK010": LoginEnded, "TK011": SecretGone, "TK013": BoxRefused, "TK014": NoUsableKey,
    "TK015": KeyUnusable, "TK016": RunEnded, "TK017": RunEnded, "42501": NotAllowed, "22023": BadInput,
    "23505": NameTaken, "23514": LastAdmin, "54000": TooMany, "40001": TryAgain, "40P01": TryAgain,
}


def without_values(error):
    """The error of ours in place of one that the server has sent; others stay"""
    state = getattr(error, "sqlstate", None)
    if not isinstance(error, psycopg.Error) or state is None or error.diag.message_primary is None:
        return error
    kind, diag = _KINDS.get(state, KeysError), error.diag
    if _PLAIN.match(state) or (diag.column_name is not None and state in _PLAIN_AT_AN_ARGUMENT):
        ours = kind(diag.message_primary, state, diag.message_hint, diag.column_name)
    else:
        ours = kind(f"the database refused a statement with SQLSTATE {state}", state,
                    "Its text is left out, because it may quote a value. Look at the server log.")
    return ours.with_traceback(error.__traceback__)


def _clean(work, *args):
    try:
        return work(*args)
    except psycopg.Error as error:
        ours = without_values(error)
    except UnicodeEncodeError as error:  # it has the whole text in its arguments
        ours = KeysError("a text has a character that cannot be encoded", "22021",
                         "Use a connection whose client_encoding is UTF8, and texts without surrogates.").with_traceback(error.__traceback__)
    raise ours  # out here, so that psycopg's error is not its context


# Transactions

def open_pool(conninfo="", kwargs=None, **options):
    """A pool that prepares nothing by name"""
    return ConnectionPool(conninfo, kwargs={"prepare_threshold": None, **(kwargs or {})}, open=True, **options)


def _once(pool, work):
    with pool.connection() as conn, conn.transaction():
        result = work(conn)
        if conn.info.transaction_status == TransactionStatus.INERROR:
            raise KeysError("rolled back, because an error was ignored", "25P02", "Put what may fail into savepoint().")
        return result


def transaction(pool, work, *, attempts=5):
    """BEGIN, work(conn), COMMIT; or ROLLBACK, and the error. After 40001 and 40P01 all of it
    runs again, so the work does nothing else that counts."""
    for attempt in range(1, attempts):
        try:
            return _clean(_once, pool, work)
        except TryAgain:
            pause = random.random() * 0.01 * 2 ** attempt
        time.sleep(pause)
    return _clean(_once, pool, work)


@dataclass(frozen=True)
class Person:
    """The role is None without a project, and for a user who was only named"""
    user_id: str
    role: str | None


def sign_in(conn, *, user=None, token=None, jwt=None, project=None):
    """Who acts in this transaction, from now on"""
    if [user, token, jwt].count(None) != 2:
        raise TypeError("give one of user, token and jwt")
    if user is not None:
        conn.execute("SELECT tarx_keys.act_as(%s, %s)", (user, project))
        return Person(user, None)
    call = "login_jwt" if token is None else "login"
    return Person(*conn.execute(
        f"SELECT user_id, role FROM tarx_keys.{call}(%s, %s)", (jwt if token is None else token, project)).fetchone())


def as_user(pool, work, *, user=None, token=None, jwt=None, project=None, attempts=5):
    """A transaction as a user, in a project: work(conn, person)"""
    return transaction(
        pool, lambda conn: work(conn, sign_in(conn, user=user, token=token, jwt=jwt, project=project)), attempts=attempts)


def savepoint(conn, work):
    """work(conn), which may fail without an end of the transaction around it"""
    def inside():
        with conn.transaction():
            return work(conn)
    return _clean(inside)


def _ask(db, statement, values=()):
    """The rows of a statement, behind a savepoint if in a transaction. db is a connection in
    a transaction, or else a pool or a run, for a transaction of its own."""
    def rows(conn):
        return conn.cursor(row_factory=dict_row).execute(statement, values).fetchall()
    if isinstance(db, Run):
        return db.transaction(rows)
    return savepoint(db, rows) if isinstance(db, psycopg.Connection) else transaction(db, rows)


# Keys and secrets. With a private key, of new_private_key(), they come in boxes which only it
# opens, and all but name and attempts is from the box. An agent's box does not say which key
# it is: there key_id is the row's.

@dataclass(frozen=True)
class Request:
    """What calls are below, and headers with the key in them"""
    base_url: str
    headers: dict = field(repr=False)


@dataclass(frozen=True)
class Key:
    """headers are the key's own, for each call. request is there in with_key(), and of boxes."""
    key_id: str
    provider: str
    name: str
    base_url: str
    value: str = field(repr=False)
    headers: dict = field(repr=False)
    attempt: int | None = None
    remaining: int | None = None
    request: Request | None = None


def _resolve(db, kind, project, of, choice=(), private_key=None, for_calls=False):
    given = [("%s", project), ("%s", of)]
    if private_key is not None:
        given.append(("%s", bytes(private_key.public_key)))
    marks, values = zip(*given, *zip(("%s", "%s::uuid[]"), choice))
    call = f"tarx_keys.resolve_{kind}{'_sealed' if private_key is not None else ''}({', '.join(marks)})"
    if for_calls and private_key is None:
        (row,) = _ask(db, f"SELECT k.*, c.base_url AS call_url, c.headers AS call_headers FROM {call} k,"
                          " tarx_keys.chat_request_base(%s, k.key_id) c", [*values, project])
    else:
        (row,) = _ask(db, f"SELECT * FROM {call}", values)
    rest = {"name": row["name"], "attempt": row.get("attempt"), "remaining": row.get("remaining")}
    if private_key is None:
        request = Request(row["call_url"], row["call_headers"]) if for_calls else None
        return Key(key_id=str(row["key_id"]), provider=row["provider"], base_url=row["base_url"], value=row["key_value"],
                   headers=row["headers"] or {}, request=request, **rest)
    asked = {"provider": of, "tried": choice[1]} if kind == "provider_key" else {"asked_id": str(of)}
    box = sealing.open_key(row["sealed"], private_key, str(project), **asked)
    credential = box.value if box.auth_scheme is None else f"{box.auth_scheme} {box.value}"
    return Key(key_id=box.key_id or str(of if kind == "key" else row["key_id"]), provider=box.provider, base_url=box.base_url,
               value=box.value, headers=box.headers, request=Request(box.base_url, {**box.headers, box.auth_header: credential}), **rest)


def resolve_key(db, *, project, key, private_key=None):
    return _resolve(db, "key", project, key, (), private_key)


def resolve_agent_key(db, *, project, agent, model=None, tried=(), private_key=None):
    return _resolve(db, "agent_key", project, agent, (model, list(tried)), private_key)


def resolve_provider_key(db, *, project, provider, model=None, tried=(), private_key=None):
    return _resolve(db, "provider_key", project, provider, (model, list(tried)), private_key)


def resolve_secrets(db, *, project, names=None, private_key=None):
    """Secrets by their names, in a dict; without names all of the project"""
    wanted = None if names is None else list(names)
    if private_key is None:
        rows = _ask(db, "SELECT * FROM tarx_keys.resolve_secrets(%s, %s::text[])", (project, wanted))
        return {row["name"]: row["value"] for row in rows}
    rows = _ask(db, "SELECT * FROM tarx_keys.resolve_secrets_sealed(%s, %s::text[], %s)",
                (project, wanted, bytes(private_key.public_key)))
    secrets = {row["name"]: sealing.open_secret(row["sealed"], private_key, str(project), row["name"]) for row in rows}
    if not set(wanted or []) <= set(secrets):
        raise ValueError("the answer lacks a secret")
    return secrets


def resolve_secret(db, *, project, name, private_key=None):
    if private_key is not None:
        return resolve_secrets(db, project=project, names=[name], private_key=private_key)[name]
    return _ask(db, "SELECT tarx_keys.resolve_secret(%s, %s) AS value", (project, name))[0]["value"]


def render_template(db, *, project, template):
    return _ask(db, "SELECT tarx_keys.render_template(%s, %s) AS text", (project, template))[0]["text"]


def sealing_public_key(db):
    """What to seal to, by the functions of sealing.py"""
    return _ask(db, "SELECT public_key FROM tarx_keys.sealing_public_key()")[0]["public_key"]


# Keys in turn

_OUTCOMES = {401: "rejected", 402: "quota", 403: "rejected", 429: "rate_limited"}
_NO_ANSWER = {"TimeoutError", "ConnectionError", "URLError", "gaierror", "Timeout", "TransportError", "APIConnectionError"}


def _status_of(error):
    for holder, name in (error, "status_code"), (getattr(error, "response", None), "status_code"), (error, "code"):
        if isinstance(getattr(holder, name, None), int):
            return getattr(holder, name)
    return None


def outcome_of(error):
    """What an error of a call says of the key, in a word that report_key() takes, or None: one
    with the status of the answer, as urllib, requests, httpx and providers' SDKs have it, or
    one of a call without an answer"""
    status = _status_of(error)
    if status is not None:
        return "server" if status >= 500 else _OUTCOMES.get(status)
    return "timeout" if _NO_ANSWER & {each.__name__ for each in type(error).__mro__} else None


def _retry_after_of(error):
    """In seconds: a date is taken for none"""
    headers = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None) or {}
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def report_key(db, *, project, key, outcome, retry_after=None):
    """Say how a call with a key went, for the next choice of any runner"""
    _ask(db, "SELECT tarx_keys.report_key(%s, %s, %s, make_interval(secs => %s))", (project, key, outcome, retry_after))


def with_key(db, call, *, project, provider=None, agent=None, model=None, private_key=None, attempts=100):
    """call(key) with the first usable key of a provider, or of an agent; if that fails for the
    key's sake, with the next one. How each went is reported. Raises the call's error if it
    lies in the request, or if no other key is left. db is a pool or a run, because calls
    take long."""
    if (provider is None) == (agent is None):
        raise TypeError("give one of provider and agent")
    kind, of = ("agent_key", agent) if provider is None else ("provider_key", provider)
    tried, refusal = [], None
    while len(tried) < attempts:
        try:
            key = _resolve(db, kind, project, of, (model, tried), private_key, for_calls=True)
        except NoUsableKey:
            if refusal is None:
                raise
            break
        try:
            answer = call(key)
        except Exception as error:
            refusal, outcome = error, outcome_of(error)
            if outcome is not None:
                _report(db, project, key, outcome, _retry_after_of(error))
            if outcome is None or key.remaining == 0:
                raise  # no other key would help
            tried.append(key.key_id)
        else:
            _report(db, project, key, "ok")
            return answer
    raise refusal


def _report(db, project, key, outcome, retry_after=None):
    try:
        report_key(db, project=project, key=key.key_id, outcome=outcome, retry_after=retry_after)
    except (KeysError, psycopg.Error):
        pass  # the call matters more: the key may have been deleted meanwhile


# Runs

_RUN = "r.project_id, r.agent_id, r.user_id, extract(epoch FROM r.expires_at - clock_timestamp())::float8 AS seconds"
_ENTER = f"SELECT {_RUN} FROM tarx_keys.enter_run(%s) r"
_RENEW = (f"SELECT t.ticket, {_RUN} FROM tarx_keys.renew_run_ticket(%s, make_interval(secs => %s)) t (ticket),"
          " tarx_keys.enter_run(t.ticket) r")


class Run:
    """A run with a ticket, as run_of() gives it. ticket is the newest one, to hand on; never
    log it. agent is None for a ticket for a key; user is who has issued it."""

    def __init__(self, pool, ticket, row):
        self.ticket = ticket
        self.project, self.agent, self.user = str(row["project_id"]), row["agent_id"] and str(row["agent_id"]), row["user_id"]
        self._pool = pool
        self._over = threading.Event()

    def transaction(self, work, *, attempts=5):
        """work(conn), in a transaction in the run"""
        def entered(conn):
            conn.execute(_ENTER, (self.ticket,))
            return work(conn)
        return transaction(self._pool, entered, attempts=attempts)

    def _keep(self, left, lifetime):
        """Renew the ticket at half of its time, until the run is over"""
        while left > 0.01 and not self._over.wait(left / 2):
            try:
                (row,) = _ask(self._pool, _RENEW, (self.ticket, lifetime))
            except RunEnded:
                return  # the run's next transaction says so
            except (KeysError, psycopg.Error):
                left /= 2  # the next turn may succeed
                continue
            self.ticket = row["ticket"]
            if row["seconds"] <= min(left, lifetime) / 2:
                return  # it cannot be renewed for longer
            left = row["seconds"]


@contextmanager
def run_of(pool, ticket, *, lifetime=300):
    """The run of a ticket. Each of its transactions enters it, and the ticket is renewed in
    time, for lifetime seconds each time."""
    (row,) = _ask(pool, _ENTER, (ticket,))
    run = Run(pool, ticket, row)
    thread = threading.Thread(target=run._keep, args=(row["seconds"], lifetime), daemon=True)
    thread.start()
    try:
        yield run
    finally:
        run._over.set()
        thread.join()
