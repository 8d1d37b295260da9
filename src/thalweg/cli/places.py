"""Take a directory that is there, or the address of objects, as an argument."""

from __future__ import annotations

import os

import click


class Place(click.Path):
    """A directory that is there, or the address of objects."""

    name = "directory"

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        from thalweg.checkpoint.addresses import is_remote
        from thalweg.session.settings import Settings

        if not is_remote(os.fspath(value)):
            return super().convert(value, param, ctx)
        # what thalweg.toml and the environment say of object stores
        Settings()
        return os.fspath(value)


PLACE = Place(exists=True, file_okay=False)
