"""Say which bucket the address of an object means, and how it is reached.

The library (obstore) reads addresses and credentials from the environment, as each cloud names them; an
endpoint, a region and whether plain HTTP is allowed may also be options, which hold for the whole process.
Requests are repeated by the library a few times, for half a minute at most.

Reads:    the environment.
Not here: the calls (bucket.py).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thalweg.checkpoint.bucket import Bucket
from thalweg.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "az")
"""What the address of an object begins with: S3 and what speaks its protocol, Google, Azure."""
_URL = re.compile(rf"({'|'.join(SCHEMES)})://([^/]+)(?:/(.*))?", re.DOTALL)
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")
_TRUE = ("1", "true", "yes", "on")
_RETRIES, _RETRY_SECONDS, _SECONDS = 4, 30, "30s"


@dataclass(frozen=True)
class ObjectOptions:
    """How stores are reached, where the environment does not say it.

    Attributes:
        endpoint: the address of a server that speaks the protocol of S3; None: that of the cloud.
        region: the region of buckets of S3.
        allow_http: whether the server may be spoken to without TLS.
    """

    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False


_OPTIONS = [ObjectOptions()]


def configure(options: ObjectOptions) -> None:
    """Let buckets that are opened from now on be reached so, in the whole process."""
    _OPTIONS[:] = [options]


def is_remote(path: str) -> bool:
    """Whether a path is the address of objects.

    Example:
        >>> is_remote("s3://rows/kept"), is_remote("kept"), is_remote("ftp://rows/kept")
        (True, False, False)
    """
    return _URL.fullmatch(path) is not None


def split(path: str) -> tuple[Bucket, str]:
    """The bucket and the key of an address."""
    found = _URL.fullmatch(path)
    assert found is not None, "an address of objects"
    return _opened(f"{found[1]}://{found[2]}"), (found[3] or "").strip("/")


def _opened(root: str) -> Bucket:
    variables = ((n, v) for n, v in os.environ.items() if n.startswith(_VARIABLES))
    return _made(root, _OPTIONS[-1], tuple(sorted(variables)))


@lru_cache(maxsize=32)
def _made(root: str, options: ObjectOptions, variables: tuple[tuple[str, str], ...]) -> Bucket:
    """A bucket, once for each way to reach it."""
    known = dict(variables)
    is_http = known.get("AWS_ALLOW_HTTP", "").lower() in _TRUE
    store = _store(root, replace(options, allow_http=options.allow_http or is_http))
    return Bucket(root, store, options.endpoint or known.get("AWS_ENDPOINT") or known.get("AWS_ENDPOINT_URL"))


def _store(root: str, options: ObjectOptions) -> ObjectStore:
    """The store of the library.

    Raises:
        ConfigError: it is not installed, or the environment does not say enough.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise ConfigError(
            "object stores need a library that is not installed",
            code="dependency-missing",
            where=root,
            hint='pip install "thalweg[objects]"',
        ) from error
    given: dict[str, Any] = {}
    if root.startswith("s3:"):
        given = {"endpoint": options.endpoint, "region": options.region}
    client: dict[str, Any] = {"timeout": _SECONDS, "connect_timeout": "5s"}
    if options.allow_http:
        client["allow_http"] = True
    try:
        made: ObjectStore = from_url(
            root,
            config={n: v for n, v in given.items() if v is not None},  # type: ignore[call-overload]
            client_options=client,
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
                "backoff": {"max_backoff": timedelta(seconds=2)},
            },
        )
        return made
    except (BaseError, ValueError) as error:
        raise ConfigError(
            "an object store cannot be reached as it is configured",
            code="object-store-config",
            where=root,
            found=str(error).partition("\n")[0],
            hint="address and credentials are read from the environment (AWS_…, GOOGLE_…, AZURE_…)",
        ) from error
