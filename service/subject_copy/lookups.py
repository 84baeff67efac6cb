"""Who looked at a person's records: dates and purposes, from the access log.

The log says when, in which role and what for; of which records is sealed in the vault. So
every access since the person's first decision is opened to see whether it is about them. Who
of the staff it was stays out (C-579/21), and so do all other people's records.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from ledger.entries import Access, parse_entry
from ledger.errors import ErasedError
from ledger.operate.access_log import AccessLog

__all__ = ["lookups_of"]


def lookups_of(
    access_log: AccessLog, records: Collection[str], since: datetime
) -> list[Mapping[str, Any]]:
    """The accesses to these records, oldest first, as the copy states them.

    Raises:
        VerificationError: what is stored is not what was logged.
    """
    wanted = frozenset(records)
    found: list[Mapping[str, Any]] = []
    for raw in access_log.log.entries():
        entry = parse_entry(raw)
        if not isinstance(entry.body, Access) or entry.at < since or not entry.body.size:
            continue
        try:
            detail = access_log.open(entry.id)
        except ErasedError:  # that log's own period ended
            continue
        count = Counter(each in wanted for each in detail.records)[True]
        if count:
            found.append(
                {
                    "at": entry.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                    "purpose": entry.body.purpose,
                    "role": entry.body.role,
                    "decisions": count,
                    "fields": list(detail.fields),
                }
            )
    return found
