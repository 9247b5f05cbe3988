"""Ingest: inputs in, event tables, rejects, line index and manifest out.

One file at a time, its blocks read by several threads and written in order, so that the bytes written depend on the
inputs and options alone. The manifest is the commit: files of a source that it does not name count for nothing and are
removed or overwritten by the next run.

A line is read by its file's format or, where that one refuses it, by the first other format that reads it: what becomes
of a line does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa

from breachscope import __version__
from breachscope.case import MANIFEST, SOURCES, Case, Manifest, ParquetFile, Source, sha256_file
from breachscope.errors import BreachscopeError, InputError
from breachscope.ingest.archives import Archive, archive_kind, open_archive
from breachscope.ingest.block import read_block
from breachscope.ingest.clients import Forwarders
from breachscope.ingest.compression import compression_of, most_content
from breachscope.ingest.encoding import EUC_JP_TOLD
from breachscope.ingest.engine import read_lines
from breachscope.ingest.folds import set_second_passes, span_of
from breachscope.ingest.formats import Format, FormatCatalog, load_formats
from breachscope.ingest.guess import sniff
from breachscope.ingest.headers import Headers
from breachscope.ingest.inputs import Input, find_inputs
from breachscope.ingest.lines import Lines, split_lines
from breachscope.ingest.log_format import idle_log_formats, with_log_formats
from breachscope.ingest.mapping import guess_format
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.settings import SourceSettings, SourcesFile, parse_networks, read_sources
from breachscope.ingest.sources import BLOCK_BYTES, KEPT_OF_LONG_LINE, Block, Stream, content_digests, find_bytes
from breachscope.ingest.views import as_series
from breachscope.progress import Progress
from breachscope.schema import EVENT_TABLES, REJECTS, REPEATING_FORMATS
from breachscope.timestamps import YearTimeline, Zone, has_yearless_times, infer_years

_SAMPLE_LINES = 1000
LATEST_ZONE = timezone(timedelta(hours=14))
"""Where a day begins first: a log of today is not taken for one of last year, wherever it was written."""
_ROWS_IN_A_GROUP = 1 << 16
_COMMIT_SECONDS = 1.0
_COMMIT_SHARE = 0.05
"""Of the time, at most, that is spent on writing the manifest again and again: it grows with every input."""
_LOW_CONFIDENCE = 0.5
_LEAST_BINARY_BYTES = 512
"""Less is listed line by line in rejects, whatever it is."""
_MOST_NUL_RUNS = 1_000
_INDEX_SCHEMA = pa.schema([("line", pa.int64()), ("offset", pa.int64())])


@dataclass(frozen=True)
class IngestOptions:
    """How to read. ``tz`` names the zone of zone-less times, ``year`` dates the last line of year-less logs.

    ``block_bytes`` is how much is read at a time; it changes no result.
    """

    tz: str | None = None
    year: int | None = None
    reference_date: date | None = None
    formats_dirs: tuple[Path, ...] = ()
    threads: int | None = None
    only_format: str | None = None
    log_formats: tuple[str, ...] = ()
    """Strings of Apache's LogFormat or nginx's log_format, tried before all formats of files."""
    sources_file: Path | None = None
    """Settings of single sources; by default the case's ``sources.toml``, if it is there."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For is believed."""
    unbounded: bool = False
    """Whether a compressed input is read to its end however far it expands."""
    block_bytes: int = BLOCK_BYTES


@dataclass
class IngestResult:
    """What one ingest did: sources read now, sources known already, and inputs that could not be read."""

    added: list[Source] = field(default_factory=list)
    unchanged: list[Source] = field(default_factory=list)
    errors: list[BreachscopeError] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """One input to be read, under the id that it has or gets; no event of it is later than ``reference``."""

    input: Input
    id: int
    reference: date
    settings: SourceSettings
    share: float
    """Bytes that it stands for among those of all inputs, of an archive's as many as are its part."""


def ingest(case: Case, paths: Sequence[str | Path], options: IngestOptions, progress: Progress) -> IngestResult:
    """Add logs to the case. Inputs already in it unchanged are left alone, grown ones are read again, copies are counted once.

    Raises ContentErrors for bad format files and UsageError for bad options; an input that cannot be read is listed in
    the result, and the others are ingested all the same.
    """
    known = load_formats(options.formats_dirs)
    catalog = with_log_formats(known, options.log_formats)
    usual = SourceSettings(
        Zone.named(options.tz) if options.tz else Zone(),
        options.year,
        catalog[options.only_format].id if options.only_format else None,
        trusted_proxies=parse_networks(options.trusted_proxies),
    )
    own = case.path / SOURCES
    sources = read_sources(options.sources_file or own, catalog) if options.sources_file or own.is_file() else SourcesFile()
    today = options.reference_date or datetime.now(LATEST_ZONE).date()
    manifest = case.read_manifest() or Manifest(today)
    _remove_uncommitted(case, manifest)
    settings = _Settings(options, {e.id: sha256_file(e.path) for e in known.entries}, today, usual, sources)
    given = [_spool_stdin(case) if p == "-" else p for p in sorted({str(p) for p in paths})]
    inputs, missing = find_inputs(given, without=case.path)
    work = _Ingest(case, catalog, options, progress, settings, manifest)
    work.result.errors += missing
    case.write_manifest(manifest)
    try:
        progress.expect(sum(map(_size, inputs)))
        for path in inputs:
            work.add(path)
    finally:
        progress.expect(0)
        case.write_manifest(work.manifest)
        _record(case, options, sources, work.result)
    for sentence in sources.idle([*work.seen, *(s.unpacked_path for s in work.manifest.sources)]):
        progress.warn(sentence)
    for sentence in work.idle_log_formats():
        progress.warn(sentence)
    return work.result


def _record(case: Case, options: IngestOptions, sources: SourcesFile, result: IngestResult) -> None:
    """Leave a custody record of a manifest that none names: also one that a killed run left, or a renamed input changed."""
    used = {str(sources.path.absolute()): sha256_file(sources.path)} if sources.path else {}
    if case.recorded_outputs().get(MANIFEST) != sha256_file(case.path / MANIFEST) or case.last_settings() != used:
        parameters = {
            "tz": options.tz,
            "year": options.year,
            "format": options.only_format,
            "log_formats": list(options.log_formats),
            "trusted_proxies": list(options.trusted_proxies),
            "sources": used,
            "inputs": [s.path for s in result.added],
        }
        case.record("ingest", [MANIFEST], parameters)


def fault_of_lines(rejected: int, events: int, skipped: Collection[str], asked: str | None) -> str | None:
    """What is to be told of an input of which not one line could be read, in the format ``asked`` for or any; None of others."""
    if not rejected or events or not set(skipped) <= {"blank", "comment"}:
        return None
    told = "its only line could not be read" if rejected == 1 else f"not one of its {rejected:,} lines could be read"
    if asked:
        return f"{told} as {asked}, the format asked for; leave that out to have the format found"
    return f"{told}; 'breachscope formats new SAMPLE' drafts a format for --formats DIR, --log-format takes a web server's own string"


@dataclass(frozen=True)
class _Settings:
    """All that decides how a line is read."""

    options: IngestOptions
    formats: Mapping[str, str]
    """Format id → SHA-256 of its file."""
    today: date
    usual: SourceSettings
    """As the command line has it."""
    sources: SourcesFile

    def of(self, path: str) -> SourceSettings:
        return self.sources.settings_of(path, self.usual)

    def reference(self, known: Source | None) -> date:
        """The day that content is dated by: the one given, else the one on which it was first read."""
        if known is None or known.reference_date is None or self.options.reference_date:
            return self.today
        return date.fromisoformat(known.reference_date)

    def digest(self, path: str, reference: date) -> str:
        parts = [__version__, self.of(path).as_json(), reference.isoformat(), list(self.options.log_formats), dict(self.formats), self.options.unbounded]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _remove_uncommitted(case: Case, manifest: Manifest) -> None:
    """Remove what a killed run wrote for sources that it did not commit."""
    committed = {name for s in manifest.sources for name in s.files}
    for folder in ("events", "rejects", "index"):
        for path in sorted((case.path / folder).rglob("*.parquet")):
            name = path.relative_to(case.path).as_posix()
            if name not in committed:
                case.remove(name)


def _spool_stdin(case: Case) -> Path:
    """Keep what comes through the pipe: every number must lead back to a line, and a pipe cannot be read twice."""
    digest = hashlib.sha256()
    with case.open_atomic("inputs/stdin.log") as partial, partial.open("wb") as handle:
        while chunk := sys.stdin.buffer.read(1 << 20):
            digest.update(chunk)
            handle.write(chunk)
    spooled = case.path / "inputs" / f"stdin-{digest.hexdigest()[:16]}.log"
    (case.path / "inputs" / "stdin.log").replace(spooled)
    return spooled.absolute()


class _Ingest:
    """The inputs of one ingest, in turn. Which are known, have grown, were renamed or are new is decided by content, never by name or time alone."""

    def __init__(self, case: Case, catalog: FormatCatalog, options: IngestOptions, progress: Progress, settings: _Settings, manifest: Manifest) -> None:
        self.case, self.catalog, self.options, self.progress, self.settings, self.manifest = case, catalog, options, progress, settings, manifest
        self.result = IngestResult()
        self.seen: list[str] = []
        """Where each input stands, for the globs of ``sources.toml``."""
        self._sizes = {s.size for s in manifest.sources}
        self._displaced: list[Source] | None = None
        self._claimed: set[int] = set()
        self._next_id = manifest.next_id
        self._commit_from = time.monotonic() + _COMMIT_SECONDS
        self._at_path: dict[str, list[Source]] = {}
        """Inputs of earlier ingests by where they stand; the members of an archive, by where that stands, too."""
        for source in manifest.sources:
            for place in {source.path, str(source.file)}:
                self._at_path.setdefault(place, []).append(source)

    def add(self, path: Path) -> None:
        """Read a file, or all members of an archive, unless they are known."""
        most_bytes = None
        try:
            at_path = [s for s in self._at_path.get(str(path), ()) if s.file == path]
            size = path.stat().st_size
            digest = sha256_file(path) if at_path or size in self._sizes else None
            members = [s for s in at_path if s.sha256 == digest and s.members is not None]
            if members and len(members) == members[0].members and all(map(self._is_current, members)):
                self.seen += [s.unpacked_path for s in members]
                for member in members:
                    self._keep(member)
                self._pass_over(path.name, size)
                return
            most_bytes = None if self.options.unbounded else most_content(size)
            with open_archive(path, self.case.spooled, most_bytes) as archive:
                if archive is None:
                    self._add(Input(path), digest, most_bytes, size)
                else:
                    self._add_members(path, archive, digest or sha256_file(path), most_bytes, size)
        except OSError as error:
            self.result.errors.append(InputError(f"cannot be read ({error.strerror}); check its permissions", path=path))
        except InputError as error:
            self.result.errors.append(error)

    def idle_log_formats(self) -> list[str]:
        """A sentence for each ``--log-format`` that fits no line of the inputs given."""
        given = [*self.result.added, *self.result.unchanged]
        if not given or {s.duplicate_of for s in given} - {None, *(s.id for s in given)}:
            return []  # how a copy would be read is not known where its original is not given
        return idle_log_formats(self.options.log_formats, {name for s in given for name in s.formats})

    def _is_current(self, source: Source) -> bool:
        """Whether it was read with the same settings."""
        return source.reading == self.settings.digest(source.unpacked_path, self.settings.reference(source))

    def _add_members(self, path: Path, archive: Archive, digest: str, most_bytes: int | None, size: int) -> None:
        """Read the members of an archive; together they may expand to ``most_bytes``. What keeps the archive itself from being read takes its place, too."""
        is_told = archive.problem is not None or not archive.members
        count = len(archive.members) + is_told
        unpacked = sum(m.size for m in archive.members)
        left = most_bytes
        for member in archive.members:
            problem = None
            if left == 0:
                problem = (
                    f"was not read: the members before it reached {most_bytes:,} bytes, the bound of the whole archive; if they are logs, give --unbounded"
                )
            source = self._add(Input(path, member), digest, left, size * member.size / max(unpacked, 1), count, problem)
            if left is not None:
                left -= source.content_size if source else 0
        if is_told:
            self._add(Input(path), digest, most_bytes, 0, count, archive.problem or "holds no files")

    def _keep(self, source: Source) -> None:
        """Leave a known input as it is; what could not be read of it is told again, for it is as missing as before."""
        self.result.unchanged.append(source)
        self._complain(source)

    def _complain(self, source: Source) -> None:
        """Count an input that broke off, or of which no line could be read, as one that could not be read."""
        if fault := source.problem or self._fault_of_lines(source):
            self.result.errors.append(InputError(fault, path=source.path))

    def _fault_of_lines(self, source: Source) -> str | None:
        return fault_of_lines(source.rejected, source.event_lines, source.skipped, self.settings.of(source.unpacked_path).format)

    def _pass_over(self, name: str, share: float) -> None:
        """Let the progress of all inputs go on where one is not read."""
        self.progress.start(name, None, share)
        self.progress.finish()

    def _add(
        self, given: Input, digest: str | None, most_bytes: int | None, share: float, members: int | None = None, problem: str | None = None
    ) -> Source | None:  # fmt: skip
        """Read one input, unless it is known. Returns its source; None where an error was told instead."""
        plan, known = self._planned(given, digest, share)
        if known is not None:
            self._pass_over(given.name, share)
            self.manifest = self.manifest.with_source(known)
            self._keep(known)
            return known
        reader = SourceReader(plan, self.catalog, self.options, self.progress, most_bytes)
        try:
            source = reader.read(self.case) if problem is None else _unread(plan, problem)
        except InputError as error:
            if members is None:
                self.result.errors.append(error)
                return None
            source = _unread(plan, error.text)
        if members is not None:
            source = replace(source, sha256=digest or "", size=given.file.stat().st_size, members=members, member=given.member.name if given.member else None)
        source = replace(source, reading=self.settings.digest(given.unpacked_path, plan.reference))
        source = _without_copies(self.case, source, self.manifest)
        source.check_lines()
        self._complain(source)
        fault = self._fault_of_lines(source)
        for note in source.notes:
            if note != fault:  # which is complained of already
                self.progress.warn(f"{source.path}: {note}")
        self.manifest = self.manifest.with_source(source)
        self.result.added.append(source)
        if reader.stream.was_truncated:
            self._displaced_now().append(source)  # what it held stands in its rotated copy, whose turn may come
        if (begun := time.monotonic()) > self._commit_from:
            self.case.write_manifest(self.manifest)
            written = time.monotonic()
            self._commit_from = written + max(_COMMIT_SECONDS, (written - begun) / _COMMIT_SHARE)
        return source

    def _planned(self, given: Input, digest: str | None, share: float) -> tuple[Plan, Source | None]:
        """How to read an input, and its source where it need not be read."""
        place = given.place
        self.seen.append(given.unpacked_path)
        at_path = [s for s in self._at_path.get(place, ()) if s.path == place and s.id not in self._claimed]
        same = next((s for s in at_path if s.sha256 == digest), None)
        grown = None
        if same is None and given.member is None:
            size = given.file.stat().st_size
            grown = next((s for s in at_path if s.size < size and s.members is None and sha256_file(given.file, s.size) == s.sha256), None)
        if not (same or grown):
            free = [s for s in self._displaced_now() if s.id not in self._claimed]
            member = given.member.name if given.member else None
            same = next((s for s in free if s.sha256 == digest and s.member == member), None)
            grown = None if same else _displaced_beginning(given, free)
        known = same or grown
        reference = self.settings.reference(same)
        if known:
            self._claimed.add(known.id)
        plan = Plan(given, known.id if known else self._next_id, reference, self.settings.of(given.unpacked_path), share)
        self._next_id += known is None
        if same and same.reading == self.settings.digest(given.unpacked_path, reference):
            return plan, replace(same, path=place, name=given.name)
        return plan, None

    def _displaced_now(self) -> list[Source]:
        """Sources whose content no longer stands where it was read before this ingest."""
        if self._displaced is None:
            self._displaced = [s for s in self.manifest.sources if s not in self.result.added and _was_displaced(s)]
        return self._displaced


def _was_displaced(source: Source) -> bool:
    """Whether a source's content no longer stands where it was read: its file was rotated, renamed, replaced or removed."""
    try:
        size = source.file.stat().st_size
        is_there = size >= source.size if source.members is None else size == source.size
        return not is_there or sha256_file(source.file, source.size) != source.sha256
    except OSError:
        return True


def _displaced_beginning(given: Input, displaced: Sequence[Source]) -> Source | None:
    """The source whose content this input begins with: the same log after rotation, grown or compressed in between."""
    candidates = [s for s in displaced if s.content_size > 0 and s.duplicate_of is None]
    if not candidates:
        return None
    try:
        found = content_digests(given, {s.content_size for s in candidates})
    except InputError:
        return None  # told when it is read
    return next((s for s in candidates if found.get(s.content_size) == s.content_sha256), None)


def _unread(plan: Plan, problem: str) -> Source:
    """What the manifest says of a member, or of an archive, that cannot be read."""
    return Source(
        id=plan.id,
        path=plan.input.place,
        name=plan.input.name,
        sha256="",
        content_sha256=hashlib.sha256().hexdigest(),
        size=0,
        mtime=_mtime(plan.input.file),
        compression="none",
        encoding="utf-8",
        newline="LF",
        reference_date=plan.reference.isoformat(),
        problem=problem,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _mtime(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()


def _without_copies(case: Case, source: Source, manifest: Manifest) -> Source:
    """Count content once: a second input with the same bytes keeps its place in the manifest but no events."""
    original = next((s for s in manifest.sources if s.id != source.id and s.content_sha256 == source.content_sha256 and s.duplicate_of is None), None)
    if original is None or not source.lines:
        return source
    for name in source.files:
        case.remove(name)
    note = f"has the same content as {original.path}; counted once"
    skipped = {f"copy of source {original.id}": source.lines}
    return replace(source, duplicate_of=original.id, event_lines=0, rejected=0, skipped=skipped, events={}, formats={}, files={}, notes=(note,))


@dataclass
class BlockResult:
    """One block, read."""

    lines: int = 0
    events: Mapping[str, pa.Table] = field(default_factory=dict)
    formats: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: pa.Table = field(default_factory=REJECTS.arrow.empty_table)
    strays: int = 0
    zoneless: bool = False
    forwarders: Forwarders = field(default_factory=Forwarders)
    nul_runs: Sequence[tuple[int, int]] = ()

    def count(self, other: BlockResult) -> None:
        """Add what another block counts; its rows stay with it."""
        self.lines += other.lines
        self.formats += other.formats
        self.skipped += other.skipped
        self.strays += other.strays
        self.zoneless |= other.zoneless
        self.forwarders.absorb(other.forwarders)


class SourceReader:
    """Reads one input to the end and writes what it holds."""

    def __init__(self, plan: Plan, catalog: FormatCatalog, options: IngestOptions, progress: Progress, most_bytes: int | None) -> None:
        self.plan, self.catalog, self.options, self.progress = plan, catalog, options, progress
        self.settings = plan.settings
        self.zone = plan.settings.tz
        only = catalog[plan.settings.format] if plan.settings.format else None
        self.fmt = catalog["syslog"] if only and only.kind == "syslog" else only
        self.stream = Stream(plan.input, block_bytes=options.block_bytes, most_bytes=most_bytes)
        self.confidence = 0.0
        self.guess: str | None = None
        """What is to be told of a format that was guessed."""
        self.years: YearTimeline | None = None
        self.unreadable: str | None = None
        self.nul_runs: list[tuple[int, int, int]] = []
        self.headers = Headers()
        self._years_lock = threading.Lock()
        self._years_sought = False

    def read(self, case: Case) -> Source:
        """Read everything and write it into the case; the returned source is not yet in the manifest."""
        member, mtime = self.plan.input.member, _mtime(self.plan.input.file)
        self.progress.start(self.plan.input.name, member.size if member else _size(self.plan.input.file), self.plan.share)
        try:
            with _Outputs(case, self.plan.id, self.settings) as outputs:
                totals = self._read_blocks(outputs)
        finally:
            self.progress.finish()
        return Source(
            id=self.plan.id,
            path=self.plan.input.place,
            name=self.plan.input.name,
            sha256=self.stream.stored_digest,
            content_sha256=self.stream.content_digest,
            content_size=self.stream.content_size,
            size=self.stream.size,
            mtime=mtime,
            compression=self.stream.compression,
            encoding=self.stream.encoding,
            newline=self.stream.records or {b"\n": "LF", b"\r": "CR"}[self.stream.newline],
            formats=dict(sorted(totals.formats.items())),
            confidence=round(self.confidence, 4),
            tz=self.zone.name,
            tz_assumed=totals.zoneless and not self.zone.is_given,
            year_assumption=self.years.assumption if self.years else None,
            reference_date=self.plan.reference.isoformat(),
            first_ts=outputs.first_ts,
            last_ts=outputs.last_ts,
            lines=totals.lines,
            event_lines=totals.formats.total(),
            skipped=dict(sorted(totals.skipped.items())),
            rejected=outputs.rejected,
            events={t: n for t, n in sorted(outputs.rows.items()) if n},
            files=outputs.files,
            problem=self.problem(totals.lines),
            notes=self.notes(totals, outputs.rejected, outputs.last_ts),
            # At the beginning they are what copy-and-truncate rotation leaves: the lines stand in the rotated copy.
            nul_runs=tuple(r for r in self.nul_runs if r[0] > 1),
            skew=self.settings.skew,
            trusted_proxies=tuple(map(str, self.settings.trusted_proxies)),
        )

    def read_beginning(self, most_lines: int) -> Iterator[BlockResult]:
        """What becomes of the first lines, block by block; nothing is written. Raises InputError when the input cannot be opened."""
        for block in self.stream.blocks():
            if block.first_line == 1:
                self._lock_on(block)
            if self.unreadable:
                return
            ends = find_bytes(block.data, self.stream.newline[0])
            left = most_lines + 1 - block.first_line
            beginning = replace(block, data=block.data[: int(ends[left - 1]) + 1], seen=None) if len(ends) > left else block
            if self.fmt is not None:
                self.headers = self.headers.with_those_of(beginning.data, block.first_line, self.fmt)
            result = self._read_block(beginning, self.headers)
            self._note_nuls(result.nul_runs)
            yield result
            if len(ends) >= left:
                return

    def _read_blocks(self, outputs: _Outputs) -> BlockResult:
        totals = BlockResult()
        before = 0
        for result in self._results():
            outputs.write(result)
            totals.count(result)
            self._note_nuls(result.nul_runs)
            self.progress.advance(self.stream.position - before, result.lines)
            before = self.stream.position
        outputs.write_index(self.stream.index)
        return totals

    def _note_nuls(self, runs: Sequence[tuple[int, int]]) -> None:
        """Keep where NUL bytes stand; runs of neighbouring lines are one, line 1 stands alone, and the last of very many holds the rest."""
        for line, count in runs:
            first, last, before = self.nul_runs[-1] if self.nul_runs else (0, -1, 0)
            if line <= last + (first > 1) or len(self.nul_runs) == _MOST_NUL_RUNS:
                self.nul_runs[-1] = (first, line, before + count)
            else:
                self.nul_runs.append((line, line, count))

    def _results(self) -> Iterator[BlockResult]:
        threads = self.options.threads or os.cpu_count() or 1
        pending: deque[Future[BlockResult]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for number, block in enumerate(self.stream.blocks()):
                if number == 0:
                    self._lock_on(block)
                if self.unreadable:
                    continue
                if self.fmt is not None:
                    self.headers = self.headers.with_those_of(block.data, block.first_line, self.fmt)
                pending.append(pool.submit(self._read_block, block, self.headers))
                while len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _lock_on(self, block: Block) -> None:
        """Choose the format from the first block."""
        lines = split_lines(block, self.stream.encoding, self.stream.newline)
        sample = lines.take(np.arange(0, len(lines), max(len(lines) // _SAMPLE_LINES, 1))[:_SAMPLE_LINES])
        chosen, self.confidence = sniff(sample, self.catalog, [self.fmt] if self.fmt else (), block.data)
        if self.fmt is None and self.confidence < 1 and (guessed := guess_format(lines.frame, block.data, self.confidence)):
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
        if not (fmt.lacks_year and (self._years_sought or has_yearless_times((lines.frame if left is None else left)["text"]))):
            return Context(self.plan.id, self.zone, headers=headers, trusted_proxies=self.settings.trusted_proxies)
        with self._years_lock:
            if not self._years_sought:
                scan = Stream(self.plan.input, is_hashed=False, block_bytes=self.options.block_bytes, most_bytes=self.stream.most_bytes)
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
            return BlockResult(1, {}, Counter(), Counter(), pa.Table.from_pylist([row], schema=REJECTS.arrow))
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
        return BlockResult(len(lines), events, formats, reading.skipped, self._rejects(reading, lines), lines.strays, zoneless, forwarders, lines.nul_runs())

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
            reading = read_block(lines, self.fmt, self.catalog, self._context_for(self.fmt, lines, headers))
        left = reading.refused(lines)
        for fmt, _ in self.catalog.likely(left["text"]) if self.settings.format is None else ():
            if not len(left):
                break
            if fmt is not self.fmt and not fmt.needs_header:
                reading.absorb(read_lines(left, fmt, self.catalog, self._context_for(fmt, lines, Headers(), left)))
                left = reading.refused(lines)
        reading.skip_continued(self.fmt)
        return reading

    def _rejects(self, reading: Reading, lines: Lines) -> pa.Table:
        rejected = reading.rejects()
        if not len(rejected):
            return REJECTS.arrow.empty_table()
        raw, sizes = lines.raw(rejected["line"].to_numpy(), KEPT_OF_LONG_LINE)
        return pa.table(
            {
                "source": pa.repeat(pa.scalar(self.plan.id, pa.int32()), len(raw)),
                "line": rejected["line"].to_arrow(),
                "reason": rejected["reason"].to_arrow().cast(pa.string()),
                "raw": raw,
                "raw_bytes": sizes,
            },
            schema=REJECTS.arrow,
        )

    def problem(self, lines: int) -> str | None:
        """What keeps the input from being read, or from being read further than ``lines``."""
        if self.unreadable:
            return self.unreadable
        if self.stream.problem and not lines:
            return f"{self.stream.problem}; nothing could be read"
        return self.stream.problem

    def notes(self, totals: BlockResult, rejected: int, last_ts: str | None) -> tuple[str, ...]:
        """What is to be known of an input that was read with this result, its last event at ``last_ts``."""
        notes = []
        if not totals.lines and not self.problem(0):
            notes.append("is empty")
        if self.stream.looks_euc_jp and not self.unreadable:
            notes.append(EUC_JP_TOLD)
        elif totals.strays:
            told = "neither UTF-8 nor CP932; they were read as Latin-1" if self.stream.encoding == "cp932" else "not UTF-8; they were read as CP932 or Latin-1"
            notes.append(f"{totals.strays:,} lines are {told}")
        asked = self.settings.format
        if fault := fault_of_lines(rejected, totals.formats.total(), totals.skipped, asked):
            notes.append(fault)
        elif self.confidence < _LOW_CONFIDENCE and rejected:
            which = f"the format asked for ({asked})" if asked else f"the best format found ({self.fmt.id if self.fmt else 'none'})"
            lost = "1 rejected line is" if rejected == 1 else f"{rejected:,} rejected lines are"
            notes.append(f"only {self.confidence:.0%} of its sampled lines are in {which}; {lost} {'not' if asked else 'in no other either'}")
        if self.guess:
            notes.append(self.guess)
        if self.nul_runs:
            nuls = sum(count for _, _, count in self.nul_runs)
            notes.append(f"holds {nuls:,} NUL bytes, first in line {self.nul_runs[0][0]:,}: what was written there is not in this file")
        if totals.zoneless and not self.zone.is_given:
            notes.append("writes no time zone: UTC was assumed; give --tz (for Japan: --tz Asia/Tokyo)")
        if last_ts and datetime.fromisoformat(last_ts).date() > self.plan.reference + timedelta(days=1):
            notes.append(f"its last time, {last_ts}, is later than the day it was read: the clock was ahead, or the zone or the year is another")
        notes += totals.forwarders.notes(are_trusted=bool(self.settings.trusted_proxies))
        if self.settings.skew:
            way = "ahead" if self.settings.skew > 0 else "behind"
            notes.append(f"its clock was {abs(self.settings.skew):,.6g} s {way}, as sources.toml has it: its times are set right by that")
        if totals.formats and set(totals.formats) <= REPEATING_FORMATS:
            notes.append("tells of requests that an access log holds with their status: they are counted only where no access log is given")
        if self.stream.records is not None:
            notes.append(f"is {'an' if self.stream.records[0] in 'EX' else 'a'} {self.stream.records}: each of its records counts as a line")
        notes += self.stream.remarks
        if self.stream.lacks_final_newline and not self.problem(totals.lines):
            notes.append("ends inside a line: it was cut there, or was still being written")
        return tuple(notes)


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


def _varied(name: str) -> list[str]:
    """Columns of a file in which most rows have a text of their own."""
    folder, table, *_ = name.split("/")
    return [c.name for c in EVENT_TABLES[table].columns if c.is_varied] if folder == "events" else []


class _Outputs:
    """The files of one source: event tables, rejects and line index, each replaced as a whole at the end."""

    def __init__(self, case: Case, source: int, settings: SourceSettings) -> None:
        self.case, self.source, self.settings = case, source, settings
        self.rows: Counter[str] = Counter()
        self.rejected = 0
        self.files: dict[str, str] = {}
        self.first_ts: str | None = None
        self.last_ts: str | None = None
        self._span: list[datetime] = []
        self._ambiguous: set[str] = set()
        """Event files with times that a clock showed twice."""
        self._stack = ExitStack()
        self._writers: dict[str, ParquetFile] = {}
        self._waiting: dict[str, list[pa.Table]] = {}

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if error is not None:
                raise error  # inside, so that every file stays as it was
            for name in sorted(self._waiting):
                self._flush(name)
            for writer in self._writers.values():
                writer.flush()  # before any of the files takes the place of an older one
        if self._ambiguous:
            set_second_passes(self.case, sorted(self._ambiguous), self.settings.tz, self.settings.skew)
            self._span = [t for name in sorted(self._writers) if name.startswith("events/") for t in span_of(self.case, name)]
        for table in EVENT_TABLES:
            self._drop_stale(f"events/{table}/{self.source}.parquet")
        for folder in ("rejects", "index"):
            self._drop_stale(f"{folder}/{self.source}.parquet")
        self.files = {name: sha256_file(self.case.path / name) for name in sorted(self._writers)}
        if self._span:
            self.first_ts, self.last_ts = min(self._span).isoformat(), max(self._span).isoformat()

    def _drop_stale(self, name: str) -> None:
        """Remove what an earlier reading of this source left in a table that it no longer feeds."""
        if name not in self._writers:
            self.case.remove(name)

    def write(self, result: BlockResult) -> None:
        for table, rows in sorted(result.events.items()):
            self.rows[table] += len(rows)
            times = as_series("ts", rows["ts"].combine_chunks())
            self._span += [t for t in (times.min(), times.max()) if isinstance(t, datetime)]
            self._span = [min(self._span), max(self._span)] if self._span else []
            name = f"events/{table}/{self.source}.parquet"
            if (as_series("ts_quality", rows["ts_quality"].combine_chunks()) == "ambiguous").any():
                self._ambiguous.add(name)
            self._add(name, rows)
        if len(result.rejects):
            self.rejected += len(result.rejects)
            self._add(f"rejects/{self.source}.parquet", result.rejects)

    def write_index(self, index: Sequence[tuple[int, int]]) -> None:
        lines, offsets = [n for n, _ in index], [o for _, o in index]
        if lines:  # an archive may hold very many empty files
            self._add(f"index/{self.source}.parquet", pa.table({"line": lines, "offset": offsets}, schema=_INDEX_SCHEMA))

    def _add(self, name: str, rows: pa.Table) -> None:
        waiting = self._waiting.setdefault(name, [])
        waiting.append(rows)
        if sum(map(len, waiting)) >= _ROWS_IN_A_GROUP:
            self._flush(name)

    def _flush(self, name: str) -> None:
        waiting = self._waiting[name]
        if not waiting:
            return
        if name not in self._writers:
            self._writers[name] = self._stack.enter_context(self.case.open_parquet(name, waiting[0].schema, _varied(name)))
        self._writers[name].write(pa.concat_tables(waiting), row_group_size=1 << 20)
        waiting.clear()
