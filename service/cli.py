"""The command line: `decision-ledger`.

Each command parses its arguments, calls one use-case and prints. Nothing heavy is
imported until a command runs.
"""

import sys

try:
    import click
except ModuleNotFoundError as error:  # the base install checks logs, and serves none
    raise SystemExit(
        "decision-ledger needs its service: pip install 'decision-ledger[service]'.\n"
        "To check a log or a receipt, what is here is enough: python -m ledger.verify --help"
    ) from error

from service.commands.accesses import access
from service.commands.attributing import attributions
from service.commands.backups import backup, restore
from service.commands.corrections import correction
from service.commands.dating import timestamp
from service.commands.decisions import decisions, explain, letter, proof
from service.commands.disclosing import disclose
from service.commands.erasures import erasure
from service.commands.eventing import events
from service.commands.forks import fork
from service.commands.holds import hold
from service.commands.incidents import incident
from service.commands.keys import key
from service.commands.monitoring import monitor
from service.commands.outcomes import outcomes
from service.commands.registry import model, policy
from service.commands.replaying import replay
from service.commands.reports import report, verify
from service.commands.retention import retention
from service.commands.running import continue_, export, init, serve
from service.commands.signing import log
from service.commands.sources import sources
from service.commands.subjects import subject
from service.commands.tenants import tenant as tenants
from service.commands.vault import vault
from service.commands.witnessing import cosign, witness

__all__ = ["main"]


class _Sections(click.Group):
    """A group whose help lists its commands by what they are for."""

    sections = (
        ("Set up", ("init", "serve", "key", "tenant", "log", "export")),
        ("Register", ("model", "policy")),
        ("Look up", ("decisions", "explain", "letter", "replay", "attributions", "events")),
        ("Answer", ("subject", "correction", "disclose", "erasure", "hold", "retention", "access")),
        ("Check", ("proof", "sources", "outcomes", "monitor", "report", "verify")),
        ("Anchor", ("cosign", "timestamp", "witness")),
        ("Keep", ("vault", "backup", "restore", "fork", "incident", "continue")),
    )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        for title, names in self.sections:
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name, command.get_short_help_str(limit=62)))
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=_Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90}
)
@click.version_option(package_name="decision-ledger")
@click.option(
    "--tenant", metavar="NAME", help="Work on this tenant's ledger.  [default: LEDGER_TENANT]"
)
def main(tenant: str | None) -> None:  # read by service.commands.terminal
    """Record every model decision in a tamper-evident ledger, explain it months later, prove both.

    \b
    A first run:
      decision-ledger init --origin ledger.example/demo
      decision-ledger key issue --name loan-desk --role source
      decision-ledger serve

    Settings come from the environment: LEDGER_DATA (./data), LEDGER_ORIGIN, LEDGER_HOST,
    PORT and others; an unknown LEDGER_ variable is an error. Exit status: 0 done, 1 the
    answer is no, 2 it could not be tried.
    """  # noqa: D301  # \b tells click to keep the lines


for _command in (init, serve, key, tenants, log, export, model, policy, decisions, explain, letter,
                 replay, proof, sources, report, verify, cosign, timestamp, witness, backup,
                 restore, fork, incident, continue_, vault, access, attributions, disclose, erasure,
                 hold, events, retention, subject, correction, monitor, outcomes):  # fmt: skip
    main.add_command(_command)


if __name__ == "__main__":
    sys.exit(main())
