"""The Nexmark stream as a connector.

Not here: the stream (nexmark/) and its pace (nexmark_source.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

from thalweg.base.schema import Schema
from thalweg.connectors.connector import Connector
from thalweg.connectors.files.select import check_file
from thalweg.connectors.nexmark import NexmarkConfig, envelope_schema
from thalweg.connectors.nexmark_source import NexmarkSource
from thalweg.connectors.options import Option, Values, number, whole
from thalweg.errors import ConfigError

_FIELDS = {
    "events.num": "events_num",
    "first-event.rate": "first_event_rate",
    "next-event.rate": "next_event_rate",
    "person.proportion": "person_proportion",
    "auction.proportion": "auction_proportion",
    "bid.proportion": "bid_proportion",
    "seed": "seed",
    "base-time": "base_time_ms",
    "generators": "generators",
    "out-of-order-group-size": "out_of_order_group_size",
    "bidder-offset": "bidder_offset",
}


def _time(text: str) -> int:
    """Reads milliseconds since 1970, or a time such as `2026-01-01 00:00:00`, in UTC."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("milliseconds since 1970, or a time such as 2026-01-01 00:00:00") from None
    zoned = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1000)


def _source(values: Values, schema: Schema | None) -> NexmarkSource:
    options = {_FIELDS[name]: value for name, value in values.given.items() if name in _FIELDS}
    if options.get("events_num") == 0:
        # The reference generator takes 0 for a stream that never ends.
        del options["events_num"]
    try:
        config = NexmarkConfig(**options)
    except ConfigError as error:
        if values.where is not None:
            error.where = values.where
        raise
    if schema is not None:
        check_file(schema, envelope_schema(), "nexmark")
    return NexmarkSource(config, values["rate-limit"], values["splits"])


NEXMARK = Connector(
    "nexmark",
    (
        Option("events.num", whole(0), None, "how many events there are; 0 or nothing: without end"),
        Option("first-event.rate", whole(1), 10_000, "events per second of event time"),
        Option("next-event.rate", whole(1), None, "the same, if it is given"),
        Option("person.proportion", whole(1), 1, "persons in each round of events"),
        Option("auction.proportion", whole(1), 3, "auctions in each round of events"),
        Option("bid.proportion", whole(0), 46, "bids in each round of events"),
        Option("seed", whole(-(2**63), 2**63 - 1), 1, "chooses the random numbers"),
        Option("base-time", _time, None, "the event time of the first event"),
        Option("generators", whole(1), 1, "how many parts the stream has; another number is another stream"),
        Option("out-of-order-group-size", whole(1), 1, "events are shuffled within groups of this size"),
        Option("bidder-offset", whole(0), 2000, "what is added to a bidder's index"),
        Option(
            "rate-limit", number, None, "events per second of the clock; nothing: as fast as they are read"
        ),
        Option("splits", whole(1, 1024), 1, "splits that each generator's events are dealt to in turns"),
    ),
    source=_source,
)
