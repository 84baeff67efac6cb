"""A disclosure: chosen fields of chosen records for one recipient, in one file that proves them.

A ZIP file of receipts, of openings in which all other fields are bare digests, and of a
manifest that names recipient, ground and purpose and has the digest of each file. The log
has the digest of the manifest, and its receipt is in the package too. Nothing is compressed,
so a package is never larger than its file. The format is `docs/formats.md` §12. Pure.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.entries import Entry, ExportIssued, Kind, parse_id
from ledger.errors import MalformedError, VerificationError
from ledger.tlog.policy import Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH
from ledger.verify.verifier import (
    DisclosedSections,
    VerifiedReceipt,
    verify_disclosed,
    verify_receipt,
)

MAX_PACKAGE_BYTES: Final = 64_000_000  # what is read of one file, and held in memory
MAX_DISCLOSED: Final = 500  # records of one package
MAX_MANIFEST_BYTES: Final = 1_000_000  # three parts of 500 records take some 300 kB
MAX_TEXT_CHARACTERS: Final = 500  # of the recipient and of the purpose: sentences

MANIFEST: Final = "disclosure.json"
EXPORT: Final = "export.tlog-proof"
README: Final = "README.txt"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # ZIP knows no earlier time; the manifest says when
_MEMBERS: Final = frozenset(
    {"v", "id", "origin", "issued_at", "recipient", "ground", "purpose", "records", "files"}
)


class Ground(StrEnum):
    """What allows the disclosure: a closed list."""

    AUTHORITY_ORDER = "authority_order"
    CONSENT = "consent"
    CONTRACT = "contract"
    DATA_SUBJECT_REQUEST = "data_subject_request"
    LEGAL_CLAIMS = "legal_claims"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    PUBLIC_TASK = "public_task"


class Part(StrEnum):
    """What can be disclosed of a record: itself, or what was attached to it."""

    ATTRIBUTIONS = "attributions"
    DECISION = "decision"
    EXPLANATION = "explanation"


_KINDS: Final[Mapping[Part, Kind]] = {
    Part.ATTRIBUTIONS: Kind.ATTRIBUTIONS_ATTACHED,
    Part.DECISION: Kind.DECISION,
    Part.EXPLANATION: Kind.EXPLANATION_ISSUED,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says of itself; its canonical JSON is what the log has the digest of.

    Attributes:
        id: the package's id, which is the id of its entry on the log.
        origin: the log.
        issued_at: RFC 3339.
        recipient: who gets it.
        ground: a `Ground`.
        purpose: what for, in a sentence.
        records: the parts of each decision, by its id.
        files: SHA-256 in hex of each file but the manifest and the export's receipt.
    """

    id: str
    origin: str
    issued_at: str
    recipient: str
    ground: Ground
    purpose: str
    records: Mapping[str, tuple[Part, ...]]
    files: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse what no package says."""
        for text in (self.recipient, self.purpose):
            if not 1 <= len(text) <= MAX_TEXT_CHARACTERS or not text.isprintable():
                raise MalformedError("disclosure: recipient or purpose is not a line of text")
        if not 1 <= len(self.records) <= MAX_DISCLOSED or not all(self.records.values()):
            raise MalformedError(f"disclosure: not 1 to {MAX_DISCLOSED} records")
        for each in (self.id, *self.records):
            parse_id(each)
        if any(sorted(set(parts)) != list(parts) for parts in self.records.values()):
            raise MalformedError("disclosure: parts out of order, or one twice")
        named = {README}
        for record, parts in self.records.items():
            for part in parts:
                named |= {receipt_name(record, part), openings_name(record, part)}
        if self.files.keys() != named:
            raise MalformedError("disclosure: the files are not those of its records")

    def to_bytes(self) -> bytes:
        """The canonical JSON."""
        records = {each: [str(part) for part in parts] for each, parts in self.records.items()}
        return canonical.encode(
            {
                "v": 1,
                "id": self.id,
                "origin": self.origin,
                "issued_at": self.issued_at,
                "recipient": self.recipient,
                "ground": self.ground.value,
                "purpose": self.purpose,
                "records": records,
                "files": dict(self.files),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Read a manifest.

        Raises:
            MalformedError: anything :meth:`to_bytes` would not have written.
        """
        document = canonical.decode(data, max_bytes=MAX_MANIFEST_BYTES)
        if not isinstance(document, dict) or document.keys() != _MEMBERS or document["v"] != 1:
            raise MalformedError("disclosure: not a manifest of version 1")
        text = {name: document[name] for name in _MEMBERS - {"v", "records", "files"}}
        records, files = document["records"], document["files"]
        if not isinstance(records, dict) or not isinstance(files, dict):
            raise MalformedError("disclosure: records or files is not an object")
        if not all(isinstance(each, str) for each in (*text.values(), *files.values())):
            raise MalformedError("disclosure: a member is not text")
        try:
            parts = {each: tuple(map(Part, _listed(value))) for each, value in records.items()}
            said = {name: str(value) for name, value in text.items()}
            ground = Ground(said.pop("ground"))
        except ValueError as error:
            raise MalformedError("disclosure: not a ground or a part on the list") from error
        hashes = {name: str(value) for name, value in files.items()}
        return cls(ground=ground, records=parts, files=hashes, **said)


@dataclass(frozen=True, slots=True)
class ShownPart:
    """One part of a record that was proved, and its openings, which fit."""

    record: str
    part: Part
    proved: VerifiedReceipt
    shown: DisclosedSections


@dataclass(frozen=True, slots=True)
class VerifiedDisclosure:
    """What a package proved.

    Attributes:
        manifest: what it says of itself, as the log has it.
        issued: the entry that says that it was issued.
        parts: in the order of the manifest.
    """

    manifest: Manifest
    issued: Entry
    parts: tuple[ShownPart, ...]


def receipt_name(record: str, part: Part) -> str:
    """The name of a part's receipt in a package."""
    return f"records/{record}/{part}.tlog-proof"


def openings_name(record: str, part: Part) -> str:
    """The name of a part's openings in a package."""
    return f"records/{record}/{part}.json"


def pack(files: Mapping[str, bytes]) -> bytes:
    """These files as a package: the same bytes whenever it is asked for.

    Raises:
        MalformedError: it would be larger than what is read.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files):
            package.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    if out.tell() > MAX_PACKAGE_BYTES:
        raise MalformedError(f"disclosure: more than {MAX_PACKAGE_BYTES:,} bytes; make several")
    return out.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a package.

    Raises:
        MalformedError: it is none, is too large, or has a file twice or compressed.
    """
    if len(data) > MAX_PACKAGE_BYTES:
        raise MalformedError("disclosure: too large")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            listed = package.infolist()
            # Stored, and not more than there is: so nothing grows on being read.
            if any(each.compress_type != zipfile.ZIP_STORED for each in listed):
                raise MalformedError("disclosure: a file in it is compressed")
            if sum(each.file_size for each in listed) > len(data):
                raise MalformedError("disclosure: it holds more than its size")
            if len({each.filename for each in listed}) != len(listed):
                raise MalformedError("disclosure: a file twice")
            return {each.filename: package.read(each) for each in listed}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, NotImplementedError):
        raise MalformedError("disclosure: not a ZIP file as we write it") from None


def verify_disclosure(data: bytes, policy: Policy) -> VerifiedDisclosure:
    """What a package proves: that these values were logged, and that it was issued as it says.

    Raises:
        MalformedError: it is not a package.
        SignatureError: the policy does not accept a checkpoint.
        VerificationError: a file, a value or the manifest is not what was logged.
    """
    files = unpack(data)
    if not {MANIFEST, EXPORT} <= files.keys():
        raise MalformedError("disclosure: without a manifest or the receipt of its issue")
    raw = files.pop(MANIFEST)
    export = files.pop(EXPORT)
    manifest = Manifest.parse(raw)
    if files.keys() != manifest.files.keys():
        raise VerificationError("disclosure: a file is missing, or there is one too many")
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise VerificationError(f"disclosure: {name} is not the file that was issued")
    issued = _proved(export, manifest.origin, policy).entry
    if not isinstance(issued.body, ExportIssued) or issued.id != manifest.id:
        raise VerificationError("disclosure: the receipt is not that of its issue")
    if issued.body.manifest != hashlib.sha256(raw).hexdigest():
        raise VerificationError("disclosure: the manifest is not the one that was logged")
    parts = tuple(
        _shown(record, part, files, manifest.origin, policy)
        for record, each in manifest.records.items()
        for part in each
    )
    return VerifiedDisclosure(manifest, issued, parts)


def _shown(
    record: str, part: Part, files: Mapping[str, bytes], origin: str, policy: Policy
) -> ShownPart:
    proved = _proved(files[receipt_name(record, part)], origin, policy)
    entry = proved.entry
    about = entry.id if part is Part.DECISION else getattr(entry.body, "decision", None)
    if entry.body.kind is not _KINDS[part] or about != record:
        raise VerificationError(f"disclosure: a receipt is not that of the {part} it is listed as")
    shown = DisclosedSections.parse(files[openings_name(record, part)])
    verify_disclosed(entry, shown)
    return ShownPart(record, part, proved, shown)


def _proved(data: bytes, origin: str, policy: Policy) -> VerifiedReceipt:
    try:
        text = data[: MAX_RECEIPT_LENGTH + 1].decode()
    except UnicodeDecodeError:
        raise MalformedError("disclosure: a receipt is not UTF-8") from None
    proved = verify_receipt(text, policy)
    if proved.checkpoint.origin != origin:
        raise VerificationError("disclosure: a receipt is of another log")
    return proved


def _listed(value: JsonValue) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise MalformedError("disclosure: the parts of a record are not an array of text")
    return [str(each) for each in value]
