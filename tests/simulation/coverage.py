"""Count which lines of production code the simulation runs.

    python -m tests.simulation.coverage [--seeds 1000] [--missing FILE]

prints for `runtime`, `checkpoint` and `operators` how many lines of functions were run by the simulated jobs;
what runs on import does not count. `--missing` lists the lines of a file that were not.

Not here: what the jobs are (workloads.py), keeping the figures (tests/suites/sim_long.py).
"""

from __future__ import annotations

import argparse
import dis
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import thalweg

PACKAGES = ("runtime", "checkpoint", "operators")
WANTED = 0.85
APART = {
    "runtime/threads.py": "the world gives turns instead",
    "runtime/pace.py": "threads only",
    "runtime/inline.py": "the world gives turns instead",
    "checkpoint/disk.py": "the disk of a real machine",
    "checkpoint/hold.py": "a lock of a real machine; here several processes run a job, for it may be lost",
    "checkpoint/holders.py": "leases of real processes, by their clocks",
    "checkpoint/beats.py": "leases of real processes, by their clocks",
    "checkpoint/failpoints.py": "faults of real processes; here the world has them",
    "checkpoint/addresses.py": "a server of objects, which tests/objects has",
    "checkpoint/bucket.py": "a server of objects, which tests/objects has",
    "checkpoint/object_disk.py": "a server of objects, which tests/objects has",
    "checkpoint/object_store.py": "a server of objects, which tests/objects has",
    "checkpoint/places.py": "a server of objects, which tests/objects has",
    "checkpoint/journal.py": "on the disk of a real machine; tests/chaos/test_journal.py kills its job",
    "checkpoint/savepoint.py": "copies for users; no run needs it",
    "checkpoint/frames.py": "checkpoints as data, for users; no run needs it",
    "checkpoint/difference.py": "checkpoints as data, for users; no run needs it",
}
"""What no simulated job can run, and why; counted apart."""
_ROOT = Path(thalweg.__path__[0])


@dataclass
class Lines:
    """The lines of functions that were run.

    Attributes:
        seen: by file, the lines.
    """

    seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _left: dict[CodeType, set[int]] = field(default_factory=dict)
    """Of functions that were called, the lines that were not run yet."""

    def start(self) -> None:
        """Look from now on, in all threads."""
        threading.settrace(self._called)
        sys.settrace(self._called)

    def stop(self) -> None:
        """Look no more."""
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  # it means that nobody looks

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        left = self._left.get(code)
        if left is None:
            left = self._left[code] = {*lines_of(code)} if _is_counted(code.co_filename) else set()
        return self._run if left else None

    def _run(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._left[frame.f_code].discard(frame.f_lineno)
            self.seen[frame.f_code.co_filename].add(frame.f_lineno)
        return self._run


def _is_counted(file: str) -> bool:
    return file.startswith(tuple(f"{_ROOT}{os.sep}{package}{os.sep}" for package in PACKAGES))


def lines_of(code: CodeType) -> set[int]:
    """The lines of a function that can be run, without those of functions in it, and without its head."""
    found = {line for _, line in dis.findlinestarts(code) if line is not None}
    return found - {code.co_firstlineno}


def lines_in(path: Path) -> set[int]:
    """The lines of all functions of a module that can be run."""
    module = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    found = set()
    for code in _functions(module):
        lines = lines_of(code)
        # of what only has a docstring nothing can be missing
        if not _is_empty(code):
            found |= lines
    return found


def _functions(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            # the body of a class runs when it is imported, and belongs to no function
            if inner.co_flags & 0x2:
                yield inner
            yield from _functions(inner)


def _is_empty(code: CodeType) -> bool:
    """Whether a function does nothing: a member of a protocol."""
    work = [i.opname for i in dis.get_instructions(code) if i.opname not in ("RESUME", "NOP", "CACHE")]
    return work in (["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"])


def figures(seen: dict[str, set[int]]) -> dict[str, tuple[int, int]]:
    """By file below `src/thalweg`, how many lines were run, and how many there are."""
    found = {}
    for package in PACKAGES:
        for path in sorted((_ROOT / package).glob("**/*.py")):
            lines = lines_in(path)
            if lines:
                found[str(path.relative_to(_ROOT))] = len(lines & seen.get(str(path), set())), len(lines)
    return found


def share(parts: Iterable[tuple[int, int]]) -> float:
    """Which part of all lines was run."""
    pairs = list(parts)
    return sum(run for run, _ in pairs) / max(sum(all_ for _, all_ in pairs), 1)


def mixed_seeds(count: int) -> list[int]:
    """Some jobs with models, and many random plans and new lineages."""
    from tests.simulation.plans import FIRST

    few = count // 5
    return [*range(few), *range(FIRST, FIRST + count - few)]


def reached_share(found: dict[str, tuple[int, int]]) -> float:
    """Which part of the lines was run that a simulated job can run."""
    return share(pair for name, pair in found.items() if name not in APART)


def covered(seeds: Iterable[int]) -> dict[str, set[int]]:
    """The lines that some seeds run, by file."""
    from tests.simulation.cases import simulate

    lines = Lines()
    for seed in seeds:
        lines.start()
        try:
            simulate(seed)
        finally:
            lines.stop()
    return dict(lines.seen)


def main() -> int:
    """Print the figures; 1 if they are lower than they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--missing", help="a file, as operators/join.py")
    asked = parser.parse_args()
    seen = covered(mixed_seeds(asked.seeds))
    found = figures(seen)
    if asked.missing:
        path = _ROOT / asked.missing
        text = path.read_text(encoding="utf-8").splitlines()
        for line in sorted(lines_in(path) - seen.get(str(path), set())):
            print(f"{line:5} {text[line - 1]}")
    for name, (run, lines) in sorted(found.items(), key=lambda item: item[1][0] - item[1][1]):
        print(f"{run / lines:7.1%} {run:5} of {lines:5}  {name}")
    for package in PACKAGES:
        part = share(pair for name, pair in found.items() if name.startswith(f"{package}/"))
        print(f"{part:7.1%}  {package}")
    print(f"{share(found.values()):7.1%}  of all lines of functions")
    reached = reached_share(found)
    print(
        f"{reached:7.1%}  of those that a simulated job can run, in {asked.seeds} seeds; {WANTED:.0%} wanted"
    )
    for name, reason in APART.items():
        print(f"         {name}: {reason}")
    return int(reached < WANTED)


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    sys.exit(main())
