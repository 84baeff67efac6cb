"""API keys: who may call.

A key is `dl_<id>_<secret>` with 256 random bits as its secret. Only the SHA-256 of
the whole text is stored: the secret has too much entropy to be guessed from it, so a
slow hash would cost time and buy nothing. A key is shown once, when it is issued.

Who a key belongs to is remembered for a second, because asking the database takes as long
as preparing a decision. So another process's revocation takes effect within that second.
"""

import base64
import hashlib
import hmac
import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Row, insert, select, update

from ledger.errors import KeyExpired, MalformedError, NotFoundError, RefusedError
from ledger.operate.key_wrapper import Random
from ledger.operate.sequencer import Clock
from ledger.operate.vault import EPOCH, microseconds
from ledger.roles import Principal, Role
from ledger.storage.database import reading, writing
from ledger.storage.models import api_key

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
MAX_NAME_CHARACTERS: Final = 100
REMEMBER_SECONDS: Final = 1.0  # for which a key that was revoked elsewhere may still be taken
MAX_REMEMBERED: Final = 1_024  # keys; of more the database is asked each time anew
MAX_DAYS: Final = 3_660  # a key may be issued for ten years

_UNSEEN: Final = (
    range(0x034F, 0x0350),  # combining grapheme joiner
    range(0x115F, 0x1161),  # Hangul fillers
    range(0x17B4, 0x17B6),  # Khmer inherent vowels
    range(0x180B, 0x1810),  # Mongolian variation selectors
    range(0x2065, 0x2066),  # kept free for another
    range(0x2800, 0x2801),  # a Braille cell without dots, which no list has
    range(0x3164, 0x3165),  # Hangul filler
    range(0xFE00, 0xFE10),  # variation selectors
    range(0xFFA0, 0xFFA1),  # Hangul filler of half width
    range(0xFFF0, 0xFFF9),  # kept free for more
    range(0xE0000, 0xE1000),  # tags and further variation selectors
)
"""Default-ignorable code points beside those of the category Cf."""
_KEY: Final = re.compile(r"dl_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An issued key, without its secret.

    `revoked_at` is None while nobody has revoked it, `expires_at` if it never ends by itself.
    """

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Say whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiKeys:
    """The keys of one ledger."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        random: Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._random = random
        self._monotonic = monotonic
        self._remembered: dict[bytes, tuple[float, Row[Any]]] = {}  # by digest, with an end

    def issue(self, name: str, role: Role, days: int | None = None) -> tuple[str, str]:
        """A new key: its text, which is shown this once, and its id.

        It ends by itself after so many days, or never.

        Raises:
            MalformedError: the name is empty, too long, not printable or has a character
                that nobody sees, or it would end at once or in more than `MAX_DAYS` days.
        """
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise MalformedError(f"API key: not 1 to {MAX_DAYS:,} days", member="expires")
        if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
            raise MalformedError("API key: not a printable name", member="name")
        if any(map(invisible, name)):  # two names that look alike would pass for two people
            raise MalformedError("API key: a character of the name is not seen", member="name")
        key_id = self._random(ID_BYTES).hex()
        secret = base64.urlsafe_b64encode(self._random(SECRET_BYTES)).decode().rstrip("=")
        text = f"dl_{key_id}_{secret}"
        now = self._clock()
        ends = None if days is None else microseconds(now + timedelta(days=days))
        with writing(self._engine) as connection:
            connection.execute(
                insert(api_key).values(
                    id=key_id,
                    digest=_digest(text),
                    name=name,
                    role=role.value,
                    created_us=microseconds(now),
                    expires_us=ends,
                )
            )
        return text, key_id

    def authenticate(self, text: str) -> Principal:
        """Who calls with this key, as the database knew it `REMEMBER_SECONDS` ago or later.

        Raises:
            KeyExpired: somebody, until its time was up; only who has the secret learns of it.
            RefusedError: nobody: it is not a key, unknown or revoked. It does not say which.
        """
        # The time of finding a digest tells nothing of a key: nobody can choose a digest.
        sent = _digest(text)
        until, known = self._remembered.get(sent, (0.0, None))
        now = self._monotonic()
        if known is not None and now < until:
            return self._holder(known)
        match = _KEY.fullmatch(text)
        row = self._row(match[1]) if match else None
        # An unknown id is compared with something too, so that time tells nothing.
        digest = bytes(row.digest) if row else bytes(hashlib.sha256().digest_size)
        if not hmac.compare_digest(digest, sent) or row is None or row.revoked_us:
            self._remembered.pop(sent, None)
            raise RefusedError("API key: not one that is in force")
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[sent] = (now + REMEMBER_SECONDS, row)
        return self._holder(row)

    def principal(self, key_id: str) -> Principal:
        """Who holds the key with this id, for a session that was opened with it.

        Raises:
            RefusedError: the key is unknown or revoked, or its time is up.
        """
        row = self._row(key_id)
        if row is None or row.revoked_us is not None:
            raise RefusedError("API key: not one that is in force")
        return self._holder(row)

    def revoke(self, key_id: str) -> None:
        """From now on the key is refused; by other processes from `REMEMBER_SECONDS` on.

        Revoking it again changes nothing.

        Raises:
            NotFoundError: there is no such key.
        """
        now = microseconds(self._clock())
        with writing(self._engine) as connection:
            found = connection.scalar(select(api_key.c.id).where(api_key.c.id == key_id))
            if found is None:
                raise NotFoundError("API key: there is none with this id")
            connection.execute(
                update(api_key)
                .where(api_key.c.id == key_id, api_key.c.revoked_us.is_(None))
                .values(revoked_us=now)
            )
        self._remembered.clear()

    def list(self) -> tuple[ApiKey, ...]:
        """Every key ever issued, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(api_key).order_by(api_key.c.created_us, api_key.c.id))
            return tuple(_value(row) for row in rows)

    def _holder(self, row: Row[Any]) -> Principal:
        if row.expires_us is not None and microseconds(self._clock()) >= row.expires_us:
            raise KeyExpired("API key: its time is up")
        return Principal(row.id, row.name, Role(row.role))

    def _row(self, key_id: str) -> Row[Any] | None:
        with reading(self._engine) as connection:
            query = select(api_key).where(api_key.c.id == key_id)
            return connection.execute(query).one_or_none()


def invisible(character: str) -> bool:
    """Say whether a character shows nothing, and is no blank: Unicode's default-ignorables."""
    code = ord(character)
    return unicodedata.category(character) == "Cf" or any(code in each for each in _UNSEEN)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _value(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=EPOCH + timedelta(microseconds=row.created_us),
        revoked_at=_moment(row.revoked_us),
        expires_at=_moment(row.expires_us),
    )


def _moment(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)
