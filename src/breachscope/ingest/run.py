"""Ingest: inputs in, event tables, rejects, line index and manifest out.

One input at a time, its blocks written in order, so that the bytes written depend on the inputs and options alone. The
manifest is the commit: files of a source that it does not name count for nothing and are removed or overwritten by the
next run.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from breachscope import __version__
from breachscope.case import MANIFEST, SOURCES, Case, sha256_file
from breachscope.errors import BreachscopeError, InputError
from breachscope.ingest.archives import Archive, open_archive
from breachscope.ingest.catalog import FormatCatalog, load_formats
from breachscope.ingest.compression import most_content
from breachscope.ingest.inputs import Input, find_inputs
from breachscope.ingest.known_sources import KnownSources
from breachscope.ingest.log_format import idle_log_formats, with_log_formats
from breachscope.ingest.settings import SourceSettings, SourcesFile, parse_networks, read_sources
from breachscope.ingest.source_reader import LATEST_ZONE, Plan, SourceReader, fault_of_lines
from breachscope.ingest.source_writer import SourceWriter
from breachscope.ingest.streams import BLOCK_BYTES
from breachscope.manifest import Manifest, Source
from breachscope.progress import Progress
from breachscope.timestamps import Zone

_COMMIT_SECONDS = 1.0
_COMMIT_SHARE = 0.05
"""Of the time, at most, that is spent on writing the manifest again and again: it grows with every input."""


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
    if case.custody.outputs().get(MANIFEST) != sha256_file(case.path / MANIFEST) or case.custody.last_settings() != used:
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
    """The inputs of one ingest, in turn."""

    def __init__(self, case: Case, catalog: FormatCatalog, options: IngestOptions, progress: Progress, settings: _Settings, manifest: Manifest) -> None:
        self.case, self.catalog, self.options, self.progress, self.settings, self.manifest = case, catalog, options, progress, settings, manifest
        self.result = IngestResult()
        self.seen: list[str] = []
        """Where each input stands, for the globs of ``sources.toml``."""
        self._known = KnownSources(manifest.sources)
        self._next_id = manifest.next_id
        self._commit_from = time.monotonic() + _COMMIT_SECONDS

    def add(self, path: Path) -> None:
        """Read a file, or all members of an archive, unless they are known."""
        most_bytes = None
        try:
            size = path.stat().st_size
            digest = self._known.digest_of(path, size)
            members = self._known.members_of(path, digest)
            if members and all(map(self._is_current, members)):
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
        """Read one input, unless it is known. Returns its source; None where an error was told instead.

        ``share`` is the bytes that it stands for among those of all inputs, of an archive's as many as are its part.
        """
        plan, known = self._planned(given, digest)
        if known is not None:
            self._pass_over(given.name, share)
            self.manifest = self.manifest.with_source(known)
            self._keep(known)
            return known
        reader = SourceReader(plan, self.catalog, most_bytes, block_bytes=self.options.block_bytes, threads=self.options.threads)
        try:
            source = self._read(reader, share) if problem is None else _unread(plan, problem)
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
            self._known.add_displaced(source)  # what it held stands in its rotated copy, whose turn may come
        if (begun := time.monotonic()) > self._commit_from:
            self.case.write_manifest(self.manifest)
            written = time.monotonic()
            self._commit_from = written + max(_COMMIT_SECONDS, (written - begun) / _COMMIT_SHARE)
        return source

    def _read(self, reader: SourceReader, share: float) -> Source:
        """Read an input to the end and write what it holds into the case; the returned source is not yet in the manifest."""
        given, mtime = reader.plan.input, _mtime(reader.plan.input.file)
        self.progress.start(given.name, given.member.size if given.member else _size(given.file), share)
        try:
            with SourceWriter(self.case, reader.plan.id, reader.settings) as writer:
                before = 0
                for result in reader.read():
                    writer.write(result)
                    self.progress.advance(reader.stream.position - before, result.counts.lines)
                    before = reader.stream.position
                writer.write_index(reader.stream.index)
        finally:
            self.progress.finish()
        return _read_source(reader, writer, mtime)

    def _planned(self, given: Input, digest: str | None) -> tuple[Plan, Source | None]:
        """How to read an input, and its source where it need not be read."""
        self.seen.append(given.unpacked_path)
        known, is_same = self._known.claim(given, digest)
        reference = self.settings.reference(known if is_same else None)
        plan = Plan(given, known.id if known else self._next_id, reference, self.settings.of(given.unpacked_path))
        self._next_id += known is None
        if known and is_same and known.reading == self.settings.digest(given.unpacked_path, reference):
            return plan, replace(known, path=given.place, name=given.name)
        return plan, None


def _read_source(reader: SourceReader, writer: SourceWriter, mtime: str) -> Source:
    """What the manifest says of an input that was read and written."""
    given, stream, totals, settings = reader.plan.input, reader.stream, reader.totals, reader.settings
    return Source(
        id=reader.plan.id,
        path=given.place,
        name=given.name,
        sha256=stream.stored_digest,
        content_sha256=stream.content_digest,
        content_size=stream.content_size,
        size=stream.size,
        mtime=mtime,
        compression=stream.compression,
        encoding=stream.encoding,
        newline=stream.records or {b"\n": "LF", b"\r": "CR"}[stream.newline],
        formats=dict(sorted(totals.formats.items())),
        confidence=round(reader.confidence, 4),
        tz=reader.zone.name,
        tz_assumed=totals.zoneless and not reader.zone.is_given,
        year_assumption=reader.years.assumption if reader.years else None,
        reference_date=reader.plan.reference.isoformat(),
        first_ts=writer.first_ts,
        last_ts=writer.last_ts,
        lines=totals.lines,
        event_lines=totals.formats.total(),
        skipped=dict(sorted(totals.skipped.items())),
        rejected=totals.rejected,
        events={t: n for t, n in sorted(writer.rows.items()) if n},
        files=writer.files,
        problem=reader.problem,
        notes=reader.notes(writer.last_ts),
        # At the beginning they are what copy-and-truncate rotation leaves: the lines stand in the rotated copy.
        nul_runs=tuple(r for r in reader.nul_runs if r[0] > 1),
        skew=settings.skew,
        trusted_proxies=tuple(map(str, settings.trusted_proxies)),
    )


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
