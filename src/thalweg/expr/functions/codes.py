"""Define codes of characters, digests and encodings of text.

Not here: text itself (strings.py).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence

import polars as pl

from thalweg.base.types import INT32, INT64, STRING, DataType
from thalweg.expr.functions.kit import fixed, per_row, vecs
from thalweg.expr.registry import Function, register


def _ascii(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return per_row(args, lambda t: ord(t[0]) if t else 0, INT32)


def _chr(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return per_row(args, lambda n: chr(n & 0xFF) if n >= 0 else "", STRING)


register(
    Function(
        "ascii",
        fixed([STRING], INT32),
        _ascii,
        "a text",
        vectors=vecs(STRING, ("A", 65), ("", 0), (None, None), ("ab", 97)),
    )
)
register(
    Function(
        "chr",
        fixed([INT64], STRING),
        _chr,
        "a number",
        vectors=vecs(INT64, (65, "A"), (321, "A"), (-1, ""), (None, None)),
    )
)


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None


_ON_TEXT: dict[str, tuple[Callable[[str], str | None], str, str]] = {
    "md5": (
        lambda t: hashlib.md5(t.encode(), usedforsecurity=False).hexdigest(),
        "d41d8cd98f00b204e9800998ecf8427e",
        "900150983cd24fb0d6963f7d28e17f72",
    ),
    "sha1": (
        lambda t: hashlib.sha1(t.encode(), usedforsecurity=False).hexdigest(),
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
    ),
    "sha256": (
        lambda t: hashlib.sha256(t.encode()).hexdigest(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    "to_base64": (lambda t: base64.b64encode(t.encode()).decode(), "", "YWJj"),
}


def _register_digest(name: str) -> None:
    digest, of_empty, of_abc = _ON_TEXT[name]
    register(
        Function(
            name,
            fixed([STRING], STRING),
            lambda args, types: per_row(args, digest, STRING),
            "a text",
            vectors=vecs(STRING, ("", of_empty), ("abc", of_abc), (None, None)),
        )
    )


for _name in _ON_TEXT:
    _register_digest(_name)

register(
    Function(
        "from_base64",
        fixed([STRING], STRING),
        lambda args, types: per_row(args, _from_base64, STRING),
        "a text",
        vectors=vecs(STRING, ("YWJj", "abc"), ("", ""), ("!", None), (None, None)),
    )
)
