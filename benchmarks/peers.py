"""Other programs beside which breachscope is measured, each on the same file in a fresh process. Those that are not there are left out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Command = list[str | Path]
THREADS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Peer:
    """One program, and how it is asked to read a log."""

    name: str
    makes: str
    """What it makes of the log."""
    command: Callable[[Path, Path], Command]
    """From the log and the file or folder to write, the command line."""
    version: str | None
    """None where it is not installed."""


_AGGREGATE = "SELECT sc_status, count(*), sum(sc_bytes) FROM access_log GROUP BY sc_status"


def converters(kind: Literal["combined", "json"]) -> list[Peer]:
    """Return what writes such a log to Parquet, as breachscope does."""
    return [
        Peer("bare Polars script", "typed Parquet", _script("bare_polars", kind), _package("polars", "polars")),
        Peer("ClickHouse-local (chdb)", "typed Parquet", _script("bare_chdb", kind), _package("chdb", "chdb-core")),
    ]


def viewers() -> list[Peer]:
    """Return programs that people look at combined logs with."""
    return [
        Peer("GoAccess", "its JSON report", _goaccess, _program("goaccess", "--version")),
        Peer("lnav", "one SQL aggregate over all lines", _lnav(_AGGREGATE), _program("lnav", "-V")),
        Peer("lnav", "all columns of all lines as CSV", _lnav("SELECT * FROM access_log"), _program("lnav", "-V")),
    ]


def decompressor(packed: Path) -> Command:
    """Return the command that decompresses a gzip file and throws the result away, with the library that breachscope uses."""
    return [sys.executable, "-m", "isal.igzip", "-d", "-c", packed]


def _script(module: str, kind: str) -> Callable[[Path, Path], Command]:
    return lambda log, out: [sys.executable, "-m", f"benchmarks.{module}", kind, log, out]


def _goaccess(log: Path, out: Path) -> Command:
    return ["goaccess", log, "--no-global-config", "--log-format=COMBINED", "--no-progress", "-o", out.with_suffix(".json")]


def _lnav(query: str) -> Callable[[Path, Path], Command]:
    """Ask lnav for what a query gives, in a file."""
    alone = ["lnav", "-n", "-q", "-c", f";{query}", "-c"]
    return lambda log, out: [*_without_home(out.resolve().parent), *alone, f":write-csv-to {out.with_suffix('.csv')}", log]


def _without_home(instead: Path) -> Command:
    """Begin a command that reads no settings of the user's and leaves none behind, as lnav would."""
    return ["env", "-u", "XDG_CONFIG_HOME", f"HOME={instead}"]


def _package(module: str, distribution: str) -> str | None:
    return importlib.metadata.version(distribution) if importlib.util.find_spec(module) else None


def _program(name: str, option: str) -> str | None:
    if shutil.which(name) is None:
        return None
    with tempfile.TemporaryDirectory() as home:
        told = subprocess.run([*_without_home(Path(home)), name, option], capture_output=True, text=True, check=False)
    return (told.stdout.splitlines() or [""])[0].removesuffix(".").split()[-1]
