"""Define LIKE, SIMILAR TO and the functions of regular expressions.

Regular expressions are those of Rust's `regex`: linear in time, but without look-around and
back-references. LIKE has no escape character unless one is named, as in standard SQL.

Not here: searching for plain text (strings.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from thalweg.base.types import BOOLEAN, INT32, INT64, STRING, DataType
from thalweg.expr.functions.kit import bad_constant, by_value, constant, fixed, vecs
from thalweg.expr.registry import UNKNOWN, Function, InferValues, Signature, register

_PLAIN = re.compile(r"(%?)([^%_]*)(%?)")
_SIMILAR = {"%": ".*", "_": "."}


def like_to_regex(pattern: str, escape: str | None = None) -> str:
    """The regular expression of a LIKE pattern.

    Example:
        >>> like_to_regex("a%b_")
        '^(?s:a.*b.)$'
    """
    found, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        if char == escape and i + 1 < len(pattern):
            i += 1
            found.append(_escaped(pattern[i]))
        else:
            found.append(_SIMILAR.get(char) or _escaped(char))
        i += 1
    return f"^(?s:{''.join(found)})$"


def _escaped(char: str) -> str:
    return "\\" + char if char in r"\.+*?()|[]{}^$#&-~" else char


def _like(text: pl.Expr, pattern: str, escape: str | None) -> pl.Expr:
    plain = _PLAIN.fullmatch(pattern) if escape is None or escape not in pattern else None
    if plain is None:
        return text.str.contains(like_to_regex(pattern, escape))
    before, middle, after = plain.groups()
    if before and after:
        return text.str.contains(middle, literal=True)
    if not before and not after:
        return text == middle
    return text.str.ends_with(middle) if before else text.str.starts_with(middle)


def _build_like(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    escape = constant(args[2]) if len(args) == 3 else None
    return by_value(args[:2], 1, lambda a, p: _like(a[0], p, escape), BOOLEAN)


def _infer_like(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    escape = values[2] if len(values) == 3 else None
    if escape is not None and escape is not UNKNOWN and len(str(escape)) != 1:
        raise bad_constant("like", "escape character", escape, expected="one character")
    return _LIKE(types)


_LIKE = fixed([STRING, STRING, STRING], BOOLEAN, optional=1)

register(
    Function(
        "like",
        _LIKE,
        _build_like,
        "a text, a pattern and, optionally, an escape character",
        infer_values=_infer_like,
        constants=(2,),
        operator="LIKE",
        vectors=(
            *vecs(
                STRING,
                ("hello", "h%", True),
                ("hello", "%ll%", True),
                ("hello", "%lo", True),
                ("hello", "h_llo", True),
            ),
            *vecs(
                STRING,
                ("hello", "hello", True),
                ("hello", "Hello", False),
                ("hello", "ell", False),
                ("", "%", True),
            ),
            *vecs(
                STRING,
                ("a.c", "a.c", True),
                ("abc", "a.c", False),
                ("a\nb", "a%b", True),
                ("a+b", "a+_", True),
            ),
            *vecs(
                STRING,
                (None, "%", None),
                ("a", None, None),
                ("", "", True),
                ("ä", "_", True),
                ("a\n", "a", False),
            ),
            *vecs(
                STRING, ("50%", "50!%", "!", True), ("500", "50!%", "!", False), ("a_b", "a!_%", "!", True)
            ),
            *vecs(STRING, (None, "a", "!", None), ("a!b", "a!!b", "!", True), ("a\n", "_", False)),
        ),
    )
)


def similar_to_regex(pattern: str) -> str:
    """The regular expression of a SIMILAR TO pattern: `%` and `_` as in LIKE, the rest as written.

    Example:
        >>> similar_to_regex("(a|b)%")
        '^(?s:(a|b).*)$'
    """
    found = "".join(_SIMILAR.get(c) or ("\\" + c if c in ".^$" else c) for c in pattern)
    return f"^(?s:{found})$"


def _checked(name: str, translate: Callable[[str], str] = str, *, groups: bool = False) -> InferValues:
    """Typing that also reads a constant pattern, so that a bad one is found before any row."""

    def infer(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
        if len(values) > 1 and isinstance(values[1], str):
            group = values[2] if groups and len(values) > 2 and isinstance(values[2], int) else 0
            _try_pattern(name, values[1], translate(values[1]), group)
        return _SIGNATURES[name](types)

    return infer


def _try_pattern(name: str, written: str, pattern: str, group: int) -> None:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        raise bad_constant(name, "pattern", written, expected=_reason(error)) from None
    if group < 0 or group > _groups(pattern):
        text = f"0 to {_groups(pattern)}: the pattern {written!r} has so many groups"
        raise bad_constant(name, "group", group, expected=text)


def _groups(pattern: str) -> int:
    """How many capture groups the pattern has."""
    return len(pl.Series([""], dtype=pl.String).str.extract_groups(pattern).struct.fields)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip().startswith("error:")]
    return "a regular expression of Rust's syntax" + (f" ({lines[0][7:]})" if lines else "")


def _matcher(translate: Callable[[str], str] = str) -> Callable[..., pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        # a bad pattern that comes out of a column is NULL
        strict = constant(args[1]) is not UNKNOWN
        return by_value(args, 1, lambda a, p: a[0].str.contains(translate(p), strict=strict), BOOLEAN)

    return build


def _extract(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    def by_pattern(rest: Sequence[pl.Expr], pattern: str) -> pl.Expr:
        return by_value([rest[0], *rest[1:]], 1, lambda a, g: _group(a[0], pattern, g), STRING)

    if len(args) == 2:
        return by_value(args, 1, lambda a, p: _group(a[0], p, 0), STRING)
    return by_value(args, 1, by_pattern, STRING)


def _group(text: pl.Expr, pattern: str, group: int) -> pl.Expr:
    if not _is_pattern(pattern) or not 0 <= group <= _groups(pattern):
        return pl.lit(None, dtype=pl.String)
    return text.str.extract(pattern, group)


def _is_pattern(pattern: str) -> bool:
    return pl.Series([""]).str.contains(pattern, strict=False)[0] is not None


def _replace(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    def by_pattern(rest: Sequence[pl.Expr], pattern: str) -> pl.Expr:
        if not _is_pattern(pattern):
            return pl.lit(None, dtype=pl.String)
        return by_value(rest, 1, lambda a, new: a[0].str.replace_all(pattern, _rust_replacement(new)), STRING)

    return by_value(args, 1, by_pattern, STRING)


def _rust_replacement(text: str) -> str:
    """Java's `$1`, and its dollar behind a backslash, in Rust's words."""
    text = re.sub(r"\\(.)", lambda m: "$$" if m[1] == "$" else m[1], text)
    return re.sub(r"(?<!\$)\$(\d)", r"${\1}", text)


_SIGNATURES = {
    "similar": fixed([STRING, STRING], BOOLEAN),
    "regexp": fixed([STRING, STRING], BOOLEAN),
    "regexp_extract": fixed([STRING, STRING, INT32], STRING, optional=1),
    "regexp_replace": fixed([STRING, STRING, STRING], STRING),
    "regexp_count": fixed([STRING, STRING], INT64),
}

register(
    Function(
        "similar",
        _SIGNATURES["similar"],
        _matcher(similar_to_regex),
        "a text and a pattern",
        infer_values=_checked("similar", similar_to_regex),
        operator="SIMILAR TO",
        vectors=vecs(
            STRING,
            ("abc", "(abc|x)", True),
            ("abc", "a%", True),
            ("abc", "b", False),
            ("a.c", "a.c", True),
            ("abc", "a.c", False),
            (None, "a", None),
            ("a", None, None),
        ),
    )
)
register(
    Function(
        "regexp",
        _SIGNATURES["regexp"],
        _matcher(),
        "a text and a regular expression",
        infer_values=_checked("regexp"),
        vectors=vecs(
            STRING,
            ("hello", "l+", True),
            ("hello", "^l", False),
            ("", "", True),
            (None, "a", None),
            ("a", None, None),
        ),
        aliases=("regexp_like", "rlike"),
        notes="Rust's syntax: no look-around, no back-references",
    )
)
register(
    Function(
        "regexp_extract",
        _SIGNATURES["regexp_extract"],
        _extract,
        "a text, a regular expression and, optionally, the number of a group",
        infer_values=_checked("regexp_extract", groups=True),
        vectors=(
            *vecs(
                (STRING, STRING, INT32), ("foothebar", "foo(.*?)(bar)", 2, "bar"), ("ab", "(a)(x)?", 2, None)
            ),
            *vecs(
                (STRING, STRING, INT32),
                ("x=5&channel_id=7", "(&|^)channel_id=([^&]*)", 2, "7"),
                ("a", "b", 0, None),
            ),
            *vecs(
                (STRING, STRING, INT32), (None, "a", 0, None), ("a", None, 0, None), ("a", "a", None, None)
            ),
            *vecs(STRING, ("hello", "l+", "ll"), ("hello", "x", None), (None, "x", None)),
        ),
    )
)
register(
    Function(
        "regexp_replace",
        _SIGNATURES["regexp_replace"],
        _replace,
        "a text, a regular expression and what to put in its place",
        infer_values=_checked("regexp_replace"),
        vectors=vecs(
            STRING,
            ("foobar", "oo|ar", "", "fb"),
            ("ab12", "([a-z]+)([0-9]+)", "$2x$1", "12xab"),
            ("a", "a", "\\$", "$"),
            (None, "a", "b", None),
            ("a", None, "b", None),
            ("a", "a", None, None),
        ),
    )
)
register(
    Function(
        "regexp_count",
        _SIGNATURES["regexp_count"],
        lambda args, types: by_value(
            args,
            1,
            lambda a, p: (
                a[0].str.count_matches(p).cast(pl.Int64) if _is_pattern(p) else pl.lit(None, dtype=pl.Int64)
            ),
            INT64,
        ),
        "a text and a regular expression",
        infer_values=_checked("regexp_count"),
        vectors=vecs(
            STRING,
            ("banana", "an", 2),
            ("banana", "x", 0),
            ("", "a", 0),
            (None, "a", None),
            ("a", None, None),
        ),
    )
)
