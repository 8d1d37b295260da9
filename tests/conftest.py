"""Settings that every test shares: how Hypothesis draws its examples.

Not here: fixtures. They live beside the tests that use them.
"""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: the first example may compile a kernel, and a busy machine is not a failure.
settings.register_profile("developer", deadline=None, print_blob=True)
# The same examples on every run: a red build must be red for whoever repeats it.
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
