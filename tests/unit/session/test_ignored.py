"""A program is warned of options that mean nothing, once each, at its own line."""

from __future__ import annotations

import warnings

import pytest

from thalweg.errors import IgnoredOptionWarning
from thalweg.session.hooks import HOOKS
from thalweg.session.session import Session

TABLE = "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole', 'sink.parallelism' = '4')"


def test_a_warning_stands_at_the_line_of_the_program() -> None:
    with pytest.warns(IgnoredOptionWarning, match='"rest.port" means nothing here') as caught:
        session = Session(options={"rest.port": "1"})
    assert [w.filename for w in caught] == [__file__]
    with pytest.warns(IgnoredOptionWarning, match="'sink.parallelism' means nothing") as caught:
        session.execute_sql(TABLE)
    assert [w.filename for w in caught] == [__file__], "also of a table that nothing reads or writes"


def test_nothing_is_said_twice() -> None:
    with pytest.warns(IgnoredOptionWarning):
        session = Session(options={"rest.port": "1"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.execute_sql("CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')")


def test_the_command_line_can_say_it_instead() -> None:
    HOOKS.has_own_warnings = True
    try:
        session = Session(options={"rest.port": "1"})
        session.execute_sql(TABLE)
    finally:
        HOOKS.reset()
    assert session.settings.warnings
    assert session.catalog.warnings
