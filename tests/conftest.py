"""Settings that every test shares: how Hypothesis draws its examples, where running jobs are reached.

Not here: fixtures. They live beside the tests that use them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

# No deadline: the first example may compile a kernel, and a busy machine is not a failure.
settings.register_profile("developer", deadline=None, print_blob=True)
# The same examples on every run: a red build must be red for whoever repeats it.
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# Jobs of equal names run side by side in several test processes: each has a place of its own for them.
_JOBS = tempfile.mkdtemp(prefix="tw")
os.environ["XDG_RUNTIME_DIR"] = _JOBS
atexit.register(shutil.rmtree, _JOBS, ignore_errors=True)
