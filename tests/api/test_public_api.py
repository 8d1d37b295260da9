"""The public names and signatures change only on purpose."""

from __future__ import annotations

import subprocess
import sys

import pytest

import thalweg
import thalweg.api as api
from tests.api import surface


def test_the_public_api_is_as_written_down() -> None:
    assert surface.render() == surface.PATH.read_text(encoding="utf-8"), (
        "python -m tests.api.surface writes it anew"
    )


def test_every_public_name_is_there_and_explained() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    for name in api.__all__:
        value = getattr(api, name)
        assert isinstance(value, tuple) or value.__doc__, name


def test_every_name_of_the_package_is_there() -> None:
    assert len(set(thalweg.__all__)) == len(thalweg.__all__)
    assert [n for n in thalweg.__all__ if getattr(thalweg, n, None) is None] == []
    assert set(thalweg.__all__) <= set(dir(thalweg))
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        _ = thalweg.Sesion


def test_the_type_of_a_schema_is_public() -> None:
    data = thalweg.Session(parallelism=1).from_iter([(1, "x")], "id BIGINT, name STRING")
    assert isinstance(data.schema, thalweg.Schema)
    again = thalweg.Session(parallelism=1).from_iter([(2, "y")], data.schema)
    assert again.schema == data.schema


@pytest.mark.slow
def test_importing_it_loads_no_compiler_and_no_other_library() -> None:
    heavy = ("numba", "llvmlite", "pandas", "pyarrow", "sqlglot", "thalweg.runtime", "thalweg.session")
    program = f"import thalweg.api, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
