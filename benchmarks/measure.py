"""Run a command in a fresh process and learn what it cost; tell what machine it ran on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

MIB = 1 << 20
R = TypeVar("R")
Name = TypeVar("Name")


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
    # Who installs a program compiles it once; a developer's setting would let it be compiled anew in each run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    errors = Path(".bench") / "stderr.txt"
    errors.parent.mkdir(exist_ok=True)
    with errors.open("wb") as err, (stdout or Path(os.devnull)).open("wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
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


def in_turn(contenders: Mapping[Name, Callable[[], Cost]], rounds: int) -> dict[Name, list[Cost]]:
    """Measure things in turn, A B C A B C …, so that a noisy neighbour hits all, after one unmeasured run of the first that fills the file cache."""
    next(iter(contenders.values()))()
    measured: dict[Name, list[Cost]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            measured[name].append(contender())
    return measured


def ratio(these: Sequence[Cost], those: Sequence[Cost]) -> float:
    """Return the median of the ratios of neighbouring runs, in time."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(these, those, strict=True))


def seconds(costs: Sequence[Cost]) -> float:
    """Return the median time."""
    return statistics.median(c.seconds for c in costs)


def quickest(costs: Sequence[Cost]) -> float:
    """Return the least time: what else runs on a machine only ever adds to it."""
    return min(c.seconds for c in costs)


def peak(costs: Sequence[Cost]) -> str:
    """Tell the highest peak of memory. A process inherits the peak of the one that starts it, so less than ours cannot be told."""
    highest, ours = max(c.peak_bytes for c in costs), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"peak {highest / MIB:,.0f} MiB" if highest > ours else f"peak under {highest / MIB:,.0f} MiB"


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
