"""Say which Nexmark stream is meant.

A `NexmarkConfig` fixes every event of a stream: how many there are, how they are mixed, how fast event
time passes, how far they are out of order, and the seed of the random numbers.

Reads:    the values handed in.
Changes:  nothing.
Not here: the events (generator.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from thalweg.errors import ConfigError

BASE_TIME_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z, the event time at which every stream starts unless told otherwise."""
SHUFFLE_FACTOR = 953
"""The prime that spreads the events of an out-of-order group."""
_EVENTS_MAX = (2**63 - 1) // 25_000
"""Numbers handed out to the generators of an endless stream: at 10 000 events/s, 1 169 years of them."""
_RATE_MAX = 1_000_000_000
_TIME_MAX_MS = 253_402_300_800_000
_LEAST = {
    "events_num": 1,
    "first_event_rate": 1,
    "next_event_rate": 1,
    "person_proportion": 1,
    "auction_proportion": 1,
    "bid_proportion": 0,
    "generators": 1,
    "out_of_order_group_size": 1,
    "bidder_offset": 0,
}
_MOST = {
    "events_num": _EVENTS_MAX,
    "first_event_rate": _RATE_MAX,
    "next_event_rate": _RATE_MAX,
    "person_proportion": 10_000,
    "auction_proportion": 10_000,
    "bid_proportion": 10_000,
    "base_time_ms": _TIME_MAX_MS,
    "generators": 10_000,
    "out_of_order_group_size": 100_000_000,
    "bidder_offset": 1_000_000_000,
}


@dataclass(frozen=True, kw_only=True)
class NexmarkConfig:
    """One Nexmark stream, of `generators` disjoint parts over the same span of event time.

    Attributes:
        events_num: how many events all generators make together; None never ends.
        first_event_rate: events per second of event time over all generators; it sets the event
            times, not the pace at which events are made.
        next_event_rate: must equal `first_event_rate` where given; changing rates are not supported.
        person_proportion, auction_proportion, bid_proportion: the mix within each round of events.
        seed: chooses the random numbers.
        base_time_ms: the event time at which the stream starts, in ms since 1970.
        generators: how many parts the stream has. Another number makes another stream.
        out_of_order_group_size: events are shuffled within groups of this size; 1 keeps time order.
        bidder_offset: what is added to a bidder's index; 1000 makes bidders equal to person ids.

    Raises:
        ConfigError: a value is out of its range or does not fit the others.

    Example:
        >>> NexmarkConfig(events_num=1_000_000, first_event_rate=500).rate
        500
    """

    events_num: int | None = None
    first_event_rate: int = 10_000
    next_event_rate: int | None = None
    person_proportion: int = 1
    auction_proportion: int = 3
    bid_proportion: int = 46
    seed: int = 1
    base_time_ms: int = BASE_TIME_MS
    generators: int = 1
    out_of_order_group_size: int = 1
    bidder_offset: int = 2000

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name))
        self._check_combination()

    def _check_combination(self) -> None:
        if self.next_event_rate not in (None, self.first_event_rate):
            raise _error(
                "the rate of a Nexmark stream cannot change",
                expected=f"next_event_rate = first_event_rate = {self.first_event_rate}",
                found=f"next_event_rate = {self.next_event_rate}",
                hint='leave "next_event_rate" out',
            )
        if self.out_of_order_group_size % SHUFFLE_FACTOR == 0:
            raise _error(
                f'"out_of_order_group_size" is a multiple of {SHUFFLE_FACTOR}, which would repeat events',
                found=str(self.out_of_order_group_size),
                hint=f"{self.out_of_order_group_size + 1} works",
            )
        if self.events_num is not None and self.events_num < self.generators:
            raise _error(
                "there are fewer events than generators",
                expected=f"events_num >= {self.generators}",
                found=str(self.events_num),
                hint='raise "events_num" or lower "generators"',
            )

    @property
    def rate(self) -> int:
        """Events per second of event time, over all generators."""
        return self.first_event_rate

    @property
    def round_size(self) -> int:
        """How many events one round of the mix has: 50 by default."""
        return self.person_proportion + self.auction_proportion + self.bid_proportion

    @property
    def delay_us(self) -> float:
        """Event time between two events of one generator, in microseconds."""
        return 1e6 / self.rate * self.generators

    def first_event_id(self, index: int) -> int:
        """The event id that the numbers of generator `index` are added to."""
        return 1 + index * self._share()

    def event_count(self, index: int) -> int | None:
        """How many events generator `index` makes; None if it never ends."""
        if self.events_num is None:
            return None
        last = index == self.generators - 1
        return self._share() + (self.events_num % self.generators if last else 0)

    def _share(self) -> int:
        return (_EVENTS_MAX if self.events_num is None else self.events_num) // self.generators


def _check_number(name: str, value: object) -> None:
    if value is None and name in ("events_num", "next_event_rate"):
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise _error(f'"{name}" takes a whole number', found=repr(value))
    low, high = _LEAST.get(name), _MOST.get(name)
    if name == "base_time_ms":
        low = -_TIME_MAX_MS
    if (low is not None and value < low) or (high is not None and value > high):
        raise _error(f'"{name}" is out of range', expected=f"{low} to {high}", found=str(value))


def _error(message: str, *, found: str, expected: str | None = None, hint: str | None = None) -> ConfigError:
    return ConfigError(
        message,
        code="nexmark-config",
        where="options of the Nexmark source",
        expected=expected,
        found=found,
        hint=hint,
    )


PROFILES: dict[str, NexmarkConfig] = {
    "S": NexmarkConfig(events_num=1_000_000),
    "W": NexmarkConfig(events_num=1_000_000, first_event_rate=500),
    "D": NexmarkConfig(events_num=1_000_000, first_event_rate=200, out_of_order_group_size=1000),
    "T": NexmarkConfig(events_num=100_000_000, first_event_rate=10_000_000, generators=8),
    "L": NexmarkConfig(events_num=200_000_000, first_event_rate=100_000, generators=8),
}
"""The run profiles: smoke, windows, disorder, throughput, large state."""
