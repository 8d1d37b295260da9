"""Say which error handlers no test executes: what follows an `except` in `src/thalweg`.

    python -m tests.suites.handlers [TEST…] [OPTION OF PYTEST…]

Runs the tests (all, or those that are named) so that all processes tell which handlers they execute
(handler_marks.py), and lists every handler whose first statement was never reached. Those that no test can
reach stand in `handlers_not_run.txt` with the reason. The result is in `benchmarks/suites/handlers.json`. It
ends with 1 if more than one in twenty is not executed, or one that is not listed.

Not here: whether a handler does the right thing; the tests that reach it say so.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.suites.handler_marks import executed, prepare
from thalweg.cli.bench.machine import facts

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src"
LISTED = Path(__file__).with_name("handlers_not_run.txt")
RESULT = ROOT / "benchmarks" / "suites" / "handlers.json"
SHARE_MIN = 0.95
_RAN = (0, 1)
"""How pytest ends if it has run what it was to run, whether or not a test failed."""


@dataclass(frozen=True)
class Handler:
    """One `except`: its name, and the line of its first statement."""

    name: str
    path: str
    line: int


def handlers_in(path: str, text: str) -> Iterator[Handler]:
    """All handlers of a file; their names hold as long as nobody changes what is caught, or its order.

    Example:
        >>> [h.name for h in handlers_in("a.py", "def f():\\n try:\\n  g()\\n except OSError:\\n  pass\\n")]
        ['a.py f: except OSError']
    """
    counts: dict[str, int] = {}
    for scope, node in _handlers(ast.parse(text), ""):
        caught = "" if node.type is None else f" {ast.unparse(node.type)}"
        name = f"{path} {scope or '(module)'}: except{caught}"
        counts[name] = number = counts.get(name, 0) + 1
        yield Handler(name if number == 1 else f"{name} #{number}", path, node.body[0].lineno)


def _handlers(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{scope}.{child.name}" if scope else child.name
        if isinstance(child, ast.ExceptHandler):
            yield scope, child
        yield from _handlers(child, inner)


def all_handlers(source: Path = SOURCE) -> list[Handler]:
    """All handlers of the package."""
    files = sorted(source.rglob("*.py"))
    return [h for f in files for h in handlers_in(str(f.relative_to(source)), f.read_text(encoding="utf-8"))]


def not_run(handlers: Iterable[Handler], lines: Mapping[str, set[int]]) -> list[str]:
    """The names of handlers that were not executed, by the lines of each file that were."""
    return [h.name for h in handlers if h.line not in lines.get(h.path, set())]


def listed(text: str) -> dict[str, str]:
    """Handlers that no test can execute, with reasons: a name in one line, the reason indented below.

    Example:
        >>> listed("a.py f: except OSError\\n    nobody can make it fail\\n")
        {'a.py f: except OSError': 'nobody can make it fail'}
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(" "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            name = line
            found[name] = ""
    return found


def measured(tests: Iterable[str], folder: Path) -> dict[str, set[int]]:
    """Run tests; the lines of each file of the package at which a handler was executed, in any process."""
    prepare(SOURCE, folder)
    before = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(folder), *([before] if before else [])])
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, *words, *tests], cwd=ROOT, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode not in _RAN:
        sys.exit(f"the tests did not run: pytest ended with {done.returncode}")
    return executed(folder)


def main() -> int:
    """Run the tests and say what they do not execute."""
    parser = argparse.ArgumentParser(description=__doc__)
    tests = parser.parse_known_args()[1] or ["tests"]
    with tempfile.TemporaryDirectory(prefix="thalweg-handlers-") as folder:
        lines = measured(tests, Path(folder))
    handlers = all_handlers()
    missed, known = not_run(handlers, lines), listed(LISTED.read_text(encoding="utf-8"))
    share = 1 - len(missed) / len(handlers)
    kept = {
        "machine": facts(),
        "question": "error handlers that a test executes",
        "tests": tests,
        "handlers": len(handlers),
        "executed": len(handlers) - len(missed),
        "share": round(share, 4),
        "not_executed": {name: known.get(name, "") for name in missed},
    }
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")
    for name in missed:
        print(f"{'listed' if name in known else 'NOT LISTED'}  {name}")
    print(f"{len(handlers) - len(missed)} of {len(handlers)} handlers were executed ({share:.1%})")
    return int(share < SHARE_MIN or not set(missed) <= set(known))


if __name__ == "__main__":
    sys.exit(main())
