# SQLAlchemy on psycopg2. What stands between "doc:" and "end" is in
# docs/integration.md.

import io
import logging

from check import AT_AN_ARGUMENT, PROJECT, VALUE, check, failure_of, in_traceback, is_in

# doc: sqlalchemy
from contextlib import contextmanager

from sqlalchemy import create_engine, text

engine = create_engine("postgresql+psycopg2://app_backend@", hide_parameters=True)


@contextmanager
def as_user(user_id, project_id):
    with engine.begin() as conn:  # COMMIT at the end, ROLLBACK after an error
        conn.execute(text("SELECT tarx_keys.act_as(:user_id, :project_id)"),
                     {"user_id": user_id, "project_id": project_id})
        yield conn


def add_key(user_id, project_id, provider, name, value):
    with as_user(user_id, project_id) as conn:
        return conn.execute(
            text("SELECT tarx_keys.add_llm_key(:project_id, :provider, :name, :value)"),
            {"project_id": project_id, "provider": provider, "name": name, "value": value},
        ).scalar_one()


def list_keys(user_id, project_id):
    with as_user(user_id, project_id) as conn:
        return conn.execute(text(
            "SELECT id, name, provider, masked_key, status, agent_count, created_at"
            "  FROM tarx_keys.llm_keys ORDER BY name COLLATE tarx_keys.people, id")).mappings().all()
# end


def add_refused(of_engine):
    """The error of a call by a member, and what was logged meanwhile"""
    log = io.StringIO()
    logger = logging.getLogger("sqlalchemy.engine")
    handler = logging.StreamHandler(log)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def work():
        with of_engine.begin() as conn:
            conn.execute(text("SELECT tarx_keys.act_as(:u, :p)"), {"u": "bob", "p": PROJECT})
            conn.execute(text("SELECT tarx_keys.add_llm_key(:p, 'openai', 'Refused', :v)"), {"p": PROJECT, "v": VALUE})
    error = failure_of(work)
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)
    return error, log.getvalue()


def main():
    # The shape of a request
    key_id = add_key("alice", PROJECT, "openai", "By SQLAlchemy", VALUE)
    (row,) = [row for row in list_keys("bob", PROJECT) if row["id"] == key_id]
    check("an admin adds a key, a member lists it", (row["name"], is_in(row)), ("By SQLAlchemy", False))
    refused = failure_of(lambda: add_key("bob", PROJECT, "openai", "Refused", VALUE))
    check("a member is refused to add", refused.orig.pgcode, "42501")

    def name_argument():
        with engine.begin() as conn:
            conn.exec_driver_sql(AT_AN_ARGUMENT)
    named = failure_of(name_argument).orig
    check("an error names the argument", (named.pgcode, named.diag.column_name, named.diag.message_hint),
          ("22023", "base_url", "Choose another."))

    def who_next(of_engine=engine):
        with of_engine.connect() as conn:
            return conn.execute(text("SELECT tarx_keys.current_user_id()")).scalar()
    check("nothing is left of who acted", who_next(), None)

    def swallow():
        with as_user("bob", PROJECT) as conn:
            conn.execute(text("SELECT tarx_keys.create_agent(:p, 'Swallowed by SQLAlchemy')"), {"p": PROJECT})
            failure_of(lambda: conn.execute(text("SELECT tarx_keys.delete_llm_key(:p, :k)"), {"p": PROJECT, "k": key_id}))
    check("an error that was ignored raises nothing at the end", failure_of(swallow), None)
    with as_user("bob", PROJECT) as conn:
        count = conn.execute(text("SELECT count(*) FROM tarx_keys.agents WHERE name LIKE 'Swallowed%'")).scalar()
    check("it has undone what was before", count, 0)

    # Types
    with as_user("bob", PROJECT) as conn:
        void = conn.execute(text("SELECT tarx_keys.act_as('bob')")).scalar()
    check("void is an empty string", void, "")
    check("uuid, bigint and timestamptz",
          [type(row[column]).__name__ for column in ("id", "agent_count", "created_at")], ["UUID", "int", "datetime"])
    check("times have a zone", row["created_at"].tzinfo is not None)

    # A connection that goes back without COMMIT
    one = create_engine("postgresql+psycopg2://app_backend@", pool_size=1, max_overflow=0)
    with one.connect() as conn:
        conn.execute(text("SELECT tarx_keys.act_as('alice')"))
    check("the pool rolls back what comes without COMMIT", who_next(one), None)
    with one.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("SELECT tarx_keys.act_as('alice')"))
        check("with AUTOCOMMIT nobody acts", conn.execute(text("SELECT tarx_keys.current_user_id()")).scalar(), None)

    # A runner: a savepoint is a nested transaction
    runner = create_engine("postgresql+psycopg2://app_runner@")
    with runner.begin() as conn:
        def resolve():
            with conn.begin_nested():
                conn.execute(text("SELECT provider FROM tarx_keys.resolve_agent_key(:p, :p)"), {"p": PROJECT}).one()
        error = failure_of(resolve)
        conn.execute(text("UPDATE jobs SET error = :state WHERE id = 4"), {"state": error.orig.pgcode})
    with runner.begin() as conn:
        check("a job is marked", conn.execute(text("SELECT error FROM jobs WHERE id = 4")).scalar(), "TK003")

    # Where the value is in errors and logs
    error, log = add_refused(one)
    check("the value is in an error, a traceback and the log",
          [is_in(error), in_traceback(error), is_in(log)], [True, True, True])
    error, log = add_refused(engine)
    check("with hide_parameters in none of them",
          [is_in(error), in_traceback(error), is_in(log)], [False, False, False])
    check("its attributes have it all the same", [is_in(error.params), is_in(error.orig.cursor.query)], [True, True])
    check("the server's own error has it not", is_in(error.orig), False)

    for of_engine in engine, one, runner:
        of_engine.dispose()
    print("done")


main()
