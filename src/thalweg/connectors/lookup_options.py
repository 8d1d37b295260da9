"""The options of tables that rows are looked up in, with Flink's names.

A connector takes those that mean something to it: the ones of whole tables, or of answers by key.

Not here: what they do (runtime/lookups.py).
"""

from __future__ import annotations

from thalweg.connectors.options import Option, Values, choice, flag, seconds, whole
from thalweg.protocols.lookup import LookupOptions

_RELOAD = "lookup.full-cache.periodic-reload.interval"

WHOLE_OPTIONS = (
    choice("lookup.cache", ("FULL", "NONE"), None, "what look-ups keep of the table: FULL, or NONE"),
    choice("lookup.full-cache.reload-strategy", ("PERIODIC",), None, "how a full cache is kept up to date"),
    Option(
        _RELOAD,
        seconds,
        None,
        "how often the table is read anew if it has changed; nothing: when that is seen",
    ),
)
"""For tables that are read as a whole."""

KEYED_OPTIONS = (
    choice(
        "lookup.cache", ("NONE", "PARTIAL", "FULL"), None, "what look-ups keep: nothing, answers, or all rows"
    ),
    *WHOLE_OPTIONS[1:],
    Option("lookup.partial-cache.max-rows", whole(1), None, "the most keys that a partial cache holds"),
    Option("lookup.partial-cache.expire-after-write", seconds, None, "how long an answer holds"),
    Option(
        "lookup.partial-cache.expire-after-access",
        seconds,
        None,
        "how long an answer holds after its last use",
    ),
    Option("lookup.partial-cache.cache-missing-key", flag, True, "whether keys without rows are held, too"),
    Option("lookup.async", flag, False, "whether several questions are under way at once"),
)
"""For tables that can be asked by key."""


def lookup_options(values: Values) -> LookupOptions:
    """What the written options say."""
    names = {
        "cache": "cache",
        "full-cache.periodic-reload.interval": "reload_interval",
        "partial-cache.max-rows": "rows_max",
        "partial-cache.expire-after-write": "expire_after_write",
        "partial-cache.expire-after-access": "expire_after_access",
        "partial-cache.cache-missing-key": "caches_missing",
        "async": "is_async",
    }
    given = {names[name]: value for name, value in values.under("lookup.") if name in names}
    return LookupOptions(**given)
