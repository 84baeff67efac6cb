"""The file of key-encryption keys: which there are, the one in force first, and how each is kept.

A key is there in one of three ways: as it is, for whoever can read the file; encrypted
under a passphrase that is kept elsewhere; or encrypted by a key management service, which
then has to be asked for it. The file is canonical JSON and is replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import ConflictError, LedgerError, MalformedError, NotFoundError, RefusedError
from ledger.operate.key_wrapper import KEY_ID_BYTES, KeyEncryptionKey, Random
from ledger.private_files import sync_directory, write_new, write_synced
from ledger.sealing import KEY_BYTES, NONCE_BYTES, unwrap_key, wrap_key
from ledger.tlog.note import decode_base64, encode_base64

__all__ = ["MAX_KEYS", "Encrypted", "Kept", "KeyFile", "Plain", "Served", "encrypted"]

MAX_KEYS: Final = 16  # a rotation adds one, and ends with taking one away
MAX_FILE_BYTES: Final = 65_536
MAX_ADDRESS_CHARS: Final = 256
MAX_WRAPPED_CHARS: Final = 2_048  # a service's ciphertext of 32 bytes takes some 100

_SALT_BYTES: Final = 16
# OWASP's first choice for scrypt (Password Storage Cheat Sheet, 2023): 128 MiB, a third of a
# second, once for each start of a process.
_COST, _BLOCK, _PARALLEL = 2**17, 8, 1
_BOUND_TO: Final = "key-encryption key\n"


@dataclass(frozen=True, slots=True)
class Plain:
    """A key as it is."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A key under a passphrase: AES-256-GCM under scrypt(passphrase, salt)."""

    id: str
    salt: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Served:
    """A key that a service encrypted: `address` names the service's key, `hv:NAME` Vault's."""

    id: str
    address: str
    wrapped: str


Kept = Plain | Encrypted | Served


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys of a vault, the one in force first; at least one, each once."""

    keys: tuple[Kept, ...]

    def __post_init__(self) -> None:
        ids = {each.id for each in self.keys}
        if not 0 < len(self.keys) == len(ids) <= MAX_KEYS:
            raise MalformedError(f"key-encryption keys: give 1 to {MAX_KEYS}, each once")

    @classmethod
    def read(cls, path: Path) -> "KeyFile":
        """The file's keys.

        Raises:
            NotFoundError: there is no file.
            RefusedError: it is none that was written here.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(
                f"key-encryption key: {path.name} is not there; bring it back from its backup,"
                " nothing can be read without it"
            ) from None
        try:
            return cls.parse(data)
        except MalformedError as error:
            raise RefusedError(
                f"key-encryption key: {path.name} is damaged, or is not a file of keys ({error})"
            ) from error

    @classmethod
    def parse(cls, data: bytes) -> "KeyFile":
        """Read the file's bytes.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        document = canonical.decode(data.removesuffix(b"\n"), max_bytes=MAX_FILE_BYTES)
        if not isinstance(document, Mapping) or set(document) != {"keys", "v"}:
            raise MalformedError("not an object of keys and v")
        listed = document["keys"]
        if document["v"] != 1 or not isinstance(listed, list):
            raise MalformedError("not a version that is known here")
        file = cls(tuple(map(_parsed, listed)))
        if file.format() != data:
            raise MalformedError("not in its one form")
        return file

    def format(self) -> bytes:
        """The file's bytes."""
        return canonical.encode({"keys": list(map(_formatted, self.keys)), "v": 1}) + b"\n"

    def create(self, path: Path) -> None:
        """Write the file where none is.

        Raises:
            ConflictError: there is one; it is never overwritten, all keys hang on it.
        """
        try:
            write_new(path, self.format())
        except FileExistsError:
            raise ConflictError("key-encryption key: there is one already") from None

    def replace(self, path: Path) -> None:
        """Put this in the file's place, whole and durable when it returns."""
        beside = path.with_name(f"{path.name}.next")
        write_synced(beside, self.format())
        beside.replace(path)
        sync_directory(path.parent)


def encrypted(key: KeyEncryptionKey, passphrase: bytes, random: Random) -> Encrypted:
    """The key under a passphrase."""
    salt = random(_SALT_BYTES)
    under = _derived(passphrase, salt)
    sealed = wrap_key(under, key.secret, _BOUND_TO + key.id, random(NONCE_BYTES))
    return Encrypted(key.id, salt, sealed)


def decrypted(kept: Encrypted, passphrase: bytes | None) -> KeyEncryptionKey:
    """The key that :func:`encrypted` encrypted.

    Raises:
        RefusedError: no passphrase was given, or another.
    """
    if not passphrase:
        raise RefusedError(
            f"key-encryption key {kept.id}: it is encrypted; name the file with its passphrase"
            " in LEDGER_VAULT_PASSPHRASE_FILE"
        )
    try:
        secret = unwrap_key(_derived(passphrase, kept.salt), kept.sealed, _BOUND_TO + kept.id)
    except LedgerError:
        raise RefusedError(f"key-encryption key {kept.id}: the passphrase is another") from None
    return checked(KeyEncryptionKey(secret), kept.id)


def checked(key: KeyEncryptionKey, key_id: str) -> KeyEncryptionKey:
    """The key, if it is the one of this id.

    Raises:
        RefusedError: it is another.
    """
    if key.id != key_id:
        raise RefusedError(f"key-encryption key {key_id}: what is kept is another key, {key.id}")
    return key


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    kdf = Scrypt(salt=salt, length=KEY_BYTES, n=_COST, r=_BLOCK, p=_PARALLEL)
    return kdf.derive(passphrase)


def _formatted(kept: Kept) -> JsonValue:
    match kept:
        case Plain(key_id, secret):
            return {"id": key_id, "key": encode_base64(secret)}
        case Encrypted(key_id, salt, sealed):
            return {"id": key_id, "salt": encode_base64(salt), "sealed": encode_base64(sealed)}
        case Served(key_id, address, wrapped):
            return {"id": key_id, "service": address, "wrapped": wrapped}


def _parsed(member: JsonValue) -> Kept:
    if not isinstance(member, Mapping) or not all(isinstance(v, str) for v in member.values()):
        raise MalformedError("a key is not an object of texts")
    texts = cast("Mapping[str, str]", member)
    key_id = texts.get("id", "")
    if len(key_id) != 2 * KEY_ID_BYTES or set(key_id) - set("0123456789abcdef"):
        raise MalformedError("a key's id is not 16 hex digits")
    match sorted(texts):
        case ["id", "key"]:
            secret = decode_base64(texts["key"])
            if len(secret) != KEY_BYTES:
                raise MalformedError("a key is not 32 bytes")
            return Plain(key_id, secret)
        case ["id", "salt", "sealed"]:
            salt = decode_base64(texts["salt"])
            if len(salt) != _SALT_BYTES:
                raise MalformedError("a salt is not 16 bytes")
            return Encrypted(key_id, salt, decode_base64(texts["sealed"]))
        case ["id", "service", "wrapped"]:
            address, wrapped = texts["service"], texts["wrapped"]
            if len(address) > MAX_ADDRESS_CHARS or len(wrapped) > MAX_WRAPPED_CHARS:
                raise MalformedError("a service's key is too long")
            return Served(key_id, address, wrapped)
        case _:
            raise MalformedError("a key has other members")
