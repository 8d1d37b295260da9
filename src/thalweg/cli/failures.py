"""Say on the standard error stream what went wrong, and with which exit code the process ends.

A `ThalwegError` prints its own text, without a traceback. An exception of the user's program prints
its traceback between the user's first and last frame.

Not here: the wording (errors.py).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import thalweg
from thalweg.errors import CheckpointError, InternalError, ThalwegError, UserError

DONE, WRONG, USAGE, FAILED, CHECKPOINT, RUNNING = 0, 1, 2, 3, 4, 5
ALREADY_RUNNING = "job-already-running"
_REPORT = "this is a defect in Thalweg; please report it together with the text above"
_INSIDE = str(Path(thalweg.__path__[0]))
_RUNNING = "thalweg.session.execute"
"""The module through which every job is run."""


def report(error: BaseException, program: str | None = None) -> int:
    """Print the error to the standard error stream; the exit code for it."""
    text, code = told(error, program)
    print(text, file=sys.stderr, flush=True)
    return code


def told(error: BaseException, program: str | None = None) -> tuple[str, int]:
    """The text of an error and its exit code; `program` is the file that the user wrote."""
    if isinstance(error, BaseExceptionGroup):
        parts = [told(e, program) for e in error.exceptions]
        return "\n\n".join(dict.fromkeys(text for text, _ in parts)), max(code for _, code in parts)
    if isinstance(error, ThalwegError):
        return _of_ours(error, program), exit_code(error)
    return _of_the_program(error, program), WRONG if _is_outside_jobs(error, program) else FAILED


def exit_code(error: ThalwegError) -> int:
    """The exit code by who can act."""
    if error.code == ALREADY_RUNNING:
        return RUNNING
    if isinstance(error, UserError):
        return WRONG
    return CHECKPOINT if isinstance(error, CheckpointError) else FAILED


def _of_ours(error: ThalwegError, program: str | None) -> str:
    if error.where is None and program is not None:
        line = _line_in(error, program)
        if line is not None:
            error.located(f"{program}, line {line}")
    notes = [f"  in:       {note}" for note in getattr(error, "__notes__", ())]
    cause = error.__cause__
    causes = [] if cause is None or isinstance(cause, ThalwegError) else [_of_the_program(cause, None)]
    tail = [_REPORT] if isinstance(error, InternalError) else []
    return "\n".join([error.render(), *notes, *_indented(causes), *tail])


def _line_in(error: BaseException, program: str) -> int | None:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if _is_same(f.filename, program)]
    return lines[-1] if lines else None


def _of_the_program(error: BaseException, program: str | None) -> str:
    """A traceback that begins and ends in the user's own code."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    if program is not None and _is_unreadable(error, program):
        return "".join(shown.format_exception_only()).rstrip()
    stack = list(shown.stack)
    own = [i for i, f in enumerate(stack) if program is not None and _is_same(f.filename, program)]
    if own or program is None:
        stack = [f for f in stack[own[0] if own else 0 :] if not f.filename.startswith(_INSIDE)]
    shown.stack = traceback.StackSummary.from_list(stack)
    return "".join(shown.format(chain=False)).rstrip()


def _is_outside_jobs(error: BaseException, program: str | None) -> bool:
    """Whether the program itself is wrong: it cannot be read, or it raised while no job was running."""
    if program is None or _is_unreadable(error, program):
        return program is not None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    is_own = any(_is_same(f.f_code.co_filename, program) for f in frames)
    return is_own and all(f.f_globals.get("__name__") != _RUNNING for f in frames)


def _is_unreadable(error: BaseException, program: str) -> bool:
    return isinstance(error, SyntaxError) and _is_same(error.filename or "", program)


def _is_same(name: str, program: str) -> bool:
    return name == program or Path(name).resolve() == Path(program).resolve()


def _indented(texts: Iterable[str]) -> list[str]:
    return ["  cause:    " + text.replace("\n", "\n            ") for text in texts]
