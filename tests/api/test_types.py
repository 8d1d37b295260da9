"""Type checkers accept the programs that users write, and refuse their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

mypy = pytest.importorskip("mypy.api")
ROOT = Path(__file__).resolve().parents[2]


def _check(path: Path) -> tuple[str, int]:
    found, problems, code = mypy.run(
        ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary", str(path)]
    )
    assert not problems, problems
    return found, code


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the configuration names folders from there


@pytest.mark.slow
def test_programs_of_users_have_the_types_that_they_say() -> None:
    found, code = _check(ROOT / "tests" / "api" / "usage.py")
    assert code == 0, found


@pytest.mark.slow
def test_the_checker_sees_mistakes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import thalweg.api as tw\n\ntw.col(3)\ntw.col('a').upper()\n", encoding="utf-8")
    found, code = _check(program)
    assert code == 1
    assert "arg-type" in found
    assert "attr-defined" in found


@pytest.mark.slow
def test_the_checker_knows_what_a_session_reads(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import thalweg as tw\n\ntw.Session().read_nexmark(events=10).bid.fliter('x')\n")
    found, code = _check(program)
    assert code == 1
    assert '"Dataset" has no attribute "fliter"' in found
