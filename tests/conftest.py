"""What every test shares: how Hypothesis draws, where running jobs are reached, what the laws met in all.

Not here: fixtures. They live beside the tests that use them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

# No deadline: the first example may compile a kernel, and a busy machine is not a failure.
settings.register_profile("developer", deadline=None, print_blob=True)
# The same examples on every run: a red build must be red for whoever repeats it.
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# Processes that tests start compile the package once, not each of them anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Jobs of equal names run side by side in several test processes: each has a place of its own for them.
_JOBS = tempfile.mkdtemp(prefix="tw")
os.environ["XDG_RUNTIME_DIR"] = _JOBS
atexit.register(shutil.rmtree, _JOBS, ignore_errors=True)

_MET: Counter[str] = Counter()
"""What the laws met in all processes (tests/property/census.py)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--thorough`: more of what takes long and finds little that the rest does not; `--complete`: all."""
    parser.addoption(
        "--thorough", action="store_true", help="as .ci/run does: larger samples, all pairs of ways"
    )
    parser.addoption("--complete", action="store_true", help="every case of every test")


def pytest_configure(config: pytest.Config) -> None:
    """Tests that draw cases themselves draw as many as the run is thorough (`tests.sampling`)."""
    if config.getoption("--thorough") or config.getoption("--complete"):
        os.environ["TESTS_THOROUGH"] = "1"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test marked `sampled(n, m)` one case in n runs, of a thorough run one in m (by default all).

    Which ones is chance, but the same in each run: each n-th would have the same value of a parameter. Every
    case runs with `--complete`, as `make test-all` says.
    """
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out = {item for found in cases.values() for item in _left_out(config, found)}
    if left_out:
        config.hook.pytest_deselected(items=[i for i in items if i in left_out])
        items[:] = [i for i in items if i not in left_out]


def _left_out(config: pytest.Config, cases: list[pytest.Item]) -> list[pytest.Item]:
    """The cases of one test that do not run."""
    mark = cases[0].get_closest_marker("sampled")
    assert mark is not None, "only marked tests come here"
    quick, thorough = (*mark.args, 1)[:2]
    every = thorough if config.getoption("--thorough") else quick
    if config.getoption("--complete"):
        every = 1
    drawn = sorted(cases, key=lambda item: zlib.crc32(item.nodeid.encode()))
    return drawn[-(-len(cases) // every) :]


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
