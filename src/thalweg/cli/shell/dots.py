"""Commands of the shell itself, which begin with a dot.

Not here: statements (statements.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from thalweg.errors import ConfigError, PlanError, did_you_mean

if TYPE_CHECKING:
    from thalweg.cli.shell.statements import Shell

COMMANDS = {
    "help": "this list",
    "tables": "tables and views",
    "schema": "[TABLE]  how tables were defined, or one of them",
    "read": "FILE  carry out the statements of a file, its INSERTs as one job",
    "mode": "table|csv|json  how rows are shown",
    "rows": "N  how many rows of a table are shown",
    "timer": "on|off  whether the time is told",
    "exit": "leave, as Ctrl-D and QUIT; do",
}
ARGUMENTS = {"schema": "table", "read": "path", "mode": "table|csv|json", "timer": "on|off"}
"""What an argument is; the choices, where there are few."""
_HELP = """\
Statements end with ; and may have several lines. Tab completes.
A quoted path is a table: SELECT * FROM 'file.parquet';
Ctrl-C stops what runs, or clears what was typed.
"""


class Leave(Exception):
    """Whoever types wants to leave."""


def run_dot(shell: Shell, line: str) -> None:
    """Carry out one command.

    Raises:
        Leave: that was the command.
        ConfigError: there is no such command, or it does not take that argument.
    """
    name, _, argument = line.strip().removeprefix(".").partition(" ")
    argument = argument.strip().rstrip(";").strip()
    name = {"quit": "exit", "q": "exit"}.get(name.rstrip(";"), name.rstrip(";"))
    if name not in COMMANDS:
        raise ConfigError(
            f'there is no command ".{name}"',
            code="shell-command",
            choices=[f".{c}" for c in COMMANDS],
            hint=did_you_mean(f".{name}", [f".{c}" for c in COMMANDS]),
        )
    if "|" in ARGUMENTS.get(name, "") and argument not in ARGUMENTS[name].split("|"):
        raise _argument(name, argument, choices=ARGUMENTS[name].split("|"))
    _RUN[name](shell, argument)


def _argument(name: str, argument: str, choices: list[str] | None = None) -> ConfigError:
    return ConfigError(
        f'".{name}" does not take "{argument}"' if argument else f'".{name}" needs to be told more',
        code="shell-argument",
        expected=None if choices else COMMANDS[name].split("  ")[0],
        choices=choices,
        hint=did_you_mean(argument, choices) if choices else None,
    )


def _help(shell: Shell, argument: str) -> None:
    width = max(map(len, COMMANDS))
    parts = [text.rpartition("  ")[::2] for text in COMMANDS.values()]
    wide = max(len(given) for given, _ in parts)
    click.echo(_HELP)
    for name, (given, text) in zip(COMMANDS, parts, strict=True):
        click.echo(f"  .{name:<{width}} {given.strip():<{wide}}  {text}")


def _tables(shell: Shell, argument: str) -> None:
    catalog = shell.session.catalog
    for name in catalog.names():
        click.echo(f"{name}  (view)" if name in catalog.views else name)
    if not catalog.names():
        click.echo("there are no tables yet; a quoted path is one: SELECT * FROM 'file.parquet';", err=True)


def _schema(shell: Shell, argument: str) -> None:
    known = shell.session.catalog.names()
    if argument and argument not in known:
        raise PlanError(
            f'there is no table "{argument}"',
            code="plan-unknown-table",
            choices=known,
            hint=did_you_mean(argument, known),
        )
    for name in [argument] if argument else known:
        click.echo(shell.definition(name))


def _read(shell: Shell, argument: str) -> None:
    if not argument:
        raise _argument("read", argument)
    shell.read_file(argument.strip("'"))


def _mode(shell: Shell, argument: str) -> None:
    shell.form = argument


def _rows(shell: Shell, argument: str) -> None:
    if not argument.isdecimal() or int(argument) < 1:
        raise _argument("rows", argument)
    shell.rows_max = int(argument)


def _timer(shell: Shell, argument: str) -> None:
    shell.has_timer = argument == "on"


def _exit(shell: Shell, argument: str) -> None:
    raise Leave


_RUN = {
    "help": _help,
    "tables": _tables,
    "schema": _schema,
    "read": _read,
    "mode": _mode,
    "rows": _rows,
    "timer": _timer,
    "exit": _exit,
}
