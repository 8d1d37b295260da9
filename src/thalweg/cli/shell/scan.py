"""Tell where statements end while they are typed: a `;` counts outside strings, names and comments only.

Pure. Unlike the parser this never complains: what is not closed may still be typed.

Not here: what statements mean (sql/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECE = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'[^']*(?:'|\Z)|`[^`]*(?:`|\Z)|\"[^\"]*(?:\"|\Z)|;|[^-/'`\";]+|.", re.DOTALL
)
_QUOTES = ("'", "`", '"')


def pieces(text: str) -> list[str]:
    """The text cut into strings, quoted names, comments, `;` and what stands between.

    Example:
        >>> pieces("SELECT 'a;b' -- c;")
        ['SELECT ', "'a;b'", ' ', '-- c;']
    """
    return _PIECE.findall(text)


def cut(text: str) -> tuple[list[str], str]:
    """The statements that end with `;`, without it, and what follows the last one.

    Example:
        >>> cut("SELECT 1; SELECT ';")
        (['SELECT 1'], " SELECT ';")
    """
    done, rest = [], ""
    for piece in pieces(text):
        if piece != ";":
            rest += piece
            continue
        if not is_blank(rest):
            done.append(rest.strip())
        rest = ""
    return done, rest


def is_blank(text: str) -> bool:
    """Whether the text has nothing but spaces and closed comments."""
    return all((p.isspace() or is_comment(p)) and not is_open(p) for p in pieces(text))


def is_comment(piece: str) -> bool:
    """Whether a piece is a comment."""
    return piece.startswith(("--", "/*"))


def is_open(piece: str) -> bool:
    """Whether a piece is a string, a name or a comment that is not closed yet."""
    if piece.startswith("/*"):
        return len(piece) < 4 or not piece.endswith("*/")
    return piece.startswith(_QUOTES) and (len(piece) < 2 or piece[-1] != piece[0])


def open_sign(text: str) -> str:
    """What is not closed at the end of the text: `'`, a backtick, `"`, `/*`, or nothing.

    Example:
        >>> open_sign("SELECT 'it''s"), open_sign("SELECT 1")
        ("'", '')
    """
    last = pieces(text)[-1:]
    if not last or not is_open(last[0]):
        return ""
    return "/*" if last[0].startswith("/*") else last[0][0]


def segments(text: str) -> Iterator[tuple[str, bool]]:
    r"""A script cut at its dot commands: each part, and whether it is one.

    SQL has as many empty lines before it as lines came before it, so that places in it stay right.

    Example:
        >>> list(segments("SELECT 1;\n.mode csv\nSELECT 2"))
        [('SELECT 1;\n', False), ('.mode csv', True), ('\n\nSELECT 2', False)]
    """
    held, rest = "", ""
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.startswith(".") and is_blank(rest):
            if not is_blank(held):
                yield held, False
            yield line.strip(), True
            held, rest = "\n" * number, ""
        else:
            held += line
            rest = cut(rest + line)[1]
    if not is_blank(held):
        yield held, False
