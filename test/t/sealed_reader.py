# What examples/client/sealing.py does, for tests in Perl:
#   open-key|open-secret FILE PROJECT_ID ASKED, and open-provider-key FILE PROJECT_ID
#   PROVIDER [TRIED ...], as the program seal.c has them
#   seal-llm-key PUBLIC_KEY PROJECT_ID DESTINATION PROVIDER NAME, with a priority of 8
#   seal-secret PUBLIC_KEY PROJECT_ID NAME

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "../../examples/client"))

from nacl.public import PrivateKey
import sealing

what, first, project_id, asked, *fields = sys.argv[1:]

if what.startswith("open"):
    box = bytes.fromhex(sys.stdin.read().strip().removeprefix("\\x"))
    private_key = PrivateKey(pathlib.Path(first).read_bytes())
if what in ("open-key", "open-provider-key"):
    call = {"asked_id" if what == "open-key" else "provider": asked}
    key = sealing.open_key(box, private_key, project_id, **call, tried=fields)
    if key.value in repr(key):
        sys.exit("the key prints its value")
    headers = json.dumps(key.headers, separators=(",", ":")) if key.headers else ""
    if key.key_id is not None:
        print(key.key_id)
    print(key.provider, key.base_url, key.auth_header, key.auth_scheme or "", key.value, headers, sep="\n")
elif what == "open-secret":
    print(sealing.open_secret(box, private_key, project_id, asked), end="")
elif what == "seal-llm-key":
    print(sealing.seal_llm_key(bytes.fromhex(first.removeprefix("\\x")), project_id, *fields, sys.stdin.read(), destination=asked, options={"priority": 8}).hex())
elif what == "seal-secret":
    print(sealing.seal_secret(bytes.fromhex(first.removeprefix("\\x")), project_id, asked, sys.stdin.read()).hex())
