"""The scope of a case: evidence and customer tables in, ``exposures.parquet``, ``people.parquet`` and ``scope.json`` out.

``scope.json`` is described by ``scope.schema.json``; ``rows_at_incident`` counts the rows that existed at some moment between
the first and the last event of the incidents. Times are ISO 8601 UTC. Nothing in it depends on when or where it is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from breachscope.case import Case
from breachscope.errors import CaseError
from breachscope.manifest import Source
from breachscope.progress import Progress
from breachscope.schema import EXPOSURES, PEOPLE
from breachscope.scope.clocks import ClockOffset, compare_clocks
from breachscope.scope.coverage import Hole, Stream, Window, find_holes, instant, missing_spans, read_streams
from breachscope.scope.covers import create_tables
from breachscope.scope.customers import Customers, OrderedBy, stage_tables
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import DataMap, without_credentials
from breachscope.scope.exposure import Estimate, Exposer, MissingSpan, Uncertain
from breachscope.scope.people import (
    GradeCounts,
    KindCounts,
    PeopleCounts,
    build_exposures,
    count_kinds,
    count_people,
    count_people_of,
    count_records,
    exposure_batches,
    people_batches,
)
from breachscope.scope.personal_data import KINDS
from breachscope.scope.reasons import COMPARED_AS, REASONS, UNCERTAINTIES
from breachscope.scope.requests import load_evidence, match_requests
from breachscope.scope.seen import STATIC_PATH, SeenTemplate, seen_templates, unmapped_keys

SCHEMA = "breachscope/scope/1"
MAX_TEMPLATES = 20
_EVIDENCE = "evidence.parquet"
_INCIDENTS = "incidents.json"


@dataclass(frozen=True)
class IncidentSummary:
    """One incident as detection wrote it."""

    id: str
    level: str
    first_ts: str
    last_ts: str

    @property
    def window(self) -> Window:
        first, last = instant(self.first_ts), instant(self.last_ts)
        if first is None or last is None:
            raise ValueError("an incident needs its times")
        return Window(self.id, first, last)


@dataclass(frozen=True)
class Scope:
    """The answer. ``people`` is None without a data map: unknown, not zero."""

    people: PeopleCounts | None
    records: Mapping[str, GradeCounts]
    kinds: tuple[KindCounts, ...]
    uncertain: tuple[Uncertain, ...]


def compute_scope(case: Case, datamap: DataMap | None, progress: Progress) -> Scope:
    """Write the three scope files of a case and return the counts.

    Raises DataMapError and TableError (as ContentErrors when several) for a map that does not fit its tables, CaseError when the
    case was not detected yet.
    """
    incidents = _read_incidents(case)
    progress.start("scope", None)
    with case.scratch() as scratch:
        database = Database(scratch / "duckdb")
        try:
            answer = _Answer(case, datamap, incidents, database, scratch).write()
        finally:
            database.close()
    for uncertain in answer.uncertain:
        if uncertain.code in _WORTH_A_WARNING:
            progress.warn(_sentence(uncertain, "en"))
    progress.finish()
    return answer


_WORTH_A_WARNING = ("no_web_logs", "clocks_differ", "table_tz_assumed", "table_times_unreadable", "table_duplicate_keys", "keys_not_in_table")


def _read_incidents(case: Case) -> list[IncidentSummary]:
    path = case.path / _INCIDENTS
    if not path.is_file() or not (case.path / _EVIDENCE).is_file():
        raise CaseError("has no findings yet; run 'breachscope detect' first", path=case.path)
    try:
        found = json.loads(path.read_bytes())["incidents"]
        return [IncidentSummary(i["id"], i["level"], i["first_ts"], i["last_ts"]) for i in found]
    except (ValueError, KeyError, TypeError) as exc:
        raise CaseError("is damaged; run 'breachscope detect' again", path=path) from exc


class _Answer:
    """One computation."""

    def __init__(self, case: Case, datamap: DataMap | None, incidents: Sequence[IncidentSummary], database: Database, scratch: Path) -> None:
        self._case = case
        self._map = datamap
        self._incidents = incidents
        self._windows = [i.window for i in incidents]
        self._database = database
        self._scratch = scratch
        self._customers: Mapping[str, Customers] = {}
        self._uncertain: list[Uncertain] = []
        self._streams: list[Stream] = []
        self._clocks: list[ClockOffset] = []
        self._exposer: Exposer | None = None
        self._holes: Mapping[str, Sequence[tuple[Hole, str, str]]] = {}

    def write(self) -> Scope:
        database, case = self._database, self._case
        routes = self._map.routes if self._map else ()
        load_evidence(database, case.path / _EVIDENCE)
        match_requests(database, case.counted_files("web"), routes)
        self._streams = read_streams(database, case)
        self._clocks = compare_clocks(database, case, self._streams)
        find_holes(database, case, self._streams, self._windows, routes)
        create_tables(database, [i.id for i in self._incidents])
        if self._map is None:
            self._uncertain.append(Uncertain("no_map"))
        else:
            self._expose(self._map)
        if not self._streams:
            self._uncertain.append(Uncertain("no_events"))
        if not self._incidents:
            self._uncertain.append(Uncertain("no_incident"))
        people = count_people(database, self._customers) if self._map else None
        records = {name: count_records(database, c) for name, c in self._customers.items()}
        kinds = tuple(count_kinds(database)) if self._map else ()
        self._note_tables(people)
        self._note_sources()
        self._holes = _holes_by_incident(self._streams)
        self._write_parquet()
        scope = Scope(people, records, kinds, tuple(sorted(set(self._uncertain), key=_uncertain_order)))
        case.write_json("scope.json", self._document(scope))
        return scope

    def _expose(self, datamap: DataMap) -> None:
        database, case = self._database, self._case
        self._customers = stage_tables(database, datamap, self._scratch)
        served: dict[int, set[int]] = {}
        for route, source in database.rows("SELECT DISTINCT m.route, t.source FROM traffic t JOIN matches m USING (request_id) ORDER BY ALL"):
            served.setdefault(route, set()).add(source)
        for route_ in datamap.routes:
            if route_.template is not None and route_.index not in served and any(s.table == "web" for s in self._streams):
                self._uncertain.append(Uncertain("route_never_seen", route_.returns, None, route_.name))
        missing, said = missing_spans(datamap, self._streams, self._windows, served)
        self._uncertain += said
        for name, customers in self._customers.items():
            for seen in unmapped_keys(database, customers.rows):
                missing.append(MissingSpan(seen.incident, seen.first_ts, seen.last_ts, (name,), "unmapped_but_keys_match"))
                self._uncertain.append(Uncertain("unmapped_but_keys_match", name, seen.keys, seen.match, seen.incident))
        instants = [*self._span(), *(t for m in missing for t in (m.first_ts, m.last_ts))]
        exposer = Exposer(database, datamap, self._customers, (min(instants), max(instants)), case.counted_files("web"))
        exposer.expose(case.event_files("network"), case.event_files("auth"), missing)
        self._uncertain += exposer.uncertain
        self._exposer = exposer
        build_exposures(database, datamap, self._customers, exposer.gives)

    def _span(self) -> tuple[int, int]:
        """First and last moment of incidents and evidence."""
        instants = [t for w in self._windows for t in (w.first_ts, w.last_ts)]
        for table in ("web", "auth", "network"):
            files = self._case.event_files(table)
            if files:
                instants += self._database.rows(f"""
                    SELECT epoch_us(min(ts)), epoch_us(max(ts)) FROM {parquet_files_sql(files)}
                    WHERE event_id IN (SELECT event_id FROM evidence WHERE "table" = '{table}')""")[0]
        known = [t for t in instants if t is not None]
        return (min(known), max(known)) if known else (0, 0)

    def _note_tables(self, people: PeopleCounts | None) -> None:
        for name, customers in self._customers.items():
            counts = customers.counts
            for code, count in (
                ("table_null_keys", counts.null_keys),
                ("table_duplicate_keys", counts.duplicate_keys),
                ("table_null_people", self._null_people(customers)),
                ("table_tz_assumed", counts.zoneless_times if customers.table.tz_assumed else 0),
                ("table_times_unreadable", counts.unreadable_times),
            ):
                if count:
                    self._uncertain.append(Uncertain(code, name, count))
        if people is not None and people.least is not None and people.least < people.grades.exposed:
            self._uncertain.append(Uncertain("people_written_differently", None, people.grades.exposed - people.least))

    def _existing(self, customers: Customers, condition: str = "true") -> int:
        """Rows of a table that existed at some moment of the incidents and their evidence, as ``rows_at_incident`` counts them."""
        if not self._incidents:
            return 0
        first, last = self._span()
        return int(self._database.value(f"SELECT count(*) FROM {customers.rows} WHERE since <= {last} AND until > {first} AND {condition}"))

    def _null_people(self, customers: Customers) -> int:
        """Of those, the rows that name no person."""
        return self._existing(customers, "person IS NULL") if customers.table.person and customers.counts.null_people else 0

    def _note_sources(self) -> None:
        for source in self._case.sources():
            if source.problem is not None:
                self._uncertain.append(Uncertain("input_problem", None, None, f"{source.name}: {source.problem}"))
            if source.tz_assumed:
                self._uncertain.append(Uncertain("tz_assumed", None, None, source.name))
            if source.year_assumption:
                self._uncertain.append(Uncertain("year_assumed", None, None, source.name))
        self._uncertain += [_clock_doubt(offset) for offset in self._clocks if offset.is_apart]
        for stream in self._streams:
            rejected = sum(s.rejected + s.skipped.get("blank", 0) for s in stream.sources)
            if any(h.why == "rejected" for h in stream.holes):
                self._uncertain.append(Uncertain("lines_rejected", None, rejected, Path(stream.name).name))
        unmapped = 0
        if self._map is not None:
            unmapped = int(
                self._database.value(f"""
                    SELECT count(*) FROM web_evidence
                    WHERE status BETWEEN 200 AND 299 AND NOT regexp_matches(path, '{STATIC_PATH}')
                      AND (request_id IS NULL OR request_id NOT IN (SELECT request_id FROM matches))""")
            )
        if unmapped:
            self._uncertain.append(Uncertain("unmapped_responses", None, unmapped))

    def _write_parquet(self) -> None:
        for name, schema, batches in (
            ("exposures.parquet", EXPOSURES.arrow, exposure_batches),
            ("people.parquet", PEOPLE.arrow, people_batches),
        ):
            with self._case.open_parquet(name, schema) as writer:
                if self._map is not None:
                    for batch in batches(self._database, self._customers):
                        writer.write(batch)

    def _document(self, scope: Scope) -> dict[str, Any]:
        database = self._database
        counted_by = sorted({c.table.person for c in self._customers.values() if c.table.person})
        exposer = self._exposer
        reasons = sorted({str(r) for (r,) in database.rows("SELECT DISTINCT reason FROM facts")}) if self._map else []
        return {
            "schema": SCHEMA,
            "map": {"name": self._map.path.name, "sha256": self._map.sha256} if self._map else None,
            "people": {**_people_json(scope.people), "counted_by": counted_by} if scope.people else None,
            "records": [self._records_json(name, counts) for name, counts in sorted(scope.records.items())],
            "data_kinds": [_kind_json(k) for k in scope.kinds],
            "incidents": [self._incident_json(i, scope.people) for i in self._incidents],
            "coverage": [_coverage_json(s, self._streams, self._clocks) for s in self._case.sources()],
            "clocks": [_clock_json(offset, self._streams) for offset in self._clocks],
            "estimates": [_estimate_json(e) for e in exposer.estimates] if exposer else [],
            "inputs": [_input_json(s) for s in self._case.sources()],
            "evidence": self._evidence_json(),
            "uncertainties": [_uncertain_json(u) for u in scope.uncertain],
            "reasons": {code: {"en": REASONS[code].en, "ja": REASONS[code].ja} for code in reasons},
            "map_would_add": [_template_json(t) for t in seen_templates(database, MAX_TEMPLATES, mapped=self._map is not None)],
            "legal": [],
        }

    def _records_json(self, name: str, counts: GradeCounts) -> dict[str, Any]:
        customers = self._customers[name]
        return {
            "table": name,
            **_grades_json(counts),
            "rows": customers.counts.rows,
            "rows_at_incident": self._existing(customers),
            "source": {
                "name": without_credentials(customers.facts.name),
                "format": customers.facts.format,
                "encoding": customers.facts.encoding,
                "sha256": customers.facts.sha256,
            },
            "key": customers.table.key,
            "person": customers.table.person,
            "null_keys": customers.counts.null_keys,
            "duplicate_keys": customers.counts.duplicate_keys,
            "null_people": self._null_people(customers),
            "keys_not_in_table": int(
                self._database.value(f"SELECT count(*) FROM (SELECT DISTINCT key FROM unknown_keys WHERE table_index = {customers.index})")
            ),
        }

    def _incident_json(self, incident: IncidentSummary, people_of_case: PeopleCounts | None) -> dict[str, Any]:
        people = None
        if people_of_case is not None:
            is_only_one = len(self._incidents) == 1
            own = replace(people_of_case, least=None) if is_only_one else count_people_of(self._database, self._customers, incident.id)
            people = _people_json(own)
        return {
            "id": incident.id,
            "level": incident.level,
            "first_ts": incident.first_ts,
            "last_ts": incident.last_ts,
            "people": people,
            "holes": [{**_gap_json(h), "log": Path(name).name, "table": table} for h, name, table in self._holes.get(incident.id, ())],
        }

    def _evidence_json(self) -> dict[str, Any]:
        database = self._database
        by_table = dict(database.rows('SELECT "table", count(DISTINCT event_id) FROM evidence GROUP BY 1 ORDER BY 1'))
        return {
            "events": sum(by_table.values()),
            "by_table": by_table,
            "shared": int(database.value("SELECT count(*) FROM evidence WHERE is_shared")),
            "routes": [
                {
                    "match": u.route.name,
                    "kind": u.route.kind,
                    "returns": u.route.returns,
                    "requests": u.requests,
                    "returned": u.returned,
                    "keys_not_in_table": u.keys_not_in_table,
                }
                for u in (self._exposer.uses if self._exposer else ())
            ],
        }


def _iso(ts: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts)).isoformat().replace("+00:00", "Z")


def _grades_json(counts: GradeCounts) -> dict[str, int]:
    return {"confirmed": counts.confirmed, "probable": counts.probable, "possible": counts.possible, "excluded": counts.excluded}


def _people_json(people: PeopleCounts) -> dict[str, Any]:
    least = {} if people.least is None else {"range": [people.least, people.upper_bound]}
    return {**_grades_json(people.grades), "upper_bound": people.upper_bound, **least}


def _kind_json(kind: KindCounts) -> dict[str, Any]:
    names = KINDS[kind.kind]
    return {
        "kind": kind.kind,
        "people": kind.grades.exposed,
        "confirmed": kind.grades.confirmed,
        "probable": kind.grades.probable,
        "possible": kind.grades.possible,
        "en": names.en,
        "ja": names.ja,
    }


def _holes_by_incident(streams: Sequence[Stream]) -> Mapping[str, Sequence[tuple[Hole, str, str]]]:
    """Return each incident's holes with their stream's name and table, each once, by time."""
    found: dict[str, dict[tuple[object, ...], tuple[Hole, str, str]]] = {}
    for stream in streams:
        for hole in stream.holes:
            key = (hole.first_ts, hole.last_ts, hole.why, stream.name, stream.table, hole.sources)
            for incident in {w.incident for w in hole.windows}:
                found.setdefault(incident, {})[key] = (hole, stream.name, stream.table)
    return {incident: [holes[key] for key in sorted(holes)] for incident, holes in found.items()}


def _gap_json(hole: Hole) -> dict[str, Any]:
    return {"first_ts": _iso(hole.first_ts), "last_ts": _iso(hole.last_ts), "why": hole.why, "sources": list(hole.sources)}


def _clock_doubt(offset: ClockOffset) -> Uncertain:
    return Uncertain("clocks_differ", None, offset.matches, offset.told)


def _clock_json(offset: ClockOffset, streams: Sequence[Stream]) -> dict[str, Any]:
    def sources(name: str) -> list[int]:
        return sorted({s.id for stream in streams if stream.name == name for s in stream.sources})

    return {
        "ahead": sources(offset.ahead),
        "behind": sources(offset.behind),
        "seconds": offset.seconds,
        "spread_seconds": offset.spread_seconds,
        "matches": offset.matches,
        "evidence": offset.evidence,
        "says": "unknown" if offset.seconds is None else "differ" if offset.is_apart else "agree",
    }


def _coverage_json(source: Source, streams: Sequence[Stream], clocks: Sequence[ClockOffset]) -> dict[str, Any]:
    own = [s for s in streams if any(m.id == source.id for m in s.sources)]
    gaps = {(h.first_ts, h.last_ts, h.why, h.sources): h for s in own for h in s.holes if h.sources[0] == source.id}
    doubts = []
    if source.problem is not None:
        doubts.append({"code": "input_problem", "en": source.problem, "ja": source.problem})
    assumed = {"tz_assumed": source.tz_assumed, "year_assumed": source.year_assumption is not None}
    uncertain = [Uncertain(code, None, None, source.name) for code, present in assumed.items() if present]
    uncertain += [_clock_doubt(offset) for offset in clocks if offset.is_apart and {s.name for s in own} & {offset.ahead, offset.behind}]
    doubts += [{"code": u.code, "en": _sentence(u, "en"), "ja": _sentence(u, "ja")} for u in uncertain]
    return {
        "source": source.id,
        "tables": sorted({s.table for s in own}),
        "first_ts": source.first_ts,
        "last_ts": source.last_ts,
        "events": dict(source.events),
        "rejected": source.rejected,
        "gaps": [_gap_json(gaps[key]) for key in sorted(gaps)],
        "doubts": doubts,
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    people = estimate.people
    return {
        "kind": estimate.kind,
        "incident": estimate.incident,
        "table": estimate.table,
        "where": estimate.where,
        "bytes": estimate.bytes_transferred,
        "rows_existing": estimate.rows_existing,
        "rows_lower": estimate.rows.lower,
        "rows_likely": estimate.rows.likely,
        "rows_upper": estimate.rows.upper,
        "people": None if people is None else {"lower": people.lower, "expected": round(people.expected, 1), "upper": people.upper},
    }


def _input_json(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        "sha256": source.sha256,
        "lines": source.lines,
        "event_lines": source.event_lines,
        "skipped": sum(source.skipped.values()),
        "rejected": source.rejected,
        "problem": source.problem,
    }


def _template_json(template: SeenTemplate) -> dict[str, Any]:
    return {
        "match": template.match,
        "requests": template.requests,
        "returned": template.returned,
        "distinct_urls": template.distinct_urls,
        "bytes": template.bytes_sent,
    }


def _uncertain_order(uncertain: Uncertain) -> tuple[int, str, str, str, int]:
    return list(UNCERTAINTIES).index(uncertain.code), uncertain.table or "", uncertain.incident or "", uncertain.detail, uncertain.count or 0


def _uncertain_json(uncertain: Uncertain) -> dict[str, Any]:
    return {
        "code": uncertain.code,
        "table": uncertain.table,
        "incident": uncertain.incident,
        "count": uncertain.count,
        "detail": uncertain.detail,
        "en": _sentence(uncertain, "en"),
        "ja": _sentence(uncertain, "ja"),
        **({"order": [asdict(term) for term in uncertain.order]} if uncertain.order else {}),
    }


def _sentence(uncertain: Uncertain, lang: str) -> str:
    text = UNCERTAINTIES[uncertain.code]
    count = "" if uncertain.count is None else f"{uncertain.count:,}"
    order = _order_ja(uncertain.order) if lang == "ja" else _order_en(uncertain.order)
    return (text.ja if lang == "ja" else text.en).format(table=uncertain.table or "", count=count, detail=uncertain.detail, order=order)


def _order_en(order: Sequence[OrderedBy]) -> str:
    return ", then by ".join(f"{t.column}{' descending' if t.descending else ''}, compared as {COMPARED_AS[t.compared_as].en}" for t in order)


def _order_ja(order: Sequence[OrderedBy]) -> str:
    return "、次に ".join(f"{t.column} の{COMPARED_AS[t.compared_as].ja}{'（降順）' if t.descending else ''}" for t in order)
