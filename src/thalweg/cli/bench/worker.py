"""Run one benchmark in a process of its own, so that its memory is its own.

The parent writes options as JSON to the standard input; the result comes back as JSON on the standard
output, everything else goes to the standard error stream.

Run as: python -m thalweg.cli.bench.worker NAME
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from thalweg.cli.bench.machine import facts
from thalweg.cli.bench.model import Benchmark, Measured, Options
from thalweg.cli.bench.registry import BY_NAME


def measure(benchmark: Benchmark, options: Options) -> dict[str, Any]:
    """Run a benchmark here; its result as plain data."""
    return as_data(benchmark, options, benchmark.run(options))


def as_data(benchmark: Benchmark, options: Options, measured: Measured) -> dict[str, Any]:
    """A result with everything that is needed to judge it later."""
    is_right = not measured.problems
    median = statistics.median(measured.values) if measured.values and is_right else None
    share = None
    if median and measured.limit:
        share = median / measured.limit if measured.is_higher_better else measured.limit / median
    return {
        "name": benchmark.name,
        "group": benchmark.group,
        "question": benchmark.question,
        "expected": benchmark.expected,
        "target": benchmark.target,
        "unit": measured.unit,
        "median": median,
        "min": min(measured.values, default=None) if is_right else None,
        "max": max(measured.values, default=None) if is_right else None,
        "values": measured.values if is_right else [],
        "limit": measured.limit,
        "limit_name": measured.limit_name,
        "percent_of_limit": None if share is None else round(100 * share, 1),
        "check": "ok" if is_right else measured.problems,
        "details": measured.details,
        "options": asdict(options),
        "machine": facts(),
    }


def measure_apart(name: str, options: Options) -> dict[str, Any] | None:
    """Run a benchmark in a process of its own; None if it failed, and said why."""
    done = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", "thalweg.cli.bench.worker", name],
        input=json.dumps(asdict(options)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    given = Options(**json.loads(sys.stdin.read()))
    print(json.dumps(measure(BY_NAME[sys.argv[1]], given)))
