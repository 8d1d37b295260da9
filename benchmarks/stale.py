"""Say which stored results are older than the code they measure.

Results are measurements (`results/`) and what the long suites found (`suites/`).
`python benchmarks/stale.py` prints one line per result whose commit is not the newest change of
`src/` (of comparisons with other engines: or of `benchmarks/peers/`); it never fails, since a result
may be older than a change that cannot matter to it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = [ROOT / "benchmarks" / folder for folder in ("results", "suites")]


def commits_since(commit: str, *folders: str) -> int | None:
    """How many commits changed these folders since that one; None if it is not known here."""
    done = subprocess.run(
        ["git", "rev-list", "--count", f"{commit}..HEAD", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return int(done.stdout) if done.returncode == 0 else None


def report() -> list[str]:
    """One line per stale result."""
    lines = []
    for path in sorted(p for folder in RESULTS for p in folder.glob("*.json")):
        held = json.loads(path.read_text())
        commit = (held["machine"]["commit"] or "?").rstrip("+")
        if held.get("failed"):
            lines.append(f"failed: {path.stem} says that {held['failed']} of its cases failed")
        if held.get("left"):
            lines.append(f"unfinished: {path.stem} has {held['left']} cases left; the same command goes on")
        folders = ("src", "benchmarks/peers") if path.stem.startswith("peers-") else ("src",)
        behind = commits_since(commit, *folders)
        if behind is None:
            lines.append(f"stale: {path.stem} was measured at a commit that is not here ({commit})")
        elif behind:
            lines.append(
                f"stale: {path.stem} was measured {behind} changes of {' and '.join(folders)} ago ({commit})"
            )
    return lines


if __name__ == "__main__":
    print("\n".join(report()) or "every stored result is of this code")
