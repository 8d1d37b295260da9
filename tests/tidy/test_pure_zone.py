"""The deciding code reads no clock, draws no random number, starts no thread and opens nothing.

Without this, batching invariance, restore and the simulated runtime could not promise anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.source import PACKAGE, Finding, dotted, imported_names, parse, python_files, unexcused

IMPURE_PACKAGES = {"session", "testing", "runtime", "connectors", "state", "checkpoint", "serve", "cli"}
BANNED_MODULES = {
    *("time", "random", "secrets", "numpy.random"),
    *("threading", "_thread", "multiprocessing", "concurrent", "asyncio", "subprocess", "signal"),
    *("socket", "ssl", "select", "selectors", "http", "urllib.request"),
    *("tempfile", "shutil", "glob"),
}
BANNED_NAMES = {
    *("os.environ", "os.getenv", "os.putenv", "os.urandom", "os.open", "io.open", "codecs.open"),
    *("np.random", "numpy.random", "uuid.uuid1", "uuid.uuid4"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
}
BANNED_CALLS = {"open", "input"}
FILE_METHODS = {"open", "read_text", "write_text", "read_bytes", "write_bytes"}

EXCEPTIONS: dict[str, str] = {}


def is_pure(path: str) -> bool:
    """Whether a file of the package belongs to the pure zone."""
    inside = path.removeprefix(PACKAGE)
    return inside.split("/")[0] not in IMPURE_PACKAGES


def check_purity(where: str, text: str) -> Iterator[Finding]:
    """Every import, attribute and call that touches the outside world."""
    for node in ast.walk(parse(text)):
        for name in imported_names(node):
            if name in BANNED_NAMES or _is_below(name, BANNED_MODULES):
                yield Finding(where, node.lineno, f"imports {name}")
        if isinstance(node, ast.Attribute) and dotted(node) in BANNED_NAMES:
            yield Finding(where, node.lineno, f"uses {dotted(node)}")
        if isinstance(node, ast.Call) and (name := _touched_by(node.func)):
            yield Finding(where, node.lineno, f"calls {name}()")


def _is_below(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _touched_by(function: ast.expr) -> str:
    if isinstance(function, ast.Name) and function.id in BANNED_CALLS:
        return function.id
    if isinstance(function, ast.Attribute) and function.attr in FILE_METHODS:
        return f".{function.attr}"
    return ""


def test_the_pure_zone_is_pure() -> None:
    findings = [
        finding
        for path, text in python_files(PACKAGE)
        if is_pure(path)
        for finding in check_purity(path, text)
    ]
    assert unexcused(findings, EXCEPTIONS) == []


@pytest.mark.parametrize(
    "bad",
    [
        "import time",
        "import os.path, random",
        "from time import monotonic",
        "from concurrent.futures import ThreadPoolExecutor",
        "import threading as t",
        "def f():\n    import asyncio",
        "import socket",
        "from os import environ",
        "import os\nx = os.environ['HOME']",
        "import os\nx = os.getenv('HOME')",
        "import numpy as np\nx = np.random.default_rng()",
        "from numpy import random",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.now()",
        "open('x')",
        "input()",
        "from pathlib import Path\nPath('x').open()",
        "from pathlib import Path\nPath('x').read_text()",
    ],
)
def test_it_sees_the_outside_world(bad: str) -> None:
    assert list(check_purity("a.py", bad))


@pytest.mark.parametrize(
    "good",
    [
        "from datetime import datetime, time",
        "from . import time",
        "from thalweg.base.types import time",
        "import timeit_like_name",
        "def f(time): return time.seconds",
        "def f(window): return window.is_open()",
        "x = 'open'",
    ],
)
def test_it_leaves_innocent_code_alone(good: str) -> None:
    assert list(check_purity("a.py", good)) == []


@pytest.mark.parametrize(
    ("path", "pure"),
    [
        ("src/thalweg/expr/nodes.py", True),
        ("src/thalweg/errors.py", True),
        ("src/thalweg/operators/state.py", True),
        ("src/thalweg/state/memory.py", False),
        ("src/thalweg/cli/__init__.py", False),
    ],
)
def test_where_the_zone_ends(path: str, pure: bool) -> None:
    assert is_pure(path) is pure
