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
    return _of_the_program(error, program), FAILED


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
    stack = list(shown.stack)
    if program is not None:
        own = [i for i, f in enumerate(stack) if _is_same(f.filename, program)]
        stack = stack[own[0] :] if own else stack
    while len(stack) > 1 and stack[-1].filename.startswith(_INSIDE):
        stack.pop()
    if program is None:
        stack = [f for f in stack if not f.filename.startswith(_INSIDE)]
    shown.stack = traceback.StackSummary.from_list(stack)
    return "".join(shown.format(chain=False)).rstrip()


def _is_same(name: str, program: str) -> bool:
    return name == program or Path(name).resolve() == Path(program).resolve()


def _indented(texts: Iterable[str]) -> list[str]:
    return ["  cause:    " + text.replace("\n", "\n            ") for text in texts]
