"""Name the columns of the Nexmark envelope and their members.

One event is one row: `event_type` says which of the three structs is not null.

Not here: values (people.py, auctions.py, bids.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from thalweg.errors import ConfigError, did_you_mean

PERSON, AUCTION, BID = 0, 1, 2
KINDS = {"person": PERSON, "auction": AUCTION, "bid": BID}
"""The struct columns and the `event_type` of their rows."""
COLUMNS = ("event_type", *KINDS)

_TIME = pl.Datetime("us")
_INT, _TEXT = pl.Int64(), pl.String()
MEMBERS: dict[str, dict[str, pl.DataType]] = {
    "person": {
        "id": _INT,
        "name": _TEXT,
        "emailAddress": _TEXT,
        "creditCard": _TEXT,
        "city": _TEXT,
        "state": _TEXT,
        "dateTime": _TIME,
        "extra": _TEXT,
    },
    "auction": {
        "id": _INT,
        "itemName": _TEXT,
        "description": _TEXT,
        "initialBid": _INT,
        "reserve": _INT,
        "dateTime": _TIME,
        "expires": _TIME,
        "seller": _INT,
        "category": _INT,
        "extra": _TEXT,
    },
    "bid": {
        "auction": _INT,
        "bidder": _INT,
        "price": _INT,
        "channel": _TEXT,
        "url": _TEXT,
        "dateTime": _TIME,
        "extra": _TEXT,
    },
}

Wanted = dict[str, tuple[str, ...]]
"""Envelope columns to make, in order, and the members of each."""


def envelope_schema(wanted: Wanted | None = None) -> pl.Schema:
    """The Polars schema of the envelope, or of the wanted part of it.

    Example:
        >>> envelope_schema({"bid": ("auction", "price")})["bid"]
        Struct({'auction': Int64, 'price': Int64})
    """
    chosen = select(None, None) if wanted is None else wanted
    return pl.Schema(
        {
            name: pl.Struct({m: MEMBERS[name][m] for m in members}) if name in KINDS else pl.Int64()
            for name, members in chosen.items()
        }
    )


def select(columns: Iterable[str] | None, fields: Mapping[str, Iterable[str]] | None) -> Wanted:
    """The wanted columns and members, in the order of the envelope whatever order they are named in.

    Args:
        columns: names of envelope columns; None takes all.
        fields: for each struct column the members to keep; a column not named keeps all.

    Raises:
        ConfigError: a name is not one of the envelope's.

    Example:
        >>> select(["bid"], {"bid": ["price", "auction"]})
        {'bid': ('auction', 'price')}
    """
    named = _known("column", columns, COLUMNS)
    kept = fields or {}
    _known("struct column", kept, tuple(KINDS))
    return {
        name: _known(f'member of "{name}"', kept.get(name), tuple(MEMBERS.get(name, {}))) for name in named
    }


def _known(what: str, names: Iterable[str] | None, choices: tuple[str, ...]) -> tuple[str, ...]:
    if names is None:
        return choices
    asked = set(names)
    for name in sorted(asked.difference(choices)):
        raise ConfigError(
            f'the Nexmark envelope has no {what} "{name}"',
            code="nexmark-column",
            choices=choices,
            hint=did_you_mean(name, choices),
        )
    return tuple(c for c in choices if c in asked)
