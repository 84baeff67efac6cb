"""A second reader of a log, a receipt and an opening, written from docs/formats.md alone.

It imports nothing of ours, so that it shares no mistake with `ledger`. What it cannot
read is a gap in that page. It is a check of the page, not a verifier to rely on: it
bounds nothing and trusts that texts are well formed.
"""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

Keys = dict[tuple[str, bytes], bytes]  # name and key ID: type and public key
Head = tuple[str, int, bytes, set[tuple[str, bytes]]]  # origin, size, root, and who signed


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    """RFC 8785, for values whose names are ASCII and whose floats are short (§0)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_keys(policy: str) -> Keys:
    """The log keys of a trust policy (§1)."""
    return read_vkeys([line.split()[1] for line in policy.splitlines() if line.startswith("log ")])


def read_vkeys(vkeys: list[str]) -> Keys:
    """Verifier keys (§1)."""
    keys = {}
    for vkey in vkeys:
        name, key_id, key = vkey.split("+", 2)
        raw = base64.b64decode(key, validate=True)
        assert bytes.fromhex(key_id) == sha256(name.encode() + b"\n" + raw)[:4]
        keys[name, bytes.fromhex(key_id)] = raw
    return keys


def read_checkpoint(note: str, keys: Keys) -> Head:
    """Origin, size and root of a signed checkpoint, and which known keys signed it (§1)."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.splitlines()
    head = (origin, int(size), base64.b64decode(root, validate=True))
    signed = set()
    for line in lines.splitlines():
        dash, name, blob = line.split(" ")
        assert dash == "\N{EM DASH}"
        data = base64.b64decode(blob, validate=True)
        key = keys.get((name, data[:4]))
        if key is not None:
            _verify(key, name, head, text, data[4:])
            assert name == origin
            signed.add((name, data[:4]))
    return (*head, signed)


def _verify(
    key: bytes, name: str, head: tuple[str, int, bytes], text: str, signature: bytes
) -> None:
    kind, public = key[0], key[1:]
    if kind == 0x01:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
        return
    assert kind == 0x06
    origin, size, root = head
    message = b"subtree/v1\n\x00"
    message += bytes([len(name)]) + name.encode() + signature[:8]
    message += bytes([len(origin)]) + origin.encode()
    message += (0).to_bytes(8, "big") + size.to_bytes(8, "big") + root
    MLDSA44PublicKey.from_public_bytes(public).verify(signature[8:], message)


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def tree_root(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes: RFC 6962 §2.1, as its definition reads."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(tree_root(leaves[:split]), tree_root(leaves[split:]))


def read_receipt(text: str, keys: Keys) -> dict[str, Any]:
    """The entry that a receipt proves (§1, §10); RFC 9162 §2.1.3.2."""
    head, _, note = text.partition("\n\n")
    version, extra, index_line, *path = head.splitlines()
    assert version == "c2sp.org/tlog-proof@v1"
    entry = base64.b64decode(extra.removeprefix("extra "), validate=True)
    index = int(index_line.removeprefix("index "))
    _, size, root, signed = read_checkpoint(note, keys)
    assert signed
    assert index < size
    position, last, node = index, size - 1, leaf_hash(entry)
    for sibling in (base64.b64decode(line, validate=True) for line in path):
        assert last
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    assert last == 0
    assert node == root
    read: dict[str, Any] = json.loads(entry)
    assert canonical(read) == entry
    assert (read["v"], read["seq"]) == (1, index)
    return read


def audit(database: Path, origin: str, keys: Keys) -> list[dict[str, Any]]:
    """Every entry of a log in a database, after its chain, roots and tiles were checked (§9)."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        (log_id,) = connection.execute("SELECT id FROM log WHERE origin = ?", (origin,)).fetchone()
        rows = connection.execute(
            "SELECT seq, entry_id, entry, leaf_hash FROM log_entry WHERE log_id = ? ORDER BY seq",
            (log_id,),
        ).fetchall()
        notes = connection.execute(
            "SELECT size, note FROM log_checkpoint WHERE log_id = ? ORDER BY size", (log_id,)
        ).fetchall()
        tiles = connection.execute(
            "SELECT tile_index, width, hashes FROM log_tile WHERE log_id = ? AND level = 0",
            (log_id,),
        ).fetchall()
    entries: list[dict[str, Any]] = []
    leaves: list[bytes] = []
    for index, (seq, entry_id, raw, stored) in enumerate(rows):
        entry = json.loads(raw)
        assert canonical(entry) == raw
        assert (entry["seq"], seq, entry["id"]) == (index, index, entry_id)
        before = base64.b64encode(leaves[-1]).decode() if leaves else None
        assert entry.get("prev") == before
        leaves.append(leaf_hash(raw))
        assert stored == leaves[-1]
        entries.append(entry)
    _check_keys(origin, entries, leaves, notes, keys)
    for tile_index, width, hashes in tiles:
        assert hashes == b"".join(leaves[256 * tile_index : 256 * tile_index + width])
    assert notes[-1][0] == len(entries)
    assert (entries[0]["kind"], entries[0]["origin"]) == ("log_created", origin)
    return entries


def _check_keys(
    origin: str, entries: list[dict[str, Any]], leaves: list[bytes], notes: Any, policy: Keys
) -> None:
    """Each checkpoint's root and signatures, through rotations of the log's keys (§10, Keys)."""
    believed = set(policy)
    waiting: list[int] = []
    for size, note in notes:
        told: Keys = {}
        in_force: Keys = {}
        handed_over: list[tuple[int, Keys]] = []
        for entry in entries[:size]:
            if entry["kind"] == "log_created":
                in_force = read_vkeys(entry["vkeys"])
            elif entry["kind"] == "log_key_rotated":
                old, new = read_vkeys(entry["old_vkeys"]), read_vkeys(entry["new_vkeys"])
                assert old == in_force != new
                assert not new.keys() & (told.keys() - old.keys())
                in_force = new
                handed_over.append((entry["seq"], old | new))
            told |= in_force
        *head, signed = read_checkpoint(note, policy | told)
        assert head == [origin, size, tree_root(leaves[:size])]
        if handed_over:
            assert signed >= in_force.keys()
            index, both = handed_over[-1]
            first = min(other for other, _ in notes if other > index)
            assert size != first or signed >= both.keys()
        if signed & believed:
            believed |= in_force.keys()
            waiting = []
        else:
            assert signed >= in_force.keys()
            waiting.append(size)
    assert waiting == []


def open_section(opening: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The commitment that an opening opens, in base64, and the members it discloses (§3)."""
    section, shown, digests = opening["section"], {}, b""
    for field in opening["fields"]:
        if "digest" in field:
            digests += base64.b64decode(field["digest"], validate=True)
            continue
        salt = base64.b64decode(field["salt"], validate=True)
        statement = canonical([section, field["name"], field["value"]])
        digests += sha256(b"decision-ledger/v1/field\n" + salt + statement)
        shown[field["name"]] = field["value"]
    commitment = sha256(b"decision-ledger/v1/section\n" + digests)
    return base64.b64encode(commitment).decode(), shown


def commit(record_key: bytes, section: str, members: dict[str, Any]) -> str:
    """The commitment of a section from the record's key, in base64 (§3)."""
    seed = b"decision-ledger/v1/salts\n" + record_key + section.encode() + b"\n"
    salts = hashlib.shake_256(seed).digest(16 * len(members))
    digests = b""
    for index, name in enumerate(sorted(members)):
        statement = canonical([section, name, members[name]])
        salt = salts[16 * index : 16 * index + 16]
        digests += sha256(b"decision-ledger/v1/field\n" + salt + statement)
    return base64.b64encode(sha256(b"decision-ledger/v1/section\n" + digests)).decode()
