"""Writes commitments.json: commitments worked out from docs/formats.md §3 alone.

Imports nothing of the project, so that the vectors are a second implementation.
Run: python tests/vectors/make_commitments.py > tests/vectors/commitments.json
"""

import base64
import hashlib
import json
import sys
from typing import Any

import rfc8785

CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("no fields", "00" * 32, "input", {}),
    ("one integer", "01" * 32, "output", {"margin": -413207}),
    (
        "a decision's input",
        bytes(range(32)).hex(),
        "input",
        {"loan_to_value": 92.5, "bankruptcy_on_file": True, "net_worth": None, "term": 360},
    ),
    (
        "nested values",
        "ff" * 32,
        "attributions",
        {
            "engine": "leaf-tables",
            "space": "log-odds",
            "scale": 6,
            "base": 1733001,
            "values": {"loan_to_value": -812345, "net_worth": 17},
            "residual": 3,
        },
    ),
    ("only a hash of the input", "ab" * 32, "input", {"input_hash": "5e" * 32}),
    (
        "names sort as UTF-16, not as code points",
        "42" * 32,
        "context",
        {"\ufb33": 1, "\U0001f600": 2, "€": 3, "\r": 4, "1": 5, "ö": 6, "": 7},
    ),
    ("same input, other key", "02" * 32, "input", {"income": 1}),
    ("same input, yet another key", "03" * 32, "input", {"income": 1}),
    ("same key, other section", "03" * 32, "output", {"income": 1}),
]


def vector(name: str, key: str, section: str, members: dict[str, Any]) -> dict[str, Any]:
    names = sorted(members, key=lambda text: text.encode("utf-16-be"))
    seed = b"decision-ledger/v1/salts\n" + bytes.fromhex(key) + section.encode() + b"\x0a"
    salts = hashlib.shake_256(seed).digest(16 * len(names))
    digests = [
        hashlib.sha256(
            b"decision-ledger/v1/field\n"
            + salts[16 * index : 16 * index + 16]
            + rfc8785.dumps([section, member, members[member]])
        ).digest()
        for index, member in enumerate(names)
    ]
    joined = hashlib.sha256(b"decision-ledger/v1/section\n" + b"".join(digests)).digest()
    return {
        "name": name,
        "record_key": key,
        "section": section,
        "members": members,
        "order": names,
        "salts": salts.hex(),
        "field_digests": [digest.hex() for digest in digests],
        "commitment": base64.b64encode(joined).decode(),
    }


def document() -> str:
    return json.dumps([vector(*case) for case in CASES], indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
