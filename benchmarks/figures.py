"""Write the README's table of figures from the stored results.

`python benchmarks/figures.py` rewrites the part of README.md between the markers; the test
`tests/docs/test_figures.py` fails when the two differ.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- figures: made by benchmarks/figures.py -->", "<!-- end of figures -->"

WHAT = {
    "q0": "q0, pass through",
    "q1": "q1, exact decimal product",
    "q2": "q2, selection",
    "q5": "q5, hopping windows, busiest auction",
    "q17": "q17, running aggregates per auction",
    "q1-json": "q1 from JSON lines",
}
STATEFUL = {
    "q3": "q3, join of two growing tables",
    "q4": "q4, join within time bounds, two running aggregates",
    "q7": "q7, join with each window's highest price",
    "q8": "q8, join of two windowed groupings",
    "q9": "q9, winning bid per auction, wide rows",
    "q11": "q11, sessions per bidder",
    "q12": "q12, bids per bidder in windows of processing time",
    "q13": "q13, look-ups in a table of 10 000 rows",
    "q15": "q15, distinct counts per day",
    "q16": "q16, distinct counts per channel and day",
    "q18": "q18, last bid per bidder and auction",
    "q19": "q19, ten highest bids per auction",
    "q20": "q20, join with wide rows",
    "q22": "q22, three parts of each address",
    "q23": "q23, two joins with wide rows",
    "w_hop": "hopping windows of 20 s per bidder",
    "w_session": "sessions per auction",
    "over_range": "sums over the 10 s before each bid",
}

DELAYS = {
    "latency-filter": "filter and projection, two tasks",
    "latency-count": "count of 10 000 keys, two tasks",
}
FLINK = {
    "q0": 0.72,
    "q2": 0.70,
    "q3": 0.66,
    "q4": 0.19,
    "q5": 0.35,
    "q7": 0.14,
    "q8": 0.57,
    "q9": 0.12,
    "q11": 0.31,
    "q15": 0.30,
    "q17": 0.42,
    "q18": 0.29,
    "q19": 0.23,
    "q20": 0.19,
    "q22": 0.33,
    "w_hop": 0.28,
    "q1-json": 0.12,
    "w_session": 0.23,
    "over_range": 0.19,
}
"""Measured before on a machine of this kind, both cores, with the in-process generator (q1-json: its own)."""

PEERS = {
    "streams": ("thalweg", "flink", "spark"),
    "batches": ("thalweg-batch", "duckdb", "polars", "flink-batch"),
    "functions by row": ("thalweg", "pyflink", "bytewax"),
}
"""What is compared with each other by `make peers`, ours first."""


def table() -> str:
    """The figures as Markdown."""
    every = {p.stem: json.loads(p.read_text()) for p in sorted(RESULTS.glob("*.json"))}
    compared = [r for r in every.values() if r.get("group") == "peers"]
    found = {n: r for n, r in every.items() if r.get("group") != "peers"}
    lines = [
        "| stream, 10 M Nexmark events | M events/s | one task | from Parquet | of the limit "
        "| peak memory, MiB | Flink 2.3 |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_stream(n, found) for n in WHAT if n in found]
    stateful = [n for n in STATEFUL if n in found]
    if stateful:
        lines += [
            "",
            "| stream with much state, 10 M Nexmark events | M events/s | by hand in Polars, as a batch "
            "| of that | state at the end, MiB | peak memory, MiB | Flink 2.3 |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_stateful(found[n]) for n in stateful]
    lines += _peers(compared)
    delays = [r for n, r in found.items() if n.startswith("latency")]
    if delays:
        lines += ["", "| latency, 10 000 events/s, ms | p50 | p99 | p99.9 | most |", "|---|---|---|---|---|"]
        lines += [_delay(r) for r in delays]
    batches = [n for n in ("q1", "q5", "q17") if f"batch-{n}" in found]
    if batches:
        lines += [
            "",
            "| batch, from Parquet | M events/s | written by hand in Polars | ratio |",
            "|---|---|---|---|",
        ]
        lines += [_batch(n, found[f"batch-{n}"]) for n in batches]
    rest = [
        r
        for n, r in found.items()
        if n not in WHAT | STATEFUL
        and not n.endswith(("-p1", "-parquet"))
        and not n.startswith(("batch", "latency"))
    ]
    if rest:
        lines += ["", "| also measured | median | least to most |", "|---|---|---|"]
        lines += [_other(r) for r in rest]
    return "\n".join(lines)


def _millions(value: float) -> str:
    return f"{value / 1e6:.1f}"


def _stream(name: str, found: dict[str, Any]) -> str:
    result = found[name]
    one, parquet = (
        _millions(found[n]["median"]) if n in found else "" for n in (f"{name}-p1", f"{name}-parquet")
    )
    share, peak = _share(result), _peak(result)
    return _row([WHAT[name], _spread(result), one, parquet, share, peak, _flink(name)])


def _stateful(result: dict[str, Any]) -> str:
    name, state = result["name"], result["details"]["state_bytes"] / 2**20
    cells = [_millions(result["limit"]), _share(result), f"{state:.0f}", _peak(result)]
    return _row([STATEFUL[name], _spread(result), *cells, _flink(name)])


def _share(result: dict[str, Any]) -> str:
    return f"{result['percent_of_limit']:.0f} %"


def _peak(result: dict[str, Any]) -> str:
    """Without what files map: the input is in files that the benchmark reads through the page cache."""
    return f"{result['details']['peak_own_mib']:.0f}"


def _spread(result: dict[str, Any]) -> str:
    return f"{_millions(result['median'])} ({_millions(result['min'])} to {_millions(result['max'])})"


def _flink(name: str) -> str:
    return f"{FLINK[name]:.2f}" if name in FLINK else ""


def _peers(results: list[dict[str, Any]]) -> list[str]:
    """Tables of all engines over the same files: rates, wins and losses alike, then starts and memory."""
    lines = []
    ordered = sorted(results, key=lambda r: (len(r["name"]), r["name"]))
    for what, (ours, *others) in PEERS.items():
        rows = [r for r in ordered if "rate" in r["peers"].get(ours, {})]
        rows = [r for r in rows if any("rate" in r["peers"].get(o, {}) for o in others)]
        names = [o for o in others if any("rate" in r["peers"].get(o, {}) for r in rows)]
        if not names:
            continue
        header = [f"{what} over the same Parquet files, M events/s", "Thalweg"]
        for name in names:
            header += [_version(name, ordered), "Thalweg is faster by"]
        lines += ["", _row(header), _row(["---"] * len(header))]
        for result in rows:
            mine, cells = result["peers"][ours], []
            for name in names:
                cells += _against(mine, result["peers"].get(name, {}))
            events = f"{result['options']['events'] / 1e6:g} M"
            lines.append(_row([f"{result['name'].removeprefix('peers-')}, {events}", _rate(mine), *cells]))
    return lines + _starts(ordered) if lines else []


def _against(mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Another engine's rate, and how much faster ours is: in all, and once jobs are running."""
    if "rate" not in other:
        return ["–", ""]
    ratio = _times(mine["rate"] / other["rate"])
    if mine["rate_running"] and other["rate_running"]:
        ratio += f" ({_times(mine['rate_running'] / other['rate_running'])})"
    return [_rate(other), ratio]


def _starts(results: list[dict[str, Any]]) -> list[str]:
    """How long each engine takes from nothing to a first result, and how much memory."""
    lines = [
        "",
        "| engine | start to first result, 20 000 events, s | peak memory, MiB: median, most |",
        "|---|---|---|",
    ]
    for name in dict.fromkeys(n for names in PEERS.values() for n in names):
        reports = [r["peers"][name] for r in results if "rate" in r["peers"].get(name, {})]
        if reports:
            start = statistics.median(r["start_to_first_result_seconds"] for r in reports)
            memory = [r["peak_rss_mib"] for r in reports]
            spread = f"{statistics.median(memory):.0f}, {max(memory):.0f}"
            lines.append(_row([_version(name, results), f"{start:.1f}", spread]))
    return lines


def _version(name: str, results: list[dict[str, Any]]) -> str:
    version = next(r["peers"][name]["version"] for r in results if "version" in r["peers"].get(name, {}))
    if name.startswith("thalweg"):
        version = "Thalweg"
    return f"{version} as a batch" if name.endswith("-batch") else str(version)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(report: dict[str, Any]) -> str:
    return f"{report['rate'] / 1e6:.2f}"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def _delay(result: dict[str, Any]) -> str:
    values = " | ".join(f"{result['details'][k]:.2f}" for k in ("p50", "p99", "p999", "max"))
    return f"| {DELAYS[result['name']]} | {values} |"


def _batch(name: str, result: dict[str, Any]) -> str:
    ratio = result["limit"] / result["median"]
    return (
        f"| {name} | {_millions(result['median'])} | {_millions(result['limit'])} | {ratio:.2f}× the time |"
    )


def _other(result: dict[str, Any]) -> str:
    unit, scale = result["unit"], 1.0
    if result["median"] >= 1e5:
        unit, scale = f"M {unit}", 1e6
    low, mid, high = (f"{result[k] / scale:.2f}" for k in ("min", "median", "max"))
    return f"| {result['name']} | {mid} {unit} | {low} to {high} |"


def updated(text: str) -> str:
    """The README with its figures made anew."""
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:begin]}\n\n{table()}\n\n{text[end:]}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text()))
