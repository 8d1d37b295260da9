"""Name the options of object stores, and hand them on to whoever calls one.

They hold for the whole process, as the variables of the environment do that they stand for. Credentials are
no options: nothing that is shown or written down has them.

Not here: calling a store (checkpoint/bucket.py), the other options (settings.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from thalweg.checkpoint.addresses import ObjectOptions, configure

_ENDPOINT, _REGION, _HTTP = "s3.endpoint", "s3.region", "s3.allow-http"


class ObjectOption(NamedTuple):
    """One option: its name, how its text is read, its default, and what it means."""

    name: str
    parse: Callable[[str], Any]  # the option's own type
    default: str | None
    doc: str


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")) or "@" in text:
        raise ValueError("an address such as https://host:9000, without a name or password")
    return text.rstrip("/")


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


OBJECT_OPTIONS = (
    ObjectOption(_ENDPOINT, _address, None, "the server that holds s3:// objects; by default that of AWS"),
    ObjectOption(_REGION, str, None, "the region of buckets; by default what AWS_REGION says"),
    ObjectOption(_HTTP, _flag, "false", "whether that server may be spoken to without TLS"),
)
_NAMES = {o.name for o in OBJECT_OPTIONS}


def hand_on(name: str | None, get: Callable[[str], Any]) -> None:
    """Use the options from now on, if one of them was changed (None: any may have been)."""
    if name is None or name in _NAMES:
        configure(ObjectOptions(get(_ENDPOINT), get(_REGION), get(_HTTP)))
