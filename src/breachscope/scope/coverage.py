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
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.manifest import Source
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
MANY_EVENTS = 1000
LONGEST_FACTOR = 3
"""A log of so many events that never paused a third as long has lost lines: as one that a probe asks every ten minutes."""
LINES_LOST = 20
"""So many blank or unreadable lines in a row, or as a share of an incident's lines, are a loss and not noise."""
SHARE_LOST = 0.05
TOUCHING = HOUR
"""A loss so near to an incident may hide more of it: its first or last known event is only what was left."""
LINKED = 24 * HOUR
"""Events of one actor belong to one incident within this time (DETECTORS, incidents): so far it may reach beyond what is known."""

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
    sources: tuple[int, ...]
    """Ids of the stream's files that it lies in, or between; earliest first."""
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
    spans: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """First and last event of each file, by source id."""
    firsts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    lasts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def speaks(self, first_ts: int, last_ts: int) -> bool:
        """Whether any event lies strictly within the span."""
        begin = np.searchsorted(self.lasts, first_ts, side="right")
        return bool(begin < len(self.firsts) and self.firsts[begin] < last_ts)

    def files_at(self, first_ts: int, last_ts: int) -> tuple[int, ...]:
        """Return the files that a span without events lies in; else the one that ends before it and the one that begins after it."""
        around = sorted((first, s) for s, (first, last) in self.spans.items() if first <= first_ts and last >= last_ts)
        if around:
            return tuple(s for _, s in around)
        before = sorted((last, s) for s, (_, last) in self.spans.items() if last <= first_ts)
        after = sorted((first, s) for s, (first, _) in self.spans.items() if first >= last_ts)
        return tuple(s for _, s in (*before[-1:], *after[:1]))


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
            of_files = database.rows(f"SELECT source, min(first), max(last) FROM minutes WHERE source IN ({ids}) GROUP BY source ORDER BY source")
            spans = {s: (begin, end) for s, begin, end in of_files}
            streams.append(Stream(name, table, tuple(members), int(first[0]), int(last[-1]), int(events.sum()), [], minute, spans, first, last, events))
    return streams


def find_holes(database: Database, case: Case, streams: Sequence[Stream], windows: Sequence[Window], routes: Sequence[Route]) -> None:
    """Fill ``holes`` of every stream."""
    if not windows:
        return
    for stream in streams:
        same_log = [s for s in streams if s.name == stream.name and s is not stream]
        others = [s for s in streams if s.name != stream.name]
        rhythm = _Rhythm.of(stream)
        for first_ts, last_ts in _silences(stream, rhythm, EXPECTED_EVENTS if others else EXPECTED_EVENTS_ALONE):
            if not any(s.speaks(first_ts, last_ts) for s in same_log) and (not others or any(s.speaks(first_ts, last_ts) for s in others)):
                _add_hole(stream, windows, first_ts, last_ts, "silent")
        first, last = int(stream.firsts[0]), int(stream.lasts[-1])
        margin = _margin(stream.firsts[1:] - stream.lasts[:-1], stream.events)
        for window in windows:
            if stream.table in _SHOWS_ACCESS and others:
                _add_late_and_early(stream, rhythm, window, reach(window, others), margin)
                continue
            if window.first_ts < first - margin and (window.last_ts < first or rhythm.expects(window.first_ts, first) >= EXPECTED_EVENTS):
                _add_hole(stream, [window], None, first, "begins_late")
            if window.last_ts > last + margin and (window.first_ts > last or rhythm.expects(last, window.last_ts) >= EXPECTED_EVENTS):
                _add_hole(stream, [window], last, None, "ends_early")
        for source in stream.sources:
            if source.problem is not None:
                begin = instant(source.last_ts)
                after = stream.firsts[np.searchsorted(stream.firsts, begin, side="right") :] if begin is not None else stream.firsts[:0]
                _add_hole(stream, windows, begin, int(after[0]) if len(after) else None, "broken_off", (source.id,))
        broken = [h for h in stream.holes if h.why == "broken_off"]
        stream.holes = [h for h in stream.holes if h in broken or not any(b.first_ts <= h.first_ts and h.last_ts <= b.last_ts for b in broken)]
        _add_rejected(database, case, stream, windows, routes)
        _add_blank(database, case, stream, windows)
        _add_nuls(database, case, stream, windows)
        stream.holes.sort(key=lambda h: (h.first_ts, h.last_ts, h.why))


_SHOWS_ACCESS = ("web", "network")
"""Event tables whose events show what was taken."""


def reach(window: Window, streams: Sequence[Stream]) -> Window:
    """Return the span that an incident may have had if logs of it are lost: as far as its actor's events are linked and other logs reach."""
    first = min((s.first_ts for s in streams if s.first_ts is not None), default=window.first_ts)
    last = max((s.last_ts for s in streams if s.last_ts is not None), default=window.last_ts)
    begin, end = max(first, window.first_ts - LINKED), min(last, window.last_ts + LINKED)
    return Window(window.incident, min(begin, window.first_ts), max(end, window.last_ts))


def _add_late_and_early(stream: Stream, rhythm: _Rhythm, window: Window, wide: Window, margin: int) -> None:
    """Add what lacks before and after the log where that begins or ends within the incident, or so near that it may have cut it."""
    first, last = int(stream.firsts[0]), int(stream.lasts[-1])
    is_cut = first > window.first_ts - TOUCHING and wide.first_ts < first - margin
    if is_cut and (window.last_ts < first or rhythm.expects(wide.first_ts, first) >= EXPECTED_EVENTS):
        _add_hole(stream, [window], wide.first_ts, first, "begins_late", margin=LINKED)
    is_cut = last < window.last_ts + TOUCHING and wide.last_ts > last + margin
    if is_cut and (window.first_ts > last or rhythm.expects(last, wide.last_ts) >= EXPECTED_EVENTS):
        _add_hole(stream, [window], last, wide.last_ts, "ends_early", margin=LINKED)


def _add_hole(
    stream: Stream,
    windows: Sequence[Window],
    first_ts: int | None,
    last_ts: int | None,
    why: str,
    sources: tuple[int, ...] = (),
    routes: tuple[int, ...] | None = None,
    *,
    margin: int = 0,
) -> None:
    """Add the part of a span (None: without end) that lies in incidents' windows, widened by ``margin``.

    ``sources``: the files, where more than the times tells them.
    """
    windows = [Window(w.incident, w.first_ts - margin, w.last_ts + margin) for w in windows]
    touched = [w for w in windows if (first_ts is None or first_ts < w.last_ts) and (last_ts is None or last_ts > w.first_ts)]
    touched += [
        w for w in windows if w.first_ts == w.last_ts and w not in touched and (first_ts or 0) <= w.first_ts and (last_ts is None or last_ts >= w.first_ts)
    ]
    if touched:
        begin, end = min(w.first_ts for w in touched), max(w.last_ts for w in touched)
        first, last = begin if first_ts is None else max(begin, first_ts), end if last_ts is None else min(end, last_ts)
        stream.holes.append(Hole(first, last, why, tuple(touched), sources or stream.files_at(first, last), routes))


def _silences(stream: Stream, rhythm: _Rhythm, least_expected: int) -> list[tuple[int, int]]:
    """Spans without events between the first and the last that the stream's own rhythm does not explain."""
    begins, ends = stream.lasts[:-1], stream.firsts[1:]
    pauses = ends - begins
    chosen = np.flatnonzero(pauses > LEAST_SILENCE)
    chosen = chosen[pauses[chosen] > _thresholds(pauses, stream.events)[chosen]]
    chosen = chosen[rhythm.expected(begins[chosen], ends[chosen]) >= least_expected]
    return list(zip(begins[chosen].tolist(), ends[chosen].tolist(), strict=True))


def _thresholds(pauses: Integers, events: int) -> Integers:
    """For each pause ten times the 99th percentile of the others, or three times their longest in a log of many events; at least half an hour.

    Pauses within a minute are never that long.

    Leaving one pause out moves the percentile by one place where it is among the longest, and not at all where it is not.
    """
    rank = _rank(events)
    at_rank, behind = _longest(pauses, rank), _longest(pauses, rank + 1)
    others = np.where(pauses >= at_rank, behind, at_rank if rank < len(pauses) - 1 else 0)
    longest = PAUSE_FACTOR * others
    if events >= MANY_EVENTS:
        at_most, second = _longest(pauses, 0), _longest(pauses, 1)
        longest = np.minimum(longest, LONGEST_FACTOR * np.where(pauses >= at_most, second, at_most))
    thresholds: Integers = np.maximum(LEAST_SILENCE, longest)
    return thresholds


def _margin(pauses: Integers, events: int) -> int:
    """Ten times the 99th percentile of all pauses, at least half an hour."""
    return max(LEAST_SILENCE, PAUSE_FACTOR * _longest(pauses, _rank(events)))


def _rank(events: int) -> int:
    """How many of the pauses between events, one left out, are longer than their 99th percentile."""
    return max(0, events - 2) // 100


def _longest(pauses: Integers, rank: int) -> int:
    """The pause that ``rank`` others precede in descending order; 0 where there are not as many."""
    place = len(pauses) - 1 - rank
    return int(np.partition(pauses, place)[place]) if place >= 0 else 0


@dataclass(frozen=True)
class _Rhythm:
    """Events of a stream per hour, by hour of the day (counted from its first hour)."""

    first_hour: int
    last_hour: int
    overall: float
    """Events per hour."""
    hours: tuple[Integers, ...]
    """For each of the 24 hours of the day, the hours with events, ascending."""
    sums: tuple[Integers, ...]
    """Events before each of them, and at last all."""

    @classmethod
    def of(cls, stream: Stream) -> _Rhythm:
        hours, begins = np.unique(stream.firsts // HOUR, return_index=True)
        counts = np.add.reduceat(stream.counts, begins)
        first, last = int(hours[0]), int(hours[-1])
        of_day = [(hours - first) % 24 == c for c in range(24)]
        sums = tuple(np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[chosen]))) for chosen in of_day)
        return cls(first, last, stream.events / (last - first + 1), tuple(hours[chosen] for chosen in of_day), sums)

    def expects(self, first_ts: int, last_ts: int) -> float:
        """As :meth:`expected`, of one span."""
        return float(self.expected(np.array([first_ts], np.int64), np.array([last_ts], np.int64))[0])

    def expected(self, first_ts: Integers, last_ts: Integers) -> npt.NDArray[np.float64]:
        """Events that the rate at the same hours of other days lets expect in each span; the overall rate where there is no other day."""
        first, last = first_ts // HOUR, last_ts // HOUR
        expected = np.zeros(len(first_ts), np.float64)
        for c in range(24):
            micros = self._hours_between(first, last, c) * HOUR
            micros -= np.where((first - self.first_hour) % 24 == c, first_ts - first * HOUR, 0)
            micros -= np.where((last - self.first_hour) % 24 == c, (last + 1) * HOUR - last_ts, 0)
            inside = self._hours_between(np.maximum(first, self.first_hour), np.minimum(last, self.last_hour), c)
            other_days = self._hours_between(np.int64(self.first_hour), np.int64(self.last_hour), c) - inside
            sums = self.sums[c]
            events = sums[-1] - sums[np.searchsorted(self.hours[c], last, side="right")] + sums[np.searchsorted(self.hours[c], first)]
            expected += micros / HOUR * np.where(other_days > 0, events / np.maximum(1, other_days), self.overall)
        return expected

    def _hours_between(self, first: Integers | np.int64, last: Integers | np.int64, c: int) -> Integers:
        """How many hours from ``first`` to ``last``, inclusive, are the ``c``-th of their day."""
        begin = self.first_hour + c
        hours: Integers = np.maximum(0, (last - begin) // 24 - (first - 1 - begin) // 24)
        return hours


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
        for first, last in _lost(line, before, after, windows, stream):
            _add_hole(stream, windows, first or None, last if last < 1 << 62 else None, "rejected", (source.id,), margin=TOUCHING)
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
                _add_hole(stream, windows, first if before[i] else None, last if last < 1 << 62 else None, "rejected", (source.id,), (route,))


def _lost(line: Integers, before: Integers, after: Integers, windows: Sequence[Window], stream: Stream) -> list[tuple[int, int]]:
    """Spans of many unreadable lines: in a row, or among an incident's lines. ``line`` ascends; the times are those of the events around each."""
    found = []
    starts = np.flatnonzero(np.diff(line, prepend=-1) != 1)
    ends = np.append(starts[1:], len(line))
    for start, end in zip(starts[ends - starts >= LINES_LOST], ends[ends - starts >= LINES_LOST], strict=True):
        found.append((int(before[start:end].min()), int(after[start:end].max())))
    for window in windows:
        inside = (before <= window.last_ts) & (after >= window.first_ts)
        rejected = int(np.count_nonzero(inside))
        read = int(stream.counts[(stream.lasts >= window.first_ts) & (stream.firsts <= window.last_ts)].sum())
        if rejected >= LINES_LOST and rejected > SHARE_LOST * (rejected + read):
            found.append((int(before[inside].min()), int(after[inside].max())))
    return sorted(set(found))


def _add_blank(database: Database, case: Case, stream: Stream, windows: Sequence[Window]) -> None:
    """Add holes for many lines in a row without an event, in logs that have none but events and blank lines."""
    for source in stream.sources:
        if source.skipped.get("blank", 0) < LINES_LOST or not set(source.skipped) <= {"blank", "comment"}:
            continue
        files = [f for table in EVENT_TABLES for f in case.event_files(table) if _source_of(f) == source.id]
        lines = " UNION ALL ".join(f"SELECT line, epoch_us(ts) AS ts FROM {parquet_files_sql([f])} WHERE ts IS NOT NULL" for f in files)
        ends = f"SELECT 0 AS line, NULL::BIGINT AS ts UNION ALL SELECT {source.lines + 1}, NULL"
        jumps = f"""
            SELECT lag(ts) OVER by_line AS before, ts AS after, line - lag(line) OVER by_line AS step
            FROM ({lines} UNION ALL {ends}) WINDOW by_line AS (ORDER BY line)"""
        for before, after in database.rows(f"SELECT before, after FROM ({jumps}) WHERE step > {LINES_LOST} ORDER BY ALL"):
            _add_lost(stream, windows, before, after, source)


def _add_lost(stream: Stream, windows: Sequence[Window], before: int | None, after: int | None, source: Source) -> None:
    """Add a hole for lines that nobody can read any more, between the times of the events around them, in whatever order these stand."""
    swapped = before is not None and after is not None and before > after
    first, last = (after, before) if swapped else (before, after)
    _add_hole(stream, windows, first, last, "rejected", (source.id,), margin=TOUCHING)


def _add_nuls(database: Database, case: Case, stream: Stream, windows: Sequence[Window]) -> None:
    """Add holes where NUL bytes stand instead of lines: between the events before and after them."""
    files = {_source_of(f): f for f in case.event_files(stream.table)}
    for source in stream.sources:
        if source.id not in files or not source.nul_runs:
            continue
        runs = ", ".join(f"({first_line}, {last_line})" for first_line, last_line, _ in source.nul_runs)
        lines = f"(SELECT line, epoch_us(ts) AS ts FROM {parquet_files_sql([files[source.id]])} WHERE ts IS NOT NULL)"
        around = database.rows(f"""
            SELECT b.ts, a.ts FROM (VALUES {runs}) r(first_line, last_line)
            ASOF LEFT JOIN {lines} b ON r.first_line > b.line ASOF LEFT JOIN {lines} a ON r.last_line <= a.line ORDER BY r.first_line""")
        for before, after in around:
            _add_lost(stream, windows, before, after, source)


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
    wide = [reach(w, streams) for w in windows]
    web_routes = [r for r in datamap.routes if r.kind != "login"]
    web = [s for s in streams if s.table == "web"]
    if web_routes and not web and windows:
        tables = tuple(sorted({r.returns for r in web_routes}))
        spans += [MissingSpan(w.incident, w.first_ts, w.last_ts, tables) for w in wide]
        said.append(Uncertain("no_web_logs"))
    if web:
        unseen = tuple(sorted({r.returns for r in web_routes if r.template is not None and not _is_served(r, web_routes, served)}))
        spans += [MissingSpan(w.incident, w.first_ts, w.last_ts, unseen, "route_never_seen") for w in wide if unseen]
    stores = {host: store for store in datamap.stores for host in store.hosts}
    if stores and windows and not any(s.table == "network" for s in streams):
        tables = tuple(sorted({t for s in datamap.stores for t in s.tables}))
        spans += [MissingSpan(w.incident, w.first_ts, w.last_ts, tables, "no_network_log") for w in wide]
        said.append(Uncertain("no_network_logs"))
    for stream in streams:
        for hole in stream.holes:
            tables = _tables_of(datamap, stream, hole, served)
            if tables:
                first = min(hole.windows, key=lambda w: (w.first_ts, w.incident))
                reason = "lines_rejected" if hole.why == "rejected" else "logs_missing"
                spans.append(MissingSpan(first.incident, hole.first_ts, hole.last_ts, tables, reason))
            said.append(Uncertain("logs_missing", None, None, Path(stream.name).name, hole.windows[0].incident))
    return spans, said


def _is_served(route: Route, routes: Sequence[Route], served: Mapping[int, set[int]]) -> bool:
    """Whether a log shows the route, or another of its host and first folder: then its log is there, and nobody used it."""

    def place(one: Route) -> tuple[str | None, str]:
        prefix = one.template.path_prefix if one.template is not None else ""
        folders = prefix.split("/")
        return one.host, folders[1] if len(folders) > 2 else prefix

    return any(served.get(r.index) and place(r) == place(route) for r in routes)


def _tables_of(datamap: DataMap, stream: Stream, hole: Hole, served: Mapping[int, set[int]]) -> tuple[str, ...]:
    ids = {s.id for s in stream.sources}
    if stream.table == "web":
        chosen = [r for r in datamap.routes if r.kind != "login" and (hole.routes is None or r.index in hole.routes)]
        return tuple(sorted({r.returns for r in chosen if not served.get(r.index) or served[r.index] & ids}))
    if stream.table == "network":
        return tuple(sorted({t for s in datamap.stores for t in s.tables}))
    return ()
