"""The project's own tables agree with the source: layers name every package, pins satisfy the ranges."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.source import PACKAGE, ROOT, repository_files

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The package itself may re-export from anywhere; `__main__` only starts the command line.
OUTSIDE_THE_LAYERS = {"__init__", "__main__"}


def parts_of(names: Iterable[str]) -> set[str]:
    """Packages and modules directly below `thalweg`."""
    inside = (name.removeprefix(PACKAGE) for name in names if name.startswith(PACKAGE))
    return {name.split("/")[0].removesuffix(".py") for name in inside if name.endswith(".py")}


def named_in(layers: Iterable[str]) -> set[str]:
    """Names in the lines of a layers contract."""
    cells = (cell for line in layers for cell in line.replace(":", "|").split("|"))
    return {cell.strip().strip("()").removeprefix("thalweg.") for cell in cells}


def check_pins(ranges: Iterable[str], lock: str) -> list[str]:
    """Direct dependencies that are not pinned, or pinned outside their range."""
    lines = (line for line in lock.splitlines() if line and not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    wrong = []
    for requirement in map(Requirement, ranges):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None:
            wrong.append(f"{requirement.name} is not pinned")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} is pinned to {version}")
    return wrong


def test_every_package_has_its_layer() -> None:
    [contract] = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    assert parts_of(repository_files()) - OUTSIDE_THE_LAYERS - named_in(contract["layers"]) == set()


def test_the_pins_satisfy_the_ranges() -> None:
    project = PROJECT["project"]
    ranges = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert check_pins(ranges, (ROOT / "requirements.lock").read_text(encoding="utf-8")) == []


def test_a_package_without_layer_is_seen() -> None:
    parts = parts_of(
        [f"{PACKAGE}plan/nodes.py", f"{PACKAGE}errors.py", f"{PACKAGE}py.typed", "tests/plan.py"]
    )
    assert parts == {"plan", "errors"}
    assert parts - named_in(["thalweg.api | (thalweg.sql)", "thalweg.errors"]) == {"plan"}


def test_wrong_pins_are_seen() -> None:
    lock = "# pins\nNumPy==2.4.6\npolars==2.2.0\n"
    assert check_pins(["numpy>=2.4,<2.5"], lock) == []
    assert check_pins(["polars>=2.1,<2.2"], lock) == ["polars<2.2,>=2.1 is pinned to 2.2.0"]
    assert check_pins(["click>=8"], lock) == ["click is not pinned"]
