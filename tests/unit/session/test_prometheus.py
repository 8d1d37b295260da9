"""What is written for Prometheus is read by its own client, every figure of it."""

from __future__ import annotations

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

import thalweg as tw
from thalweg.connectors.memory import MemorySink
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import BY_NAME, METRICS, Metrics, Sample
from thalweg.session.metrics.prometheus import exposition

ODD = ("plain", "two words", 'quo"te', "back\\slash", "line\nbreak", 'all \\n of\n "them"\\', "smörgås ∞")


def every_metric(job: str, label: str = "x") -> Metrics:
    """A figure of each metric, with labels and values that tell it apart."""
    return Metrics(
        job,
        tuple(
            Sample(metric, tuple(f"{label} {name}" for name in metric.labels), number + 0.5)
            for number, metric in enumerate(METRICS)
        ),
    )


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample by its name and labels, as the client reads it."""
    found = {}
    for family in text_string_to_metric_families(text):
        # the client names the family of a counter without its ending
        name = family.name if family.name in BY_NAME else f"{family.name}_total"
        metric = BY_NAME[name]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        for sample in family.samples:
            assert sample.name == metric.name
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, "no sample comes twice"
            found[key] = sample.value
    return found


@pytest.mark.parametrize("odd", ODD)
def test_names_of_jobs_and_labels_come_through_whole(odd: str) -> None:
    figures = every_metric(odd, odd)
    wanted = {
        (
            s.metric.name,
            frozenset({"job": odd, **dict(zip(s.metric.labels, s.labels, strict=True))}.items()),
        ): (s.value)
        for s in figures.samples
    }
    assert read(exposition([figures])) == wanted


def test_a_meaning_may_have_odd_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = m.Metric("thalweg_odd", "gauge", "", 'a\\b\n"c"', ())
    monkeypatch.setattr("thalweg.session.metrics.prometheus.METRICS", (odd,))
    [family] = text_string_to_metric_families(exposition([Metrics("j", (Sample(odd, (), 1),))]))
    assert family.documentation == 'a\\b\n"c"'


def test_samples_of_several_jobs_stand_together() -> None:
    text = exposition([every_metric("one"), every_metric("two")])
    assert len(read(text)) == 2 * len(METRICS)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert len(heads) == len(set(heads)) == 2 * len(METRICS)


def test_a_metric_without_samples_is_not_named() -> None:
    assert exposition([]) == ""
    assert exposition([Metrics("j", ())]) == ""


def test_large_counts_keep_all_their_digits() -> None:
    figures = Metrics("j", (Sample(m.ROWS_IN, ("s", "0"), 2**53 - 1), Sample(m.BUSY, ("s", "0"), 1e-7)))
    assert sorted(read(exposition([figures])).values()) == [1e-7, 2**53 - 1]


def test_the_figures_of_a_job_are_read() -> None:
    session = tw.Session(parallelism=2)
    session.write_sink(session.from_polars(pl.DataFrame({"a": [1, 2, 3]})).plan, MemorySink())
    run = session.run("j", mode="stream").run
    assert run is not None
    found = read(exposition([run.figures]))
    assert len(found) == len(run.figures.samples)
    rows = {key: n for key, n in found.items() if key[0] == m.ROWS_IN.name}
    assert sum(rows.values()) == run.figures.total(m.ROWS_IN) > 0
