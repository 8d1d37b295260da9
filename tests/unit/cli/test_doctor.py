"""`doctor` tells what there is, and knows every module with kernels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg.cli import doctor

Call = Callable[..., tuple[int, str, str]]


def test_the_facts_are_told(thalweg: Call) -> None:
    code, out, _ = thalweg("doctor")
    names = [line[:14].strip() for line in out.splitlines()]
    assert code == 0
    assert {"python", "polars", "numba", "cores", "polars threads", "kernel cache"} <= set(names)


def test_modules_with_kernels_are_found() -> None:
    found = doctor.kernel_modules()
    assert "thalweg.columnar.hash" in found
    assert "thalweg.columnar.compiled" not in found


def test_an_empty_cache_is_cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert doctor.cache_text().startswith(f"0 of {len(doctor.kernel_modules())} modules compiled (cold;")
    (tmp_path / "hash.partitions-12.py311.nbi").touch()
    assert doctor.cache_text().startswith("1 of ")


def test_warming_imports_every_module(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(doctor, "import_module", imported.append)
    code, _, err = thalweg("doctor", "--warm")
    assert code == 0
    assert imported == doctor.kernel_modules()
    assert f"compiled {len(imported)} modules" in err


def test_a_package_that_is_not_there_is_said_to_be_missing(
    thalweg: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("polars", "no-such-package"))
    code, out, _ = thalweg("doctor")
    assert code == 0
    assert re.search("^no-such-package not installed$", out, re.MULTILINE)
    assert not re.search("^polars +not installed$", out, re.MULTILINE)
