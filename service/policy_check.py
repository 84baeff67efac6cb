"""What a decision policy's manifest has to be, beyond what the ledger itself asks of it.

The ledger knows outcomes and a limit. Points, rules, reasons and how long decisions are kept are
read by others, and are checked before a policy has a name that decisions use.
"""

from collections.abc import Callable, Mapping

from ledger.canonical import JsonValue
from ledger.errors import MalformedError

__all__ = ["policy_check"]

Check = Callable[[Mapping[str, JsonValue]], object]


def policy_check(retention: Check) -> Check:
    """Return what raises for a policy's manifest that could not be worked with.

    Raises:
        MalformedError: (what it returns) its points, rules or reasons are malformed, or a
            rule's reason has no text; `member` says where. And whatever `retention` raises.
    """

    def check(manifest: Mapping[str, JsonValue]) -> None:
        retention(manifest)
        # Imported here: numpy and what else explaining needs is nothing for the doors.
        from explain.errors import SchemaError
        from explain.policy import check_points, check_reasons

        try:
            check_points(manifest)
            check_reasons(manifest)
        except SchemaError as error:
            raise MalformedError(f"manifest: {error}", member=error.member) from error

    return check
