"""Secrets of a project, and templates"""

import collections

import sealing
import tarx_keys as keys
from answers import (
    MARKER, ME, MOST, NUMBER, ROOM, Truth, ask, backend, chance, change, check, check_there, one, pair,
    public_key, replayed, runner, runner_there, serials, some)


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
