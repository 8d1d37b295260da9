"""The examples in the guides under docs/ run as they stand.

`python`   a whole program, in a folder of its own
`sql`      statements, carried out as a file of them would be
`sql endless`   the same without running the job, which would not end
`console`  lines that begin with `$ ` are run, and print what follows them
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.cli.entry import COMMANDS
from thalweg.cli.shell.dots import COMMANDS as DOTS
from thalweg.connectors.registry import CONNECTORS
from thalweg.optimizer.standard import RULES
from thalweg.plan.nodes import Plan
from thalweg.session.session import Session
from thalweg.session.settings import Settings

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
GUIDES = sorted(DOCS.glob("*.md"))
BLOCKS = [
    (kind, text, f"{guide.stem}-{number}")
    for guide in GUIDES
    for number, (kind, text) in enumerate(
        re.findall(r"```([a-z ]+)\n(.*?)```", guide.read_text(), re.DOTALL), 1
    )
]
KINDS = {"python", "sql", "sql endless", "console", "toml"}


def examples(kind: str) -> list[object]:
    return [pytest.param(text, id=name) for found, text, name in BLOCKS if found == kind]


@pytest.mark.slow
@pytest.mark.parametrize("program", examples("python"))
def test_program_runs(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", examples("sql"))
def test_sql_runs(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(parallelism=2)
    for outcome in session.execute_sql(text):
        if isinstance(outcome.plan, Plan):
            session.collect(outcome.plan)
    if session.sinks:
        session.run()


@pytest.mark.parametrize("text", examples("sql endless"))
def test_endless_sql_is_planned(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(parallelism=2)
    plans = [outcome.plan for outcome in session.execute_sql(text) if isinstance(outcome.plan, Plan)]
    assert [*plans, *session.sinks]
    assert "== job ==" in session.explain_plans([*plans, *session.sinks])


@pytest.mark.slow
@pytest.mark.parametrize("text", examples("console"))
def test_console_prints_what_is_shown(text: str, tmp_path: Path) -> None:
    # the command is found as it is after an installation, whatever the shell that started the tests knows
    known = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=known, capture_output=True, text=True)
        assert done.stdout + done.stderr == shown, command


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_links_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", guide.read_text())
    assert [link for link in links if ":" not in link and not _leads(guide, link)] == []


def _leads(guide: Path, link: str) -> bool:
    name, _, part = link.partition("#")
    target = guide.parent / name if name else guide
    if not part or not target.exists():
        return target.exists()
    titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
    return part in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_block_is_executed() -> None:
    assert {kind for kind, _, _ in BLOCKS} <= KINDS


def test_every_rule_is_listed() -> None:
    listed = re.findall(r"`(\w+)`", (DOCS / "optimizer.md").read_text())
    assert {rule.__name__ for rule in RULES} <= set(listed)


def listed_in(guide: str) -> set[str]:
    """What stands in the first column of the tables of a guide, in backticks."""
    heads = re.findall(r"^\| (.*?[^\\]) \|", (DOCS / guide).read_text(), re.MULTILINE)
    return {name for head in heads for name in re.findall(r"`\.?([\w.\- #]+)", head)}


def test_every_connector_and_option_is_listed() -> None:
    listed = listed_in("connectors.md")
    assert {c.name for c in CONNECTORS} <= listed
    options = {o.name.replace("#", "NAME") for c in CONNECTORS for o in c.known} - {"next-event.rate"}
    assert options <= listed
    assert "`next-event.rate`" in (DOCS / "connectors.md").read_text()


def test_every_command_and_option_of_a_session_is_listed() -> None:
    listed = {name.strip() for name in listed_in("command-line.md")}
    assert {name for name, _, _ in Settings().listed()} <= listed
    assert {f"thalweg {name}" for name in COMMANDS} <= {" ".join(n.split()[:2]) for n in listed}
    assert set(DOTS) <= {name.split()[0] for name in listed}
