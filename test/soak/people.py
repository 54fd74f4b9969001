"""Platform keys, members, service accounts; projects and users that end"""

import collections
import uuid

import tarx_keys as keys
from answers import (
    GUEST, ME, MOST, NUMBER, PROVIDER, ROOM, SOAK, Truth, ask, backend_there, chance, change, check,
    check_there, ender, one, replayed, runner, serials, some, web, web_there)
from llm_keys import new_value


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
    # who is removed between the two statements sees nothing in the second
    check_there("act_as on the standby", got if got == "42501" else got[0] or "42501", guest, place)


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
    for _ in range(10):  # it leaves alone what others hold, and is called again then
        left -= ask("end_user", lambda: keys.transaction(
            ender, lambda conn: sum(one(conn, "SELECT * FROM tarx_keys.end_user(%s)", user))))
        if left <= 0:
            break
    check("end_user", left, 0)
    check("login", login(web, "login", token=row[1]), "TK010")
    got = change("act_as", ("SELECT 1",), user=user, expected=("42501",))
    check("act_as", got, "42501")
