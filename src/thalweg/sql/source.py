"""Turn offsets in a SQL text into places that a person can find.

Tokens and syntax nodes carry 0-based offsets; messages carry line, column and a caret. The whole
file is one text, so that a place is where the user's editor shows it.

Not here: what went wrong there (problems.py).
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from sqlglot import exp

from thalweg.errors import Span


class SourceText:
    r"""A SQL text that can say in which line an offset is.

    Example:
        >>> place = SourceText("SELECT\n  a").span(9, 10)
        >>> place.line, place.column
        (2, 3)
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _lines(self) -> tuple[list[int], list[int]]:
        """For each line, where it starts, and where its text ends."""
        starts, ends, at = [], [], 0
        for line in self.text.splitlines(keepends=True):
            starts.append(at)
            ends.append(at + len(line.splitlines()[0]))
            at += len(line)
        # after a last line break, or in an empty text, there is one more line, which "the end" is in
        if not ends or at > ends[-1]:
            starts.append(at)
            ends.append(at)
        return starts, ends

    def span(self, start: int, end: int) -> Span:
        """The place from `start` up to, but not including, `end`; cut at the end of its first line."""
        starts, ends = self._lines
        start = max(0, min(start, len(self.text)))
        row = bisect_right(starts, start) - 1
        length = max(1, min(end, ends[row]) - start)
        return Span(self.text, row + 1, start - starts[row] + 1, length)


def mark(node: exp.Expr, source: SourceText, start: int, end: int) -> None:
    """Remember that the node was written from `start` up to `end`."""
    node.meta.update(source=source, start=start, end=end)


def bounds(node: exp.Expr) -> tuple[int, int] | None:
    """Where the node was written, as offsets, if it is known."""
    meta = node.meta
    return (meta["start"], meta["end"]) if "source" in meta else None


def span_of(node: exp.Expr | None) -> Span | None:
    """The place of a syntax node, or of the nearest node around it that has one."""
    while node is not None:
        found = bounds(node)
        if found is not None:
            source: SourceText = node.meta["source"]
            return source.span(*found)
        node = node.parent
    return None


def verbatim(node: exp.Expr) -> str:
    """The node exactly as the user wrote it, on as many lines as there are."""
    found = bounds(node)
    assert found is not None, "what the parser made knows where it was written"
    source: SourceText = node.meta["source"]
    return source.text[found[0] : found[1]]


def text_of(node: exp.Expr) -> str:
    """The node as the user wrote it, on one line."""
    found = bounds(node)
    if found is None:
        return ""
    source: SourceText = node.meta["source"]
    return " ".join(source.text[found[0] : found[1]].split())
