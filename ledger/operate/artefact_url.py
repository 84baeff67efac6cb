"""Files of model versions at an address: in an object store, or wherever fsspec can write.

Credentials come from the environment, as the library of the store has it; what that library says
when it fails is not repeated, since it may say them too. A directory beside the ledger keeps what
was read once: it is no more trusted than the store, and may be emptied at any time.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from ledger.errors import (
    NotFoundError,
    PushbackError,
    RefusedError,
    VerificationError,
)
from ledger.operate.artefacts import MAX_ARTEFACT_BYTES, ArtefactStore, checked_size, place_of
from ledger.operate.key_wrapper import Random

__all__ = ["RemoteArtefacts"]

RETRY_SECONDS: Final = 5.0  # an object store that stumbles is back soon; a person is told the rest

_ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]{0,31})://[^?#:]*(:[0-9]{1,5})?[^?#:]*")
_NONCE_BYTES: Final = 8
_SETTING: Final = "LEDGER_ARTEFACTS_URL"

_Result = TypeVar("_Result")


class RemoteArtefacts:
    """The files below one address, each as `sha256/ab/<digest>`: an :class:`ArtefactStore`."""

    def __init__(self, url: str, nearby: ArtefactStore, random: Random) -> None:
        """Keep files at `url`, and what was read in `nearby`.

        Raises:
            RefusedError: it is not an address, or nothing here can speak to such a store.
        """
        self._url, self._nearby, self._random = url.rstrip("/"), nearby, random
        self._opening = threading.Lock()
        self._opened: tuple[Any, str] | None = None
        _check(url)

    def keep(self, data: bytes) -> str:
        """As :meth:`ArtefactStore.keep`."""
        digest = hashlib.sha256(checked_size(data)).hexdigest()
        place = place_of(digest)
        # A name that nobody else writes, then one move: another writer brings the same bytes.
        beside = f"{place}.{self._random(_NONCE_BYTES).hex()}.new"

        def put(store: Any, root: str) -> None:
            store.makedirs(f"{root}/{place.rpartition('/')[0]}", exist_ok=True)
            store.pipe_file(f"{root}/{beside}", data)
            store.mv(f"{root}/{beside}", f"{root}/{place}")

        self._asked(put)
        self._remember(data)
        return digest

    def read(self, digest: str) -> bytes:
        """As :meth:`ArtefactStore.read`."""
        place = place_of(digest)
        with suppress(NotFoundError, VerificationError, OSError):  # then the store has the word
            return self._nearby.read(digest)

        def get(store: Any, root: str) -> bytes:
            return bytes(store.cat_file(f"{root}/{place}", start=0, end=MAX_ARTEFACT_BYTES + 1))

        data = self._asked(get)
        if hashlib.sha256(data).hexdigest() != digest:
            raise VerificationError("artefact: the file was changed")
        self._remember(data)
        return data

    def has(self, digest: str) -> bool:
        """As :meth:`ArtefactStore.has`."""
        place = place_of(digest)
        return self._asked(lambda store, root: bool(store.exists(f"{root}/{place}")))

    def _remember(self, data: bytes) -> None:
        with suppress(PushbackError, RefusedError):  # a full disk here takes no file away
            self._nearby.keep(data)

    def _asked(self, ask: Callable[[Any, str], _Result]) -> _Result:
        """What the store answers.

        Raises:
            NotFoundError: there is no such file.
            PushbackError: it does not answer; neither `no` nor `changed` may follow from that.
        """
        try:
            return ask(*self._store())
        except FileNotFoundError:
            raise NotFoundError("artefact: there is none with this digest") from None
        except Exception:  # noqa: BLE001  # each store has errors of its own, with secrets in them
            raise PushbackError(
                "artefact: its store does not answer", retry_after=RETRY_SECONDS
            ) from None

    def _store(self) -> tuple[Any, str]:
        """The store and the path in it; opened when first asked for, so after any fork."""
        with self._opening:
            if self._opened is None:
                from fsspec.core import url_to_fs

                # Listings would be remembered, and a file that somebody else keeps not be seen.
                self._opened = url_to_fs(self._url, use_listings_cache=False)
            return self._opened


def _check(url: str) -> None:
    address = _ADDRESS.fullmatch(url)
    if address is None:
        raise RefusedError(f"{_SETTING}: give an address such as s3://bucket/prefix")
    try:
        from fsspec import get_filesystem_class
    except ImportError as error:
        raise RefusedError(f"{_SETTING}: install decision-ledger[artefacts]") from error
    scheme = address[1]
    try:
        get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise RefusedError(f"{_SETTING}: install what fsspec needs for {scheme}://") from error
