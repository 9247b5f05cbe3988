"""Measure breachscope and write ``benchmarks/RESULTS.md``.

    python -m benchmarks.run            the figures of record (about twenty minutes, 30 GB under .bench/)
    python -m benchmarks.run --quick    the same questions at small sizes, under three minutes, printed only
    python -m benchmarks.run --only ingest --lines 5000000
    python -m benchmarks.run --only memory --memory-gb 10

Inputs come from the simulator and are kept under ``.bench/`` for the next run. Every figure is of a fresh process; comparisons run in turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.accuracy import Accuracy, judge
from benchmarks.inputs import WORK, auth_log, count_lines, firewall_log, gzipped, incident, json_log, large_web_log, repeated, web_log
from benchmarks.measure import MIB, CommandFailedError, Cost, apart, in_turn, machine, peak, product, quickest, ratio, run, seconds
from benchmarks.peers import Peer, converters, decompressor, viewers

FORMATS = Path("sample_logs/shop/formats")
SMALL_LOG = Path("sample_logs/shop/logs/web/shop-access.log")
RESULTS = Path("benchmarks/RESULTS.md")
MEMORY_BAR = "< 1,430 MiB (1.5 GB)"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    lines: int
    """Lines of the combined log."""
    format_lines: int
    """Lines of the log of every other format."""
    rounds: int
    viewer_rounds: int
    """Rounds with programs that take minutes."""
    memory_lines: int
    memory_gb: float
    """The small and the large log whose memory is compared."""
    runs: tuple[int, ...]
    """Web events of the whole-run measurements."""
    customers: int
    trace_gb: float


FULL = Sizes(10_000_000, 5_000_000, 5, 1, 1_000_000, 10.0, (1_000_000, 10_000_000), 1_000_000, 5.0)
QUICK = Sizes(600_000, 200_000, 3, 1, 200_000, 0.3, (200_000,), 100_000, 0.0)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the results."""

    what: str
    value: str
    bar: str = ""


def fresh_case(name: str) -> Path:
    """Return the path of a case that does not exist yet."""
    case = WORK / f"case-{name}"
    shutil.rmtree(case, ignore_errors=True)
    return case


def size_of(log: Path) -> str:
    """Tell how large a log is, in units of 10⁶ or 10⁹ bytes."""
    size = log.stat().st_size
    return f"{size / 1e9:.1f} GB log" if size >= 1e9 else f"{size / 1e6:.0f} MB log"


def ingest_once(log: Path, name: str) -> Cost:
    """Ingest one log into a new case."""
    return run([product(), "ingest", log, "--case", fresh_case(name), "--tz", "Asia/Tokyo", "--year", "2026"])


def read_by(peer: Peer, log: Path) -> Cost:
    """Let another program read a log."""
    out = WORK / "peer" / "out.parquet"
    shutil.rmtree(out.parent, ignore_errors=True)
    out.parent.mkdir()
    return run(peer.command(log, out))


def beside(log: Path, title: str, peers: Sequence[Peer], rounds: int, bars: dict[str, str]) -> tuple[Figure, list[Figure]]:
    """Ingest a log in turn with other programs that read it; returns our speed, and our time over theirs."""
    there = [p for p in peers if p.version is not None]
    lines = count_lines(log)  # first, as that also reads it into the memory of the system
    costs = in_turn({None: partial(ingest_once, log, "ingest")} | {p: partial(read_by, p, log) for p in there}, rounds)

    def told(costs: Sequence[Cost]) -> str:
        return f"{lines / quickest(costs):,.0f} lines/s, {quickest(costs):.2f} s; median {lines / seconds(costs):,.0f}, {seconds(costs):.2f} s"

    ours, ratios = costs[None], []
    for peer in peers:
        what = f"ingest ÷ {peer.name} ({peer.makes}), {title}, time"
        if peer.version is None:
            ratios.append(Figure(what, "not measured: it is not installed"))
            continue
        theirs = costs[peer]
        value = f"{ratio(ours, theirs):.2f} (it: {told(theirs)}; {peak(theirs)})"
        ratios.append(Figure(what, value, bars.get(peer.name, "")))
    speed = log.stat().st_size / quickest(ours) / MIB
    return Figure(f"ingest, {title}", f"{told(ours)} ({lines:,} lines, {speed:,.0f} MiB/s); {peak(ours)}", bars.get("", "")), ratios


def measure_ingest(sizes: Sizes) -> list[Figure]:
    """Measure ingest of a combined web log beside programs that make Parquet of it, too."""
    bars = {"": "≥ 1,500,000 lines/s, " + MEMORY_BAR, "bare Polars script": "≤ 1.5"}
    ours, ratios = beside(web_log(sizes.lines, sizes.customers), "combined web log", converters("combined"), sizes.rounds, bars)
    return [ours, *ratios]


def measure_viewers(sizes: Sizes) -> list[Figure]:
    """Measure ingest of the same log beside programs that people look at such logs with."""
    return beside(web_log(sizes.lines, sizes.customers), "combined web log", viewers(), sizes.viewer_rounds, {})[1]


def measure_gzip(sizes: Sizes) -> list[Figure]:
    """Measure ingest of the same log compressed, beside the plain file and the decompressor alone."""
    log = web_log(sizes.lines, sizes.customers)
    packed = gzipped(log)
    lines = count_lines(log)
    contenders = {
        "packed": partial(ingest_once, packed, "gzip"),
        "plain": partial(ingest_once, log, "ingest"),
        "alone": partial(run, decompressor(packed)),
    }
    costs = in_turn(contenders, sizes.rounds)
    packed_costs, alone, plain = (costs[name] for name in ("packed", "alone", "plain"))
    both = [Cost(a.seconds + p.seconds, max(a.peak_bytes, p.peak_bytes)) for a, p in zip(alone, plain, strict=True)]
    speeds = f"{lines / quickest(packed_costs):,.0f} lines/s, {quickest(packed_costs):.2f} s; median {lines / seconds(packed_costs):,.0f}"
    return [
        Figure("ingest, the same log as gzip", f"{speeds}, {seconds(packed_costs):.2f} s; {peak(packed_costs)}", MEMORY_BAR),
        Figure("ingest of gzip ÷ decompressor alone (isal), time", f"{ratio(packed_costs, alone):.2f} (it: {seconds(alone):.2f} s)"),
        Figure("ingest of gzip ÷ ingest of the plain file, time", f"{ratio(packed_costs, plain):.2f} (it: {seconds(plain):.2f} s)"),
        Figure("ingest of gzip ÷ (decompressor alone + ingest of the plain file), time", f"{ratio(packed_costs, both):.2f}", "≤ 1"),
    ]


def measure_formats(sizes: Sizes) -> list[Figure]:
    """Measure ingest of logs of other formats, JSON beside programs that make Parquet of it, too."""
    n = sizes.format_lines
    ours, ratios = beside(json_log(n), "JSON web log (nginx)", converters("json"), sizes.rounds, {"": "≥ 600,000 lines/s"})
    others = (
        (auth_log(n), "syslog auth", "≥ 600,000 lines/s"),
        (firewall_log(n, "netfilter"), "syslog iptables (ufw)", "≥ 600,000 lines/s"),
        (firewall_log(n, "fortigate"), "key=value firewall (FortiGate traffic)", "≥ 400,000 lines/s"),
        (firewall_log(n, "panos"), "CSV firewall (PAN-OS traffic)", "≥ 800,000 lines/s"),
    )
    return [ours, *ratios, *(beside(log, title, (), sizes.rounds, {"": bar})[0] for log, title, bar in others)]


def measure_memory(sizes: Sizes) -> list[Figure]:
    """Measure whether the memory of ingest depends on the size of the input."""
    small = web_log(sizes.memory_lines, sizes.customers)
    figures = []
    for log in (small, large_web_log(sizes.memory_gb)):
        cost = ingest_once(log, "memory")
        figures.append(Figure(f"peak memory of ingest, {size_of(log)}", f"{cost.peak_bytes / MIB:,.0f} MiB ({cost.seconds:.1f} s)", MEMORY_BAR))
    shutil.rmtree(WORK / "case-memory")
    return figures


def measure_start(sizes: Sizes) -> list[Figure]:
    """Measure how long a small file takes, from start to end of the command: the first events stand on the screen before that."""
    size = size_of(SMALL_LOG)
    contenders = {"formats test": partial(run, [product(), "formats", "test", SMALL_LOG]), "ingest": partial(ingest_once, SMALL_LOG, "start")}
    costs = in_turn(contenders, max(5, sizes.rounds))
    return [Figure(f"{name}, {size}, whole command", f"{seconds(costs[name]):.2f} s", "< 1 s") for name in contenders]


def measure_runs(sizes: Sizes) -> list[Figure]:
    """Measure the whole pipeline, and how right its answer is."""
    figures = []
    for web_lines in sizes.runs:
        folder = incident(web_lines, sizes.customers)
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
    log = repeated(web_log(10_000_000 if sizes.trace_gb >= 2 else 1_000_000, sizes.customers), sizes.trace_gb)
    case = fresh_case("trace")
    cost = run([product(), "ingest", log, "--case", case, "--tz", "Asia/Tokyo"])
    events = pq.ParquetFile(next((case / "events/web").glob("*.parquet")))
    last = events.read_row_group(events.num_row_groups - 1, columns=["event_id"])["event_id"][-1].as_py()
    traces = [run([product(), "trace", "--case", case, "event", str(last)]).seconds for _ in range(3)]
    size = size_of(log)
    return [
        Figure(f"ingest, {size}", f"{cost.seconds:.1f} s, peak {cost.peak_bytes / MIB:,.0f} MiB", MEMORY_BAR),
        Figure(f"trace of one event, {size}", f"{statistics.median(traces):.2f} s", "< 1 s"),
    ]


HOW = """\
Inputs: `benchmarks/simulate.py`, from seeds. Every figure is of a fresh process, with the files in the system's cache. A speed is that of the quickest of
its rounds, as other guests of the machine's host only ever add time, by up to a third within an hour; the median stands beside it. Other times are
medians. Ingest turns a log into a case: typed Parquet, the SHA-256 of the input, an index of its lines, rejects, and the checks of what was written. Where
it stands beside another program, both read the same file in turn, and the ratio is the median of the ratios of neighbouring runs: below 1, ingest is
faster. The bars are what the project demands of itself on two cores."""
MEASURES: dict[str, Callable[[Sizes], list[Figure]]] = {
    "ingest": measure_ingest,
    "viewers": measure_viewers,
    "gzip": measure_gzip,
    "formats": measure_formats,
    "memory": measure_memory,
    "start": measure_start,
    "run": measure_runs,
    "trace": measure_trace,
}


def report(figures: Sequence[Figure], command: str) -> str:
    """Write the figures and the machine as Markdown."""
    lines = ["# Benchmark results", "", f"`{command}` on {datetime.now(UTC):%Y-%m-%d}. {HOW}", ""]
    lines += ["| what | measured | bar |", "|---|---|---|", *(f"| {f.what} | {f.value} | {f.bar} |" for f in figures), ""]
    compared = ", ".join(dict.fromkeys(f"{p.name} {p.version}" for p in (*converters("combined")[1:], *viewers()) if p.version))
    lines += ["| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in [*machine(), ("compared with", compared)]), ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; RESULTS.md is left alone")
    parser.add_argument("--only", choices=list(MEASURES), action="append", help="ask only this; may be repeated; RESULTS.md is left alone")
    parser.add_argument("--lines", type=int, help="lines of the combined log")
    parser.add_argument("--format-lines", type=int, help="lines of the log of every other format")
    parser.add_argument("--events", type=int, action="append", help="web events of a whole run; may be repeated")
    parser.add_argument("--customers", type=int, help="customers of the whole runs")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison")
    parser.add_argument("--memory-gb", type=float, help="size of the large log whose memory is measured, in GB")
    parser.add_argument("--trace-gb", type=float, help="size of the log for trace, in GB; 0 leaves it out")
    given = parser.parse_args(arguments)
    sizes = QUICK if given.quick else FULL
    wanted = {
        "lines": given.lines,
        "format_lines": given.format_lines,
        "memory_gb": given.memory_gb,
        "runs": given.events and tuple(given.events),
        "customers": given.customers,
        "rounds": given.rounds,
        "trace_gb": given.trace_gb,
    }
    sizes = dataclasses.replace(sizes, **{k: v for k, v in wanted.items() if v is not None})
    figures: list[Figure] = []
    for question in given.only or MEASURES:
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
