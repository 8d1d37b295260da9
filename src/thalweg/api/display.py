"""Show what a dataset is, as text and for notebooks.

Not here: printing rows (`Session.show`).
"""

from __future__ import annotations

from html import escape

import polars as pl

from thalweg.base.schema import Schema


def as_text(schema: Schema, *, is_bounded: bool, is_updating: bool) -> str:
    """The kind of a dataset and its columns.

    Example:
        >>> from thalweg.base.types import INT64
        >>> print(as_text(Schema.of({"id": INT64}), is_bounded=True, is_updating=False))
        Dataset (bounded, append-only)
          id  BIGINT
    """
    ends = "bounded" if is_bounded else "unbounded"
    changes = "updating" if is_updating else "append-only"
    width = max(map(len, schema.names), default=0)
    return "\n".join([f"Dataset ({ends}, {changes})", *(f"  {f.name:<{width}}  {f.type}" for f in schema)])


def as_html(head: str, schema: Schema, sample: pl.DataFrame | None, limit: str) -> str:
    """The same for notebooks, with some rows if there are any to show."""
    rows = "".join(f"<tr><td>{escape(f.name)}</td><td>{escape(str(f.type))}</td></tr>" for f in schema)
    table = f"<table><tr><th>column</th><th>type</th></tr>{rows}</table>"
    if sample is None:
        note, shown = "No rows are shown, since they never end; peek() shows some.", ""
    else:
        note = f"A sample: {sample.height} rows that came within {limit}, not the result."
        shown = sample._repr_html_()
    return f"<div><p>{escape(head)}</p>{table}<p>{escape(note)}</p>{shown}</div>"
