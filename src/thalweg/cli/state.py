"""`thalweg state`: show what a running job keeps, or the rows of one state."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from thalweg.cli.failures import DONE

if TYPE_CHECKING:
    import polars as pl

    from thalweg.session.live import LiveRows

_FORMATS = ("table", "csv", "json", "arrow")


@click.command("state")
@click.argument("job")
@click.argument("step", required=False)
@click.argument("name", metavar="[STATE]", required=False)
@click.option("--key", "keys", multiple=True, metavar="COLUMN=VALUE", help="only the rows of this key")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="where the rows go; by default the standard output")
@click.option("--wait", type=float, default=10.0, show_default=True, help="seconds to wait for a cut")
def command(
    job: str,
    step: str | None,
    name: str | None,
    keys: tuple[str, ...],
    form: str,
    output: str | None,
    wait: float,
) -> int:
    """List what a running job keeps, or show the rows of the STATE of a STEP as of a cut.

    Example: thalweg state hot_items group1.group --key item=7
    """
    from thalweg.cli.output import write_rows
    from thalweg.session.live import LiveState

    live = LiveState.at(job)
    if step is None:
        if keys or output:
            raise click.UsageError("--key and --output are for the rows of a STEP")
        write_rows(live.states, "json" if form == "json" else "table")
        return DONE
    if form == "arrow" and output is None and sys.stdout.isatty():
        raise click.UsageError("arrow is not for a terminal; send it to a file: -o rows.arrows")
    with ExitStack() as stack:
        rows = stack.enter_context(live.rows(step, name, key=_key(keys), timeout=wait))
        file = sys.stdout.buffer if output is None else stack.enter_context(open(output, "wb"))
        for piece in _written(rows, form):
            file.write(piece)
        file.flush()
        click.echo(f"as of cut {rows.cut}", err=True)
    return DONE


def _key(given: tuple[str, ...]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given]
    for column, equals, _ in pairs:
        if not (column and equals):
            raise click.UsageError(f'--key expects COLUMN=VALUE, found "{column}"')
    return {column: value for column, _, value in pairs} or None


def _written(rows: LiveRows, form: str) -> Iterator[bytes]:
    """The rows as bytes, a part at a time."""
    if form == "arrow":
        from thalweg.columnar.arrow_stream import stream_of

        return stream_of(rows)
    return (text.encode() for text in (_table(rows) if form == "table" else _lines(rows, form)))


def _lines(parts: Iterable[pl.DataFrame], form: str) -> Iterator[str]:
    from thalweg.cli.output import as_lines

    for number, part in enumerate(parts):
        yield as_lines(part, form, has_header=not number)


def _table(parts: Iterable[pl.DataFrame]) -> Iterator[str]:
    """The first rows as a table, and how many there are."""
    import polars as pl

    from thalweg.cli.output import TABLE_ROWS, as_table

    shown: list[pl.DataFrame] = []
    count = 0
    for part in parts:
        if count < TABLE_ROWS:
            shown.append(part[: TABLE_ROWS - count])
        count += part.height
    yield as_table(pl.concat(shown), count) + "\n"
