"""Writes mldsa44.json: signatures of type 0x06, worked out from c2sp.org/tlog-cosignature alone.

Imports nothing of the project and no cryptographic library, so that the vectors are a second
implementation. The seeds are published: these keys protect nothing.
Run: python -m tests.vectors.make_mldsa44 > tests/vectors/mldsa44.json
"""

import base64
import functools
import hashlib
import json
import struct
import sys
from typing import Any

from tests.vectors import mldsa44

ORIGIN, WITNESS = "vectors.example/log/decisions", "witness.example/w1"
ROOT = bytes(range(32))
EMPTY = hashlib.sha256(b"").digest()
TIME = 1_796_040_000
LARGEST = 2**63 - 1


LOG_SEED, WITNESS_SEED = bytes(range(32, 64)), bytes(range(96, 128))
KEYS = {ORIGIN: mldsa44.Key(LOG_SEED), WITNESS: mldsa44.Key(WITNESS_SEED)}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@functools.cache
def sign(name: str, signed: bytes) -> bytes:
    return KEYS[name].sign(signed)


def key_id(name: str) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x06" + KEYS[name].public).digest()[:4]


def vkey(name: str) -> str:
    return f"{name}+{key_id(name).hex()}+{b64(bytes((6,)) + KEYS[name].public)}"


def message(
    name: str, time: int, end: int, root: bytes = ROOT, *, origin: str = ORIGIN, start: int = 0
) -> bytes:
    """The `cosigned_message` of c2sp.org/tlog-cosignature."""
    return (
        b"subtree/v1\n\x00"
        + bytes((len(name.encode()),)) + name.encode()
        + struct.pack(">Q", time)
        + bytes((len(origin.encode()),)) + origin.encode()
        + struct.pack(">QQ", start, end) + root
    )  # fmt: skip


def text(size: int, root: bytes) -> str:
    return f"{ORIGIN}\n{size}\n{b64(root)}\n"


def vector(
    about: str, name: str, body: str, time: int, signed: bytes, *, valid: bool, cut: int = 0
) -> dict[str, Any]:
    """One note with one signature by `name`, made over `signed`."""
    signature = struct.pack(">Q", time) + sign(name, signed)
    blob = key_id(name) + signature[: len(signature) - cut]
    return {
        "about": about,
        "valid": valid,
        "key": name,
        "timestamp": time,
        "signed_message": signed.hex(),
        "note": f"{body}\n— {name} {b64(blob)}\n",
    }


def good() -> list[dict[str, Any]]:
    def case(about: str, name: str, time: int, size: int, root: bytes = ROOT) -> dict[str, Any]:
        signed = message(name, time, size, root)
        return vector(about, name, text(size, root), time, signed, valid=True)

    return [
        case("a log signs its own head", ORIGIN, TIME, 131),
        case("a witness cosigns it", WITNESS, TIME, 131),
        case("the empty tree", ORIGIN, TIME, 0, EMPTY),
        case("the largest tree", ORIGIN, TIME, LARGEST),
        case("time 0: not said to be the largest tree seen", WITNESS, 0, 131),
        case("the latest time there is", WITNESS, LARGEST, 131),
    ]


def bad() -> list[dict[str, Any]]:
    body = text(131, ROOT)
    parts: dict[str, Any] = {"name": WITNESS, "time": TIME, "end": 131}
    signed = message(WITNESS, TIME, 131)

    def other(about: str, **changed: Any) -> dict[str, Any]:
        wrong = message(**(parts | changed))
        return vector(about, WITNESS, body, TIME, wrong, valid=False)

    v1 = f"cosignature/v1\ntime {TIME}\n{body}".encode()
    return [
        other("signed under another cosigner's name", name=ORIGIN),
        other("signed at another time", time=TIME + 1),
        other("signed for another log", origin="vectors.example/log/access"),
        other("signed as a subtree that does not start at 0", start=1),
        other("signed for another size", end=132),
        other("signed for another root hash", root=EMPTY),
        vector("the Ed25519 message under an ML-DSA-44 key", WITNESS, body, TIME, v1, valid=False),
        vector("the bare note text", WITNESS, body, TIME, body.encode(), valid=False),
        vector("a label without its zero byte", WITNESS, body, TIME,
               signed.replace(b"\n\x00", b"\n", 1), valid=False),
        vector("one byte short", WITNESS, body, TIME, signed, valid=False, cut=1),
        vector("only a time", WITNESS, body, TIME, signed, valid=False, cut=2420),
        vector("less than a time", WITNESS, body, TIME, signed, valid=False, cut=2421),
        vector("a time beyond 2^63 - 1", WITNESS, body, 2**63,
               message(WITNESS, 2**63, 131), valid=False),
        vector("a text that is no checkpoint", WITNESS, body + "extension\n", TIME, signed,
               valid=False),
    ]  # fmt: skip


def document() -> str:
    value = {
        "about": "Notes with one signature of type 0x06 each: ML-DSA-44 (FIPS 204), empty context, "
        "deterministic variant. A verifier accepts the valid ones and tells their timestamp.",
        "keys": [
            {"name": ORIGIN, "seed": LOG_SEED.hex(), "vkey": vkey(ORIGIN)},
            {"name": WITNESS, "seed": WITNESS_SEED.hex(), "vkey": vkey(WITNESS)},
        ],
        "vectors": good() + bad(),
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
