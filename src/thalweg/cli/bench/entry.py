"""`thalweg bench`: run benchmarks, print or keep what they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from thalweg.cli.failures import DONE, FAILED
from thalweg.errors import did_you_mean


@click.command("bench")
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--events", type=click.IntRange(min=1000), default=10_000_000, show_default=True)
@click.option("--rate", type=click.IntRange(min=1), help="events per second")
@click.option("--mode", type=click.Choice(["batch", "stream"]), help="another mode than the benchmark's own")
@click.option("--parallelism", type=click.IntRange(min=1))
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="after one to warm up")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="of open-loop measurements")
@click.option("--json", "as_json", is_flag=True, help="print results as JSON lines")
@click.option("--list", "is_list", is_flag=True, help="print the names and questions")
@click.option("--all", "is_all", is_flag=True, help="run every benchmark")
@click.option("--store", type=click.Path(file_okay=False), help="keep each result as DIR/NAME.json")
def command(
    names: tuple[str, ...], as_json: bool, is_list: bool, is_all: bool, store: str | None, **how: Any
) -> int:
    """Measure, and compare with what the machine can do.

    Example: thalweg bench q5 q17 --runs 3
    """
    from thalweg.cli.bench.registry import BENCHMARKS

    if is_list:
        for benchmark in BENCHMARKS:
            click.echo(f"{benchmark.name:<16} {benchmark.question}")
        return DONE
    chosen = [b.name for b in BENCHMARKS] if is_all else _known(names)
    results = [_measure(name, how, as_json=as_json, store=store) for name in chosen]
    return DONE if all(results) else FAILED


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    from thalweg.cli.bench.registry import BY_NAME

    if not names:
        raise click.UsageError("name a benchmark, or --all; --list shows them")
    for name in names:
        if name not in BY_NAME:
            hint = did_you_mean(name, list(BY_NAME)) or "--list shows them"
            raise click.UsageError(f'there is no benchmark "{name}"; {hint}')
    return names


def _measure(name: str, how: dict[str, Any], *, as_json: bool, store: str | None) -> bool:
    """Run one benchmark; whether it gave a right result."""
    from thalweg.cli.bench.model import Options
    from thalweg.cli.bench.worker import measure_apart

    found = measure_apart(name, Options(**how))
    if found is None:
        click.echo(f"{name}: failed", err=True)
        return False
    click.echo(json.dumps(found) if as_json else shown(found))
    if store is not None:
        directory = Path(store)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return bool(found["check"] == "ok")


def shown(found: dict[str, Any]) -> str:
    """A result in one line.

    Example:
        >>> shown({"name": "q0", "unit": "events/s", "median": 2e6, "min": 1e6, "max": 3e6, "check": "ok",
        ...        "limit": 4e6, "percent_of_limit": 50.0, "details": {"peak_own_mib": 120.4}})
        'q0               2.00 M events/s  (1.00 to 3.00)   50.0 % of 4.00 M   120 MiB'
    """
    if found["check"] != "ok":
        return f"{found['name']:<16} WRONG: {'; '.join(found['check'])}"
    scale, letter = (1e6, " M") if found["unit"] == "events/s" else (1.0, "")
    low, median, high = (f"{found[k] / scale:.2f}" for k in ("min", "median", "max"))
    text = f"{found['name']:<16} {median}{letter} {found['unit']}  ({low} to {high})"
    if found["limit"]:
        text += f"   {found['percent_of_limit']} % of {found['limit'] / scale:.2f}{letter}"
    memory = found["details"].get("peak_own_mib")
    return text if memory is None else f"{text}   {memory:.0f} MiB"
