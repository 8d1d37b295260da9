"""Data is never executed: no eval, no pickle, no shell, no guessable temporary file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.source import PACKAGE, Finding, dotted, imported_names, parse, python_files, unexcused

BANNED_BUILTINS = {"eval", "exec"}
BANNED_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve"}
BANNED_NAMES = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.load", "yaml.unsafe_load", "tempfile.mktemp", "builtins.eval", "builtins.exec"),
}

EXCEPTIONS: dict[str, str] = {
    "src/thalweg/runtime/processes/shipping.py": "functions of the user go from a process to its own workers",
}


def check_banned(where: str, text: str) -> Iterator[Finding]:
    """Every import or use of something that executes data or invites an attack."""
    for node in ast.walk(parse(text)):
        for name in imported_names(node):
            if name in BANNED_NAMES or name.split(".")[0] in BANNED_MODULES:
                yield Finding(where, node.lineno, f"imports {name}")
        if isinstance(node, ast.Attribute) and dotted(node) in BANNED_NAMES:
            yield Finding(where, node.lineno, f"uses {dotted(node)}")
        if isinstance(node, ast.Name) and node.id in BANNED_BUILTINS:
            yield Finding(where, node.lineno, f"uses {node.id}")
        if isinstance(node, ast.Call) and any(_is_shell(keyword) for keyword in node.keywords):
            yield Finding(where, node.lineno, "starts a shell")


def _is_shell(keyword: ast.keyword) -> bool:
    if keyword.arg != "shell":
        return False
    return not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)


def test_nothing_banned_is_used() -> None:
    files = python_files(PACKAGE, "benchmarks/", "examples/")
    findings = [finding for path, text in files for finding in check_banned(path, text)]
    assert unexcused(findings, EXCEPTIONS) == []


@pytest.mark.parametrize(
    "bad",
    [
        "eval('1')",
        "run = exec",
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "import cloudpickle",
        "import os\nos.system('ls')",
        "from os import popen",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=flag)",
        "import yaml\nyaml.load(text)",
        "from yaml import load",
        "import tempfile\ntempfile.mktemp()",
        "from tempfile import mktemp",
    ],
)
def test_it_sees_banned_calls(bad: str) -> None:
    assert list(check_banned("a.py", bad))


@pytest.mark.parametrize(
    "good",
    [
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
        "import yaml\nyaml.safe_load(text)",
        "frame.select(values.list.eval(element))",
        "import tempfile\ntempfile.mkstemp()",
        "text = 'eval(1); import pickle'",
    ],
)
def test_it_leaves_innocent_code_alone(good: str) -> None:
    assert list(check_banned("a.py", good)) == []
