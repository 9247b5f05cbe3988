"""What the logs cannot say: streams of logs, their silences and losses within the incidents' windows.

A *stream* is one log over its rotated files (``access.log``, ``access.log.1.gz``). A *hole* is a span of an incident's
window for which a stream is known, or must be feared, to lack lines. A hole never lowers a count: tables whose
routes the stream serves may have been read during it.

A silence is a hole when all of these hold: it is longer than :data:`LEAST_SILENCE` and ten times the 99th percentile of the
stream's other pauses (DETECTORS log/gap); another stream speaks meanwhile, and the stream's own rate at those hours, on other
days where it has them, lets at least :data:`EXPECTED_EVENTS` events be expected. Where no other stream could be asked,
:data:`EXPECTED_EVENTS_ALONE` must be expected. A stream that begins late or ends early is treated alike; one that does not reach
an incident at all is a hole over the whole of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from breachscope.case import Case, Source
from breachscope.schema import EVENT_TABLES
from breachscope.scope.customers import Integers
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import DataMap, Route
from breachscope.scope.exposure import MissingSpan, Uncertain

MINUTE = 60_000_000
HOUR = 60 * MINUTE
LEAST_SILENCE = 30 * MINUTE
PAUSE_FACTOR = 10
EXPECTED_EVENTS = 10
"""A stream that would write ten lines by chance writes none in one of 20,000 such spans (Poisson)."""
EXPECTED_EVENTS_ALONE = 100
"""Requests come in bursts: without a second witness, ten are not enough."""

_ROTATION = re.compile(r"(?:\.(?:gz|bz2|xz|zst))|(?:[._-]?\d{4}-?\d{2}-?\d{2}(?:[T_.-]?\d{2,6})?)|(?:\.\d{1,4}(?=\.|$))", re.IGNORECASE)


@dataclass(frozen=True)
class Window:
    """The span of one incident, UTC microseconds."""

    incident: str
    first_ts: int
    last_ts: int


@dataclass(frozen=True)
class Hole:
    """A span in which a stream lacks lines, and the incidents it touches.

    ``why``: silent, begins_late, ends_early, broken_off (the input ends before its end), rejected (lines could not be read).
    """

    first_ts: int
    last_ts: int
    why: str
    windows: tuple[Window, ...]
    routes: tuple[int, ...] | None = None
    """Routes whose requests the lost lines may have been; None: any that the stream serves."""


@dataclass
class Stream:
    """One log over its rotated files, as far as it fills one event table."""

    name: str
    table: str
    sources: tuple[Source, ...]
    first_ts: int | None = None
    last_ts: int | None = None
    events: int = 0
    holes: list[Hole] = field(default_factory=list)
    minutes: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """Minutes with events, ascending; with them first and last event and the number of events of each."""
    firsts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    lasts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def speaks(self, first_ts: int, last_ts: int) -> bool:
        """Whether any event lies strictly within the span."""
        begin = np.searchsorted(self.lasts, first_ts, side="right")
        return bool(begin < len(self.firsts) and self.firsts[begin] < last_ts)


def stream_name(path: str) -> str:
    """Return what the rotated files of one log have in common.

    >>> stream_name("/logs/access.log.1.gz") == stream_name("/logs/access.log") == stream_name("/logs/access-2026-08-29.log")
    True
    """
    return _ROTATION.sub("", path)


def instant(text: str | None) -> int | None:
    """Return ISO UTC text as microseconds since 1970."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    delta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def read_streams(database: Database, case: Case) -> list[Stream]:
    """Return the streams of a case, with their rhythm."""
    streams = []
    sources = [s for s in case.sources() if s.duplicate_of is None]
    for table in EVENT_TABLES:
        files = case.event_files(table)
        if not files:
            continue
        by_name: dict[str, list[Source]] = {}
        for source in sources:
            if source.events.get(table, 0):
                by_name.setdefault(stream_name(source.path), []).append(source)
        database.run(f"""
            CREATE OR REPLACE TEMP TABLE minutes AS
            SELECT source, epoch_us(ts) // {MINUTE} AS minute, min(epoch_us(ts)) AS first, max(epoch_us(ts)) AS last, count(*) AS events
            FROM {parquet_files_sql(files)} WHERE ts IS NOT NULL GROUP BY ALL""")
        for name, members in sorted(by_name.items()):
            ids = ", ".join(str(s.id) for s in members)
            rows = database.numbers(f"""
                SELECT minute, min(first) AS first, max(last) AS last, sum(events)::BIGINT AS events FROM minutes WHERE source IN ({ids})
                GROUP BY minute ORDER BY minute""")
            minute, first, last, events = (np.asarray(rows[c], np.int64) for c in ("minute", "first", "last", "events"))
            if len(minute) == 0:
                continue
            streams.append(Stream(name, table, tuple(members), int(first[0]), int(last[-1]), int(events.sum()), [], minute, first, last, events))
    return streams


def find_holes(database: Database, case: Case, streams: Sequence[Stream], windows: Sequence[Window], routes: Sequence[Route]) -> None:
    """Fill ``holes`` of every stream."""
    if not windows:
        return
    for stream in streams:
        same_log = [s for s in streams if s.name == stream.name and s is not stream]
        others = [s for s in streams if s.name != stream.name]
        for first_ts, last_ts in _silences(stream, EXPECTED_EVENTS if others else EXPECTED_EVENTS_ALONE):
            if not any(s.speaks(first_ts, last_ts) for s in same_log) and (not others or any(s.speaks(first_ts, last_ts) for s in others)):
                _add_hole(stream, windows, first_ts, last_ts, "silent")
        first, last = int(stream.firsts[0]), int(stream.lasts[-1])
        margin = _threshold(stream.firsts[1:] - stream.lasts[:-1], stream.events, None)
        for window in windows:
            if window.first_ts < first - margin and (window.last_ts < first or _expected_events(stream, window.first_ts, first) >= EXPECTED_EVENTS):
                _add_hole(stream, [window], None, first, "begins_late")
            if window.last_ts > last + margin and (window.first_ts > last or _expected_events(stream, last, window.last_ts) >= EXPECTED_EVENTS):
                _add_hole(stream, [window], last, None, "ends_early")
        for source in stream.sources:
            if source.problem is not None:
                begin = instant(source.last_ts)
                after = stream.firsts[np.searchsorted(stream.firsts, begin, side="right") :] if begin is not None else stream.firsts[:0]
                _add_hole(stream, windows, begin, int(after[0]) if len(after) else None, "broken_off")
        broken = [h for h in stream.holes if h.why == "broken_off"]
        stream.holes = [h for h in stream.holes if h in broken or not any(b.first_ts <= h.first_ts and h.last_ts <= b.last_ts for b in broken)]
        _add_rejected(database, case, stream, windows, routes)
        stream.holes.sort(key=lambda h: (h.first_ts, h.last_ts, h.why))


def _add_hole(stream: Stream, windows: Sequence[Window], first_ts: int | None, last_ts: int | None, why: str, routes: tuple[int, ...] | None = None) -> None:
    """Add the part of a span (None: without end) that lies in incidents' windows."""
    touched = [w for w in windows if (first_ts is None or first_ts < w.last_ts) and (last_ts is None or last_ts > w.first_ts)]
    touched += [
        w for w in windows if w.first_ts == w.last_ts and w not in touched and (first_ts or 0) <= w.first_ts and (last_ts is None or last_ts >= w.first_ts)
    ]
    if touched:
        begin, end = min(w.first_ts for w in touched), max(w.last_ts for w in touched)
        first, last = begin if first_ts is None else max(begin, first_ts), end if last_ts is None else min(end, last_ts)
        stream.holes.append(Hole(first, last, why, tuple(touched), routes))


def _silences(stream: Stream, least_expected: int) -> list[tuple[int, int]]:
    """Spans without events between the first and the last that the stream's own rhythm does not explain."""
    begins, ends = stream.lasts[:-1], stream.firsts[1:]
    pauses = ends - begins
    found = []
    for i in np.flatnonzero(pauses > LEAST_SILENCE):
        first_ts, last_ts = int(begins[i]), int(ends[i])
        if pauses[i] > _threshold(pauses, stream.events, int(i)) and _expected_events(stream, first_ts, last_ts) >= least_expected:
            found.append((first_ts, last_ts))
    return found


def _threshold(pauses: Integers, events: int, left_out: int | None) -> int:
    """Ten times the 99th percentile of the other pauses, at least half an hour. Pauses within a minute are never that long."""
    others = np.sort(pauses if left_out is None else np.delete(pauses, left_out))[::-1]
    rank = max(0, events - 2) // 100
    return max(LEAST_SILENCE, PAUSE_FACTOR * int(others[rank]) if rank < len(others) else 0)


def _expected_events(stream: Stream, first_ts: int, last_ts: int) -> float:
    """Events that the stream's rate at the same hours of other days lets expect; its overall rate where it has no other day."""
    hours = stream.firsts // HOUR
    by_hour: dict[int, int] = {}
    for hour, events in zip(hours.tolist(), stream.counts.tolist(), strict=True):
        by_hour[hour] = by_hour.get(hour, 0) + events
    first_hour, last_hour = int(stream.firsts[0]) // HOUR, int(stream.lasts[-1]) // HOUR
    overall = stream.events / max(1, last_hour - first_hour + 1)
    expected = 0.0
    for hour in range(first_ts // HOUR, last_ts // HOUR + 1):
        share = (min(last_ts, (hour + 1) * HOUR) - max(first_ts, hour * HOUR)) / HOUR
        same = [h for h in range(first_hour + (hour - first_hour) % 24, last_hour + 1, 24) if not first_ts // HOUR <= h <= last_ts // HOUR]
        expected += share * (sum(by_hour.get(h, 0) for h in same) / len(same) if same else overall)
    return expected


def _add_rejected(database: Database, case: Case, stream: Stream, windows: Sequence[Window], routes: Sequence[Route]) -> None:
    """Add holes for lines that could not be read, stand among lines of an incident's window, and name a path of the map.

    A line that names no mapped path cannot have been a request for one; it is told in the coverage and raises nothing.
    """
    prefixes = {r.index: r.template.path_prefix.encode() for r in routes if r.template is not None} if stream.table == "web" else {}
    events = {_source_of(f): f for f in case.event_files(stream.table)}
    rejects = {_source_of(f): f for f in case.reject_files()}
    for source in stream.sources:
        if not source.rejected or source.id not in rejects or source.id not in events:
            continue
        database.create_from_table("rejected_lines", pq.read_table(rejects[source.id], columns=["line"]))
        among = database.numbers(f"""
            SELECT r.line, coalesce(b.ts, 0) AS before, coalesce(a.ts, {1 << 62}) AS after
            FROM rejected_lines r
            ASOF LEFT JOIN (SELECT line, epoch_us(ts) AS ts FROM {parquet_files_sql([events[source.id]])} WHERE ts IS NOT NULL) b ON r.line > b.line
            ASOF LEFT JOIN (SELECT line, epoch_us(ts) AS ts FROM {parquet_files_sql([events[source.id]])} WHERE ts IS NOT NULL) a ON r.line < a.line
            ORDER BY r.line""")
        database.run("DROP TABLE rejected_lines")
        line, before, after = (np.asarray(among[c], np.int64) for c in ("line", "before", "after"))
        before, after = np.minimum(before, after), np.maximum(before, after)
        inside = np.zeros(len(line), bool)
        for window in windows:
            inside |= (before <= window.last_ts) & (after >= window.first_ts)
        if not inside.any():
            continue
        raw = pq.read_table(rejects[source.id], columns=["line", "raw"]).sort_by("line")["raw"].combine_chunks().filter(inside)
        lines = np.flatnonzero(inside)
        for route, prefix in sorted(prefixes.items()):
            names_it = np.asarray(pc.fill_null(pc.find_substring(raw, prefix), -1)) >= 0
            for i in lines[names_it][:1]:
                hits = lines[names_it]
                first, last = int(before[hits].min()), int(after[hits].max())
                _add_hole(stream, windows, first if before[i] else None, last if last < 1 << 62 else None, "rejected", (route,))


def _source_of(path: Path) -> int:
    return int(path.stem)


def missing_spans(
    datamap: DataMap, streams: Sequence[Stream], windows: Sequence[Window], served: Mapping[int, set[int]]
) -> tuple[list[MissingSpan], list[Uncertain]]:
    """Return the spans during which tables may have been read without a trace, and what to say about them.

    ``served`` maps a route to the sources in which anyone ever used it; a route that nobody used may be served by any web log.
    Each hole is laid to the first incident that it touches.
    """
    spans: list[MissingSpan] = []
    said: list[Uncertain] = []
    web_routes = [r for r in datamap.routes if r.kind != "login"]
    web = [s for s in streams if s.table == "web"]
    if web_routes and not web and windows:
        tables = tuple(sorted({r.returns for r in web_routes}))
        spans += [MissingSpan(w.incident, w.first_ts, w.last_ts, tables) for w in windows[:1]]
        said.append(Uncertain("no_web_logs"))
    stores = {host: store for store in datamap.stores for host in store.hosts}
    if stores and windows and not any(s.table == "network" for s in streams):
        said.append(Uncertain("no_network_logs"))
    for stream in streams:
        for hole in stream.holes:
            tables = _tables_of(datamap, stream, hole, served)
            if tables:
                first = min(hole.windows, key=lambda w: (w.first_ts, w.incident))
                spans.append(MissingSpan(first.incident, hole.first_ts, hole.last_ts, tables))
            said.append(Uncertain("logs_missing", None, None, Path(stream.name).name, hole.windows[0].incident))
    return spans, said


def _tables_of(datamap: DataMap, stream: Stream, hole: Hole, served: Mapping[int, set[int]]) -> tuple[str, ...]:
    ids = {s.id for s in stream.sources}
    if stream.table == "web":
        chosen = [r for r in datamap.routes if r.kind != "login" and (hole.routes is None or r.index in hole.routes)]
        return tuple(sorted({r.returns for r in chosen if not served.get(r.index) or served[r.index] & ids}))
    if stream.table == "network":
        return tuple(sorted({t for s in datamap.stores for t in s.tables}))
    return ()
