"""The Nexmark stream as tables: the envelope, and one view per kind of event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from thalweg.api.dataset import Dataset
from thalweg.base.types import Struct
from thalweg.connectors.nexmark import NexmarkConfig
from thalweg.connectors.nexmark_source import NexmarkSource
from thalweg.errors import ConfigError, did_you_mean
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.source import Source

if TYPE_CHECKING:
    from thalweg.session.session import Session

KINDS = ("person", "auction", "bid")
DELAY = timedelta(seconds=4)
_OWN = ("events_num", "first_event_rate")
"""What `events` and `rate` say."""


@dataclass(frozen=True)
class NexmarkTables:
    """The tables of one Nexmark stream.

    Attributes:
        events: all events, with `dateTime` as event time (watermark: 4 s behind).
        person, auction, bid: the events of one kind, their members as columns.
    """

    events: Dataset
    person: Dataset
    auction: Dataset
    bid: Dataset


def nexmark_tables(
    session: Session,
    events: int | None,
    *,
    rate: int = 10_000,
    rate_limit: float | None = None,
    splits: int = 1,
    **config: Any,
) -> NexmarkTables:
    """The tables of a generated stream.

    Args:
        session: whose datasets they become.
        events: how many events; None: without end.
        rate: events per second of event time.
        rate_limit: events per second of the clock; None: as fast as they are read.
        splits: into how many splits each generator's events are dealt.
        config: further fields of `NexmarkConfig`, such as `seed` or `generators`.

    Raises:
        ConfigError: an option does not exist, or its value is out of range.
    """
    _check_names(config)
    source = NexmarkSource(
        NexmarkConfig(events_num=events, first_event_rate=rate, **config),
        rate_limit=rate_limit,
        splits_per_generator=splits,
    )
    return tables_of(session, source)


def _check_names(config: Iterable[str]) -> None:
    """Refuse options that the stream does not have."""
    known = [f.name for f in fields(NexmarkConfig) if f.name not in _OWN]
    names = ["events", "rate", "rate_limit", "splits", *known]
    for name in config:
        if name not in known:
            raise ConfigError(
                f'the Nexmark stream has no option "{name}"',
                code="nexmark-config",
                choices=names,
                hint=did_you_mean(name, names),
            )


def tables_of(session: Session, source: Source) -> NexmarkTables:
    """The tables over any source of envelope rows."""
    whole = envelope_plan(source)
    views = [Dataset(kind_plan(whole, kind), session) for kind in KINDS]
    return NexmarkTables(Dataset(whole, session), *views)


def envelope_plan(source: Source) -> Plan:
    """The envelope with its event time and watermark."""
    scan = Scan(source, name="nexmark")
    time = Call(
        "case",
        (
            *(_is_kind(0), _member("person", "dateTime")),
            *(_is_kind(1), _member("auction", "dateTime")),
            _member("bid", "dateTime"),
        ),
    )
    plan = build.with_columns(scan, [Named("dateTime", time)])
    return build.assign_watermark(plan, "dateTime", Call("-", (Column("dateTime"), literal_of(DELAY))))


def kind_plan(whole: Plan, kind: str) -> Plan:
    """The events of one kind."""
    held = whole.schema.type_of(kind)
    assert isinstance(held, Struct), "an envelope holds one struct per kind"
    names = [f.name for f in held.fields]
    items = [Named(n, Column(n) if n == "dateTime" else _member(kind, n)) for n in names]
    return build.project(build.filter_rows(whole, _is_kind(KINDS.index(kind))), items)


def _is_kind(number: int) -> Expr:
    return Call("=", (Column("event_type"), literal_of(number)))


def _member(kind: str, name: str) -> Expr:
    return Call("field", (Column(kind), literal_of(name)))
