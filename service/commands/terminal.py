"""What every command shares: the ledger it works on, its words for failure, its exit codes.

0: done. 1: the answer is no (refused, not found, drifted, a finding). 2: it could not be
tried (a wrong argument or setting, a file or database that does not open).
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    # Imported for real inside: --help must not wait for databases and web libraries.
    from service.reading import Reading
    from service.runtime import Runtime
    from service.settings import Settings

__all__ = [
    "NO",
    "UNABLE",
    "chosen_tenant",
    "main_only",
    "opened",
    "print_json",
    "reads",
    "settings",
    "speaks",
]

NO: Final = 1
UNABLE: Final = 2

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def chosen_tenant() -> str:
    """The tenant that the command works on, by option or environment; empty: the main ledger."""
    context = click.get_current_context(silent=True)
    named = context.find_root().params.get("tenant") if context else None
    return str(named or os.environ.get("LEDGER_TENANT", ""))


def settings(tenant: str | None = None) -> "Settings":
    """The settings of this process; a wrong one ends the program with its name.

    They are those of `tenant`, or of the one that the command works on if it is None.
    """
    from service.settings import Settings, SettingsError

    name = chosen_tenant() if tenant is None else tenant
    try:
        return Settings.from_environ({**os.environ, "LEDGER_TENANT": name})
    except SettingsError as error:
        raise _failure(str(error), UNABLE) from error


@contextmanager
def opened() -> "Iterator[Runtime]":
    """The ledger that the settings name, taken up."""
    from service import core_dumps
    from service.runtime import Runtime

    core_dumps.switch_off()
    runtime = Runtime.open(settings())
    try:
        yield runtime
    finally:
        runtime.close()


def speaks(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Turn what our packages raise on purpose into one sentence and an exit code."""

    @wraps(command)
    def spoken(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        from explain.errors import ExplainError
        from ledger import errors
        from reports.errors import ReportError

        try:
            return command(*arguments, **options)
        except (ExplainError, ReportError) as error:
            raise _failure(_sentence(error), NO) from error
        except (errors.NotFoundError, errors.RefusedError, errors.ConflictError) as error:
            raise _failure(_sentence(error), NO) from error
        except errors.VerificationError as error:
            raise _failure(f"does not verify: {_sentence(error)}", NO) from error
        except (errors.LedgerError, OSError) as error:
            raise _failure(_sentence(error), UNABLE) from error

    return spoken


def main_only(instead: str) -> None:
    """Refuse a command that is not for one tenant, and name what is."""
    if chosen_tenant():
        raise click.UsageError(f"this is not for one tenant; {instead}")


def reads(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command the options that every read of a decision needs, and a `Reading`.

    Whoever sits at this terminal can read the files themselves; going through the access
    log keeps honest work on record.
    """
    command = click.option("--case", default="", help="The case it belongs to: a reference.")(
        command
    )
    return click.option(
        "--purpose", default="audit", show_default=True, help="Why you read, for the access log."
    )(command)


def reading(runtime: "Runtime", purpose: str, case: str) -> "Reading":
    """Reads of the person at this terminal, in the role of a data protection officer."""
    from ledger.roles import Principal, Role
    from service.reading import Caller, Reading

    operator = Principal("terminal", "operator at the terminal", Role.DATA_PROTECTION_OFFICER)
    return Reading(runtime, Caller(operator, purpose, case))


def print_json(value: Any) -> None:
    """Print a value as JSON, laid out for people and for jq."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _sentence(error: Exception) -> str:
    member = getattr(error, "member", None)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or 'cannot be used'}"
    return f"{error} ({member})" if member else str(error)


class _Failure(click.ClickException):
    """A sentence for the terminal and the exit code that goes with it."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance


def _failure(sentence: str, code: int) -> click.ClickException:
    return _Failure(sentence, code)
