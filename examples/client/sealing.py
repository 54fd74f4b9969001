"""Seals values to a tarx_keys server, and opens what it sealed to us: the same as
sealing.js, with PyNaCl (python3-nacl).

A text in Python cannot be wiped, so do not keep values longer than you need them.
"""

import json
import time
import uuid
from dataclasses import dataclass, field

from nacl.public import PrivateKey, PublicKey, SealedBox

LIFETIME_SECONDS = 300
_SOMETHING_ELSE = "the box is for something else"


def _bytes(text):
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # it has the whole text in its arguments
    raise ValueError("a text has a character that is not in Unicode")


def _field(content):
    """A field is bytes, or a text, or None."""
    if content is None:
        return b"\0"
    data = _bytes(content) if isinstance(content, str) else content
    return b"\1" + len(data).to_bytes(4, "big") + data


def _header(version, purpose, project_id, fields):
    return bytes([version]) + purpose + uuid.UUID(project_id).bytes + b"".join(map(_field, fields))


def _seal(public_key, front, expires_at, middle, value):
    expiry = int(time.time()) + LIFETIME_SECONDS if expires_at is None else expires_at
    payload = front + expiry.to_bytes(8, "big") + middle + _bytes(value)
    return SealedBox(PublicKey(public_key)).encrypt(payload)


def seal_llm_key(public_key, project_id, provider, name, value, *, destination, base_url=None, options=None, expires_at=None):
    """A box for add_sealed_llm_key() with exactly these arguments; its options are in the
    box. destination is where requests with the key go: base_url, or the provider's
    default. The key is not added for another one. expires_at is in seconds since 1970,
    five minutes from now by default and at most a day."""
    front = _header(2, b"tarx.box-llm...2", project_id, [provider, name, base_url, destination])
    return _seal(public_key, front, expires_at, _field(json.dumps(options or {})), value)


def seal_replacement(public_key, project_id, old_key_id, provider, value, *, destination, options=None, expires_at=None):
    """A box for replace_sealed_llm_key(); provider and destination are those of the new key."""
    front = _header(2, b"tarx.box-rep...2", project_id, [uuid.UUID(old_key_id).bytes, provider, destination])
    return _seal(public_key, front, expires_at, _field(json.dumps(options or {})), value)


def seal_secret(public_key, project_id, name, value, *, expires_at=None):
    """A box for set_sealed_secret() with exactly these arguments"""
    return _seal(public_key, _header(1, b"tarx.box-sec...1", project_id, [name]), expires_at, b"", value)


def seal_search(public_key, value, *, expires_at=None):
    """A box for find_sealed_key()"""
    return _seal(public_key, _header(1, b"tarx.box-find..1", str(uuid.UUID(int=0)), []), expires_at, b"", value)


def new_private_key():
    """A key pair for one run; bytes(key.public_key) is what resolve calls take."""
    return PrivateKey.generate()


@dataclass(frozen=True)
class Key:
    """What a request needs. auth_scheme is None where the header has the value alone;
    headers are the key's own, to send as well; key_id is None in what is opened by id."""

    provider: str
    base_url: str
    auth_header: str
    auth_scheme: str | None
    value: str = field(repr=False)
    headers: dict = field(repr=False)
    key_id: str | None = None


def _fields(data, count):
    """The fields behind a header, which must be all there is"""
    fields, at = [], 0

    def take(length):
        nonlocal at
        if length > len(data) - at:
            raise ValueError("the box ends too early")
        at += length
        return data[at - length:at]

    while len(fields) < count:
        tag = take(1)
        if tag not in (b"\0", b"\1"):
            raise ValueError("the box has no field where one must be")
        fields.append(take(int.from_bytes(take(4), "big")) if tag == b"\1" else None)
    if at < len(data):
        raise ValueError("the box goes on behind its end")
    return fields


def _open(box, private_key, project_id):
    """What is in a box for this project: the bytes that the box is for, and texts"""
    payload = SealedBox(private_key).decrypt(bytes(box))
    expected = _header(2, b"tarx.box-out...2", project_id, [])
    if not payload.startswith(expected):
        raise ValueError(_SOMETHING_ELSE)
    asked, *texts = _fields(payload[len(expected):], 7)
    return asked, *(text if text is None else text.decode() for text in texts)


def open_key(box, private_key, project_id, asked_id=None, *, provider=None, tried=()):
    """The key in a box of a resolve call for this id, which is that of a key or of an
    agent. Or else for this provider, with these ids of keys as tried: then the box is for
    the id of the key that the server has chosen, and key_id is that id. Take all of it
    from here, and nothing from the row beside the box: whoever passes the row on can
    change that."""
    if asked_id is not None and tried:
        raise ValueError("open_key: tried goes with provider, not with asked_id")
    asked, *fields, headers = _open(box, private_key, project_id)
    its_provider, base_url, auth_header, _, value = fields
    right = its_provider == provider if asked_id is None else asked == uuid.UUID(asked_id).bytes
    if not right:
        raise ValueError(_SOMETHING_ELSE)
    if None in (its_provider, base_url, auth_header, value):
        raise ValueError("the box has no key")
    key_id = None if asked_id is not None else _chosen_id(asked, tried)
    return Key(*fields, {} if headers is None else _headers(headers), key_id)


def _headers(text):
    try:
        return json.loads(text)
    except ValueError:
        pass
    raise ValueError("the box has headers that are no JSON")  # the parser's error quotes them


def _chosen_id(asked, tried):
    if asked is None or len(asked) != 16:
        raise ValueError("the box has no id where one must be")
    key_id = uuid.UUID(bytes=asked)
    if key_id in [uuid.UUID(str(other)) for other in tried]:
        raise ValueError("the box has a key that was tried")
    return str(key_id)


def open_secret(box, private_key, project_id, name):
    """The value of a secret, in a box of a resolve call for this name"""
    asked, *before, value, headers = _open(box, private_key, project_id)
    if asked != name.encode():
        raise ValueError(_SOMETHING_ELSE)
    if value is None or any(field is not None for field in [*before, headers]):
        raise ValueError("the box has no secret")
    return value
