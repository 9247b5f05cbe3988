"""Reads one source: its blocks by several threads, each line by the source's format or the first other that reads it.

What becomes of the lines comes out block by block in the order of the source, with what is to be told of it; nothing is
written here.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from itertools import chain, islice
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from breachscope.errors import InputError, counted
from breachscope.ingest.archives import archive_kind
from breachscope.ingest.block import read_block
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.clients import Forwarders
from breachscope.ingest.compression import compression_of
from breachscope.ingest.engine import read_lines
from breachscope.ingest.entries import blocks_of_entries, lines_that_go_on, read_entries
from breachscope.ingest.formats import Format
from breachscope.ingest.guess import guess_format
from breachscope.ingest.headers import Headers
from breachscope.ingest.inputs import Input
from breachscope.ingest.lines import Lines, split_lines
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.settings import SourceSettings
from breachscope.ingest.sniff import sniff
from breachscope.ingest.streams import BLOCK_BYTES, KEPT_OF_LONG_LINE, Block, Stream, find_bytes
from breachscope.ingest.views import narrowed
from breachscope.schema import REJECTS, REPEATING_FORMATS
from breachscope.timestamps import YearTimeline, has_yearless_times, infer_years

LATEST_ZONE = timezone(timedelta(hours=14))
"""Where a day begins first: a log of today is not taken for one of last year, wherever it was written."""
_SAMPLE_LINES = 1000
_LOW_CONFIDENCE = 0.5
_LEAST_BINARY_BYTES = 512
"""Less is listed line by line in rejects, whatever it is."""
_MOST_NUL_RUNS = 1_000
_STRAYS_TOLD = {
    "utf-8": ("not UTF-8", "CP932 or Latin-1"),
    "cp932": ("neither UTF-8 nor CP932", "Latin-1"),
    "euc_jp": ("not EUC-JP", "UTF-8, CP932 or Latin-1"),
}
"""By the input's encoding, what lines are that are not in it, and what they were read as."""
_READ_MEANWHILE = 3
"""Blocks that are read while the format is chosen by the first."""
_MOST_PENDING_BYTES, _MOST_PENDING_LINES = 200 << 20, 3 << 18
"""Of blocks that are being read, however many processors there are: reading takes several times as much memory."""


@dataclass(frozen=True)
class Plan:
    """One input to be read, under the id that it has or gets; no event of it is later than ``reference``."""

    input: Input
    id: int
    reference: date
    settings: SourceSettings


def fault_of_lines(rejected: int, events: int, skipped: Collection[str], asked: str | None) -> str | None:
    """What is to be told of an input of which not one line could be read, in the format ``asked`` for or any; None of others."""
    if not rejected or events or not set(skipped) <= {"blank", "comment"}:
        return None
    told = "its only line could not be read" if rejected == 1 else f"not one of its {rejected:,} lines could be read"
    if asked:
        return f"{told} as {asked}, the format asked for; leave that out to have the format found"
    return f"{told}; 'breachscope formats new SAMPLE' drafts a format for --formats DIR, --log-format takes a web server's own string"


@dataclass
class Counts:
    """What became of some lines, in numbers."""

    lines: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    """Format id → events."""
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    strays: int = 0
    """Lines that are not in the encoding of the input."""
    zoneless: bool = False
    """Whether times without a zone were read."""
    forwarders: Forwarders = field(default_factory=Forwarders)

    def add(self, other: Counts) -> None:
        """Add what became of further lines."""
        self.lines += other.lines
        self.formats += other.formats
        self.skipped += other.skipped
        self.rejected += other.rejected
        self.strays += other.strays
        self.zoneless |= other.zoneless
        self.forwarders.absorb(other.forwarders)


@dataclass(frozen=True)
class BlockResult:
    """One block, read."""

    counts: Counts
    events: Mapping[str, pa.Table]
    """Event table → rows."""
    rejects: pa.Table
    nul_runs: Sequence[tuple[int, int]] = ()
    """(line, bytes) of every run of NUL bytes."""
    headless: pl.DataFrame | None = None
    """Whose messages go on in the block that began before it, if any do."""


class SourceReader:
    """Reads one input, once: from its first line to the last, or its beginning. What it says of the input is final after that.

    Of a compressed input no more than ``most_bytes`` are read. ``block_bytes`` is how much is read at a time and ``threads``
    how many blocks at once, by default one for each core; neither changes a result.
    """

    def __init__(
        self, plan: Plan, catalog: FormatCatalog, most_bytes: int | None, *, block_bytes: int = BLOCK_BYTES, threads: int | None = None
    ) -> None:  # fmt: skip
        self.plan, self.catalog, self.threads = plan, catalog, threads or os.cpu_count() or 1
        self.settings = plan.settings
        self.zone = plan.settings.tz
        only = catalog[plan.settings.format] if plan.settings.format else None
        self.fmt = catalog["syslog"] if only and only.kind == "syslog" else only
        self.stream = Stream(plan.input, block_bytes=block_bytes, most_bytes=most_bytes, asked_encoding=plan.settings.encoding)
        self.confidence = 0.0
        self.guess: str | None = None
        """What is to be told of a format that was guessed."""
        self.years: YearTimeline | None = None
        self.unreadable: str | None = None
        self.totals = Counts()
        self.nul_runs: list[tuple[int, int, int]] = []
        """(first line, last line, bytes) of NUL bytes in lines that follow one another."""
        self.headers = Headers()
        self._years_lock = threading.Lock()
        self._years_sought = False

    def read(self) -> Iterator[BlockResult]:
        """What becomes of all lines, block by block. Raises InputError when the input cannot be opened, or is replaced meanwhile."""
        pending: deque[tuple[Block, Future[BlockResult]]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            for block in self._blocks():
                if self.unreadable:
                    continue
                if self.fmt is not None:
                    self.headers = self.headers.with_those_of(block.data, block.first_line, self.fmt, self.stream.encoding)
                pending.append((block, pool.submit(self._read_block, block, self.headers)))
                while len(pending) > self.threads or _are_many([block for block, _ in pending]):
                    yield self._counted(self._first_of(pending))
            while pending:
                yield self._counted(self._first_of(pending))

    def _first_of(self, pending: deque[tuple[Block, Future[BlockResult]]]) -> BlockResult:
        """What becomes of the first block. Statements of which the one behind holds more, too far away to be moved, are told to be cut."""
        block, future = pending.popleft()
        result = future.result()
        if self.fmt is None or not pending or not any(result.counts.formats[e.id] for e in self.catalog.entries if e.splits):
            return result
        headless = pending[0][1].result().headless
        if headless is None:
            return result
        lines = split_lines(block, self.stream.encoding, self.stream.newline)
        reading = Reading([(table, "", pl.DataFrame(rows)) for table, rows in result.events.items()])
        reading.tell_cut(lines_that_go_on(lines, headless, self.fmt, self.catalog))
        return replace(result, events={table: _to_arrow(rows) for table, _, rows in reading.events})

    def read_beginning(self, most_lines: int) -> Iterator[BlockResult]:
        """What becomes of the first lines, block by block, without an entry that goes on behind them. Raises InputError when the input cannot be opened.

        Where the first entry is longer, what becomes of the rest of its block, too.
        """
        last = 0
        for block in self._blocks(most_lines):
            before, last = last, block.first_line + block.data.count(self.stream.newline) - block.data.endswith(self.stream.newline)
            if self.unreadable or (before and last > most_lines):
                return
            if self.fmt is not None:
                self.headers = self.headers.with_those_of(block.data, block.first_line, self.fmt, self.stream.encoding)
            yield self._counted(self._read_block(block, self.headers))
            if last >= most_lines:
                return

    def _counted(self, result: BlockResult) -> BlockResult:
        """Add a block to the totals.

        Runs of lines with NUL bytes become one where they are neighbours; line 1 stands alone, and the last of very many holds the rest.
        """
        self.totals.add(result.counts)
        for line, count in result.nul_runs:
            first, last, before = self.nul_runs[-1] if self.nul_runs else (0, -1, 0)
            if line <= last + (first > 1) or len(self.nul_runs) == _MOST_NUL_RUNS:
                self.nul_runs[-1] = (first, line, before + count)
            else:
                self.nul_runs.append((line, line, count))
        return result

    def _blocks(self, cut_behind: int | None = None) -> Iterator[Block]:
        """The blocks of the input, cut between entries of the format that the first of them is in; and behind a line, or before the entry that it is in."""
        blocks = self.stream.blocks()
        for first in blocks:
            with ThreadPoolExecutor(1) as beside:  # to choose takes as long as to read and hash these
                following = beside.submit(lambda: list(islice(blocks, _READ_MEANWHILE if cut_behind is None else 0)))
                self._lock_on(first)
            all_blocks = chain([first], following.result(), blocks)
            wanted = all_blocks if cut_behind is None else _cut_behind(all_blocks, cut_behind, self.stream.newline)
            yield from blocks_of_entries(wanted, self.fmt, self.catalog, self.stream.encoding, self.stream.newline)

    def _lock_on(self, block: Block) -> None:
        """Choose the format from the first block."""
        lines = split_lines(block, self.stream.encoding, self.stream.newline)
        sample = lines.take(np.arange(0, len(lines), max(len(lines) // _SAMPLE_LINES, 1))[:_SAMPLE_LINES])
        chosen, self.confidence = sniff(sample, self.catalog, [self.fmt] if self.fmt else (), block.data, self.stream.encoding)
        if self.fmt is None and self.confidence < 1 and (guessed := guess_format(lines.frame, block.data, self.confidence, self.stream.encoding)):
            chosen, self.confidence, self.guess = guessed
        self.fmt = self.fmt or chosen
        inner, archive = compression_of(block.data), archive_kind(block.data)
        if archive:
            self.unreadable = f"is a {archive} archive; nothing was read from it: unpack it and give what it holds"
        elif chosen is None and inner != "none":
            self.unreadable = f"holds a further {inner} stream; nothing was read from it: decompress it once and give the result"
        elif chosen is None and _looks_binary(block.data):
            self.unreadable = "is not a text log but binary data; nothing was read from it"

    def _context_for(self, fmt: Format, lines: Lines, headers: Headers, left: pl.DataFrame | None = None) -> Context:
        """What ``fmt`` needs to know; where its times lack the year, the whole file is looked through for them, once."""
        if not fmt.lacks_year or not (self._years_sought or (lines.has_yearless_times() if left is None else has_yearless_times(left["text"]))):
            return Context(self.plan.id, self.zone, headers=headers, trusted_proxies=self.settings.trusted_proxies)
        with self._years_lock:
            if not self._years_sought:
                own = self.stream
                scan = Stream(self.plan.input, is_hashed=False, block_bytes=own.block_bytes, asked_encoding=own.asked_encoding, most_bytes=own.most_bytes)
                chunks = (split_lines(b, scan.encoding, scan.newline).of_new_days() for b in scan.blocks() if b.overlong_bytes is None)
                self.years = infer_years(chunks, reference=self.plan.reference, year=self.settings.year, file_name=Path(self.plan.input.place).name)
                if scan.file_id != self.stream.file_id:
                    raise InputError("was replaced by another file while it was read, as rotation does; ingest again", path=self.plan.input.place)
                self._years_sought = True
        return Context(self.plan.id, self.zone, self.years, headers, self.settings.trusted_proxies)

    def _read_block(self, block: Block, headers: Headers) -> BlockResult:
        if block.overlong_bytes is not None:
            reason = f"line longer than this program reads ({block.overlong_bytes:,} bytes); its beginning is kept"
            row = {"source": self.plan.id, "line": block.first_line, "reason": reason, "raw": block.data[:KEPT_OF_LONG_LINE], "raw_bytes": block.overlong_bytes}
            return BlockResult(Counts(1, rejected=1), {}, pa.Table.from_pylist([row], schema=REJECTS.arrow))
        lines = split_lines(block, self.stream.encoding, self.stream.newline)
        reading = self._read_as_formats(lines, headers) if block.fault is None else Reading()
        if block.fault is not None:
            reading.reject(lines.frame["line"], block.fault)
        reading.events = [(table, format_id, self._dated(rows, reading)) for table, format_id, rows in reading.events]
        frames: dict[str, list[pl.DataFrame]] = {}
        formats: Counter[str] = Counter()
        for table, format_id, rows in reading.events:
            if len(rows):
                frames.setdefault(table, []).append(rows)
                formats[format_id] += len(rows)
        events = {t: _to_arrow(_in_line_order(f)) for t, f in frames.items()}
        zoneless = any(bool(rows["ts_quality"].is_in(["assumed_tz", "inferred_year"]).any()) for _, _, rows in reading.events)
        forwarders = Forwarders()
        for rows in frames.get("web", ()):
            forwarders.absorb(Forwarders.of(rows, self.settings.trusted_proxies))
        rejects = self._rejects(reading, lines)
        counts = Counts(len(lines), formats, reading.skipped, len(rejects), lines.strays, zoneless, forwarders)
        headless = pl.concat(reading.headless) if reading.headless else None
        return BlockResult(counts, events, rejects, lines.nul_runs(), headless)

    def _dated(self, rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        """Events by a clock that is right, where the user says how far the source's is off; those whose year nothing tells are rejected."""
        is_undated = rows["ts_quality"] == "none"
        if is_undated.any():
            reading.reject(rows["line"].filter(is_undated), "its time has no year, and none can be found")
            rows = rows.filter(~is_undated)
        return rows.with_columns(pl.col("ts") - timedelta(seconds=self.settings.skew)) if self.settings.skew else rows

    def _read_as_formats(self, lines: Lines, headers: Headers) -> Reading:
        """Read with the file's format; what it refuses is tried with the others, for logs are mixed and change mid-file."""
        if self.fmt is None:
            reading = read_lines(lines.frame, None, self.catalog, Context(self.plan.id))
        else:
            reading = read_entries(lines, self.fmt, self.catalog, self._context_for(self.fmt, lines, headers))
        for fmt in self.catalog.likely(lambda: reading.refused(lines)["text"]) if self.settings.format is None else ():
            left = reading.refused(lines)
            if not len(left):
                break
            if fmt is not self.fmt and not fmt.needs_header:
                reading.absorb(self._read_strays(left, fmt, lines))
        reading.skip_continued(self.fmt)
        return reading

    def _read_strays(self, left: pl.DataFrame, fmt: Format, lines: Lines) -> Reading:
        """Read those of the lines that are left which another format may read."""
        may_read = left["text"].str.contains(fmt.likeness)
        mine = left.filter(may_read)
        if not len(mine):
            return Reading(unread=left)
        context = self._context_for(fmt, lines, Headers(), mine)
        if fmt.is_json or fmt.kind == "keyvalue":  # a few keys are looked up by machine code before another reader has started
            found = read_block(lines.only(mine["line"].to_numpy() - lines.first_line), fmt, self.catalog, context)
        else:
            found = read_lines(mine, fmt, self.catalog, context)
        found.unread = pl.concat([found.unread, left.filter(~may_read)]).sort("line")
        return found

    def _rejects(self, reading: Reading, lines: Lines) -> pa.Table:
        rejected = reading.rejects()
        if not len(rejected):
            return pa.Table.from_batches([], REJECTS.arrow)  # given lists or numpy's arrays, pyarrow looks for pandas, and imports that where it is installed
        raw, sizes = lines.raw(rejected["line"].to_numpy(), KEPT_OF_LONG_LINE)
        told = {"reason": rejected["reason"], "raw": raw}
        rows = rejected.with_columns(pl.lit(self.plan.id, pl.Int32).alias("source"), pl.Series("raw_bytes", sizes)).to_arrow()
        columns = [narrowed(told[column.name], column.type) if column.name in told else rows[column.name] for column in REJECTS.arrow]
        return pa.Table.from_arrays(columns, schema=REJECTS.arrow)

    @property
    def problem(self) -> str | None:
        """What keeps the input from being read, or from being read further."""
        if self.unreadable:
            return self.unreadable
        if self.stream.problem and not self.totals.lines:
            return f"{self.stream.problem}; nothing could be read"
        return self.stream.problem

    def notes(self, last_ts: str | None) -> tuple[str, ...]:
        """What is to be known of the input, whose last event is at ``last_ts``."""
        return (*self._notes_of_text(), *self._notes_of_times(last_ts), *self._notes_of_content())

    def _notes_of_text(self) -> Iterator[str]:
        """What is to be known of its encoding, its format and what is not text."""
        totals = self.totals
        if not totals.lines and not self.problem:
            yield "is empty"
        if self.stream.encoding_doubt and not self.unreadable:
            yield self.stream.encoding_doubt
        elif totals.strays:
            not_in, read_as = _STRAYS_TOLD.get(self.stream.encoding, _STRAYS_TOLD["utf-8"])
            yield f"{counted(totals.strays, f'line is {not_in}; it was', f'lines are {not_in}; they were')} read as {read_as}"
        asked = self.settings.format
        if fault := fault_of_lines(totals.rejected, totals.formats.total(), totals.skipped, asked):
            yield fault
        elif self.confidence < _LOW_CONFIDENCE and totals.rejected:
            which = f"the format asked for ({asked})" if asked else f"the best format found ({self.fmt.id if self.fmt else 'none'})"
            lost = counted(totals.rejected, "rejected line is", "rejected lines are")
            yield f"only {self.confidence:.0%} of its sampled lines are in {which}; {lost} {'not' if asked else 'in no other either'}"
        if self.guess:
            yield self.guess
        if self.nul_runs:
            nuls = sum(count for _, _, count in self.nul_runs)
            yield f"holds {nuls:,} NUL bytes, first in line {self.nul_runs[0][0]:,}: what was written there is not in this file"

    def _notes_of_times(self, last_ts: str | None) -> Iterator[str]:
        if self.totals.zoneless and not self.zone.is_given:
            yield "writes no time zone: UTC was assumed; give --tz (for Japan: --tz Asia/Tokyo)"
        if last_ts and datetime.fromisoformat(last_ts).date() > self.plan.reference + timedelta(days=1):
            yield f"its last time, {last_ts}, is later than the day it was read: the clock was ahead, or the zone or the year is another"

    def _notes_of_content(self) -> Iterator[str]:
        """What is to be known of its addresses, its clock and its records, and of its end."""
        yield from self.totals.forwarders.notes(are_trusted=bool(self.settings.trusted_proxies))
        if self.settings.skew:
            way = "ahead" if self.settings.skew > 0 else "behind"
            yield f"its clock was {abs(self.settings.skew):,.6g} s {way}, as sources.toml has it: its times are set right by that"
        if self.totals.formats and set(self.totals.formats) <= REPEATING_FORMATS:
            yield "tells of requests that an access log holds with their status: they are counted only where no access log is given"
        if self.stream.records is not None:
            yield f"is {'an' if self.stream.records[0] in 'EX' else 'a'} {self.stream.records}: each of its records counts as a line"
        yield from self.stream.remarks
        if self.stream.lacks_final_newline and not self.problem:
            yield "ends inside a line: it was cut there, or was still being written"


def _cut_behind(blocks: Iterator[Block], line: int, newline: bytes) -> Iterator[Block]:
    """The blocks, that with the line as two."""
    for block in blocks:
        ends = find_bytes(block.data, newline[0])
        row = line - block.first_line
        if block.is_readable and 0 <= row < len(ends) and (begin := int(ends[row]) + 1) < len(block.data):
            yield replace(block, data=block.data[:begin], seen=None, is_open=False)
            yield replace(block, first_line=line + 1, offset=block.offset + begin, data=block.data[begin:], seen=None)
        else:
            yield block


def _are_many(blocks: Sequence[Block]) -> bool:
    """Whether no more blocks should be read at a time."""
    lines = sum(b.seen.newlines for b in blocks if b.seen)
    return sum(len(b.data) for b in blocks) > _MOST_PENDING_BYTES or lines > _MOST_PENDING_LINES


def _looks_binary(data: bytes) -> bool:
    head = data.lstrip(b"\0")[: 64 << 10]  # a log that was truncated while open begins with NULs
    control = sum(head.count(c) for c in range(32) if c not in (9, 10, 13, 27))
    return len(head) >= _LEAST_BINARY_BYTES and control > 0.05 * len(head)


def _in_line_order(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    rows = pl.concat(frames) if len(frames) > 1 else frames[0]
    return rows if rows["event_id"].is_sorted() else rows.sort("event_id")


def _to_arrow(rows: pl.DataFrame) -> pa.Table:
    """Rows as Arrow without copying their text: Polars keeps it in views, which Parquet takes as they are."""
    return rows.to_arrow(compat_level=pl.CompatLevel.newest())
