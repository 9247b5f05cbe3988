"""The case folder: layout, atomic writes, locking, and the verification of what it holds.

Layout::

    CASE/  manifest.json  custody.jsonl  stages.json  sources.toml?  datamap.toml
           events/{web,auth,network,data_access}/<source>.parquet   rejects/<source>.parquet   index/<source>.parquet
           findings.parquet  evidence.parquet  incidents.json  detection.json
           exposures.parquet  people.parquet  scope.json  report/

Every file is written under a temporary name, flushed to disk and renamed, so that a killed process leaves either the
old file or the new one. ``manifest.json`` names the SHA-256 of every file made from an input (:mod:`breachscope.manifest`),
``custody.jsonl`` that of the manifest and of every other result (:mod:`breachscope.custody`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from breachscope.custody import Custody, canonical_json
from breachscope.errors import CaseError
from breachscope.manifest import MANIFEST_SCHEMA, Manifest, Source
from breachscope.schema import EVENT_TABLES, REPEATING_FORMATS

MANIFEST = "manifest.json"
CUSTODY = "custody.jsonl"
SOURCES = "sources.toml"
STAGES = "stages.json"
_PARTIAL = ".partial"
_LOCK = ".lock"
_SCRATCH = "tmp"
_UNRECORDED = (CUSTODY, STAGES, SOURCES, _LOCK, _SCRATCH, "inputs")
_ROW_GROUP_ROWS = 1 << 18
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was when it was recorded."""

    what: str
    path: str
    detail: str


class ParquetFile:
    """A Parquet file being written: rows are encoded on a thread of their own while the caller makes the next ones."""

    def __init__(self, path: Path, sink: pa.NativeFile, writer: pq.ParquetWriter, thread: Executor) -> None:
        self._path = path
        self._sink = sink
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
                self._sink.flush()
            except OSError as error:
                raise _cannot_write(self._path, error) from error


class Case:
    """A case folder. Readers may come any time; a writer holds :meth:`lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.custody = Custody(path / CUSTODY)

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
            return Manifest.from_json(data)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CaseError(f"is damaged ({error}); restore it from a copy, or ingest into a new case", path=path) from error

    def write_manifest(self, manifest: Manifest) -> None:
        self.write_json(MANIFEST, manifest.as_json())

    def write_json(self, name: str, data: object) -> None:
        """Write canonical JSON: sorted keys, two-space indent, UTF-8, a final newline."""
        self.write_bytes(name, canonical_json(data, indent=2) + b"\n")

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
            pa.output_stream(partial, compression=None, buffer_size=_BUFFER_BYTES) as sink,
            # Without the Arrow schema beside Parquet's own: text is text, in whatever form it stood in memory.
            pq.ParquetWriter(
                sink,
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
            file = ParquetFile(self.path / name, sink, writer, thread)
            yield file
            file.flush()

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def record(self, command: str, outputs: Sequence[str], parameters: Mapping[str, object]) -> None:
        """Append one custody record with the SHA-256 of each of ``outputs`` (names relative to the case)."""
        self.custody.append(command, {name: sha256_file(self.path / name) for name in sorted(set(outputs))}, parameters)

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

    def changed(self, names: Sequence[str]) -> list[str]:
        """Those of ``names`` that are there, but not as a command last recorded them. Raises CaseError when the chain is missing or was edited."""
        recorded = self.custody.outputs()
        return [name for name in names if (path := self.path / name).is_file() and sha256_file(path) != recorded.get(name)]

    def verify(self) -> list[Difference]:
        """Re-hash inputs and results, re-check the custody chain; return what differs, an empty list when nothing does."""
        found = [Difference("custody", str(self.custody.path), fault) for fault in self.custody.faults()]
        try:
            sources = self.sources()
        except CaseError as error:
            return [*found, Difference("manifest", str(self.path / MANIFEST), error.text)]
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
                found.append(Difference("lines", source.path, error.text))
        return found

    def _verify_results(self, *, is_chain_whole: bool) -> list[Difference]:
        expected = self.custody.outputs() if is_chain_whole else {}
        for source in self.sources():
            expected |= source.files
        found = []
        for name, digest in sorted(expected.items()):
            path = self.path / name
            if not path.is_file():
                found.append(Difference("result", str(path), "is missing"))
            elif sha256_file(path) != digest:
                found.append(Difference("result", str(path), "differs from what breachscope wrote"))
        if is_chain_whole:
            found += [
                Difference("result", str(path), "has no custody record: the record was removed, or something else wrote the file")
                for path in self._unrecorded(expected)
            ]
        return found

    def _verify_settings(self) -> list[Difference]:
        """What of the settings is not as the last ingest read it: the events do not follow what stands there now."""
        used = self.custody.last_settings()
        own = self.path / SOURCES
        if used == {} and own.is_file():
            return [Difference("settings", str(own), "was put there after the last ingest; ingest again to read by it")]
        found = []
        for name, digest in sorted((used or {}).items()):
            path = Path(name)
            if not path.is_file():
                found.append(Difference("settings", name, "is gone; the inputs were read by it"))
            elif sha256_file(path) != digest:
                found.append(Difference("settings", name, "was changed after the last ingest; ingest again to read by it"))
        return found

    def _unrecorded(self, expected: Mapping[str, str]) -> list[Path]:
        """Files of the case that no custody record and no manifest entry names; bookkeeping and kept pipes, which are inputs, apart."""
        found = []
        for path in sorted(p for p in self.path.rglob("*") if p.is_file()):
            name = path.relative_to(self.path)
            if name.parts[0] not in _UNRECORDED and not path.name.endswith(_PARTIAL) and name.as_posix() not in expected:
                found.append(path)
        return found


def _cannot_write(path: Path, error: OSError) -> CaseError:
    return CaseError(f"cannot be written ({error.strerror or error}); free space or choose another --case, then run again", path=path)


def _verify_input(source: Source) -> list[Difference]:
    path = source.file
    try:
        size = path.stat().st_size
        digest = sha256_file(path)
    except OSError as error:
        return [Difference("input", str(path), f"cannot be read any more ({error.strerror})")]
    if digest == source.sha256:
        return []
    if size > source.size and sha256_file(path, source.size) == source.sha256:
        return [Difference("input", str(path), f"has grown from {source.size:,} to {size:,} bytes since it was ingested; ingest again to add the rest")]
    return [Difference("input", str(path), f"differs from what was ingested (SHA-256 {digest}, was {source.sha256})")]


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


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
