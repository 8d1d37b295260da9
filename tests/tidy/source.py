"""Find the files that the tidy tests read, and compare what they find with the listed exceptions.

Reads:    the working tree, as far as git does not ignore it.
Not here: the checks themselves; each lives beside its tests.
"""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "src/thalweg/"
_BUILT = {"__pycache__", "build", "dist", "out"}


class Finding(NamedTuple):
    """One place that breaks a rule: `where` names it stably, as `path` or `path::name`."""

    where: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.where} (line {self.line}): {self.what}"


@functools.cache
def repository_files() -> tuple[str, ...]:
    """Paths of all files that are tracked or would be, relative to the root, with forward slashes."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        names: Iterable[str] = listed.decode().split("\0")
    else:
        names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*"))
        names = (name for name in names if not any(map(_is_built, name.split("/"))))
    return tuple(sorted(name for name in names if name and (ROOT / name).is_file()))


def _is_built(part: str) -> bool:
    """Guess from one part of a path, where git is not there to tell, that nobody wrote the file by hand."""
    return part in _BUILT or part.endswith(".egg-info") or (part.startswith(".") and part != ".ci")


def python_files(*folders: str) -> Iterator[tuple[str, str]]:
    """Path and text of each Python file below the folders, which end in a slash."""
    for name in repository_files():
        if name.endswith(".py") and name.startswith(folders):
            yield name, (ROOT / name).read_text(encoding="utf-8")


@functools.cache
def parse(text: str) -> ast.Module:
    """The syntax tree of a module; shared, so nobody may change it."""
    return ast.parse(text)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of attributes on a name, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def imported_names(node: ast.AST) -> list[str]:
    """Absolute dotted names that an import statement may load; empty for other nodes.

    `from a import b` gives both `a` and `a.b`. Relative imports stay inside the package and give nothing.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def unexcused(findings: Iterable[Finding], excused: Mapping[str, str]) -> list[str]:
    """What is wrong beyond the listed exceptions, and which exceptions nothing needs any more."""
    found = list(findings)
    wrong = [str(finding) for finding in found if finding.where not in excused]
    stale = sorted(set(excused) - {finding.where for finding in found})
    return wrong + [f"{where}: this exception is no longer needed" for where in stale]
