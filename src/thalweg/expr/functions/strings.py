"""Define functions of text that take it apart and put it together.

Positions count characters from 1. Padding and substrings follow Flink where SQL leaves a choice
(a negative length is NULL, a start beyond the end gives the empty text).

Not here: searching with patterns (patterns.py), digests and codes (codes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from thalweg.base.types import BOOLEAN, INT32, INT64, NULL, STRING, DataType, List
from thalweg.expr.functions.kit import by_value, constant, fixed, vec, vecs
from thalweg.expr.registry import UNKNOWN, Function, Signature, Vector, register

_TEXT = "a text"


def _simple(
    name: str, call: Callable[[pl.Expr], pl.Expr], vectors: tuple[Vector, ...], *aliases: str
) -> None:
    register(
        Function(
            name,
            fixed([STRING], STRING),
            lambda args, types: call(args[0]),
            _TEXT,
            vectors=(*vecs(STRING, (None, None), ("", "")), *vectors),
            aliases=aliases,
        )
    )


_simple("lower", lambda a: a.str.to_lowercase(), vecs(STRING, ("AbÄ", "abä")), "lcase")
_simple("upper", lambda a: a.str.to_uppercase(), vecs(STRING, ("abä", "ABÄ")), "ucase")
_simple("reverse", lambda a: a.str.reverse(), vecs(STRING, ("abä", "äba")))
_simple("initcap", lambda a: a.str.to_titlecase(), vecs(STRING, ("hello wORLD", "Hello World")))


def _trimmer(strip: Callable[[pl.Expr, pl.Expr | str], pl.Expr]) -> Callable[..., pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        if len(args) == 1:
            return strip(args[0], " ")
        return by_value(args, 1, lambda a, chars: strip(a[0], chars) if chars else a[0], STRING)

    return build


for _name, _strip, _plain, _chars in (
    ("trim", lambda a, c: a.str.strip_chars(c), "a b", "b"),
    ("ltrim", lambda a, c: a.str.strip_chars_start(c), "a b ", "bxy"),
    ("rtrim", lambda a, c: a.str.strip_chars_end(c), " a b", "yxb"),
):
    register(
        Function(
            _name,
            fixed([STRING, STRING], STRING, optional=1),
            _trimmer(_strip),
            "a text and, optionally, the characters to take off",
            vectors=(
                *vecs(STRING, (" a b ", _plain), (None, None), ("", ""), ("\ta", "\ta")),
                *vecs(STRING, ("yxbxy", "xy", _chars), ("a", None, None), (None, "x", None), ("aa", "a", "")),
            ),
        )
    )

_LENGTHS = (
    ("char_length", lambda a: a.str.len_chars(), 3, ("length", "character_length")),
    ("octet_length", lambda a: a.str.len_bytes(), 4, ()),
)
for _name, _length, _of_umlaut, _aliases in _LENGTHS:
    register(
        Function(
            _name,
            fixed([STRING], INT32),
            lambda args, types, length=_length: length(args[0]).cast(pl.Int32),  # type: ignore[misc]
            _TEXT,
            vectors=vecs(STRING, ("abä", _of_umlaut), ("", 0), (None, None)),
            aliases=_aliases,
        )
    )


def _substring(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    text, start = args[0], args[1]
    length = args[2] if len(args) == 3 else None
    known, size = constant(start), 0 if length is None else constant(length)
    if isinstance(known, int) and known >= 0 and isinstance(size, int) and size >= 0:
        return text.str.slice(max(known - 1, 0), length)
    count = text.str.len_chars().cast(pl.Int32)
    begin = pl.when(start > 0).then(start - 1).when(start < 0).then(count + start).otherwise(0)
    inside = (begin >= 0) & start.is_not_null()
    taken = text.str.slice(
        pl.when(inside).then(begin).otherwise(0), length if length is None else pl.max_horizontal(length, 0)
    )
    found = pl.when(inside).then(taken).when(start.is_not_null() & text.is_not_null()).then(pl.lit(""))
    return found if length is None else pl.when(length >= 0).then(found)


register(
    Function(
        "substring",
        fixed([STRING, INT32, INT32], STRING, optional=1),
        _substring,
        "a text, a start and, optionally, a length",
        vectors=(
            *vecs(
                (STRING, INT32),
                ("hello", 2, "ello"),
                ("hello", -3, "llo"),
                ("hello", 9, ""),
                ("hello", -9, ""),
            ),
            *vecs((STRING, INT32), ("hello", 0, "hello"), (None, 1, None), ("a", None, None), ("", 1, "")),
            *vecs((STRING, INT32, INT32), ("hello", 2, 3, "ell"), ("hello", 4, 9, "lo"), ("hello", 1, 0, "")),
            *vecs(
                (STRING, INT32, INT32), ("hello", 1, -1, None), ("hello", 1, None, None), ("äöü", 2, 1, "ö")
            ),
            *vecs((STRING, INT32, INT32), ("hello", -3, 2, "ll"), (None, -3, 2, None)),
        ),
        aliases=("substr",),
    )
)


def _left(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return (
        args[0]
        .str.slice(0, pl.when(args[1] > 0).then(args[1]).when(args[1].is_not_null()).then(0))
        .pipe(lambda e: pl.when(args[1].is_not_null()).then(e))
    )


def _right(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    text, count = args
    taken = text.str.tail(pl.when(count > 0).then(count).otherwise(0))
    return pl.when(count.is_not_null()).then(taken)


for _name, _build, _two in (("left", _left, "he"), ("right", _right, "lo")):
    register(
        Function(
            _name,
            fixed([STRING, INT32], STRING),
            _build,
            "a text and a number of characters",
            vectors=(
                *vecs(
                    (STRING, INT32),
                    ("hello", 2, _two),
                    ("hello", 9, "hello"),
                    ("hello", 0, ""),
                    ("hello", -1, ""),
                ),
                *vecs((STRING, INT32), (None, 1, None), ("a", None, None), ("", 3, "")),
            ),
        )
    )


def _texts(types: Sequence[DataType]) -> Signature | None:
    if not types or not all(t in (STRING, NULL) for t in types):
        return None
    return Signature((STRING,) * len(types), STRING)


register(
    Function(
        "||",
        _texts,
        lambda args, types: pl.concat_str(*args),
        "texts",
        vectors=(
            *vecs(STRING, ("a", "b", "ab"), ("a", None, None), (None, "b", None), ("", "", "")),
            *vecs(STRING, ("a", "b", "c", "abc"), ("a", "a")),
        ),
        aliases=("concat",),
        operator="||",
    )
)


def _concat_ws(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    def make(others: Sequence[pl.Expr], separator: str) -> pl.Expr:
        if not others:
            return pl.lit("")
        return pl.concat_str(*others, separator=separator, ignore_nulls=True)

    return by_value(args, 0, make, STRING)


register(
    Function(
        "concat_ws",
        _texts,
        _concat_ws,
        "a separator and texts",
        strict=False,
        vectors=(
            *vecs(
                STRING,
                ("-", "a", "b", "a-b"),
                ("-", "a", None, "a"),
                ("-", None, None, ""),
                (None, "a", "b", None),
            ),
            *vecs(STRING, ("-", "a", "", "a-")),
        ),
    )
)


def _replace(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    def make(others: Sequence[pl.Expr], old: str) -> pl.Expr:
        text, new = others
        # Polars wants a replacement for every row
        replaced = text.str.replace_all(old, new.fill_null(""), literal=True)
        return pl.when(new.is_not_null()).then(replaced)

    return by_value(args, 1, make, STRING)


register(
    Function(
        "replace",
        fixed([STRING] * 3, STRING),
        _replace,
        "a text, what to replace, and by what",
        vectors=(
            *vecs(STRING, ("banana", "an", "AN", "bANANa"), ("a.b", ".", "", "ab"), ("abc", "x", "y", "abc")),
            *vecs(
                STRING,
                (None, "a", "b", None),
                ("a", None, "b", None),
                ("a", "a", None, None),
                ("a$1", "a", "$0", "$0$1"),
            ),
        ),
    )
)


def _padder(*, left: bool) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        text, length, pad = args
        missing = length - text.str.len_chars().cast(pl.Int32)
        size = pad.str.len_chars().cast(pl.Int32)
        usable = (length >= 0) & (size > 0)
        count = pl.when(usable & (missing > 0)).then(missing).otherwise(0)
        times = (count + size - 1).truncdiv(pl.when(size > 0).then(size).otherwise(1))
        filler = pad.repeat_by(pl.max_horizontal(times, 0)).list.join("").str.slice(0, count)
        kept = text.str.slice(0, pl.when(usable).then(length).otherwise(0))
        both = pl.concat_str(filler, kept) if left else pl.concat_str(kept, filler)
        return pl.when(usable).then(both)

    return build


for _name, _left_side in (("lpad", True), ("rpad", False)):
    register(
        Function(
            _name,
            fixed([STRING, INT32, STRING], STRING),
            _padder(left=_left_side),
            "a text, a length and what to fill with",
            vectors=(
                *vecs((STRING, INT32, STRING), ("hi", 5, "xy", "xyxhi" if _left_side else "hixyx")),
                *vecs(
                    (STRING, INT32, STRING), ("hello", 2, "x", "he"), ("", 2, "x", "xx"), ("a", 0, "x", "")
                ),
                *vecs(
                    (STRING, INT32, STRING), ("a", -1, "x", None), ("a", 3, "", None), (None, 3, "x", None)
                ),
                *vecs((STRING, INT32, STRING), ("a", None, "x", None), ("a", 3, None, None)),
            ),
        )
    )

register(
    Function(
        "repeat",
        fixed([STRING, INT32], STRING),
        lambda args, types: pl.when(args[1].is_not_null() & args[0].is_not_null()).then(
            args[0].repeat_by(pl.max_horizontal(args[1], 0)).list.join("")
        ),
        "a text and a number",
        vectors=(
            *vecs((STRING, INT32), ("ab", 3, "ababab"), ("ab", 0, ""), ("ab", -1, ""), (None, 2, None)),
            *vecs((STRING, INT32), ("ab", None, None), ("", 5, "")),
        ),
    )
)


def _position(needle: pl.Expr, text: pl.Expr) -> pl.Expr:
    """The 1-based position of the first occurrence, 0 if there is none."""

    def make(others: Sequence[pl.Expr], part: str) -> pl.Expr:
        # Polars finds bytes; the characters before them are what counts
        at = others[0].str.find(part, literal=True)
        before = others[0].cast(pl.Binary).bin.slice(0, at).cast(pl.String, strict=False)
        found = before.str.len_chars().cast(pl.Int32) + 1
        return pl.when(at.is_not_null()).then(found).when(others[0].is_not_null()).then(0)

    return by_value([needle, text], 0, make, INT32)


def _locate(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if len(args) == 2:
        return _position(args[0], args[1])
    start = args[2]
    at = _position(args[0], args[1].str.slice(pl.when(start > 0).then(start - 1).otherwise(0)))
    return pl.when(start < 1).then(0).when(at > 0).then(at + start - 1).when(start.is_not_null()).then(at)


register(
    Function(
        "locate",
        fixed([STRING, STRING, INT32], INT32, optional=1),
        _locate,
        "what to look for, a text and, optionally, where to begin",
        vectors=(
            *vecs(
                STRING,
                ("l", "hello", 3),
                ("x", "hello", 0),
                ("", "a", 1),
                (None, "a", None),
                ("a", None, None),
            ),
            *vecs(STRING, ("ü", "äöü", 3)),
            *vecs((STRING, STRING, INT32), ("l", "hello", 4, 4), ("l", "hello", 5, 0), ("l", "hello", 0, 0)),
            *vecs((STRING, STRING, INT32), ("l", "hello", None, None), (None, "hello", 1, None)),
        ),
        aliases=("position",),
    )
)
register(
    Function(
        "instr",
        fixed([STRING, STRING], INT32),
        lambda args, types: _position(args[1], args[0]),
        "a text and what to look for",
        vectors=vecs(STRING, ("hello", "l", 3), ("hello", "x", 0), (None, "a", None), ("a", None, None)),
    )
)

_FIND: dict[str, tuple[Callable[[pl.Expr, pl.Expr], pl.Expr], str, str]] = {
    "starts_with": (lambda a, b: a.str.starts_with(b), "he", "lo"),
    "ends_with": (lambda a, b: a.str.ends_with(b), "lo", "he"),
    "contains": (lambda a, b: a.str.contains(b, literal=True), "ell", "xyz"),
}


def _register_find(name: str) -> None:
    find, inside, outside = _FIND[name]
    register(
        Function(
            name,
            fixed([STRING, STRING], BOOLEAN),
            lambda args, types: find(args[0], args[1]),
            "two texts",
            vectors=(
                *vecs(
                    STRING,
                    ("hello", inside, True),
                    ("hello", outside, False),
                    ("hello", "", True),
                    ("", "", True),
                ),
                *vecs(STRING, (None, "a", None), ("a", None, None), ("hello", ".", False)),
            ),
            aliases={"starts_with": ("startswith",), "ends_with": ("endswith",)}.get(name, ()),
        )
    )


for _name in _FIND:
    _register_find(_name)


def _split_index(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    index = constant(args[2])
    if index is UNKNOWN:
        parts = args[0].str.split(args[1])
        found = parts.list.get(pl.when(args[2] >= 0).then(args[2]), null_on_oob=True)
    elif index is None or index < 0:
        return pl.lit(None, dtype=pl.String)
    else:
        found = args[0].str.splitn(args[1], index + 2).struct.field(f"field_{index}")
    # the empty text has no parts
    return pl.when(args[0] != "").then(found)


register(
    Function(
        "split_index",
        fixed([STRING, STRING, INT32], STRING),
        _split_index,
        "a text, a separator and a number from 0",
        vectors=(
            *vecs(
                (STRING, STRING, INT32),
                ("a/b/c", "/", 0, "a"),
                ("a/b/c", "/", 2, "c"),
                ("a/b/c", "/", 3, None),
            ),
            *vecs((STRING, STRING, INT32), ("a//c", "/", 1, ""), ("a/b", "/", -1, None), ("", "/", 0, None)),
            *vecs(
                (STRING, STRING, INT32), (None, "/", 0, None), ("a", None, 0, None), ("a", "/", None, None)
            ),
            vec(("a--b", "--", 1), (STRING, STRING, INT32), "b"),
        ),
    )
)
register(
    Function(
        "split",
        fixed([STRING, STRING], List(STRING)),
        lambda args, types: pl.when(args[1].is_not_null()).then(args[0].str.split(args[1])),
        "a text and a separator",
        vectors=vecs(
            STRING,
            ("a,b,,c", ",", ["a", "b", "", "c"]),
            ("a", ",", ["a"]),
            (None, ",", None),
            ("a", None, None),
        ),
    )
)
register(
    Function(
        "count_char",
        fixed([STRING, STRING], INT64),
        lambda args, types: args[0].str.count_matches(args[1], literal=True).cast(pl.Int64),
        "a text and what to count in it",
        vectors=vecs(
            STRING, ("banana", "a", 3), ("banana", "x", 0), ("", "a", 0), (None, "a", None), ("a", None, None)
        ),
    )
)
