"""`make peers`: compare engines on the same Parquet files, query by query, and keep what comes out.

A query that is stored already, with the same options, is not run again: an interrupted comparison goes on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.peers import workload
from benchmarks.peers.environments import say
from benchmarks.peers.peers import BY_ROW, COMPARED, DEFAULT, KINDS
from benchmarks.peers.reference import right, right_alerts
from benchmarks.peers.runner import Task, compare
from thalweg.cli.bench.machine import facts

DEFAULT_QUERIES = ("q0", "q3", "q4", "q5", "q17", "q18", "q20", "alerts")
_RESULTS = Path(__file__).resolve().parents[1] / "results"


def _names(known: tuple[str, ...]) -> Any:
    def check(
        context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...]
    ) -> tuple[str, ...]:
        names = tuple(value.split(",")) if isinstance(value, str) else value
        for name in names:
            if name not in known:
                raise click.BadParameter(f'there is no "{name}"; choices: {", ".join(known)}')
        return names

    return check


@click.command("peers")
@click.argument("queries", nargs=-1, metavar="QUERY…", callback=_names((*COMPARED, *BY_ROW)))
@click.option("--events", type=click.IntRange(min=2 * workload.FEW), default=2_000_000, show_default=True)
@click.option(
    "--rate", type=click.IntRange(min=1), default=workload.RATE, show_default=True, help="of event time"
)
@click.option("--rounds", type=click.IntRange(min=0), default=3, show_default=True, help="0: only check")
@click.option("--peers", default=",".join(DEFAULT), show_default=True, callback=_names(tuple(KINDS)))
@click.option(
    "--limit", type=float, default=300.0, show_default=True, help="seconds after which a run is given up"
)
@click.option("--all", "is_all", is_flag=True, help="every query that is known")
@click.option("--again", is_flag=True, help="measure stored queries anew")
@click.option(
    "--store", type=click.Path(file_okay=False, path_type=Path), default=_RESULTS, show_default=True
)
@click.option("--install", is_flag=True, help="only install the engines and write the events")
def main(
    queries: tuple[str, ...],
    peers: tuple[str, ...],
    store: Path,
    is_all: bool,
    again: bool,
    install: bool,
    **how: Any,
) -> None:
    """Compare engines on the same Parquet files.

    Example: python -m benchmarks.peers q0 q17 --rounds 5 --events 10000000
    """
    for name in peers:
        KINDS[name].command(), KINDS[name].variables()
    files = tuple(workload.laid_out(events, how["rate"]) for events in (workload.FEW, how["events"]))
    if install:
        return
    options = how | {"peers": list(peers)}
    problems = []
    for name in queries or ((*COMPARED, *BY_ROW) if is_all else DEFAULT_QUERIES):
        path = store / f"peers-{name}.json"
        if not again and _is_done(path, options):
            say(f"{name} is stored already; --again measures anew")
            continue
        result = _measured(name, files, options)
        store.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        click.echo(shown(result))
        problems += [] if result["check"] == "ok" else [f"{name}: {result['check']}"]
    if problems:
        raise SystemExit("\n".join(problems))


def _is_done(path: Path, options: dict[str, Any]) -> bool:
    """Whether a result of this very code is there."""
    if not path.exists():
        return False
    found = json.loads(path.read_text())
    return bool(found["options"] == options and found["machine"]["commit"] == facts()["commit"])


def _measured(name: str, files: tuple[dict[str, list[str]], ...], options: dict[str, Any]) -> dict[str, Any]:
    events = workload.FEW, options["events"]
    answer = right_alerts(files[1]["keyed"]) if name in BY_ROW else right(name, files[1]["plain"])
    task = Task(name, files[0], files[1], events, options["rounds"], options["limit"], answer)
    machine = facts()
    reports = compare(task, [KINDS[peer] for peer in options["peers"]])
    ours = [reports[p].get("problem") for p in ("thalweg", "thalweg-batch") if p in reports]
    return {
        "name": f"peers-{name}",
        "group": "peers",
        "question": "How fast are other engines on the same Parquet files?",
        "check": next((problem for problem in ours if problem), "ok"),
        "rows": answer.plain["rows"],
        "few_events": workload.FEW,
        "peers": reports,
        "options": options,
        "machine": machine | {"java": _java()},
    }


def _java() -> str | None:
    from benchmarks.peers.environments import java_home

    told = subprocess.run(
        [java_home() / "bin" / "java", "-version"], capture_output=True, text=True, check=False
    )
    return told.stderr.splitlines()[1].strip() if told.returncode == 0 else None


def shown(result: dict[str, Any]) -> str:
    """A result, one line per engine: rates in M events/s."""
    lines = [result["name"].removeprefix("peers-")]
    for name, report in result["peers"].items():
        if "problem" in report:
            lines.append(f"  {name:<14} {report['problem']}")
            continue
        if "rate" not in report:
            lines.append(f"  {name:<14} {report['rows']} rows, right")
            continue
        low, mid, high = (report[k] / 1e6 for k in ("rate_min", "rate", "rate_max"))
        running = f"{report['rate_running'] / 1e6:7.3f}" if report["rate_running"] else "      ?"
        lines.append(
            f"  {name:<14} {mid:7.3f} M/s ({low:.3f} to {high:.3f}); {running} once running;"
            f" first result after {report['start_to_first_result_seconds']:5.1f} s;"
            f" {report['peak_rss_mib']:6.0f} MiB; {report['cpu_seconds']:.1f} s of CPU"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    # so that whoever ends this process ends the engines, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
