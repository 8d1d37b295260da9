"""Lines of functions that were run are told from those that were not."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.simulation import coverage
from tests.simulation.coverage import Lines, figures, lines_in, reached_share
from thalweg.runtime.tally import Tally

TALLY = "runtime/tally.py"


def test_lines_of_functions_are_counted_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(
        '"""A module."""\n'  # 1
        "import os\n"
        "class A:\n"
        "    n: int = 1\n"
        "    def member(self):\n"  # 5
        '        """Nothing."""\n'
        "        ...\n"
        "    def work(self):\n"
        "        a = 1\n"
        "        return [x for x in range(a)]\n"  # 10
    )
    assert lines_in(path) == {9, 10}


def test_what_runs_is_seen_in_every_thread() -> None:
    lines = Lines()
    lines.start()
    try:
        thread = threading.Thread(target=Tally(1).in_words)
        thread.start()
        thread.join()
    finally:
        lines.stop()
    run, all_ = figures(lines.seen)[TALLY]
    assert run == all_ > 0
    assert figures({})[TALLY] == (0, all_)


def test_what_no_simulated_job_can_run_is_there_and_counts_apart() -> None:
    found = figures({})
    assert found.keys() > coverage.APART.keys()
    full = {
        name: (all_, all_) if name not in coverage.APART else (0, all_) for name, (_, all_) in found.items()
    }
    assert reached_share(full) == 1.0
    assert reached_share(found) == 0.0
