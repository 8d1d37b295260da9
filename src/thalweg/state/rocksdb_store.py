"""Keep bytes by key in RocksDB, for the time of one run.

What it holds is a cache of the run: a job always goes on from its own checkpoints. So each run has a
directory of its own, which is deleted at the end; what a run left that was killed is deleted by the next one.
Keys are written sorted and many at a time: they go through a plain list, which is flushed at once, instead of
a tree that each of them would have to be put into.

All that RocksDB holds in memory is counted against one cache: blocks, indexes, filters, and what is not
written yet.

Changes:  one directory of temporary files.
Not here: what the bytes are (row_bytes.py), the rows in use (rocksdb.py).
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.errors import ConfigError, ExternalError

if TYPE_CHECKING:
    from rocksdict import Options, Rdict, ReadOptions, WriteOptions

_PREFIX = "thalweg-rocksdb-"
_LOCK = "in-use"
_NOTED = "noted"
CACHE_MIN = 1 << 20
_BLOCK = 4096
_FILTER_BITS = 10
_LEVEL, _TIMES = 512 << 20, 5.0
"""The bytes of the first level, and how many times as large each is as the one above: with few levels that
are not far apart, rows at random are looked for in fewer places and written again less often."""
_FILE = 16 << 20
"""The bytes of a file. Its index is one block: look-ups of sorted keys find it once for all keys in the file;
indexes in parts are found anew for each key, which takes 2 microseconds."""
_RUNS = 24
"""So many files that lie over each other become part of the first level at once: it is written again each
time. Each file more is a filter more that look-ups ask: 0.1 microseconds."""
_FILES_LEAST, _FILES_MOST = 64, 65_536
LISTED_MAX = 64
_ASKED = 1024
"""So many keys at a time are looked up: each holds its block of 4 KiB until all of them are found."""
_FILLS = 7
"""Blocks that are found are kept by each look-up of fewer keys than that, and by one in so many of the
others: enough to know the indexes, which look-ups share, while rows at random would only push out each other.
The look-ups of a batch are a power of two: an odd number comes past all of its parts."""


def check_installed() -> None:
    """Raises: ConfigError: `dependency-missing`."""
    try:
        import rocksdict  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "state in RocksDB needs a library that is not installed",
            code="dependency-missing",
            where="'state.backend.type' = 'rocksdb'",
            hint='pip install "thalweg[rocksdb]"',
        ) from error


class RocksDirectory:
    """A directory of one run; its end, and that of the process, delete it.

    Args:
        parent: where it is made; None: the system's directory of temporary files.

    Attributes:
        path: of the directory.
    """

    def __init__(self, parent: str | None = None) -> None:
        root = parent or tempfile.gettempdir()
        _delete_left(root)
        with named_failure(root):
            self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=root)
            self._lock = os.open(Path(self.path, _LOCK), os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.close = weakref.finalize(self, _delete, self.path, self._lock)

    @property
    def nbytes(self) -> int:
        """The bytes of all files."""
        found = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                # a file may go while we look
                with suppress(OSError):
                    found += Path(folder, name).stat().st_size
        return found


def _delete(path: str, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _delete_left(root: str) -> None:
    """Delete the directories of runs that were killed: nobody holds their locks."""
    for path in Path(root).glob(f"{_PREFIX}*"):
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            # somebody else's, or one that is only just being made
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            _delete(str(path), lock)


class RocksStore:
    """Bytes by key.

    Args:
        path: of a directory that there is not yet.
        cache: the bytes that blocks, indexes, filters and memtables may take.
        wal: whether writes go to a log first.
        listed_max: so many keys need not go to files; each look-up sorts them.

    Example:
        >>> directory = RocksDirectory()
        >>> store = RocksStore(directory.path + "/a", 1 << 20)
        >>> store.write([b"a", b"b"], [b"1", b"2"], gone=[])
        >>> store.write([], [], gone=[b"a"])
        >>> store.get([b"b", b"a"]), list(store.parts(10))
        ([b'2', None], [([b'b'], [b'2'])])
        >>> store.close(); _ = directory.close()
    """

    def __init__(self, path: str, cache: int, *, wal: bool = False, listed_max: int = LISTED_MAX) -> None:
        check_installed()
        from rocksdict import Cache, Rdict, WriteBufferManager

        self._path = path
        # an LRU cache takes memory for what it holds only
        self._cache = Cache(max(CACHE_MIN, cache))
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            max(CACHE_MIN, cache), False, self._cache
        )
        self._options = self._made_options()
        self._filling, self._passing = _read_options(fills=True), _read_options(fills=False)
        self._parts_asked = 0
        self._writes = _write_options(wal)
        self._unflushed: list[Rdict] = []
        self._written, self._listed_max = 0, listed_max
        self._has_noted = False
        with named_failure(path):
            self._rows: Rdict = Rdict(path, self._options)
            self._noted: Rdict = self._rows.create_column_family(_NOTED, self._made_options())

    def _made_options(self) -> Options:
        """Rows are found by key, mostly in blocks that are not in memory; none are compressed."""
        import rocksdict as r

        blocks = r.BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_block_size(_BLOCK)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_bloom_filter(_FILTER_BITS, False)
        blocks.set_format_version(5)
        options = r.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        # the last level needs no filters: keys that are asked for are mostly there
        options.set_optimize_filters_for_hits(True)
        options.set_compression_type(r.DBCompressionType.none())
        options.set_memtable_factory(r.MemtableFactory.vector())
        options.set_allow_concurrent_memtable_write(False)
        options.set_write_buffer_manager(self._buffers)
        options.set_level_compaction_dynamic_level_bytes(True)
        options.set_max_bytes_for_level_base(_LEVEL)
        options.set_max_bytes_for_level_multiplier(_TIMES)
        options.set_target_file_size_base(_FILE)
        options.set_level_zero_file_num_compaction_trigger(_RUNS)
        options.set_level_zero_slowdown_writes_trigger(2 * _RUNS)
        options.set_level_zero_stop_writes_trigger(4 * _RUNS)
        options.set_max_open_files(files_max())
        options.set_max_background_jobs(2)
        options.set_keep_log_file_num(1)
        options.set_max_log_file_size(1 << 20)
        return options

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return int(self._cache.get_usage())

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """The bytes of keys, None for those that are not there; fastest if keys are sorted."""
        found: list[bytes | None] = []
        with named_failure(self._path):
            for first in range(0, len(keys), _ASKED):
                asked = keys[first : first + _ASKED]
                fills = len(asked) < _ASKED or self._parts_asked % _FILLS == 0
                self._parts_asked += 1
                # given to `get` they would count for single keys only
                self._rows.set_read_options(self._filling if fills else self._passing)
                found += self._rows.get(asked)
        return found

    def write(self, keys: Sequence[bytes], values: Sequence[bytes], gone: Sequence[bytes]) -> None:
        """Keep bytes by key, and forget keys; what is written sorted is written fastest."""
        self._write(self._rows, keys, values, gone)

    def flush(self, *, wait: bool = True) -> None:
        """What was written goes to files, unless it is so little that it is found in a list as well.

        Who does not wait finds it in a list, which is sorted once, until the files are there.
        """
        if self._written <= self._listed_max:
            return
        self._written = 0
        with named_failure(self._path):
            for column in self._unflushed:
                column.flush(wait)
        self._unflushed.clear()

    def note(self, keys: Sequence[bytes]) -> None:
        """Note that keys have changed."""
        if not keys:
            return
        self._has_noted = True
        self._write(self._noted, keys, [b""] * len(keys), ())

    def noted(self, count: int) -> Iterator[list[bytes]]:
        """The keys that were noted, sorted, each once, in parts."""
        for keys, _ in self._parts(self._noted, count) if self._has_noted else ():
            yield keys

    def forget_noted(self) -> None:
        """Nothing is noted any more."""
        if not self._has_noted:
            return
        self._has_noted = False
        # what was noted need not be flushed
        self._unflushed = [c for c in self._unflushed if c is not self._noted]
        with named_failure(self._path):
            self._noted.close()
            self._rows.drop_column_family(_NOTED)
            self._noted = self._rows.create_column_family(_NOTED, self._made_options())

    def parts(self, count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """All keys, sorted, and their bytes, as of the first call, so many at a time."""
        return self._parts(self._rows, count)

    def _parts(self, column: Rdict, count: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        keys: list[Any] = []
        values: list[Any] = []
        with named_failure(self._path):
            for key, value in column.items(read_opt=_read_options(fills=False)):
                keys.append(key)
                values.append(value)
                if len(keys) == count:
                    yield keys, values
                    keys, values = [], []
        if keys:
            yield keys, values

    def _write(
        self, column: Rdict, keys: Sequence[bytes], values: Sequence[bytes], gone: Sequence[bytes]
    ) -> None:
        from rocksdict import WriteBatch

        batch = WriteBatch(raw_mode=True)
        if column is self._noted:
            batch.set_default_column_family(self._rows.get_column_family_handle(_NOTED))
        put, delete = batch.put, batch.delete
        # the library takes keys one by one
        for key, value in zip(keys, values, strict=True):
            put(key, value)
        for key in gone:
            delete(key)
        self._written += len(keys) + len(gone)
        if column not in self._unflushed:
            self._unflushed.append(column)
        with named_failure(self._path):
            column.write(batch, self._writes)

    def close(self) -> None:
        """Let go of files and memory; may be called twice."""
        with suppress(Exception):
            # what it cannot write any more nobody wants
            self._noted.close()
            self._rows.close()


def files_max() -> int:
    """How many files a store may hold open, of those that the system allows the process to.

    A file that is not open is opened for each look-up, so that the process is allowed what the system allows
    any process to allow itself.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, _FILES_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # some systems allow less than they say
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(_FILES_LEAST, (_FILES_MOST if soft == resource.RLIM_INFINITY else soft) // 4)


def _read_options(*, fills: bool) -> ReadOptions:
    """Whether blocks that are read are kept: those of rows need not be, rows in use are in memory already."""
    from rocksdict import ReadOptions

    options = ReadOptions()
    options.fill_cache(fills)
    return options


def _write_options(wal: bool) -> WriteOptions:
    from rocksdict import WriteOptions

    options = WriteOptions()
    options.disable_wal = not wal
    return options


@contextmanager
def named_failure(path: str) -> Iterator[None]:
    """Say of what the library or the system raises where it was, and what can be done."""
    try:
        yield
    except ExternalError:
        raise
    except Exception as error:
        raise ExternalError(
            "the state cannot be kept on the disk for temporary files",
            code="state-cannot-spill",
            where=path,
            found=getattr(error, "strerror", None) or str(error),
            hint="'io.tmp.dirs' names another directory; checkpoints are as they were",
        ) from error
