"""Run the interactive shell: read lines, carry out statements, and survive what goes wrong with them.

Not here: what a statement does (statements.py), what a key does (lines.py).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from thalweg.cli.failures import DONE, report
from thalweg.cli.run import watched
from thalweg.cli.shell.completion import complete
from thalweg.cli.shell.dots import Leave, run_dot
from thalweg.cli.shell.history import History, history_path
from thalweg.cli.shell.lines import Lines
from thalweg.cli.shell.names import names_of
from thalweg.cli.shell.scan import cut, is_blank, open_sign
from thalweg.cli.shell.statements import Shell
from thalweg.cli.shell.work import Work
from thalweg.session.interrupts import INTERRUPTED, Interrupts

if TYPE_CHECKING:
    from thalweg.session.session import Session

PROMPT = "thalweg> "
_LEAVE = ("exit", "quit")
_STOPS_BEFORE_LEAVING = 2


def run_shell(session: Session, form: str, *, no_progress: bool = False) -> int:
    """Talk until whoever types leaves; the exit code."""
    loop = Loop(Shell(session, form), no_progress=no_progress)
    click.echo(f"Thalweg {version('thalweg')}   .help for help, .exit or Ctrl-D to leave", err=True)
    code = loop.run()
    if loop.left_behind:
        # a thread of Polars that goes on would keep the process from ending
        sys.stdout.flush()
        os._exit(code)
    return code


def prompt(typed: str) -> str:
    """What stands before the next line: what is not closed yet, if anything is.

    Example:
        >>> prompt(""), prompt("SELECT"), prompt("SELECT 'a")
        ('thalweg> ', '    ...> ', "      '> ")
    """
    if not typed:
        return PROMPT
    return f"{open_sign(typed) or '...':>{len(PROMPT) - 2}}> "


class Loop:
    """One conversation.

    Attributes:
        left_behind: whether something that was interrupted may still go on.
    """

    def __init__(self, shell: Shell, *, no_progress: bool = False) -> None:
        self.left_behind = False
        self._shell, self._no_progress = shell, no_progress
        self._lines = Lines(lambda a, b: complete(a, b, names_of(shell.session)), History(history_path()))

    def run(self) -> int:
        """Read and carry out until the end; the exit code."""
        typed = ""
        while True:
            try:
                line = self._lines.ask(prompt(typed), typed)
            except KeyboardInterrupt:
                click.echo(err=True)
                typed = ""
                continue
            except EOFError:
                click.echo(err=True)
                if typed:
                    click.echo("the last statement has no ; and was not carried out", err=True)
                return DONE
            try:
                typed = self._take(typed, line)
            except Leave:
                return DONE
            except _Terminated:
                return INTERRUPTED

    def _take(self, typed: str, text: str) -> str:
        """Carry out what is complete; what of a statement is typed so far."""
        lines = text.split("\n")
        for i, line in enumerate(lines):
            waiting, typed, is_done = self._take_line(typed, line)
            waiting += sum(not is_blank(rest) for rest in lines[i + 1 :])
            if not is_done:
                if waiting:
                    click.echo("what was typed behind it was not carried out", err=True)
                return ""
        return typed

    def _take_line(self, typed: str, line: str) -> tuple[int, str, bool]:
        """How many statements were not reached, what remains, and whether all went well."""
        if not typed and line.lstrip().startswith("."):
            self._lines.remember(line.strip())
            return 0, "", self._do(lambda: run_dot(self._shell, line))
        if not typed and line.strip().rstrip(";").rstrip().lower() in _LEAVE:
            raise Leave
        statements, rest = cut(f"{typed}{line}\n")
        if is_blank(rest):
            self._lines.remember(f"{typed}{line}".strip())
            rest = ""
        for i, statement in enumerate(statements):
            if statement.lower() in _LEAVE:
                raise Leave
            if not self._do(lambda s=statement: self._shell.carry_out(s)):  # type: ignore[misc]
                return len(statements) - i - 1, "", False
        return 0, rest, True

    def _do(self, function: Callable[[], None]) -> bool:
        """Carry something out; whether it went well."""
        interrupts = Interrupts(presses=_STOPS_BEFORE_LEAVING)
        work = Work(function)
        try:
            # with its own number, since several shells may run jobs at the same time
            name = f"sql-{os.getpid()}"
            with watched(interrupts, no_progress=self._no_progress, name=name, has_names=False):
                work.finish(interrupts)
        except Leave:
            raise
        except KeyboardInterrupt:
            _say_stopped(work)
        except Exception as error:  # noqa: BLE001 - a mistake must not end the shell
            sys.stdout.flush()
            report(error)
            return False
        finally:
            self.left_behind |= work.is_left
            self._shell.clear()
        if interrupts.number == signal.SIGTERM:
            raise _Terminated
        return not interrupts.came


def _say_stopped(work: Work) -> None:
    rest = "; what Polars is computing ends in the background, unseen" if work.is_left else ""
    click.echo(f"\nstopped{rest}", err=True)


class _Terminated(Exception):
    """The process was asked to end."""
