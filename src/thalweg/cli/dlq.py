"""`thalweg dlq`: look at dead letters, the rows that jobs have kept apart, and put repaired ones back."""

from __future__ import annotations

import json
from typing import Any

import click

from thalweg.cli.failures import DONE
from thalweg.cli.places import PLACE

_SHOWN = ("id", "reason", "source", "split", "position", "unit", "byte", "step", "code", "error")
_TIMES = ("event_time", "quarantined_at")
_DIRECTORY = click.argument("directory", type=PLACE)


@click.group("dlq")
def command() -> None:
    """Look at dead letters, the rows that jobs have kept apart, and put repaired ones back.

    Example: thalweg dlq ls dead
    """


@command.command("ls")
@_DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line")
def ls(directory: str, as_json: bool) -> int:
    """List how many rows were kept apart in DIRECTORY, by source and error."""
    from thalweg.cli.output import write_rows
    from thalweg.session.dead_letters import DeadLetters

    found = DeadLetters(directory).list()
    if found.height:
        write_rows(found, "json" if as_json else "table")
    else:
        click.echo("there are no dead letters", err=True)
    return DONE


@command.command("show")
@_DIRECTORY
@click.option("--n", "count", type=click.IntRange(min=1), help="only the first so many")
@click.option("--all", "is_all", is_flag=True, help="also those that were put back")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per line, to be edited and put back")
def show(directory: str, count: int | None, is_all: bool, as_json: bool) -> int:
    """Show the rows that were kept apart in DIRECTORY: where they stood, what is wrong, and their text."""
    import polars as pl

    from thalweg.cli.output import write_rows
    from thalweg.session.dead_letters import DeadLetters

    rows = DeadLetters(directory).rows()
    found = rows if is_all else rows.filter(pl.col("replayed_to").is_null())
    texts = pl.Series("text", [_text(raw) for raw in found["raw"]], pl.String)
    shown = found.select(*_SHOWN, *_TIMES, texts, "replayed_to").head(count or found.height)
    if as_json:
        for row in shown.to_dicts():
            click.echo(_line(row))
    elif shown.height:
        write_rows(shown.select("id", "split", "position", "code", "error", "text"), "table")
    else:
        click.echo("there are no dead letters", err=True)
    return DONE


@command.command("replay")
@_DIRECTORY
@click.option("--to", required=True, type=click.Path(), help="the directory that the job reads")
@click.option("--edit", type=click.Path(), help="JSON lines with id and text: only these rows, repaired")
@click.option("--late", is_flag=True, help="also rows that came too late")
def replay(directory: str, to: str, edit: str | None, late: bool) -> int:
    """Put rows of DIRECTORY back as a further file of a directory that a job reads, each of them once.

    Example: thalweg dlq replay dead --to clicks --edit repaired.jsonl

    What `thalweg dlq show DIRECTORY --json` prints is such a file, before it is repaired.
    """
    from thalweg.session.dead_letters import DeadLetters

    click.echo(DeadLetters(directory).replay(to, edits=edit, late=late).in_words())
    return DONE


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")


def _line(row: dict[str, Any]) -> str:
    known = {k: v for k, v in row.items() if v is not None}
    return json.dumps(known, default=lambda time: time.isoformat(), ensure_ascii=False)
