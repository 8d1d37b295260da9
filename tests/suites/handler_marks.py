"""Have every process say which handlers of the package it executes: for `handlers.py`.

`sitecustomize.py` in a directory of `PYTHONPATH` calls `install` as each process starts. The package's
modules are then compiled with a call at the beginning of every handler. A trace of all lines would take five
times as long, and processes that are killed would not tell.

Changes:  files in the given directory: what was compiled, and a file of marks for each process.
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import marshal
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

STARTS = """
import sys
sys.path.insert(0, {root!r})
try:
    from tests.suites import handler_marks
finally:
    sys.path.remove({root!r})
handler_marks.install({source!r}, {folder!r})
"""
_MARK = "_thalweg_handler"


def prepare(source: Path, folder: Path) -> None:
    """Write what makes processes with this folder in their `PYTHONPATH` tell."""
    root = str(Path(__file__).resolve().parents[2])
    text = STARTS.format(root=root, source=str(source), folder=str(folder))
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")


def executed(folder: Path) -> dict[str, set[int]]:
    """The lines of the first statements of handlers that were executed, by file."""
    found: dict[str, set[int]] = {}
    for marks in folder.glob("marks-*"):
        for text in marks.read_text(encoding="utf-8").splitlines():
            path, _, line = text.rpartition(":")
            found.setdefault(path, set()).add(int(line))
    return found


def install(source: str, folder: str) -> None:
    """This process tells from now on."""
    seen: set[str] = set()

    def mark(handler: str) -> None:
        if handler not in seen:
            seen.add(handler)
            # at once: the process may be killed
            with open(os.path.join(folder, f"marks-{os.getpid()}"), "a", encoding="utf-8") as file:
                file.write(handler + "\n")

    setattr(builtins, _MARK, mark)
    sys.meta_path.insert(0, _Finder(source, folder))


class _Finder(MetaPathFinder):
    """Finds the package's own modules as everybody does, and has them compiled in another way."""

    def __init__(self, source: str, folder: str) -> None:
        self._source, self._folder = source, folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != "thalweg":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not spec.origin.startswith(self._source + os.sep):
            return spec
        spec.loader = _Loader(name, spec.origin, self._source, self._folder)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: str, folder: str) -> None:
        super().__init__(name, path)
        self._relative = os.path.relpath(path, source)
        self._kept = os.path.join(folder, self._relative.replace(os.sep, "-") + ".code")

    def get_code(self, fullname: str) -> CodeType:
        try:
            with open(self._kept, "rb") as file:
                kept: CodeType = marshal.loads(file.read())
                return kept
        except OSError:
            pass
        tree = _Marking(self._relative).visit(ast.parse(self.get_data(self.path)))
        code = compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)
        part = f"{self._kept}.{os.getpid()}"
        with open(part, "wb") as file:
            file.write(marshal.dumps(code))
        os.replace(part, self._kept)
        return code


class _Marking(ast.NodeTransformer):
    """Puts a call before the first statement of every handler."""

    def __init__(self, path: str) -> None:
        self._path = path

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        first = node.body[0]
        call = ast.Call(ast.Name(_MARK, ast.Load()), [ast.Constant(f"{self._path}:{first.lineno}")], [])
        node.body.insert(0, ast.copy_location(ast.Expr(call), first))
        return node
