"""The case folder: layout, manifest, custody chain, atomic writes and locking.

Layout::

    CASE/  manifest.json  custody.jsonl  stages.json  sources.toml?  datamap.toml
           events/{web,auth,network,data_access}/<source>.parquet   rejects/<source>.parquet   index/<source>.parquet
           findings.parquet  evidence.parquet  incidents.json  detection.json
           exposures.parquet  people.parquet  scope.json  report/

Every file is written under a temporary name, flushed to disk and renamed, so that a killed process leaves either the
old file or the new one. ``manifest.json`` names the SHA-256 of every file made from an input; ``custody.jsonl`` names
the SHA-256 of the manifest and of every other result, each record chained to the one before (the custody facts asked
for by NIST SP 800-61r2 section 3.3.2: who, where, when, what).
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from breachscope import __version__
from breachscope.errors import CaseError
from breachscope.schema import EVENT_TABLES, REPEATING_FORMATS

MANIFEST = "manifest.json"
CUSTODY = "custody.jsonl"
SOURCES = "sources.toml"
STAGES = "stages.json"
MANIFEST_SCHEMA = "breachscope/manifest/1"
_PARTIAL = ".partial"
_LOCK = ".lock"
_SCRATCH = "tmp"
_UNRECORDED = (CUSTODY, STAGES, SOURCES, _LOCK, _SCRATCH, "inputs")
_GENESIS = "0" * 64
_NO_CUSTODY = "is missing: who did what with this case can no longer be told"
_ROW_GROUP_ROWS = 1 << 18


@dataclass(frozen=True)
class Source:
    """One input as the manifest knows it; ``lines = event_lines + sum(skipped) + rejected`` always holds."""

    id: int
    path: str
    """Where it was read, as given by the user and made absolute."""
    name: str
    """File name, with the member after ``!`` for one of an archive."""
    sha256: str
    """Of the bytes as stored; for a member, those of its archive."""
    content_sha256: str
    """Of the decompressed bytes: two inputs with the same content are counted once."""
    size: int
    """Bytes as stored."""
    mtime: str
    """Only told: nothing is ever dated or recognised by it."""
    compression: str
    encoding: str
    newline: str
    """LF (also for CRLF) or CR; of an input of records, what it is."""
    formats: Mapping[str, int] = field(default_factory=dict)
    """Format id → lines that became events."""
    confidence: float = 0.0
    """Share of the sampled lines that the chosen format reads."""
    tz: str = "UTC"
    tz_assumed: bool = False
    """True when the log carries no zone, and none was given."""
    year_assumption: str | None = None
    first_ts: str | None = None
    last_ts: str | None = None
    lines: int = 0
    event_lines: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Case file → its SHA-256."""
    problem: str | None = None
    duplicate_of: int | None = None
    """Another source with the same content; this one then has no events of its own."""
    notes: tuple[str, ...] = ()
    content_size: int = 0
    """Bytes after decompression."""
    reference_date: str | None = None
    """The day that no event of it is later than: the one given, else the day on which its content was first read."""
    nul_runs: tuple[tuple[int, int, int], ...] = ()
    """(first line, last line, bytes) where NUL bytes stand behind the beginning of the content: what was written there is lost."""
    skew: float = 0.0
    """Seconds that its clock was ahead, as the user set it: its events' times are as written, less this."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For was believed."""
    reading: str = ""
    """Digest of the options and formats it was read with: other ones make the next ingest read it again."""
    member: str | None = None
    """Its path in its archive, which stands behind ``!`` in ``path``."""
    members: int | None = None
    """How many inputs its archive is, one for what could not be read of the archive itself included."""

    @property
    def file(self) -> Path:
        """The file that was read: for a member, its archive."""
        return Path(self.path if self.member is None else self.path.removesuffix(f"!{self.member}"))

    @property
    def unpacked_path(self) -> str:
        """Where it would stand if its archive were a folder: what a glob of sources.toml fits."""
        return self.path if self.member is None else f"{self.file}/{self.member}"

    def check_lines(self) -> None:
        """Raise CaseError when a line of this input has no fate: that is a fault of breachscope itself."""
        accounted = self.event_lines + sum(self.skipped.values()) + self.rejected
        if accounted != self.lines:
            raise CaseError(f"{self.lines} lines read but {accounted} accounted for; please report this as a fault of breachscope", path=self.path)


def distinct_names(sources: Sequence[Source]) -> dict[int, str]:
    """By id the name of each source, with as many of its folders as tell it from the others; never the whole path of the analyst's machine.

    >>> from types import SimpleNamespace as S
    >>> distinct_names([S(id=n, name="access.log", path=p, file=Path(p)) for n, p in ((1, "/x/web1/access.log"), (2, "/x/web2/access.log"))])
    {1: 'web1/access.log', 2: 'web2/access.log'}
    """
    names = {s.id: s.name for s in sources}
    alike = list(sources)
    depth = 0
    while alike:
        depth += 1
        holders = Counter(name for name, _ in {(names[s.id], s.path) for s in alike})
        alike = [s for s in alike if holders[names[s.id]] > 1 and depth <= len(s.file.parts) - 2]
        for source in alike:
            names[source.id] = "/".join([*source.file.parts[-1 - depth : -1], source.name])
    return names


@dataclass(frozen=True)
class Manifest:
    """What the case is made of. ``reference_date`` is that of the first ingest; each source has its own."""

    reference_date: date
    sources: tuple[Source, ...] = ()

    @property
    def next_id(self) -> int:
        return max((s.id for s in self.sources), default=0) + 1

    def with_source(self, source: Source) -> Manifest:
        if not self.sources or source.id > self.sources[-1].id:
            return replace(self, sources=(*self.sources, source))
        others = [s for s in self.sources if s.id != source.id]
        return replace(self, sources=tuple(sorted([*others, source], key=lambda s: s.id)))


@dataclass(frozen=True)
class Finding:
    """One thing ``verify`` found to differ."""

    what: str
    path: str
    detail: str


class ParquetFile:
    """A Parquet file being written: rows are encoded on a thread of their own while the caller makes the next ones."""

    def __init__(self, path: Path, writer: pq.ParquetWriter, thread: Executor) -> None:
        self._path = path
        self._writer = writer
        self._thread = thread
        self._written: Future[None] | None = None

    def write(self, rows: pa.Table | pa.RecordBatch, *, row_group_size: int | None = None) -> None:
        """Hand rows over, at most one piece ahead of the disk. Raises CaseError when the piece before could not be written."""
        self.flush()
        self._written = self._thread.submit(self._writer.write, rows, row_group_size)

    def flush(self) -> None:
        """Wait until all rows are written. Raises CaseError when they could not be."""
        if self._written is not None:
            try:
                self._written.result()
            except OSError as error:
                raise _cannot_write(self._path, error) from error


class Case:
    """A case folder. Readers may come any time; a writer holds :meth:`lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create_or_open(cls, path: Path) -> Case:
        """Open ``path``, making it when it is absent or a folder that is empty but for the user's ``sources.toml``. Raises CaseError for anything else."""
        if path.exists() and not path.is_dir():
            raise CaseError("is a file; --case wants a folder", path=path)
        if path.is_dir() and any(p.name != SOURCES for p in path.iterdir()) and not cls._is_case(path):
            raise CaseError("is a folder with other things in it; give a new or empty folder as --case", path=path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / CUSTODY).touch(mode=0o600)
        except OSError as error:
            raise CaseError(f"cannot be written ({error.strerror}); choose another --case", path=path) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Case:
        if not cls._is_case(path):
            raise CaseError("is not a case folder; make one with 'breachscope ingest LOGS --case DIR'", path=path)
        return cls(path)

    @staticmethod
    def _is_case(path: Path) -> bool:
        return (path / CUSTODY).is_file() or (path / MANIFEST).is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer. Raises CaseError at once when another process is writing."""
        import fcntl

        try:
            handle = os.fdopen(os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise CaseError(f"cannot be written ({error.strerror}); choose another --case", path=self.path) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CaseError("another breachscope is writing to this case; wait for it to end", path=self.path) from error
            self._clear_leftovers()
            yield

    def _clear_leftovers(self) -> None:
        shutil.rmtree(self.path / _SCRATCH, ignore_errors=True)
        for leftover in sorted(self.path.rglob(f"*{_PARTIAL}")):
            leftover.unlink()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for spilling, private to this process and gone afterwards."""
        folder = self.path / _SCRATCH / str(os.getpid())
        try:
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CaseError(f"cannot be written ({error.strerror}); work on a copy of the case that can", path=folder.parent) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another process works there, too
                folder.parent.rmdir()

    @contextmanager
    def spooled(self, chunks: Iterator[bytes]) -> Iterator[Path]:
        """A file of these bytes, gone afterwards. Raises CaseError when it cannot be written."""
        with self.scratch() as folder:
            path = folder / "spooled"
            try:
                with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
                    handle.writelines(chunks)
            except OSError as error:
                raise _cannot_write(path, error) from error
            yield path

    def event_files(self, table: str) -> list[Path]:
        """Event files of one table, by source id."""
        if table not in EVENT_TABLES:
            raise KeyError(table)
        return [self.path / name for s in self.sources() for name in sorted(s.files) if name.startswith(f"events/{table}/")]

    def counted_files(self, table: str) -> list[Path]:
        """Event files that findings and counts are made from: without those that only repeat requests of the access logs beside them."""
        repeating = {s.id for s in self.sources() if set(s.formats) <= REPEATING_FORMATS} if table == "web" else set()
        files = self.event_files(table)
        return [f for f in files if int(f.stem) not in repeating] or files

    def reject_files(self) -> list[Path]:
        return [self.path / name for s in self.sources() for name in sorted(s.files) if name.startswith("rejects/")]

    def sources(self) -> tuple[Source, ...]:
        manifest = self.read_manifest()
        return manifest.sources if manifest else ()

    def read_manifest(self) -> Manifest | None:
        """The manifest, or None before the first ingest. Raises CaseError when it is damaged."""
        path = self.path / MANIFEST
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_bytes())
            if data["schema"] != MANIFEST_SCHEMA:
                raise CaseError(f"was written by another version ({data['schema']}); this one reads {MANIFEST_SCHEMA}", path=path)
            sources = tuple(_source_from_json(s) for s in data["sources"])
            return Manifest(date.fromisoformat(data["reference_date"]), sources)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CaseError(f"is damaged ({error}); restore it from a copy, or ingest into a new case", path=path) from error

    def write_manifest(self, manifest: Manifest) -> None:
        data = {
            "schema": MANIFEST_SCHEMA,
            "tool": f"breachscope {__version__}",
            "reference_date": manifest.reference_date.isoformat(),
            "sources": [asdict(s) for s in manifest.sources],
        }
        self.write_json(MANIFEST, data)

    def write_json(self, name: str, data: object) -> None:
        """Write canonical JSON: sorted keys, two-space indent, UTF-8, a final newline."""
        self.write_bytes(name, _json_bytes(data, indent=2) + b"\n")

    def write_bytes(self, name: str, data: bytes) -> None:
        with self.open_atomic(name) as partial:
            partial.write_bytes(data)

    def write_parquet(self, name: str, table: pa.Table) -> None:
        with self.open_parquet(name, table.schema) as writer:
            writer.write(table, row_group_size=_ROW_GROUP_ROWS)

    @contextmanager
    def open_atomic(self, name: str) -> Iterator[Path]:
        """Yield a temporary path (mode 0600); on a clean exit it is flushed to disk and becomes ``name``."""
        target = self.path / name
        partial = target.with_name(target.name + _PARTIAL)
        try:
            for folder in reversed(Path(name).parents[:-1]):
                (self.path / folder).mkdir(mode=0o700, exist_ok=True)
            partial.unlink(missing_ok=True)
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            yield partial
            with partial.open("rb") as handle:
                os.fsync(handle.fileno())
            partial.replace(target)
            _fsync_folder(target.parent)
        except OSError as error:
            raise _cannot_write(target, error) from error
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def open_parquet(self, name: str, schema: pa.Schema, varied: Collection[str] = ()) -> Iterator[ParquetFile]:
        """Stream row groups into ``name``; the bytes depend on the rows and their grouping only. Of ``varied`` columns no dictionary is made."""
        # Dictionaries pay off for repeated text only; numbers that rise are smallest and fastest as differences. Nothing is
        # looked for by the least and greatest text of a page. LZ4 writes a fifth faster than zstd at its fastest, at a third more bytes.
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_string_view(f.type)]
        rising = {f.name: "DELTA_BINARY_PACKED" for f in schema if pa.types.is_int64(f.type) or pa.types.is_timestamp(f.type)}
        with (
            self.open_atomic(name) as partial,
            # Without the Arrow schema beside Parquet's own: text is text, in whatever form it stood in memory.
            pq.ParquetWriter(
                partial,
                schema,
                compression="lz4",
                use_dictionary=[name for name in texts if name not in varied],
                column_encoding=rising,
                write_statistics=[f.name for f in schema if f.name not in texts],
                write_batch_size=1 << 16,
                store_schema=False,
            ) as writer,
            ThreadPoolExecutor(1) as thread,
        ):
            file = ParquetFile(self.path / name, writer, thread)
            yield file
            file.flush()

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def record(self, command: str, outputs: Sequence[str], parameters: Mapping[str, object]) -> None:
        """Append one custody record with the SHA-256 of each of ``outputs`` (names relative to the case)."""
        records = self._read_custody()
        body = {
            "seq": len(records) + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "user": _user(),
            "host": socket.gethostname(),
            "tool": f"breachscope {__version__}",
            "command": command,
            "parameters": dict(parameters),
            "outputs": {name: sha256_file(self.path / name) for name in sorted(set(outputs))},
            "previous": records[-1]["hash"] if records else _GENESIS,
        }
        line = _json_bytes({**body, "hash": _digest(body)})
        path = self.path / CUSTODY
        try:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as handle:
                written = handle.read()
                whole, tail = _split_tail(written)
                handle.seek(len(whole))
                handle.truncate()
                handle.write((tail + b"\n" if _is_complete(tail) else b"") + line + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise CaseError(f"cannot be written ({error.strerror or error}); free space, then run again", path=path) from error

    def is_current(self, stage: str, key: str, outputs: Sequence[str]) -> bool:
        """Whether ``stage`` was last completed with the same inputs (``key``) and its outputs are still there."""
        stages = self._read_stages()
        return stages.get(stage) == key and all((self.path / name).is_file() for name in outputs)

    def mark_current(self, stage: str, key: str) -> None:
        self.write_json(STAGES, {**self._read_stages(), stage: key})

    def _read_stages(self) -> dict[str, str]:
        try:
            return {str(k): str(v) for k, v in json.loads((self.path / STAGES).read_bytes()).items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}  # without it every stage simply runs again

    def recorded_outputs(self) -> dict[str, str]:
        """Every file that a command recorded, with the SHA-256 it had when last recorded. Raises CaseError when the chain was edited."""
        recorded: dict[str, str] = {}
        for record in self._read_custody():
            outputs = record.get("outputs")
            recorded |= outputs if isinstance(outputs, dict) else {}
        return recorded

    def changed(self, names: Sequence[str]) -> list[str]:
        """Those of ``names`` that are there, but not as a command last recorded them. Raises CaseError when the chain is missing or was edited."""
        if not (self.path / CUSTODY).is_file():
            raise CaseError(_NO_CUSTODY, path=self.path / CUSTODY)
        recorded = self.recorded_outputs()
        return [name for name in names if (path := self.path / name).is_file() and sha256_file(path) != recorded.get(name)]

    def _read_custody(self) -> list[dict[str, object]]:
        """Custody records; a last line cut by a crash is left out, for it was never completed."""
        path = self.path / CUSTODY
        whole, tail = _split_tail(path.read_bytes())
        records = []
        for number, line in enumerate([*whole.splitlines(), *([tail] if _is_complete(tail) else [])], 1):
            record = _json_object(line)
            if record is None:
                raise CaseError("is not a record: the custody chain was edited", path=path, line=number)
            records.append(record)
        return records

    def verify(self) -> list[Finding]:
        """Re-hash inputs and results, re-check the custody chain; return what differs, an empty list when nothing does."""
        found = self._verify_chain()
        try:
            sources = self.sources()
        except CaseError as error:
            return [*found, Finding("manifest", str(self.path / MANIFEST), error.text)]
        is_chain_whole = not found
        found += self._verify_results(is_chain_whole=is_chain_whole)
        if is_chain_whole:
            found += self._verify_settings()
        checked: set[tuple[Path, str]] = set()
        for source in sources:
            if (source.file, source.sha256) not in checked:  # members of an archive stand in one file
                checked.add((source.file, source.sha256))
                found += _verify_input(source)
            try:
                source.check_lines()
            except CaseError as error:
                found.append(Finding("lines", source.path, error.text))
        return found

    def _verify_chain(self) -> list[Finding]:
        path = str(self.path / CUSTODY)
        if not (self.path / CUSTODY).is_file():
            return [Finding("custody", path, _NO_CUSTODY)]
        try:
            records = self._read_custody()
        except CaseError as error:
            return [Finding("custody", path, error.text)]
        previous: object = _GENESIS
        found = []
        for number, record in enumerate(records, 1):
            body = {k: v for k, v in record.items() if k != "hash"}
            if record.get("hash") != _digest(body):
                found.append(Finding("custody", path, f"record {number} was changed after it was written"))
            elif record.get("previous") != previous or record.get("seq") != number:
                found.append(Finding("custody", path, f"record {number} does not follow the one before: a record was removed or inserted"))
            previous = record.get("hash")
        tail = _split_tail((self.path / CUSTODY).read_bytes())[1]
        if tail and not _is_complete(tail):
            found.append(Finding("custody", path, f"record {len(records) + 1} is cut off: the command was killed while it wrote, or the end was removed"))
        return found

    def _verify_results(self, *, is_chain_whole: bool) -> list[Finding]:
        expected = self.recorded_outputs() if is_chain_whole else {}
        for source in self.sources():
            expected |= source.files
        found = []
        for name, digest in sorted(expected.items()):
            path = self.path / name
            if not path.is_file():
                found.append(Finding("result", str(path), "is missing"))
            elif sha256_file(path) != digest:
                found.append(Finding("result", str(path), "differs from what breachscope wrote"))
        if is_chain_whole:
            found += [
                Finding("result", str(path), "has no custody record: the record was removed, or something else wrote the file")
                for path in self._unrecorded(expected)
            ]
        return found

    def last_settings(self) -> Mapping[str, str] | None:
        """Files of settings that the last ingest read by, each with its SHA-256; None where no ingest was recorded. Raises CaseError as custody does."""
        for record in reversed(self._read_custody()):
            if record.get("command") == "ingest" and isinstance(parameters := record.get("parameters"), dict):
                return {str(path): str(digest) for path, digest in parameters.get("sources", {}).items()}
        return None

    def _verify_settings(self) -> list[Finding]:
        """What of the settings is not as the last ingest read it: the events do not follow what stands there now."""
        used = self.last_settings()
        own = self.path / SOURCES
        if used == {} and own.is_file():
            return [Finding("settings", str(own), "was put there after the last ingest; ingest again to read by it")]
        found = []
        for name, digest in sorted((used or {}).items()):
            path = Path(name)
            if not path.is_file():
                found.append(Finding("settings", name, "is gone; the inputs were read by it"))
            elif sha256_file(path) != digest:
                found.append(Finding("settings", name, "was changed after the last ingest; ingest again to read by it"))
        return found

    def _unrecorded(self, expected: Mapping[str, str]) -> list[Path]:
        """Files of the case that no custody record and no manifest entry names; bookkeeping and kept pipes, which are inputs, apart."""
        found = []
        for path in sorted(p for p in self.path.rglob("*") if p.is_file()):
            name = path.relative_to(self.path)
            if name.parts[0] not in _UNRECORDED and not path.name.endswith(_PARTIAL) and name.as_posix() not in expected:
                found.append(path)
        return found

    def custody_head(self) -> tuple[int, str]:
        """Number and hash of the last custody record: noted elsewhere, it shows whether the end of the chain was cut off later."""
        records = self._read_custody()
        return (len(records), str(records[-1]["hash"])) if records else (0, _GENESIS)


def _cannot_write(path: Path, error: OSError) -> CaseError:
    return CaseError(f"cannot be written ({error.strerror or error}); free space or choose another --case, then run again", path=path)


def _source_from_json(data: dict[str, Any]) -> Source:
    known = {f.name for f in fields(Source)}
    values: dict[str, Any] = {k: v for k, v in data.items() if k in known}
    values |= {name: tuple(data.get(name, ())) for name in ("notes", "trusted_proxies")}
    values |= {"nul_runs": tuple((a, b, n) for a, b, n in data.get("nul_runs", ()))}
    return Source(**values)


def _verify_input(source: Source) -> list[Finding]:
    path = source.file
    try:
        size = path.stat().st_size
        digest = sha256_file(path)
    except OSError as error:
        return [Finding("input", str(path), f"cannot be read any more ({error.strerror})")]
    if digest == source.sha256:
        return []
    if size > source.size and sha256_file(path, source.size) == source.sha256:
        return [Finding("input", str(path), f"has grown from {source.size:,} to {size:,} bytes since it was ingested; ingest again to add the rest")]
    return [Finding("input", str(path), f"differs from what was ingested (SHA-256 {digest}, was {source.sha256})")]


def sha256_file(path: Path, length: int | None = None) -> str:
    """SHA-256 of a file, or of its first ``length`` bytes, as hex."""
    digest = hashlib.sha256()
    left = length
    with path.open("rb") as handle:
        while block := handle.read(1 << 20 if left is None else min(1 << 20, left)):
            digest.update(block)
            if left is not None:
                left -= len(block)
    return digest.hexdigest()


def _json_bytes(data: object, *, indent: int | None = None) -> bytes:
    """Canonical JSON: sorted keys, UTF-8, or escapes throughout where a file name is not UTF-8."""
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators).encode()
    except UnicodeEncodeError:
        return json.dumps(data, ensure_ascii=True, sort_keys=True, indent=indent, separators=separators).encode()


def _split_tail(custody: bytes) -> tuple[bytes, bytes]:
    """The lines that are ended, and what stands behind the last of them."""
    end = custody.rfind(b"\n") + 1
    return custody[:end], custody[end:]


def _is_complete(tail: bytes) -> bool:
    """Whether a last line that lacks its newline is a whole record all the same."""
    record = _json_object(tail)
    return record is not None and record.get("hash") == _digest({k: v for k, v in record.items() if k != "hash"})


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _digest(body: object) -> str:
    return hashlib.sha256(_json_bytes(body)).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
