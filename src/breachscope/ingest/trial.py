"""Trying formats out: a format on its own samples, and a file on all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import polars as pl
import pyarrow as pa

from breachscope.errors import InputError
from breachscope.ingest.archives import open_archive
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.compression import most_content
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import Format, Sample
from breachscope.ingest.headers import Headers
from breachscope.ingest.inputs import Input
from breachscope.ingest.reading import UNREAD, Context, Reading
from breachscope.ingest.settings import SourceSettings
from breachscope.ingest.source_reader import LATEST_ZONE, Plan, SourceReader, fault_of_lines
from breachscope.timestamps import Zone

BOOKKEEPING = ("event_id", "source", "line", "format")
"""Columns that a sample need not expect: they follow from where the line stands."""
_TRIAL_LINES = 10_000
_SHOWN_EVENTS = 20


@dataclass(frozen=True)
class Trial:
    """How the beginning of a file would be read.

    ``format`` is the one that reads most of it, with the share of the lines sampled that it reads; ``formats`` counts the
    events of each format, for what that one refuses is tried with the others.
    """

    format: str | None
    confidence: float
    encoding: str
    lines: int
    formats: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    """The first events, without empty columns."""
    problem: str | None = None
    """What keeps the input from being read, or from being read further; or that not one of these lines could be."""
    notes: tuple[str, ...] = ()
    """What else is to be known."""


def check_samples(fmt: Format, catalog: FormatCatalog) -> list[str]:
    """What differs between a format's samples and what is read from them; an empty list when nothing does.

    A sample expects every column that its line fills; columns that it does not name must be null.
    """
    alike: dict[tuple[str | None, str | None], list[Sample]] = {}
    for sample in fmt.samples:
        alike.setdefault((sample.header, sample.skip), []).append(sample)
    # Each by itself is slow: only where one of them is not read as it should be.
    doubtful = {key for key, samples in alike.items() if not _are_read_as_expected(samples, fmt, catalog)}
    unsure = [s for s in fmt.samples if (s.header, s.skip) in doubtful]
    return [f"{fmt.path}:{s.number}: {fault}" for s in unsure if (fault := _sample_fault(s, fmt, catalog))]


def _are_read_as_expected(samples: Sequence[Sample], fmt: Format, catalog: FormatCatalog) -> bool:
    """Whether each of some samples of one header and one fate is read as it says."""
    reading = _read_samples(samples, fmt, catalog)
    rows = [(format_id, row) for _, format_id, frame in reading.events for row in frame.iter_rows(named=True)]
    found = sorted(((row["line"], format_id, _filled(row, BOOKKEEPING)) for format_id, row in rows), key=lambda f: f[0])
    expected = [(number, fmt.id, s.expect) for number, s in enumerate(samples, 1) if s.skip is None and s.expect is not None]
    return found == expected and reading.skipped == Counter(s.skip for s in samples if s.skip is not None)


def _read_samples(samples: Sequence[Sample], fmt: Format, catalog: FormatCatalog) -> Reading:
    """What the lines of samples of one header become."""
    lines = pl.DataFrame({"line": range(1, len(samples) + 1), "text": [s.line for s in samples]}, schema={"line": pl.Int64, "text": pl.String})
    context = Context(source=1, headers=sample_headers(samples[0], fmt))
    return read_lines(lines, catalog["syslog"] if fmt.kind == "syslog" else fmt, catalog, context)


def _sample_fault(sample: Sample, fmt: Format, catalog: FormatCatalog) -> str | None:
    reading = _read_samples([sample], fmt, catalog)
    if sample.skip is not None:
        return None if dict(reading.skipped) == {sample.skip: 1} else f"should be skipped as {sample.skip!r}: {_told(reading)}"
    if sample.expect is None:
        return f"should be refused: {_told(reading)}" if reading.events or reading.skipped else None
    if not reading.events:
        return f"should become an event: {_told(reading)}"
    _, format_id, rows = reading.events[0]
    if format_id != fmt.id:
        return f"is taken by the format {format_id!r}"
    got = _filled(rows.row(0, named=True), BOOKKEEPING)
    wrong = [c for c in sorted({*got, *sample.expect}) if got.get(c) != sample.expect.get(c)]
    return "; ".join(f"{c} is {got.get(c)!r}, expected {sample.expect.get(c)!r}" for c in wrong) or None


def sample_headers(sample: Sample, fmt: Format) -> Headers:
    """The header that a sample stands under, as if its last line were the line before the first."""
    if not sample.header:
        return Headers()
    first_line = -sample.header.count("\n") if fmt.header else 1
    headers = Headers().with_those_of(f"{sample.header}\n".encode(), first_line, fmt)
    return headers if fmt.header or not headers.lines else replace(headers, lines=(0,))


def _told(reading: Reading) -> str:
    if reading.events:
        return f"it became an event of {reading.events[0][0]}"
    if reading.skipped:
        return f"it was skipped as {next(iter(reading.skipped))!r}"
    return f"it was rejected: {reading.rejected[0]['reason'][0] if reading.rejected else UNREAD}"


def _filled(row: Mapping[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {c: v for c, v in row.items() if v is not None and c not in without}


def try_file(path: Path, catalog: FormatCatalog, zone: Zone | None = None) -> Iterator[tuple[str, Trial]]:
    """Where each input in ``path`` stands, the file itself or the members of an archive, and how it would be read.

    Raises InputError when the file cannot be opened.
    """
    zone = zone or Zone()
    most_bytes = most_content(path.stat().st_size)
    with open_archive(path, _spooled, most_bytes) as archive:
        if archive is None:
            yield str(path), _try_input(Input(path), catalog, zone, most_bytes)
            return
        for member in archive.members:
            given = Input(path, member)
            try:
                yield given.place, _try_input(given, catalog, zone, most_bytes)
            except InputError as error:
                yield given.place, Trial(None, 0.0, "utf-8", 0, problem=error.text)
        if archive.problem or not archive.members:
            yield str(path), Trial(None, 0.0, "utf-8", 0, problem=archive.problem or "holds no files")


@contextmanager
def _spooled(chunks: Iterator[bytes]) -> Iterator[Path]:
    """A file of these bytes, gone afterwards."""
    with NamedTemporaryFile(prefix="breachscope-") as handle:
        handle.writelines(chunks)
        handle.flush()
        yield Path(handle.name)


def _try_input(given: Input, catalog: FormatCatalog, zone: Zone, most_bytes: int) -> Trial:
    """Read the first lines of an input as an ingest would. Raises InputError when it cannot be opened."""
    plan = Plan(given, 1, datetime.now(LATEST_ZONE).date(), SourceSettings(zone))
    reader = SourceReader(plan, catalog, most_bytes)
    rejected: Counter[str] = Counter()
    events: list[dict[str, Any]] = []
    for result in reader.read_beginning(_TRIAL_LINES):
        rejected.update(result.rejects["reason"].to_pylist())
        events += [_filled(row, BOOKKEEPING[:2]) for rows in result.events.values() for row in _rows(rows.slice(0, _SHOWN_EVENTS))]
    totals = reader.totals
    fault = fault_of_lines(totals.rejected, totals.formats.total(), totals.skipped, None)
    return Trial(
        format=reader.fmt.id if reader.fmt else None,
        confidence=reader.confidence,
        encoding=reader.stream.encoding,
        lines=totals.lines,
        formats=totals.formats,
        skipped=totals.skipped,
        rejected=rejected,
        events=tuple(sorted(events, key=lambda e: int(e["line"]))[:_SHOWN_EVENTS]),
        problem=reader.problem or fault,
        notes=tuple(note for note in reader.notes(None) if note != fault),
    )


def _rows(events: pa.Table) -> Iterator[dict[str, Any]]:
    return pl.DataFrame(events).iter_rows(named=True)
