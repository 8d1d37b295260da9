"""What every test shares: how Hypothesis draws, where running jobs are reached, what the laws met in all.

Not here: fixtures. They live beside the tests that use them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

# No deadline: the first example may compile a kernel, and a busy machine is not a failure.
settings.register_profile("developer", deadline=None, print_blob=True)
# The same examples on every run: a red build must be red for whoever repeats it.
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# Jobs of equal names run side by side in several test processes: each has a place of its own for them.
_JOBS = tempfile.mkdtemp(prefix="tw")
os.environ["XDG_RUNTIME_DIR"] = _JOBS
atexit.register(shutil.rmtree, _JOBS, ignore_errors=True)

_MET: Counter[str] = Counter()
"""What the laws met in all processes (tests/property/census.py)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--thorough`: more of what takes long and finds little that the rest does not find."""
    parser.addoption(
        "--thorough", action="store_true", help="as .ci/run does: whole samples, all pairs of ways"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test marked `sampled(n)` only each n-th case runs, unless the run is thorough.

    With `sampled(n, m)` of a thorough run each m-th: all of them are a suite that runs by name.
    """
    is_thorough = config.getoption("--thorough")
    met: Counter[str] = Counter()
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("sampled")
        test = item.nodeid.partition("[")[0]
        every = _every(mark.args, is_thorough=is_thorough) if mark else 1
        (others if met[test] % every else chosen).append(item)
        met[test] += 1
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def _every(numbers: tuple[int, ...], *, is_thorough: bool) -> int:
    if not is_thorough:
        return numbers[0]
    return numbers[1] if len(numbers) > 1 else 1


def _met_here() -> Counter[str]:
    """What the laws met in this process; nothing where they did not run."""
    census: Any = sys.modules.get("tests.property.census")
    return Counter() if census is None else census.CENSUS.counts


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it met."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["census"] = dict(_met_here())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker met; one that crashed has nothing to give."""
    _MET.update(getattr(node, "workeroutput", {}).get("census", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each kind of step, late row, retraction and so on occurred."""
    met = _MET + _met_here()
    if met:
        terminalreporter.section("met by the laws of the engine")
        for name, count in sorted(met.items()):
            terminalreporter.write_line(f"{count:12,}  {name}")
