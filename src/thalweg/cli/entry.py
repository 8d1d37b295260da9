"""Find the command that was asked for, and turn what it raises into a message and an exit code.

Commands are imported when they are asked for, so that each pays only for what it needs.

Not here: the commands (one module each), what errors look like (failures.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from thalweg.cli.failures import DONE, USAGE, report
from thalweg.cli.startup import collector_paused
from thalweg.session.interrupts import INTERRUPTED

COMMANDS = {
    "run": "run a program or a SQL file as a job",
    "sql": "run SQL and print the rows",
    "explain": "show how a program or a query would run",
    "check": "look at a program without running its job",
    "simulate": "say whether the result of a program can change",
    "jobs": "list the jobs that run on this machine",
    "why": "say what a running job waits for",
    "metrics": "show the figures of a running job",
    "state": "show what a running job keeps",
    "stop": "stop a running job",
    "checkpoint": "look at checkpoints of jobs",
    "dlq": "look at rows that were kept apart, and put them back",
    "doctor": "look at the installation",
    "demo": "see it work, in about a minute",
    "bench": "measure, and compare with what the machine can do",
}
_FIRST = ("demo", "sql", "run", "explain", "doctor")


class _Commands(click.Group):
    """Imports a command when it is needed; lists all without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with collector_paused():
            module = import_module(f"thalweg.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    "thalweg",
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="thalweg", message="thalweg %(version)s")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Batch and stream processing in one Python process.

    Example: thalweg sql "SELECT count(*) FROM 'data/*.parquet'"
    """
    if ctx.invoked_subcommand is None:
        width = max(map(len, _FIRST))
        for name in _FIRST:
            click.echo(f"  thalweg {name:<{width}}  {COMMANDS[name]}")
        click.echo("  thalweg --help lists all commands")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        code = command.main(list(arguments), prog_name="thalweg", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever reads has enough; Python would complain once more when it closes the stream
        sys.stdout = None
        return DONE
    except Exception as error:  # noqa: BLE001 - the one place where errors become text
        return report(error)
