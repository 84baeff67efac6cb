"""Making the copy: one ZIP with pages for the person, data for a computer, and the proofs.

Each page of decisions is noted on the access log before it is opened. The copy is put together
in a temporary file that has no name, a few decisions at a time, so that its size does not
matter; and it is handed over only once the log says that it was (`export_issued`).
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ledger.entries import UUID7_RANDOM_BYTES, ExportIssued, uuid7
from ledger.errors import ErasedError, MalformedError
from ledger.operate.access_log import Purpose
from ledger.operate.decisions import DecisionQuery
from ledger.operate.erasure import Erasure, Stage
from ledger.operate.log_writer import Record, Submission
from ledger.operate.vault import microseconds
from ledger.roles import Permission
from service.reading import EVERYTHING, Caller, Reading
from service.runtime import Runtime
from service.subject_copy.deadlines import RULE, Deadlines
from service.subject_copy.describing import described, named
from service.subject_copy.gathering import Gathered, Gathering, check_withheld, printable
from service.subject_copy.lookups import lookups_of
from service.subject_copy.packing import Archive

if TYPE_CHECKING:
    from reports.documents.letter import Contacts
    from reports.documents.subject_copy import CopiedDecision, SubjectCopy

__all__ = ["Copy", "CopyRequest", "languages", "make_copy"]

HERE: Final = Path(__file__).parent
SCHEMA_NAME: Final = "schema.json"
PAGE_DECISIONS: Final = 100  # on one page of HTML; some 10 kB each, which a telephone still shows
READ_ROWS: Final = 500  # decisions noted at once; as many as one query gives
SHOWN_LOOKUPS: Final = 500  # on the first page; data.json has them all
MAX_REFERENCE: Final = 200  # characters, as of a decision's subject

README: Final = """\
This is a copy of what is held about you in a ledger of decisions.

index.html     open it in a browser; it needs no network
data.json      the same for a computer; its form is schema.json
proofs/        for each decision: the proof that it was written down, and what opens it
erasures/      certificates of what was erased, if anything was
policy.txt     the keys that sign the log
manifest.json  the files of this copy, with their SHA-256
export.tlog-proof  the proof that the log says that this copy was handed out

To check it, with Python 3.11 or newer, in this folder:

    pip install decision-ledger
    python verify.py

It trusts the keys in policy.txt, which came with the copy. Compare them with those that the
sender publishes, or give others with --policy FILE.

It holds personal data, and is not encrypted: keep it where only you can read it.
"""


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What somebody asked for.

    Attributes:
        subject: your reference to the person.
        received: the day on which the request came.
        language: of the pages.
        withhold: members of decisions' contexts that are about somebody else (Art. 15(4)),
            as `context.name`.
    """

    subject: str
    received: date
    language: str
    withhold: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.subject) <= MAX_REFERENCE or not self.subject.isprintable():
            raise MalformedError("copy: not a reference to a person", member="subject")
        if self.language not in languages():
            offered = ", ".join(languages())
            raise MalformedError(f"copy: there is: {offered}", member="language")
        check_withheld(self.withhold)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was made: where it can be read from, and what the log calls it.

    Whoever has it closes `file`; it is gone then.
    """

    id: str
    file: IO[bytes]
    size: int
    manifest: str
    decisions: int
    deadlines: Deadlines


def languages() -> tuple[str, ...]:
    """The languages that a copy can be in."""
    from reports.html import COPY
    from reports.wording import languages as spoken

    return spoken(COPY)


def make_copy(runtime: Runtime, caller: Caller, asked: CopyRequest) -> Copy:
    """The copy of everything about a person; what is said of nobody is said as well.

    Raises:
        PermissionRefused: the caller may not hand out copies.
        MalformedError: the request came later than today.
        NotFoundError: contacts are not set up.
        LedgerError: something cannot be read or logged; nothing is handed over.
    """
    from service.contacts import read_contacts

    caller.principal.require(Permission.SUBJECTS_EXPORT)
    now = runtime.clock()
    if asked.received > now.date():
        raise MalformedError("copy: a day that has not come", member="received_on")
    contacts = read_contacts(runtime.settings.contacts_path)
    reader = Reading(runtime, Caller(caller.principal, Purpose.DATA_SUBJECT_REQUEST, caller.case))
    file = tempfile.TemporaryFile(prefix="copy")  # noqa: SIM115  # the caller closes it
    try:
        return _Making(runtime, reader, asked, now, contacts, file).made()
    except BaseException:
        file.close()
        raise


@dataclass(slots=True)
class _Seen:
    """What was met on the way through the decisions."""

    ids: set[str] = field(default_factory=set)
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    policies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    since: datetime | None = None  # when the log accepted the first of them
    pages: list[str] = field(default_factory=list)
    page: list["CopiedDecision"] = field(default_factory=list)
    first_page: tuple["CopiedDecision", ...] = ()
    gone: int = 0


class _Making:
    """One copy in the making."""

    def __init__(
        self,
        runtime: Runtime,
        reader: Reading,
        asked: CopyRequest,
        now: datetime,
        contacts: "Contacts",
        file: IO[bytes],
    ) -> None:
        self._runtime = runtime
        self._reader = reader
        self._asked = asked
        self._now = now
        self._contacts = contacts
        self._file = file
        self._id = uuid7(microseconds(now) // 1000, os.urandom(UUID7_RANDOM_BYTES))
        self._seen = _Seen()
        self._deadlines = Deadlines.of(asked.received)

    def made(self) -> Copy:
        """The copy, logged."""
        with (
            Archive(self._file) as self._archive,
            tempfile.TemporaryFile(prefix="copy") as data,
        ):
            self._write_decisions(data)
            self._finish(data)
            manifest = _json({"v": 1, "copy": self._id, "files": self._archive.listed})
            digest = hashlib.sha256(manifest).hexdigest()
            self._archive.pack("manifest.json", manifest)
            # Logged before anybody gets it: what was handed over is on the log.
            self._runtime.writers["decisions"].write(
                Submission((Record.of(self._id, ExportIssued(digest)),))
            )
            receipt = self._runtime.logs["decisions"].receipt(self._id)
            self._archive.pack("export.tlog-proof", receipt.format().encode())
        size = self._file.tell()
        self._file.seek(0)
        return Copy(self._id, self._file, size, digest, len(self._seen.ids), self._deadlines)

    def _write_decisions(self, data: IO[bytes]) -> None:
        data.write(b'{"v":1,"copy":' + _json(self._id) + b',\n"decisions":[')
        gathering = Gathering(self._runtime, self._asked.language, self._asked.withhold)
        for decision_id in self._ids():
            try:
                gathered = gathering.gather(decision_id)
            except ErasedError:
                self._seen.gone += 1
                continue
            data.write((b",\n" if self._seen.ids else b"\n") + _json(gathered.stored))
            self._take(gathered)
        data.write(b"],\n")

    def _ids(self) -> Iterator[str]:
        """The decisions about the person, newest first, each noted before it is given."""
        cursor: str | None = None
        while True:
            page = self._runtime.decisions.find(
                DecisionQuery(subject=self._asked.subject, limit=READ_ROWS, cursor=cursor)
            )
            ids = [row.id for row in page.rows]
            self._reader.note(ids, EVERYTHING)
            yield from ids
            cursor = page.next_cursor
            if cursor is None:
                return

    def _take(self, gathered: Gathered) -> None:
        seen, shown = self._seen, gathered.shown
        for name, content in gathered.proofs.items():
            self._archive.add(name, content)
        seen.ids.add(shown.id)
        registry, stored = self._runtime.registry, gathered.stored
        seen.models.setdefault(stored["model"], registry.model(stored["model"]).manifest)
        seen.policies.setdefault(stored["policy"], registry.policy(stored["policy"]).manifest)
        seen.first = min(seen.first or shown.decided_at, shown.decided_at)
        seen.last = max(seen.last or shown.decided_at, shown.decided_at)
        seen.since = min(seen.since or shown.logged_at, shown.logged_at)
        seen.page.append(shown)
        if len(seen.page) == PAGE_DECISIONS:
            self._close_page()

    def _close_page(self) -> None:
        from reports.html import copy_page_html

        seen = self._seen
        page, seen.page = tuple(seen.page), []
        if not seen.first_page:
            seen.first_page = page
        elif page:
            number = len(seen.pages) + 2
            name = f"decisions-{number:03d}.html"
            text = copy_page_html(self._id, number, page, self._asked.language)
            self._archive.add(name, text.encode())
            seen.pages.append(name)

    def _finish(self, data: IO[bytes]) -> None:
        """Everything around the decisions."""
        from reports.html import copy_html

        self._close_page()
        erased = self._erased()
        for each in erased:
            certificate = self._runtime.erasing.certificate(each.id).to_json()
            self._archive.add(f"erasures/{each.id}.json", _json(certificate))
        lookups: list[Mapping[str, Any]] = []
        if self._seen.since is not None:
            access = self._runtime.access_log
            lookups = lookups_of(access, self._seen.ids, self._seen.since)
        copy = self._copy(erased, lookups)
        data.write(_json(self._around(copy, lookups))[1:])
        data.seek(0)
        self._archive.add_file("data.json", data)
        page = copy_html(copy, self._seen.first_page, self._asked.language)
        self._archive.add("index.html", page.encode())
        self._archive.add("README.txt", README.encode())
        self._archive.add("policy.txt", self._runtime.policy_text.encode())
        for name in (SCHEMA_NAME, "verify.py"):
            self._archive.add(name, (HERE / name).read_bytes())

    def _erased(self) -> tuple[Erasure, ...]:
        found = self._runtime.erasing.of_person(self._asked.subject)
        return tuple(each for each in found if each.stage is Stage.DONE)

    def _copy(
        self, erased: Sequence[Erasure], lookups: Sequence[Mapping[str, Any]]
    ) -> "SubjectCopy":
        from reports.documents.subject_copy import CopiedErasure, CopiedLookup, Held, SubjectCopy

        seen, days = self._seen, self._deadlines
        gone = bool(erased) or bool(seen.gone)
        newest = list(reversed(lookups))[:SHOWN_LOOKUPS]
        return SubjectCopy(
            reference=self._id,
            prepared=self._now.date(),
            received=days.received,
            answer_by=days.answer_by,
            extended_by=days.extended_by,
            contacts=self._contacts,
            held=Held.DECISIONS if seen.ids else Held.ERASED if gone else Held.NOTHING,
            count=len(seen.ids),
            gone=seen.gone,
            first=seen.first.date() if seen.first else None,
            last=seen.last.date() if seen.last else None,
            pages=tuple(seen.pages),
            models=described(
                seen.models.values(), seen.policies.values(), self._asked.language
            ),
            lookups=tuple(
                CopiedLookup(
                    datetime.fromisoformat(each["at"]), each["purpose"], each["role"],
                    each["decisions"],
                )
                for each in newest
            ),
            lookup_count=len(lookups),
            recipients=self._runtime.disclosures.recipients(seen.ids),
            erasures=tuple(
                CopiedErasure(each.id, (each.done_at or self._now).date(),
                              each.ground.value.replace("_", " "), each.decisions - each.held)
                for each in erased
            ),
            withheld=tuple(map(printable, self._asked.withhold)),
        )  # fmt: skip

    def _around(self, copy: "SubjectCopy", lookups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What data.json says beside the decisions."""
        seen = self._seen
        return {
            "language": self._asked.language,
            "prepared_at": self._now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "request": {
                "received_on": copy.received.isoformat(),
                "answer_by": copy.answer_by.isoformat(),
                "extended_by": copy.extended_by.isoformat(),
                "rule": RULE,
            },
            "log": self._runtime.logs["decisions"].origin,
            "controller": copy.contacts.controller.name,
            "held": copy.held.value,
            "erased_meanwhile": seen.gone,
            "models": [named(digest, each) for digest, each in seen.models.items()],
            "policies": [
                named(digest, each) | {"retention_class": each.get("retention_class")}
                for digest, each in seen.policies.items()
            ],
            "lookups": list(lookups),
            "recipients": None if copy.recipients is None else list(copy.recipients),
            "erasures": [
                {"id": each.id, "done_on": each.done.isoformat(), "ground": each.ground,
                 "decisions": each.count}
                for each in copy.erasures
            ],
        }  # fmt: skip


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
