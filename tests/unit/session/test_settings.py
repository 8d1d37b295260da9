"""Options come in layers, and a mistake in one says where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from thalweg.errors import ConfigError, Span
from thalweg.session.settings import Settings


def settings(tmp_path: Path, *, file: str | None = None, **environment: str) -> Settings:
    if file is not None:
        (tmp_path / "thalweg.toml").write_text(file)
    return Settings(directory=tmp_path, environment=environment)


def test_later_layers_win_and_know_their_place(tmp_path: Path) -> None:
    file = "[parallelism]\ndefault = 2\n[execution]\nbatch-rows = 5\n"
    made = settings(tmp_path, file=file, THALWEG_PARALLELISM_DEFAULT="3", HOME="/")
    assert (made.get("parallelism.default"), made.origin("parallelism.default")) == (3, "environment")
    assert made.place("parallelism.default") == "the environment variable THALWEG_PARALLELISM_DEFAULT"
    assert (made.get("execution.batch-rows"), made.origin("execution.batch-rows")) == (5, "thalweg.toml")
    assert (made.get("execution.drift-max"), made.place("execution.drift-max")) == (0.0, None)
    span = Span("SET", 1, 1)
    made.set("parallelism.default", "4", where=span)
    assert (made.get("parallelism.default"), made.place("parallelism.default")) == (4, span)
    made.reset("parallelism.default")
    assert made.get("parallelism.default") == 3


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("THALWEG_PARALLELISM_DEFAULT", "x", '"x" is no value for the option "parallelism.default"'),
        (
            "THALWEG_PIPELINE_QUARANTINE_RATE_MAX",
            "much",
            '"much" is no value for the option "pipeline.quarantine.rate-max"',
        ),
        ("THALWEG_PARALELISM_DEFAULT", "2", 'the environment variable "THALWEG_PARALELISM_DEFAULT"'),
        ("THALWEG_EXECUTION_BATCH_ROW", "2", 'the environment variable "THALWEG_EXECUTION_BATCH_ROW"'),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, **{variable: value})
    error = caught.value
    assert message in error.message
    assert variable in error.render()
    assert error.hint is not None


@pytest.mark.parametrize(
    ("file", "code", "where"),
    [
        ("[parallelism]\ndefault = 0", "config-value", 'thalweg.toml, option "parallelism.default"'),
        ("parallelism.defualt = 1", "config-unknown-option", 'option "parallelism.defualt"'),
        ("[execution]\nbatch-rows = \n", "config-file", "line 2, column 14     batch-rows ="),
        ('a = "x', "config-file", 'a = "x'),
    ],
)
def test_a_mistake_in_the_file_names_the_file_and_the_place(
    tmp_path: Path, file: str, code: str, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, file=file)
    error = caught.value
    assert error.code == code
    assert str(tmp_path) in str(error.where)
    assert where in str(error.where)
    assert error.__cause__ is None, "the message says it all; the command line would show a traceback"


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", ""])
def test_a_bad_number_says_what_a_good_one_is(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path).set("execution.batch-rows", text)
    assert caught.value.expected == "a whole number from 1 up"


@pytest.mark.parametrize(
    "name",
    [
        *("pipeline.operator-chaining", "pipeline.jars", "rest.port", "table.exec.state.ttl"),
        *("execution.target", "execution.checkpointing.timeout", "state.backend.incremental"),
    ],
)
def test_options_of_flink_are_ignored_with_a_warning(tmp_path: Path, name: str) -> None:
    made = settings(tmp_path)
    made.set(name, "x")
    assert made.warnings == [f'the option "{name}" means nothing here and is ignored']
    variable = "THALWEG_" + name.upper().replace(".", "_").replace("-", "_")
    assert variable in settings(tmp_path, **{variable: "x"}).warnings[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pipeline.nam", "pipeline.name"),
        ("execution.runtime-mod", "execution.runtime-mode"),
        ("table.exec.source.idle-timeouts", "table.exec.source.idle-timeout"),
    ],
)
def test_what_looks_like_an_option_of_ours_is_no_option_of_flink(
    tmp_path: Path, name: str, meant: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path).set(name, "x")
    assert caught.value.hint == f'did you mean "{meant}"?'
