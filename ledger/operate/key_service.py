"""Private keys that a key service keeps: a cloud KMS, an HSM, HashiCorp Vault.

The only door to securesystemslib, the extra `kms`. What is kept here is an address and
the public key; credentials are the service's own affair and come from its environment
(`VAULT_ADDR`, `VAULT_TOKEN`, …).
"""

import re
import threading
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ledger.errors import LedgerError, MalformedError, PushbackError, RefusedError
from ledger.tlog.note import PublicKey, decode_base64, encode_base64

__all__ = ["ED25519_BYTES", "MLDSA44_BYTES", "RemoteKey", "ServiceSigner", "find_ed25519"]

ED25519_BYTES: Final = 32
MLDSA44_BYTES: Final = 1_312

MAX_ADDRESS_CHARS: Final = 1_000  # of a key; a cloud's full key name takes some 200
ANSWER_SECONDS: Final = 5.0  # a batch waits for it, with the database's write lock held
RETRY_SECONDS: Final = 5.0  # when a service that was down may be tried again

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}:[!-~]+")
_VAULT: Final = "hv"
_VAULT_KEY: Final = re.compile(
    r"hv:(?P<name>[A-Za-z0-9_.-]{1,200})(/(?P<version>[1-9][0-9]{0,8}))?"
)


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """Where a private key is kept, as securesystemslib addresses it, and its public half.

    As a file: two lines, the address and the base64 of the public key.
    """

    address: str
    public_key: bytes

    def __post_init__(self) -> None:
        if len(self.address) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(self.address):
            raise MalformedError("key address: not a scheme and a name, such as hv:ledger/1")
        if len(self.public_key) not in {ED25519_BYTES, MLDSA44_BYTES}:
            raise MalformedError("key address: the public key is neither Ed25519 nor ML-DSA-44")

    @property
    def scheme(self) -> str:
        """Which kind of service it is: `hv` is HashiCorp Vault."""
        return self.address.partition(":")[0]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the file.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        lines = text.split("\n")
        if len(lines) != 3 or lines[2]:  # noqa: PLR2004  two lines and what follows the last
            raise MalformedError("key address: not two lines, an address and a public key")
        return cls(lines[0], decode_base64(lines[1]))

    def format(self) -> str:
        """The file's text."""
        return f"{self.address}\n{encode_base64(self.public_key)}\n"

    def known(self) -> PublicKey:
        """The public half, of the algorithm that its length tells."""
        if len(self.public_key) == ED25519_BYTES:
            return Ed25519PublicKey.from_public_bytes(self.public_key)
        return MLDSA44PublicKey.from_public_bytes(self.public_key)


class ServiceSigner:
    """Signs with a key that a service keeps. Asks one thing at a time, and not for ever."""

    def __init__(self, key: RemoteKey, seconds: float = ANSWER_SECONDS) -> None:
        """A signer that waits at most `seconds` for each signature.

        Raises:
            RefusedError: securesystemslib, or what it needs for this service, is not
                installed; or no service is addressed so.
        """
        self._key = key
        self._seconds = seconds
        self._turn = threading.Lock()
        self._asking: threading.Thread | None = None
        self._signer: Any = _signer(key)  # a wrong address shows at the start

    @property
    def address(self) -> str:
        """Where the key is kept."""
        return self._key.address

    def public_key(self) -> PublicKey:
        """The public half."""
        return self._key.known()

    def sign(self, data: bytes, /) -> bytes:
        """Return what the service answers for these bytes; nothing is verified yet.

        Raises:
            PushbackError: it is down, slow, or refuses.
        """
        answers: list[bytes | Exception] = []
        with self._turn:
            if self._asking is not None and self._asking.is_alive():
                raise self._pushback("has still not answered the question before")
            # A thread, because not every client can be told when to give up.
            thread = threading.Thread(target=self._ask, args=(data, answers), daemon=True)
            self._asking = thread
            thread.start()
            thread.join(self._seconds)
        match answers:
            case [bytes() as signature]:
                return signature
            case [Exception() as error]:
                raise self._pushback(f"did not sign ({type(error).__name__})") from error
            case _:
                raise self._pushback(f"did not answer within {self._seconds:g} seconds")

    def _ask(self, data: bytes, answers: list[bytes | Exception]) -> None:
        try:
            # Anew after a failure: credentials may have been renewed meanwhile.
            signer = self._signer if self._signer is not None else _signer(self._key)
            answer = bytes.fromhex(signer.sign(data).signature)
        except Exception as error:  # noqa: BLE001  each service's client raises its own
            self._signer = None
            answers.append(error)
        else:
            self._signer = signer
            answers.append(answer)

    def _pushback(self, what: str) -> PushbackError:
        return PushbackError(
            f"signing: the key service of {self._key.scheme}: {what}; nothing was signed",
            retry_after=RETRY_SECONDS,
        )


def find_ed25519(address: str, public_key: bytes | None = None) -> RemoteKey:
    """The Ed25519 key at an address; whether it signs is not tried.

    A Vault key may be given as `hv:NAME`: its newest version is meant, and Vault tells the
    public half. Elsewhere `public_key` says which key is expected.

    Raises:
        MalformedError: not an address, or the public key has to be given.
        RefusedError: what it takes to ask is not installed, or there is no such service.
        LedgerError: the service cannot be asked.
    """
    named = _VAULT_KEY.fullmatch(address)
    if named is not None and (public_key is None or named["version"] is None):
        address, found = _vault_key(named["name"], named["version"])
        if public_key not in (None, found):
            raise RefusedError(f"key address: {address} has another public key than was given")
        public_key = found
    if public_key is None:
        raise MalformedError("key address: give the public key too, this service is not asked")
    if len(public_key) != ED25519_BYTES:
        raise MalformedError("key address: the public key is not Ed25519")
    return RemoteKey(address, public_key)


def _vault_key(name: str, version: str | None) -> tuple[str, bytes]:
    """The address with its version, and the public key, as Vault's transit engine tells them."""
    try:
        import hvac
    except ImportError as error:
        raise _not_installed() from error
    client = None
    try:
        client = hvac.Client(timeout=int(ANSWER_SECONDS))
        keys = client.secrets.transit.read_key(name)["data"]["keys"]
        chosen = version or str(max(map(int, keys)))
        public_key = decode_base64(keys[chosen]["public_key"])
    except Exception as error:  # each layer of the client raises its own
        raise LedgerError(
            f"key address: Vault tells no Ed25519 key {name} ({type(error).__name__});"
            " look at VAULT_ADDR, VAULT_TOKEN and the key's type"
        ) from error
    finally:
        if client is not None:
            client.adapter.close()
    return f"{_VAULT}:{name}/{chosen}", public_key


def _signer(key: RemoteKey) -> Any:
    try:
        from securesystemslib.exceptions import UnsupportedLibraryError
        from securesystemslib.signer import Signer, SSlibKey
    except ImportError as error:
        raise _not_installed() from error
    try:
        return Signer.from_priv_key_uri(key.address, SSlibKey.from_crypto(key.known()))
    except UnsupportedLibraryError as error:
        raise RefusedError(f"signing: to sign with {key.scheme}: {error}") from error
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"signing: no key service is addressed as {key.scheme}: in this way"
        ) from error


def _not_installed() -> RefusedError:
    return RefusedError(
        "signing: keys of a key service need securesystemslib and hvac:"
        " pip install 'decision-ledger[kms]'"
    )
