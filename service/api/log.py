"""The logs as C2SP tiles: public bytes that any web server could serve as well.

Addresses and media types follow c2sp.org/tlog-tiles. No entry holds personal data, so
a witness or a regulator needs no account; an operator to whom volumes are secret can
close these addresses to callers without a key.
"""

from typing import Final

from flask import Response, request

from ledger import errors
from ledger.operate.published_log import PublishedLog
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import EntryBundle, Tile
from ledger.verify.reader import MAX_NOTE_BYTES
from ledger.verify.timestamp_files import INDEX, TOKEN, is_file_name
from service import auth
from service.api.routes import Routes, runtime
from service.problems import Problem
from service.runtime import kept_timestamps, log_retention

__all__ = ["routes"]

routes = Routes("log", "The transparency logs, as tiles: checkpoints, hashes, entries.")

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
TIMESTAMP: Final = "application/timestamp-reply"  # RFC 3161 §3.4
# A tile's address fixes its content for ever: full ones by position, partial ones by width.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
FRESH: Final = "public, max-age=1"  # seconds; a monitor should see the newest head


@routes.add("GET", "/log/<name>/checkpoint", None, returns={200: {TEXT: {"type": "string"}}},
            problems=("not-found",))  # fmt: skip
def checkpoint(name: str) -> Response:
    """The newest signed checkpoint of the log `decisions` or `access`."""
    return _public(_log(name).checkpoint(), TEXT, FRESH)


@routes.add("GET", "/log/<name>/tile/<path:rest>", None,
            returns={200: {BYTES: {"type": "string", "format": "binary"}}},
            problems=("not-found", "pruned", "unavailable"))  # fmt: skip
def tile(name: str, rest: str) -> Response:
    """One tile of hashes (`tile/<level>/<index>[.p/<width>]`) or of entries (`tile/entries/…`)."""
    log = _log(name)
    path = f"tile/{rest}"
    try:
        if rest.startswith("entries/"):
            bundle = EntryBundle.parse(path)
            _check_published(name, bundle)
            return _public(log.bundle(bundle), BYTES, IMMUTABLE)
        wanted = Tile.parse(path)
        _check_published(name, wanted)
        return _public(log.tile(wanted), BYTES, IMMUTABLE)
    except (errors.MalformedError, errors.NotFoundError) as error:
        # A path that is no tile is an address that does not exist, as on a file server.
        raise Problem("not-found", "There is no such tile in this log.") from error


@routes.add("GET", "/log/<name>/timestamps/<file>", None,
            returns={200: {TEXT: {"type": "string"},
                           TIMESTAMP: {"type": "string", "format": "binary"}}},
            problems=("not-found",))  # fmt: skip
def timestamp(name: str, file: str) -> Response:
    """A checkpoint that was timestamped, or a token over it; `index.txt` names them all."""
    _log(name)
    files = kept_timestamps(runtime().settings, name).files
    if file == INDEX:
        return _public("".join(f"{each}\n" for each in files.names()), TEXT, FRESH)
    content = files.read(file, MAX_NOTE_BYTES) if is_file_name(file) else None
    if content is None:
        raise Problem("not-found", "There is no such timestamp of this log.")
    return _public(content, TIMESTAMP if file.endswith(TOKEN) else TEXT, IMMUTABLE)


@routes.add("GET", "/log/<name>/minimum-index", None, returns={200: {TEXT: {"type": "string"}}},
            problems=("not-found", "unavailable"))  # fmt: skip
def minimum_index(name: str) -> Response:
    """From which entry on the log is published: its origin, the index, the retention policy.

    Three lines; two, with index 0, where everything is published.
    """
    _log(name)
    return _public(_minimum(name).format(), TEXT, FRESH)


@routes.add("GET", "/log/policy.txt", None, returns={200: {TEXT: {"type": "string"}}})
def policy() -> Response:
    """A trust policy for these logs, as the operator states it: compare its keys elsewhere.

    A relying party takes keys from somewhere that the operator cannot change for it
    alone: a contract, a gazette, a witness. This address only saves typing.
    """
    _admit()
    return _public(_WARNING + runtime().policy_text, TEXT, FRESH)


_WARNING: Final = (
    "# Keys as this server states them. Trust them only after comparing with a copy\n"
    "# that you got another way: keys never come from the server being checked.\n"
)


def _log(name: str) -> PublishedLog:
    _admit()
    try:
        return runtime().logs[name]
    except KeyError:
        raise Problem("not-found", "There is no such log; try decisions or access.") from None


def _minimum(name: str) -> MinimumIndex:
    # Read each time: the operator prunes at the command line, beside the running service.
    return log_retention(runtime().settings, name).minimum()


def _check_published(name: str, resource: Tile | EntryBundle) -> None:
    """Refuse what the minimum index withholds (c2sp.org/tlog-tiles, Pruning)."""
    minimum = _minimum(name)
    if minimum.withholds(resource):
        raise Problem(
            "pruned",
            f"This log is published from entry {minimum.first} on; its minimum index is"
            f" {minimum.index}. Retention policy: {minimum.policy}",
        )


def _admit() -> None:
    if not runtime().settings.log_public:
        auth.bearer(request.headers.get("Authorization"), runtime().api_keys)


def _public(body: str | bytes, media_type: str, caching: str) -> Response:
    response = Response(body, content_type=media_type)
    if not runtime().settings.log_public:
        caching = caching.replace("public", "private")
    response.headers["Cache-Control"] = caching
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
