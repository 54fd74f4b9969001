# What the programs here have in common. Each prints a line for everything that
# it has looked at, and "done"; test/t/085_clients.pl reads them. The value of a
# key is in none of them.

import os
import traceback

PROJECT = os.environ["TARX_KEYS_PROJECT"]
VALUE = os.environ["TARX_KEYS_VALUE"]


# An error at the argument that it names
AT_AN_ARGUMENT = """DO $$ BEGIN
    RAISE EXCEPTION 'not accepted' USING ERRCODE = '22023', COLUMN = 'base_url', HINT = 'Choose another.';
END $$"""


def check(what, got, expected=True):
    fine = got == expected
    print(f"{'ok' if fine else 'not ok'} {what}{'' if fine else f': {got!r}'}", flush=True)


def failure_of(work):
    """The error that a call ends with"""
    try:
        work()
    except Exception as error:
        return error
    return None


def is_in(what):
    return VALUE in (what.decode() if isinstance(what, bytes) else str(what))


def in_traceback(error, with_locals=False):
    """Whether a traceback shows the value"""
    shown = traceback.TracebackException.from_exception(error, capture_locals=with_locals)
    return is_in("".join(shown.format()))
