"""What goes wrong with a program, its files and its rows is told in exactly the words of its golden file.

A golden file holds small files (`=== name`; one that ends in `.parquet` is written from CSV), a SQL program
(`=== program`) or one in Python (`=== program.py`), a line of dashes, and the whole message. Running this
file as a program writes the messages anew, for review. It runs in the folder of the files, which messages
show as `$DIR`.

Not here: mistakes in the text of one statement (tests/errors/sql).
"""

from __future__ import annotations

import re
import tempfile
from contextlib import chdir
from pathlib import Path

import polars as pl
import pytest

import thalweg
from thalweg.errors import ThalwegError
from thalweg.session.session import Session

FOLDER = Path(__file__).parent
LINE = "\n----\n"
HEAD = re.compile(r"^=== (\S+)\n", re.MULTILINE)


def message(text: str, folder: Path) -> str:
    """The error that a program gives, as the command line prints it."""
    _, *parts = HEAD.split(text)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    program = files.pop("program", None)
    python = files.pop("program.py", "")
    # from within the folder, so that no message is longer where the folder has a long name
    with chdir(folder):
        for name, held in files.items():
            write(Path(name), held)
        try:
            exec(compile(python, "program.py", "exec", dont_inherit=True), {"tw": thalweg})
            if program is not None:
                run(program)
        except ThalwegError as error:
            return error.render().replace(str(folder.resolve()), "$DIR")
    return "no error"


def write(path: Path, held: str) -> None:
    """One file of a program."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pl.read_csv(held.encode(), try_parse_dates=True).write_parquet(path)
    else:
        path.write_text(held, encoding="utf-8")


def run(program: str) -> None:
    """Carry out the statements; then run what they write, or the query that they end with."""
    session = Session(parallelism=2, options={"execution.runtime": "inline"})
    last = session.execute_sql(program)[-1]
    if last.plan is not None:
        session.collect(last.plan)
    if session.sinks:
        session.run()


CASES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_message(path: Path, tmp_path: Path) -> None:
    text, expected = path.read_text(encoding="utf-8").split(LINE)
    assert message(text, tmp_path) + "\n" == expected


def test_there_are_goldens() -> None:
    assert len(CASES) >= 15


if __name__ == "__main__":
    for case in CASES:
        written = case.read_text(encoding="utf-8").split(LINE)[0]
        with tempfile.TemporaryDirectory() as name:
            case.write_text(written + LINE + message(written, Path(name)) + "\n", encoding="utf-8")
