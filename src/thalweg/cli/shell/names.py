"""Know the names that completion offers: what a session has, and the files of a folder.

Reads:    the session's catalog, connectors, functions; folders, when a path is completed.
Not here: which of the names fit where (completion.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thalweg.session.session import Session

Choices = Mapping[str, tuple[str, ...]]
"""Options, each with its values, where those can be counted."""


@dataclass(frozen=True)
class Names:
    """The names there are.

    Attributes:
        tables: tables and views.
        functions: built-in ones and the user's own.
        settings: names that `SET` takes.
        connectors: by name, the options of each.
        columns: the columns of a table, or of a quoted path.
        paths: what a beginning of a path may go on to be; folders end in `/`.
    """

    tables: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    connectors: Mapping[str, Choices] = field(default_factory=dict)
    columns: Callable[[str], tuple[str, ...]] = lambda name: ()
    paths: Callable[[str], tuple[str, ...]] = lambda begin: ()


def names_of(session: Session) -> Names:
    """The names of a session as it is now."""
    from thalweg.connectors.registry import CONNECTORS
    from thalweg.expr import aggregates, registry

    built_in = {n for n in (*registry.names(), *aggregates.names()) if n.isidentifier()}
    return Names(
        tables=tuple(session.catalog.names()),
        functions=tuple(sorted(built_in | set(session.catalog.functions))),
        settings=tuple(name for name, _, _ in session.settings.listed()),
        connectors={c.name: {o.name: o.choices for o in c.known} for c in CONNECTORS},
        columns=lambda name: columns(session, name),
        paths=paths,
    )


def columns(session: Session, name: str) -> tuple[str, ...]:
    """The columns of a table, a view, or a path in quotes."""
    catalog = session.catalog
    if name.startswith("'"):
        return catalog.path_table(name.strip("'")).schema.names
    declared = catalog.tables.get(name)
    if declared is not None and declared.columns:
        return tuple(c.name for c in declared.columns)
    return catalog.table(name).schema.names if name in catalog.names() else ()


def paths(begin: str) -> tuple[str, ...]:
    """The entries of a folder that go on from a beginning; hidden ones if the beginning asks for them."""
    folder, start = os.path.split(begin)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda e: e.name)
    except OSError:
        return ()
    fitting = [e for e in entries if e.name.startswith(start) and (start or not e.name.startswith("."))]
    return tuple(os.path.join(folder, e.name) + ("/" if e.is_dir() else "") for e in fitting)
