"""Handlers that no test executes are found, and the list of them is not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites.handlers import LISTED, all_handlers, handlers_in, listed, measured, not_run

TEXT = """
class A:
    def f(self):
        try:
            int("x")
        except (ValueError, TypeError):
            pass
        try:
            int("1")
        except ValueError as error:
            raise KeyError from error
        except OSError:
            pass
        except OSError:
            pass
try:
    import json
except:
    json = None
"""


def test_every_handler_has_a_name_of_its_own() -> None:
    assert [(h.name, h.line) for h in handlers_in("a.py", TEXT)] == [
        ("a.py A.f: except (ValueError, TypeError)", 7),
        ("a.py A.f: except ValueError", 11),
        ("a.py A.f: except OSError", 13),
        ("a.py A.f: except OSError #2", 15),
        ("a.py (module): except", 19),
    ]
    names = [h.name for h in all_handlers()]
    assert len(names) == len(set(names)) > 200


def test_a_handler_is_executed_when_its_first_statement_is() -> None:
    handlers = list(handlers_in("a.py", TEXT))
    assert not_run(handlers, {"a.py": {3, 4, 5, 6, 7, 12}}) == [h.name for h in handlers[1:]]
    assert len(not_run(handlers, {})) == 5


def test_handlers_that_are_listed_exist_and_have_a_reason() -> None:
    found = listed(LISTED.read_text(encoding="utf-8"))
    assert set(found) <= {h.name for h in all_handlers()}, "those that are gone are not listed any more"
    assert [name for name, reason in found.items() if len(reason) < 10] == []
    assert len(found) <= len(all_handlers()) / 20


@pytest.mark.slow
def test_lines_are_measured_in_processes_that_tests_start(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        "import subprocess, sys\n"
        "def test_a():\n"
        "    code = 'from thalweg.checkpoint.beats import Record; Record.decoded(b\"no JSON\")'\n"
        "    subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    lines = measured([str(test), f"--rootdir={tmp_path}"], tmp_path)
    missed = not_run(all_handlers(), lines)
    assert not any(name.startswith("thalweg/checkpoint/beats.py") for name in missed)
    assert any(name.startswith("thalweg/checkpoint/store.py") for name in missed)
