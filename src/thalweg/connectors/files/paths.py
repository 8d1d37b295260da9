"""Find the files that a path means, and say what is there instead when there is none.

Reads:    the file system.
Changes:  nothing.
Not here: what the files hold.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thalweg.errors import ConfigError, near_misses

HIDDEN = ("_", ".")
"""Files whose name starts so are not data: markers, and files still being written."""
_GLOB = ("*", "?", "[")


@dataclass(frozen=True)
class Found:
    """The files behind a path, in their order."""

    files: tuple[str, ...]
    kind: Literal["file", "list", "glob", "directory"]


def local_path(path: str) -> str:
    """A path without `file:` and with `~` filled in; another scheme is a `ConfigError`."""
    if path.startswith("file:"):
        path = path.removeprefix("file:")
        path = "/" + path.lstrip("/") if path.startswith("/") else path
    scheme, separator, _ = path.partition("://")
    if separator and scheme.isalnum():
        raise ConfigError(
            f'"{path}" is not a path of this machine',
            code="source-remote-path",
            found=f"the scheme {scheme}",
            expected="a path, or file:///path",
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
    if os.path.isdir(place):
        found = Found(tuple(_entries(place)), "directory")
    elif os.path.exists(place):
        found = Found((place,), "file")
    elif any(mark in place for mark in _GLOB):
        found = Found(tuple(sorted(f for f in glob.glob(place, recursive=True) if is_data(f))), "glob")
    elif may_be_empty and os.path.isdir(os.path.dirname(place.rstrip("/")) or "."):
        found = Found((), "directory")
    else:
        raise _missing(path, place)
    if not found.files and not may_be_empty:
        raise _nothing_in(path, place, found.kind)
    return found


def _entries(place: str) -> list[str]:
    files = (os.path.join(place, name) for name in sorted(os.listdir(place)))
    return [f for f in files if is_data(f)]


def is_data(file: str) -> bool:
    """Whether it is a file that is read: no directory, no marker, not hidden."""
    return not os.path.basename(file).startswith(HIDDEN) and os.path.isfile(file)


def _missing(path: str, place: str) -> ConfigError:
    parent, name = _nearest_parent(place)
    siblings = sorted(os.listdir(parent)) if os.path.isdir(parent) else []
    near = near_misses(name, siblings)
    return ConfigError(
        f'there is no file or directory "{path}"',
        code="source-missing-path",
        where=f'"{name}" is not in {os.path.abspath(parent)}',
        choices=near or siblings[:10],
        hint=f'did you mean "{os.path.join(parent, near[0])}"?' if near else None,
    )


def _nearest_parent(place: str) -> tuple[str, str]:
    """The deepest directory on the way that exists, and the name that it lacks."""
    parent, name = os.path.split(place.rstrip("/"))
    while parent and not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    return parent or ".", name


def _nothing_in(path: str, place: str, kind: str) -> ConfigError:
    if kind == "directory":
        return ConfigError(
            f'the directory "{path}" holds no files',
            code="source-missing-path",
            found=", ".join(sorted(os.listdir(place))[:10]) or "nothing",
            hint="names that start with _ or . are not read, nor are directories in it",
        )
    parent = os.path.dirname(place)
    known = sorted(os.listdir(parent or ".")) if os.path.isdir(parent or ".") else []
    return ConfigError(f'no file matches "{path}"', code="source-missing-path", choices=known[:10])
