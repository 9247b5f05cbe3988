"""Run a command in a fresh process and learn what it cost; tell what machine it ran on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

MIB = 1 << 20
R = TypeVar("R")


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds and peak resident memory in bytes of one process."""

    seconds: float
    peak_bytes: int


class CommandFailedError(Exception):
    """A measured command ended with an exit code that was not expected."""


def run(command: Sequence[str | Path], *, accept: Sequence[int] = (0,), stdout: Path | None = None) -> Cost:
    """Run ``command`` to its end. The kernel counts its memory, threads included, children not."""
    arguments = [os.fspath(c) for c in command]
    errors = Path(".bench") / "stderr.txt"
    errors.parent.mkdir(exist_ok=True)
    with errors.open("wb") as err, (stdout or Path(os.devnull)).open("wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        tail = errors.read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise CommandFailedError(f"{' '.join(arguments)} ended with {process.returncode}:\n{tail}")
    return Cost(seconds, usage.ru_maxrss * 1024)


def apart(function: Callable[..., R], *arguments: object) -> R:
    """Call a function in a process of its own: a measured process would count the memory of the one that starts it as its peak."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


@dataclass(frozen=True)
class Pair:
    """Two things measured in turn, A B A B …, so that a noisy neighbour hits both."""

    ours: list[Cost]
    theirs: list[Cost]

    @property
    def ratio(self) -> float:
        """Median of the ratios of neighbouring runs."""
        return statistics.median(a.seconds / b.seconds for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def seconds(self) -> tuple[float, float]:
        """Median seconds of each."""
        return statistics.median(c.seconds for c in self.ours), statistics.median(c.seconds for c in self.theirs)


def pair(ours: Callable[[], Cost], theirs: Callable[[], Cost], rounds: int) -> Pair:
    """Measure two things in turn, after one unmeasured run of each that fills the file cache."""
    ours(), theirs()
    measured = [(ours(), theirs()) for _ in range(rounds)]
    return Pair([a for a, _ in measured], [b for _, b in measured])


def machine() -> list[tuple[str, str]]:
    """Tell processor, memory, system and the versions that matter."""
    cpu = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor() or "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("breachscope", "polars", "pyarrow", "duckdb", "numpy"))
    return [
        ("processor", f"{cpu}, {len(os.sched_getaffinity(0))} cores usable"),
        ("memory", f"{memory:.1f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("versions", versions),
        ("code", _commit()),
    ]


def product() -> Path:
    """Return the installed command of the environment that runs the benchmark."""
    return Path(sys.executable).parent / "breachscope"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _commit() -> str:
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
