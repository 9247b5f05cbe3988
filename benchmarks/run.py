"""Measure breachscope and write ``benchmarks/RESULTS.md``.

    python -m benchmarks.run            the figures of record (about a quarter of an hour, 15 GB under .bench/)
    python -m benchmarks.run --quick    the same questions at small sizes, under two minutes, printed only
    python -m benchmarks.run --only ingest --lines 5000000
    python -m benchmarks.run --only trace --trace-gb 5

Inputs come from the simulator and are kept under ``.bench/`` for the next run. Every figure is of a fresh process; comparisons run in turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.accuracy import Accuracy, judge
from benchmarks.measure import MIB, CommandFailedError, Cost, apart, machine, pair, product, run
from benchmarks.simulate import load_plan, simulate
from benchmarks.simulator.plan import Plan

WORK = Path(".bench")
FORMATS = Path("sample_logs/shop/formats")
RESULTS = Path("benchmarks/RESULTS.md")
QUESTIONS = ("ingest", "memory", "run", "trace")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    lines: int
    """Lines of the log for the comparison with bare Polars."""
    rounds: int
    syslog_lines: int
    memory_lines: tuple[int, ...]
    runs: tuple[int, ...]
    """Web events of the whole-run measurements."""
    customers: int
    trace_gb: float


FULL = Sizes(5_000_000, 5, 2_000_000, (1_000_000, 10_000_000), (1_000_000, 10_000_000), 1_000_000, 5.0)
QUICK = Sizes(600_000, 3, 200_000, (200_000, 600_000), (200_000,), 100_000, 0.0)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the results."""

    what: str
    value: str
    bar: str = ""


def simulation(name: str, plan: Plan) -> Path:
    """Return the folder of a simulation, made now unless it lies there already."""
    folder = WORK / name
    told = folder / "plan.json"
    wanted = json.dumps(dataclasses.asdict(plan), default=str, sort_keys=True)
    if not told.exists() or told.read_text(encoding="utf-8") != wanted:
        print(f"simulating {name} …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        apart(partial(simulate, plan, folder, suffix="parquet", rotate=False, truth=True))
        told.write_text(wanted, encoding="utf-8")
    return folder


def load(web_lines: int, customers: int) -> Path:
    """Return a simulated incident with so many web lines and customers."""
    return simulation(f"load-{web_lines}-{customers}", load_plan(1, 2, web_lines, 20_000, 20_000, customers, 5_000, attacked=True))


def fresh_case(name: str) -> Path:
    """Return the path of a case that does not exist yet."""
    case = WORK / f"case-{name}"
    shutil.rmtree(case, ignore_errors=True)
    return case


def ingest_once(log: Path, name: str) -> Cost:
    """Ingest one log into a new case."""
    return run([product(), "ingest", log, "--case", fresh_case(name), "--tz", "Asia/Tokyo", "--year", "2026"])


def count_lines(path: Path) -> int:
    """Return the number of line ends of a file."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 24), b""))


def measure_ingest(sizes: Sizes) -> list[Figure]:
    """Measure ingest of a combined log against bare Polars, and of syslog files."""
    log = load(sizes.lines, 20_000) / "logs/web/shop-access.log"
    lines, size = count_lines(log), log.stat().st_size
    out = WORK / "bare.parquet"
    both = pair(lambda: ingest_once(log, "ingest"), lambda: run([sys.executable, "-m", "benchmarks.bare_polars", log, out]), sizes.rounds)
    ours, bare = both.seconds
    figures = [
        Figure(
            "ingest, combined web log", f"{lines / ours:,.0f} lines/s ({size / ours / MIB:,.0f} MiB/s; {lines:,} lines in {ours:.2f} s)", "≥ 1,000,000 lines/s"
        ),
        Figure("bare Polars script, same file", f"{lines / bare:,.0f} lines/s ({bare:.2f} s)"),
        Figure("ingest ÷ bare Polars, time", f"{both.ratio:.2f} (median of {sizes.rounds} pairs)", "≤ 1.5"),
        Figure("peak memory of that ingest", f"{max(c.peak_bytes for c in both.ours) / MIB:,.0f} MiB", "< 1,536 MiB"),
    ]
    hosts = simulation(f"hosts-{sizes.syslog_lines}", load_plan(2, 2, 20_000, sizes.syslog_lines, sizes.syslog_lines * 2, 2_000, 200, attacked=False))
    packets = hosts / "iptables.log"
    if not packets.exists():
        _keep_packets(hosts / "logs/fw/fw.log", packets)
    for title, path in (("syslog auth", hosts / "logs/auth/auth.log"), ("syslog iptables/ufw", packets)):
        ingest_once(path, "syslog")
        seconds = statistics.median(ingest_once(path, "syslog").seconds for _ in range(sizes.rounds))
        figures.append(Figure(f"ingest, {title}", f"{count_lines(path) / seconds:,.0f} lines/s ({count_lines(path):,} lines)", "≥ 500,000 lines/s"))
    return figures


def _keep_packets(log: Path, out: Path) -> None:
    """Copy the packet lines of a firewall log, without the ends of connections."""
    with log.open("rb") as lines, out.open("wb") as kept:
        kept.writelines(line for line in lines if b" kernel: " in line)


def measure_memory(sizes: Sizes) -> list[Figure]:
    """Measure whether the memory of ingest depends on the size of the input."""
    figures = []
    for web_lines in sizes.memory_lines:
        log = load(web_lines, sizes.customers) / "logs/web/shop-access.log"
        cost = ingest_once(log, "memory")
        figures.append(Figure(f"peak memory of ingest, {log.stat().st_size / MIB:,.0f} MiB log", f"{cost.peak_bytes / MIB:,.0f} MiB", "< 1,536 MiB"))
    return figures


def measure_runs(sizes: Sizes) -> list[Figure]:
    """Measure the whole pipeline, and how right its answer is."""
    figures = []
    for web_lines in sizes.runs:
        folder = load(web_lines, sizes.customers)
        case = fresh_case(f"run-{web_lines}")
        options: list[str | Path] = ["--map", folder / "datamap.toml", "--formats", FORMATS, "--tz", "Asia/Tokyo", "--year", "2026", "--case", case]
        cost = run([product(), "run", folder / "logs", *options])
        bar = "< 60 s" if web_lines == 10_000_000 else ""
        title = f"{web_lines:,} web events, {sizes.customers:,} customers"
        accuracy = apart(judge, case, folder)
        figures += [
            Figure(f"whole run, {title}", f"{cost.seconds:.1f} s, peak {cost.peak_bytes / MIB:,.0f} MiB", bar),
            Figure(f"detection, {title}", f"precision {accuracy.precision:.4f}, recall {accuracy.recall:.4f} of {accuracy.attacker_events:,} attacker events"),
            Figure(f"incidents without the attacker, {title}", _foreign(accuracy), "0"),
            Figure(
                f"scope error, {title}",
                f"{accuracy.people_wrong:,} of {accuracy.people_expected:,} people and {accuracy.records_wrong:,} of {accuracy.records_expected:,} records "
                "with another grade than the truth",
                "0",
            ),
        ]
    return figures


def _foreign(accuracy: Accuracy) -> str:
    raised = f" ({', '.join(accuracy.foreign_findings)})" if accuracy.foreign_findings else ""
    return f"{accuracy.foreign_incidents} of {accuracy.serious_incidents} incidents of level medium or above{raised}"


def measure_trace(sizes: Sizes) -> list[Figure]:
    """Measure how long it takes to show the raw line of one of the last events of a large log."""
    if not sizes.trace_gb:
        return []
    piece = load(10_000_000 if sizes.trace_gb >= 2 else 1_000_000, sizes.customers) / "logs/web/shop-access.log"
    log = WORK / "trace.log"
    copies = max(1, round(sizes.trace_gb * 1e9 / piece.stat().st_size))
    if not log.exists() or log.stat().st_size != copies * piece.stat().st_size:
        with log.open("wb") as out:
            for _ in range(copies):
                with piece.open("rb") as part:
                    shutil.copyfileobj(part, out, 1 << 24)
    case = fresh_case("trace")
    cost = run([product(), "ingest", log, "--case", case, "--tz", "Asia/Tokyo"])
    events = pq.ParquetFile(next((case / "events/web").glob("*.parquet")))
    last = events.read_row_group(events.num_row_groups - 1, columns=["event_id"])["event_id"][-1].as_py()
    traces = [run([product(), "trace", "--case", case, "event", str(last)]).seconds for _ in range(3)]
    size = f"{log.stat().st_size / 1e9:.1f} GB log"
    return [
        Figure(f"ingest, {size}", f"{cost.seconds:.1f} s, peak {cost.peak_bytes / MIB:,.0f} MiB", "< 1,536 MiB"),
        Figure(f"trace of one event, {size}", f"{statistics.median(traces):.2f} s", "< 1 s"),
    ]


MEASURES: dict[str, Callable[[Sizes], list[Figure]]] = {"ingest": measure_ingest, "memory": measure_memory, "run": measure_runs, "trace": measure_trace}


def report(figures: Sequence[Figure], command: str) -> str:
    """Write the figures and the machine as Markdown."""
    lines = ["# Benchmark results", "", f"`{command}` on {datetime.now(UTC):%Y-%m-%d}. Inputs: `benchmarks/simulate.py`. Bars: DESIGN §7.", ""]
    lines += ["| what | measured | bar |", "|---|---|---|", *(f"| {f.what} | {f.value} | {f.bar} |" for f in figures), ""]
    lines += ["| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine()), ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; RESULTS.md is left alone")
    parser.add_argument("--only", choices=QUESTIONS, action="append", help="ask only this; may be repeated; RESULTS.md is left alone")
    parser.add_argument("--lines", type=int, help="lines of the log for the comparison with bare Polars")
    parser.add_argument("--events", type=int, action="append", help="web events of a whole run; may be repeated")
    parser.add_argument("--customers", type=int, help="customers of the whole runs")
    parser.add_argument("--rounds", type=int, help="pairs of the comparison")
    parser.add_argument("--trace-gb", type=float, help="size of the log for trace, in GB; 0 leaves it out")
    given = parser.parse_args(arguments)
    sizes = QUICK if given.quick else FULL
    wanted = {
        "lines": given.lines,
        "runs": given.events and tuple(given.events),
        "customers": given.customers,
        "rounds": given.rounds,
        "trace_gb": given.trace_gb,
    }
    sizes = dataclasses.replace(sizes, **{k: v for k, v in wanted.items() if v is not None})
    figures: list[Figure] = []
    for question in given.only or QUESTIONS:
        try:
            answers = MEASURES[question](sizes)
        except CommandFailedError as error:
            print(error, file=sys.stderr)
            return 1
        for figure in answers:
            print(f"{figure.what}: {figure.value}" + (f"   [bar: {figure.bar}]" if figure.bar else ""), flush=True)
        figures += answers
    if not given.quick and not given.only:
        command = "python -m benchmarks.run" + "".join(f" {a}" for a in (arguments if arguments is not None else sys.argv[1:]))
        RESULTS.write_text(report(figures, command), encoding="utf-8")
        print(f"written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
