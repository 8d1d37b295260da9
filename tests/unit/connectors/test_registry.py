"""Connectors and their options by name: what is made, what is refused, what only gets a warning."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.unit.connectors.reading import drain
from thalweg.base.schema import Schema
from thalweg.connectors import registry
from thalweg.connectors.files import FileSink, FileSource
from thalweg.connectors.nexmark_source import NexmarkSource
from thalweg.connectors.options import flag, number, one_byte, seconds, whole
from thalweg.connectors.sinks import PrintSink
from thalweg.errors import ConfigError, PlanError, Span
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source

COLUMNS = Schema.from_polars({"a": pl.Int64()})


def refused(options: dict[str, str]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        registry.check(options)
    return caught.value


def test_unknown_names_come_with_what_is_near() -> None:
    assert refused({}).code == "connector-missing"
    unknown = refused({"connector": "filesytem"})
    assert (unknown.code, unknown.hint) == ("connector-unknown", 'did you mean "filesystem"?')
    option = refused({"connector": "filesystem", "path": "x", "formt": "csv"})
    assert (option.code, option.hint) == ("connector-unknown-option", 'did you mean "format"?')
    assert refused({"connector": "filesystem"}).code == "connector-missing-option"


def test_values_name_option_value_and_choices_at_their_place() -> None:
    span = Span("x", 1, 1)
    with pytest.raises(ConfigError) as caught:
        registry.check({"connector": "filesystem", "path": "x", "format": "parqet"}, {"format": span})
    error = caught.value
    assert error.code == "connector-option-value"
    assert "'parqet'" in error.message
    assert "'format'" in error.message
    assert error.choices is not None
    assert "parquet" in error.choices
    assert error.where is span
    assert error.hint == 'did you mean "parquet"?'


def test_options_of_flink_that_mean_nothing_are_warned_about() -> None:
    warnings = registry.check(
        {
            "connector": "filesystem",
            "path": "x",
            "sink.rolling-policy.check-interval": "1 min",
            "auto-compaction": "true",
        }
    )
    assert len(warnings) == 2
    assert all("means nothing" in w for w in warnings)


@pytest.mark.parametrize(
    "name",
    [
        *("sink.parallelism", "csv.escape-character", "csv.array-element-delimiter"),
        *("parquet.compression", "parquet.utc-timezone", "json.encode.decimal-as-plain-number"),
    ],
)
def test_an_option_of_flink_is_never_taken_for_a_misspelt_one(name: str) -> None:
    (warning,) = registry.check({"connector": "filesystem", "path": "x", name: "1"})
    assert f"'{name}' means nothing" in warning


def test_files(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1;2\n")
    options = {"connector": "filesystem", "path": str(tmp_path / "x.csv"), "csv.field-delimiter": ";"}
    schema = Schema.from_polars({"a": pl.Int64(), "b": pl.Int64()})
    made = registry.create_source(options, schema)
    assert isinstance(made.source, FileSource)
    assert made.tolerance == "none"
    assert drain(made.source).rows() == [(1, 2)]
    watched = {
        "connector": "filesystem",
        "path": str(tmp_path),
        "format": "csv",
        "source.monitor-interval": "1 s",
    }
    source = registry.create_source({**watched, "csv.header": "false"}, schema).source
    assert isinstance(source, FileSource)
    assert (source.interval, source.is_bounded, source.is_ordered) == (1.0, False, True)
    folded = {"connector": "filesystem", "path": str(tmp_path), "format": "json", "changelog": "fold"}
    sink = registry.create_sink(folded, COLUMNS, is_bounded=False)
    assert isinstance(sink.sink, FileSink)
    assert (sink.sink.format, sink.sink.is_bounded, sink.changelog) == ("json", False, "fold")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.create_source({"connector": "filesystem", "path": str(tmp_path / "no.csv")})
    assert caught.value.code == "source-missing-path"


def test_what_becomes_of_bad_rows() -> None:
    options = {"connector": "nexmark", "events.num": "10"}
    assert registry.create_source(options).tolerance == "none"
    kept = registry.create_source({**options, "errors.sink": "bad"})
    assert (kept.tolerance, kept.error_sink) == ("quarantine", "bad")
    assert registry.create_source({**options, "errors.tolerance": "quarantine"}).tolerance == "quarantine"
    assert registry.create_source({**options, "errors.tolerance": "none"}).tolerance == "none"


def test_nexmark() -> None:
    options = {
        "events.num": "100",
        "bid.proportion": "10",
        "base-time": "2026-01-02 00:00:00",
        "rate-limit": "1e3",
    }
    source = registry.create_source({"connector": "nexmark", **options, "splits": "2"}).source
    assert isinstance(source, NexmarkSource)
    assert source.config.bid_proportion == 10
    assert source.config.base_time_ms == 1_767_312_000_000
    assert source.rate_limit == 1000.0
    assert len(source.splits()) == 2
    assert not registry.create_source({"connector": "nexmark", "events.num": "0"}).source.is_bounded
    with pytest.raises(PlanError):
        registry.create_source({"connector": "nexmark"}, COLUMNS)


def test_nexmark_options_that_mean_nothing() -> None:
    time = refused({"connector": "nexmark", "base-time": "yesterday"})
    assert time.code == "connector-option-value"
    assert "'yesterday' is no value for the option 'base-time'" in str(time)
    assert time.expected == "milliseconds since 1970, or a time such as 2026-01-01 00:00:00"
    span = Span("x", 1, 1)
    with pytest.raises(ConfigError) as caught:
        registry.create_source({"connector": "nexmark", "events.num": str(2**62)}, where=span)
    assert "is out of range" in str(caught.value)
    assert caught.value.where == span


def test_sinks() -> None:
    made = registry.create_sink(
        {"connector": "print", "print-identifier": "x"}, COLUMNS, is_bounded=True, key=["a"]
    ).sink
    assert isinstance(made, PrintSink)
    assert (made.identifier, made.key) == ("x", ("a",))
    for name in ("blackhole", "checksum"):
        assert isinstance(registry.create_sink({"connector": name}, COLUMNS, is_bounded=True).sink, Sink)


def test_sides_that_are_not_there() -> None:
    with pytest.raises(ConfigError) as source:
        registry.create_source({"connector": "print"})
    assert source.value.code == "connector-one-sided"
    with pytest.raises(ConfigError) as sink:
        registry.create_sink({"connector": "nexmark"}, COLUMNS, is_bounded=True)
    assert sink.value.choices == ("filesystem", "sqlite", "print", "blackhole", "checksum")


def test_every_connector_has_distinct_options_with_a_meaning() -> None:
    assert len({c.name for c in registry.CONNECTORS}) == len(registry.CONNECTORS)
    for connector in registry.CONNECTORS:
        names = [o.name for o in connector.known]
        assert len(set(names)) == len(names)
        assert all(o.doc for o in connector.known)


def test_columns_are_needed_where_nothing_else_says_them() -> None:
    for options in ({"connector": "datagen"}, {"connector": "socket", "hostname": "x", "port": "1"}):
        with pytest.raises(ConfigError) as caught:
            registry.create_source(options)
        assert caught.value.code == "connector-no-columns"


def test_readers_of_values() -> None:
    assert (seconds("250"), seconds("1m30s"), number("2.5"), flag("TRUE")) == (0.25, 90.0, 2.5, True)
    assert one_byte("\\t") == "\t"
    for parse, text in [
        (number, "0"),
        (number, "x"),
        (flag, "yes"),
        (one_byte, "ab"),
        (one_byte, "ä"),
        (whole(1), "0"),
    ]:
        with pytest.raises(ValueError):
            parse(text)


def test_sources_are_sources() -> None:
    source = registry.create_source({"connector": "datagen"}, COLUMNS).source
    assert isinstance(source, Source)
