"""Find the files that a path means, and say what is there instead when there is none.

Reads:    the file system, or a bucket (listing.py).
Changes:  nothing.
Not here: what the files hold.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thalweg.checkpoint.addresses import SCHEMES, is_remote
from thalweg.checkpoint.places import absolute
from thalweg.connectors.files.listing import Listing, listing
from thalweg.errors import ConfigError, near_misses

HIDDEN = ("_", ".")
"""Files whose name starts so are not data: markers, and files still being written."""
_GLOB = ("*", "?", "[")
_ROOTS = tuple(f"{scheme}:" for scheme in SCHEMES)


@dataclass(frozen=True)
class Found:
    """The files behind a path, in their order."""

    files: tuple[str, ...]
    kind: Literal["file", "list", "glob", "directory"]


def local_path(path: str) -> str:
    """A path without `file:` and with `~` filled in, or an address of objects; else a `ConfigError`."""
    if is_remote(path):
        return path.rstrip("/")
    if path.startswith("file:"):
        path = path.removeprefix("file:")
        path = "/" + path.lstrip("/") if path.startswith("/") else path
    scheme, separator, _ = path.partition("://")
    if separator and scheme.isalnum():
        raise ConfigError(
            f'"{path}" is neither a path of this machine nor the address of objects',
            code="source-remote-path",
            found=f"the scheme {scheme}",
            expected="a path, file:///path, or s3://bucket/key (gs://, az://)",
        )
    return os.path.expanduser(path)


def find_files(path: str | Sequence[str], *, may_be_empty: bool = False) -> Found:
    """The files of a path, a glob, a directory (by name, hidden names left out) or a list of these.

    Args:
        may_be_empty: whether files may still come: then a directory may be empty or missing. The one that
            it is in must be there, since a misspelt path would be waited for in vain.

    Raises:
        ConfigError: nothing is there.
    """
    if not isinstance(path, str):
        parts = [find_files(p, may_be_empty=may_be_empty) for p in path]
        return Found(tuple(f for p in parts for f in p.files), "list")
    place = local_path(path)
    looks = listing(place)
    if looks.is_directory(place):
        found = Found(tuple(_entries(place, looks)), "directory")
    elif looks.is_file(place):
        found = Found((place,), "file")
    elif any(mark in place for mark in _GLOB):
        found = Found(tuple(f for f in looks.matching(place) if not _is_hidden(f)), "glob")
    elif may_be_empty and _may_come(place, looks):
        found = Found((), "directory")
    else:
        raise _missing(path, place, looks)
    if not found.files and not may_be_empty:
        raise _nothing_in(path, place, found.kind, looks)
    return found


def _may_come(place: str, looks: Listing) -> bool:
    """Whether a directory may still be made: of objects there are none, and any may come."""
    return is_remote(place) or looks.is_directory(os.path.dirname(place.rstrip("/")) or ".")


def _entries(place: str, looks: Listing) -> list[str]:
    return [f for name in looks.names(place) if is_data(f := os.path.join(place, name), looks)]


def is_data(file: str, looks: Listing) -> bool:
    """Whether it is a file that is read: no directory, no marker, not hidden."""
    return not _is_hidden(file) and looks.is_file(file)


def _is_hidden(file: str) -> bool:
    return os.path.basename(file).startswith(HIDDEN)


def _missing(path: str, place: str, looks: Listing) -> ConfigError:
    parent, name = _nearest_parent(place, looks)
    siblings = looks.names(parent)
    near = near_misses(name, siblings)
    return ConfigError(
        f'there is no file or directory "{path}"',
        code="source-missing-path",
        where=f'"{name}" is not in {absolute(parent)}',
        choices=near or siblings[:10],
        hint=f'did you mean "{os.path.join(parent, near[0])}"?' if near else None,
    )


def _nearest_parent(place: str, looks: Listing) -> tuple[str, str]:
    """The deepest directory on the way that exists, and the name that it lacks."""
    parent, name = os.path.split(place.rstrip("/"))
    while parent and not looks.is_directory(parent) and os.path.dirname(parent) not in _ROOTS:
        parent, name = os.path.split(parent)
    return parent or ".", name


def _nothing_in(path: str, place: str, kind: str, looks: Listing) -> ConfigError:
    if kind == "directory":
        return ConfigError(
            f'the directory "{path}" holds no files',
            code="source-missing-path",
            found=", ".join(looks.names(place)[:10]) or "nothing",
            hint="names that start with _ or . are not read, nor are directories in it",
        )
    parent = os.path.dirname(place)
    known = looks.names(parent or ".")
    return ConfigError(f'no file matches "{path}"', code="source-missing-path", choices=known[:10])
