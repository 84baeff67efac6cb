"""A key-encryption key that a key management service encrypts: HashiCorp Vault's transit engine.

A record has a key of its own, so asking a service at each record would make it the
ledger's speed. The service encrypts one key instead, which stays in memory for a bounded
time (envelope encryption, as the cloud services' own guides advise): whoever takes the
service's permission away locks the vault within that time, and at the next start.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger.errors import LedgerError, MalformedError, PushbackError, RefusedError
from ledger.operate.kek_file import MAX_WRAPPED_CHARS, Served, checked
from ledger.operate.key_wrapper import KeyEncryptionKey

__all__ = ["check_address", "opened_by_service", "wrapped_by_service"]

ANSWER_SECONDS: Final = 5
RETRY_SECONDS: Final = 5.0

_ADDRESS: Final = re.compile(r"hv:(?P<name>[A-Za-z0-9_.-]{1,200})")


def check_address(address: str) -> str:
    """The name of the service's key.

    Raises:
        MalformedError: not the address of one.
    """
    named = _ADDRESS.fullmatch(address)
    if named is None:
        raise MalformedError("key-encryption key: give hv: and the name of a transit key of Vault")
    return named["name"]


def wrapped_by_service(key: KeyEncryptionKey, address: str) -> Served:
    """The key, encrypted by the service.

    Raises:
        MalformedError: not the address of a service's key.
        PushbackError: the service does not answer, or refuses.
    """
    name = check_address(address)
    plain = base64.b64encode(key.secret).decode()
    data = _asked(lambda transit: transit.encrypt_data(name, plaintext=plain), "encrypt")
    wrapped = data.get("ciphertext")
    if not isinstance(wrapped, str) or not 0 < len(wrapped) <= MAX_WRAPPED_CHARS:
        raise LedgerError("key-encryption key: the service answered with no ciphertext")
    return Served(key.id, address, wrapped)


def opened_by_service(kept: Served) -> KeyEncryptionKey:
    """The key again, decrypted by the service.

    Raises:
        RefusedError: what it decrypts is another key.
        PushbackError: the service does not answer, or refuses.
    """
    name = check_address(kept.address)
    data = _asked(lambda transit: transit.decrypt_data(name, ciphertext=kept.wrapped), "decrypt")
    try:
        secret = base64.b64decode(str(data.get("plaintext")), validate=True)
    except binascii.Error:
        raise LedgerError("key-encryption key: the service answered with no key") from None
    return checked(KeyEncryptionKey(secret), kept.id)


def _asked(ask: Callable[[Any], Mapping[str, Any]], what: str) -> Mapping[str, Any]:
    try:
        import hvac
    except ImportError as error:
        raise RefusedError(
            "key-encryption key: a key service needs hvac: pip install 'decision-ledger[kms]'"
        ) from error
    client = None
    try:
        client = hvac.Client(timeout=ANSWER_SECONDS)
        return dict(ask(client.secrets.transit)["data"])
    except Exception as error:  # each layer of the client raises its own
        raise PushbackError(
            f"key-encryption key: Vault did not {what} it ({type(error).__name__}); look at"
            " VAULT_ADDR, VAULT_TOKEN and the key's policy",
            retry_after=RETRY_SECONDS,
        ) from error
    finally:
        if client is not None:
            client.adapter.close()
