"""Say what went wrong, to whom it matters, and what could be done.

One tree, divided by *who can act*: the author of the program (`UserError`), the owner of the
data (`DataError`), whoever runs the outside world (`ExternalError`), whoever restores a job
(`CheckpointError`), or us (`InternalError`).

Every error has a stable `code`, a one-line `message` and optional labelled lines (`where`,
`expected`, `found`, `choices`, `retry`, `hint`). The text is built here and nowhere else.

Not here: when errors are raised, and how the command line turns them into exit codes (cli/).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

_LABELS = ("where", "expected", "found", "choices", "retry", "hint")


class Retry(Enum):
    """Whether trying the same thing again may help."""

    NEVER = "never"
    LATER = "later"


@dataclass(frozen=True)
class Span:
    """A place in a text: 1-based line and column, and the length of what is meant."""

    text: str
    line: int
    column: int
    length: int = 1

    @property
    def written(self) -> str:
        """What stands there, on its line."""
        lines = self.text.splitlines() or [""]
        return lines[min(self.line, len(lines)) - 1][self.column - 1 :][: self.length]

    def render(self) -> str:
        """The place in words, the line of text, and a caret below it."""
        lines = self.text.splitlines() or [""]
        source = lines[min(self.line, len(lines)) - 1]
        start = max(0, self.column - 1 - 40)
        shown = ("…" if start else "") + source[start : start + 90].rstrip()
        shown += " …" if len(source) > start + 90 or self.line < len(lines) else ""
        indent = self.column - 1 - start + (1 if start else 0)
        prefix = f"line {self.line}, column {self.column}     "
        return f"{prefix}{shown}\n{' ' * (len(prefix) + indent)}{'^' * max(1, self.length)}"


class ThalwegError(Exception):
    """Root of every error that Thalweg raises on purpose.

    Args:
        message: what is wrong, in the user's words: lower case, no final period.
        code: stable identifier such as `plan-unknown-column`.
        where: a `Span`, or the place in words.
        expected, found, choices, retry, hint: optional labelled lines.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        where: Span | str | None = None,
        expected: str | None = None,
        found: str | None = None,
        choices: Iterable[str] | None = None,
        retry: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.where = where
        self.expected = expected
        self.found = found
        self.choices = None if choices is None else tuple(choices)
        self.retry = retry
        self.hint = hint
        super().__init__(message)

    def located(self, where: Span | str) -> ThalwegError:
        """This error with its place filled in, if it has none yet."""
        if self.where is None:
            self.where = where
        return self

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        for label in _LABELS:
            text = self._labelled(label)
            if text is not None:
                head = f"  {label + ':':<9} "
                lines.append(head + text.replace("\n", "\n" + " " * len(head)))
        return "\n".join(lines)

    def _labelled(self, label: str) -> str | None:
        value = getattr(self, label)
        if value is None:
            return None
        if isinstance(value, Span):
            return value.render()
        if label == "choices":
            return ", ".join(value) if value else "(none)"
        return str(value)

    def render(self) -> str:
        """The error as the command line prints it: class name, code, message and labels."""
        return f"{type(self).__name__} {self}"


class UserError(ThalwegError):
    """The program or the query is wrong; its author can mend it."""


class PlanError(UserError):
    """A step does not fit the columns or properties of its input."""


class SqlError(UserError):
    """A SQL text cannot be read, or says something that has no meaning."""


class TypeMismatch(UserError):
    """An expression is applied to values of a type that it does not take."""


class ConfigError(UserError):
    """An option is unknown, has a value that it does not take, or a file is not there."""


class DataError(ThalwegError):
    """A row cannot be processed.

    Attributes:
        split: name of the split (a file, a partition) the row came from, if known.
        offset: 0-based number of the row (or 1-based line of a text file) in the split, if known.
        sample: the start of the row's text, at most 200 characters.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        split: str | None = None,
        offset: int | None = None,
        sample: str | None = None,
        where: Span | str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.split, self.offset = split, offset
        self.sample = None if sample is None else sample[:200]
        super().__init__(message, code=code, where=where, expected=expected, found=found, hint=hint)


class ExternalError(ThalwegError):
    """The world outside failed: a file system, a network, a service."""

    retry_kind: Retry = Retry.LATER


class ConnectorError(ExternalError):
    """A source or sink could not do its work."""


class StoreError(ExternalError):
    """A checkpoint store could not read or write."""


class CheckpointError(ThalwegError):
    """State cannot be taken or restored."""


class InternalError(ThalwegError):
    """A defect in Thalweg itself. Please report it with the text of the error."""


class IgnoredOptionWarning(UserWarning):
    """An option that Flink has was given, and means nothing here."""


def near_misses(name: str, choices: Sequence[str]) -> list[str]:
    """The choices that look like `name`, best first.

    Example:
        >>> near_misses("user_di", ["user_id", "url"])
        ['user_id']
    """
    exact = [c for c in choices if c.lower() == name.lower()]
    return exact or difflib.get_close_matches(name, choices, n=3, cutoff=0.6)


def did_you_mean(name: str, choices: Sequence[str]) -> str | None:
    """A `hint` line that names the nearest choice, or None.

    Example:
        >>> did_you_mean("user_di", ["user_id", "url"])
        'did you mean "user_id"?'
    """
    near = near_misses(name, choices)
    return f'did you mean "{near[0]}"?' if near else None
