"""Every error becomes a text and one of the exit codes."""

from __future__ import annotations

import pytest

from thalweg.cli.failures import told
from thalweg.errors import (
    CheckpointError,
    ConfigError,
    ConnectorError,
    DataError,
    InternalError,
    SqlError,
    ThalwegError,
    UserError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SqlError("no", code="x"), 1),
        (ConfigError("no", code="x"), 1),
        (DataError("no", code="x"), 3),
        (ConnectorError("no", code="x"), 3),
        (InternalError("no", code="x"), 3),
        (CheckpointError("no", code="x"), 4),
        (UserError("no", code="job-already-running"), 5),
        (ValueError("no"), 3),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert told(error)[1] == code


def test_notes_say_in_which_step() -> None:
    error = DataError("the row is bad", code="data-bad")
    error.add_note("step group1")
    assert told(error)[0] == "DataError [data-bad] the row is bad\n  in:       step group1"


def test_an_internal_error_asks_for_a_report() -> None:
    assert "please report it" in told(InternalError("no", code="x"))[0]


def test_the_cause_in_the_user_s_code_is_shown() -> None:
    try:
        try:
            raise KeyError("a")
        except KeyError as cause:
            raise DataError("the function failed", code="data-function") from cause
    except ThalwegError as error:
        text, _ = told(error)
    assert "cause:" in text
    assert text.rstrip().endswith("KeyError: 'a'")


def test_several_failures_are_told_once_each() -> None:
    errors = [DataError("a", code="x"), DataError("a", code="x"), CheckpointError("b", code="y")]
    text, code = told(ExceptionGroup("several tasks failed", errors))
    assert text == "DataError [x] a\n\nCheckpointError [y] b"
    assert code == 4
