"""Reads a case's results into :class:`Facts`.

Personal values and secrets are masked here, once, before anything is told: the report must be fit to be passed on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import polars as pl

from breachscope import __version__
from breachscope.case import Case, sha256_file
from breachscope.errors import CaseError
from breachscope.hostile import clipped, masked
from breachscope.manifest import Source, distinct_names
from breachscope.report.facts import (
    STAGES,
    Actor,
    Coverage,
    Detector,
    Estimate,
    Facts,
    Finding,
    Gap,
    Histogram,
    Hole,
    Incident,
    Input,
    KindPeople,
    People,
    Route,
    Span,
    Stage,
    TableRecords,
    Template,
)
from breachscope.report.words import LANGUAGES, Language, Words
from breachscope.schema import ACTOR_KINDS, EVENT_TABLES, GRADES, LEVELS

SCOPE = "scope.json"
INCIDENTS = "incidents.json"
DETECTION = "detection.json"
FINDINGS = "findings.parquet"
EVIDENCE = "evidence.parquet"
_TOLD_ELSEWHERE = frozenset({"no_map", "no_incident", "logs_missing", "input_problem", "tz_assumed", "year_assumed"})
"""Uncertainties of scope.json that the answer tells in its own words, with times or counts."""
_ASSUMPTIONS = frozenset({"route_never_seen", "page_arguments", "order_assumed", "export_sizes_assumed"})
_RESULTS = ("manifest.json", DETECTION, FINDINGS, EVIDENCE, INCIDENTS, SCOPE, "exposures.parquet", "people.parquet")

_MAX_BINS = 120
_BIN_LENGTHS = tuple(
    timedelta(seconds=s) for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000)
)
_SESSION_SHOWN = 6
"""Characters of a session id that the report shows: enough to tell two apart, too few to take one over."""
_ACTOR_CELLS = 64


def read_facts(case: Case, *, with_scope: bool = True) -> Facts:
    """Everything the report tells. Raises CaseError naming the result file that is missing or damaged, and the command that makes it again.

    ``with_scope=False`` leaves records and people out, as when no data map was given.
    """
    sources = case.sources()
    names = distinct_names(sources)
    log_span = _span_around(_source_span(s) for s in sources)
    with open_result(case, INCIDENTS) as incidents_file:
        incidents = _fitting(_read_incidents(case, incidents_file["incidents"]), tuple[Incident, ...])
    with open_result(case, DETECTION) as detection_file:
        detectors = _fitting(tuple(_read_detector(record) for record in detection_file["detectors"]), tuple[Detector, ...])
        if unknown := {f.detector for i in incidents for f in i.findings} - {d.id for d in detectors}:
            raise KeyError(min(unknown))
    with open_result(case, SCOPE) as scope_file:
        scope = scope_file if with_scope and scope_file["people"] is not None else {}
        facts = Facts(
            case=case.path.resolve().name,
            tool=f"breachscope {__version__}",
            offset_min=_usual_offset(case),
            log_span=log_span,
            all_events=_count_all_events(case, log_span) if log_span else None,
            incidents=incidents,
            detectors=detectors,
            people=_read_people(scope["people"], scope["people"]["counted_by"]) if scope else None,
            people_by_incident={i["id"]: _read_people(i["people"]) for i in scope["incidents"]} if scope else {},
            holes_by_incident={i["id"]: tuple(Hole(h["log"], _known_span(h), h["why"]) for h in i["holes"]) for i in scope_file["incidents"]},
            tables=tuple(_read_table(t) for t in scope["records"]) if scope else (),
            kinds=tuple(_read_kind(k) for k in scope["data_kinds"]) if scope else (),
            estimates=tuple(_read_estimate(e) for e in scope["estimates"]) if scope else (),
            routes=tuple(Route(r["match"], r["kind"], r["returns"], r["requests"], r["returned"]) for r in scope["evidence"]["routes"] if r["requests"])
            if scope
            else (),
            unmapped=tuple(Template(t["match"], t["requests"], t["returned"], t["bytes"]) for t in scope_file["map_would_add"]),
            uncertainties=_read_uncertainties(scope_file["uncertainties"]),
            map_digest=(scope["map"]["name"], scope["map"]["sha256"]) if scope else None,
            coverage=tuple(_read_coverage(c, names) for c in scope_file["coverage"]),
            sources=sources,
            source_names=names,
            inputs=tuple(_input_of(s, names[s.id]) for s in sources),
            files=tuple((name, sha256_file(case.path / name)) for name in _RESULTS if (case.path / name).is_file()),
        )
        return _fitting(facts, Facts)


@contextmanager
def open_result(case: Case, name: str) -> Iterator[Any]:
    """Yield what the result file ``name`` holds; what goes wrong while it is taken apart is the file's fault and raised as CaseError."""
    path = case.path / name
    command = f"breachscope {'scope' if name == SCOPE else 'detect'} --case {case.path}"
    try:
        yield json.loads(path.read_bytes())
    except FileNotFoundError as error:
        if error.filename not in (str(path), path):
            raise
        raise CaseError(f"is missing; run '{command}' first", path=path) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Scope without a map would take the place of an answer with one.
        again = f"{command} --map MAP" if name == SCOPE and (case.path / "datamap.toml").is_file() else command
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise CaseError(f"is damaged ({what}); run '{again}' again", path=path) from error


T = TypeVar("T")


def _fitting(value: T, hint: Any, what: str = "it") -> T:
    """``value``, which must be what ``hint`` says, through all records and lists in it. Raises TypeError with what is not."""
    if get_origin(hint) in (Union, UnionType):
        if any(isinstance(value, _PLAIN.get(kind, ())) for kind in get_args(hint)):
            return value
        hint = get_args(hint)[0]
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        for name, kind in get_type_hints(hint).items():
            _fitting(getattr(value, name), kind, name)
    elif origin is Mapping and isinstance(value, Mapping):
        for key, entry in value.items():
            _fitting(entry, arguments[1], f"{what} of {key!r}")
    elif origin in (tuple, Sequence) and isinstance(value, Sequence) and not isinstance(value, str):
        kinds = repeat(arguments[0]) if arguments[-1] is ... or origin is Sequence else arguments
        for entry, kind in zip(value, kinds, strict=False):
            _fitting(entry, kind, what)
    elif not isinstance(value, _PLAIN.get(hint, origin or hint)):
        raise TypeError(f"{what} is {clipped(repr(value), _QUOTED_CELLS)}")
    return value


_QUOTED_CELLS = 40
_PLAIN: Mapping[Any, Any] = {str: str, int: int, float: int | float, NoneType: NoneType}
"""What a value of each plain kind may be: JSON writes a whole number without its point."""


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _span(first: str | None, last: str | None) -> Span | None:
    return Span(_moment(first), _moment(last)) if first and last else None


def _known_span(record: Mapping[str, str]) -> Span:
    return Span(_moment(record["first_ts"]), _moment(record["last_ts"]))


def _source_span(source: Source) -> Span | None:
    return _span(source.first_ts, source.last_ts)


def _span_around(spans: Iterable[Span | None]) -> Span | None:
    known = [s for s in spans if s is not None]
    return Span(min(s.first for s in known), max(s.last for s in known)) if known else None


def _actor(kind: str, value: str, is_shared: bool) -> Actor:
    if kind not in ACTOR_KINDS:
        raise ValueError(f"actor kind {kind!r}")
    shown = value[:_SESSION_SHOWN] + "…" if kind == "session" and len(value) > _SESSION_SHOWN else masked(value)
    return Actor(kind, clipped(shown, _ACTOR_CELLS), shown != value, is_shared, hashlib.sha256(f"{kind}:{value}".encode(errors="replace")).hexdigest())


def _actor_rank(actor: Actor) -> tuple[bool, int, bool, str, str]:
    """Addresses first, then accounts: what a reader can block comes before what they can look up; what others use too comes last."""
    return (actor.is_shared, ("ip", "user", "host", "session").index(actor.kind), actor.is_masked, actor.value, actor.identity)


def _both(value: Any) -> Mapping[Language, Any]:
    """A text in both languages; one that exists only once serves for both."""
    return {lang: value[lang] for lang in LANGUAGES} if isinstance(value, Mapping) else dict.fromkeys(LANGUAGES, value)


def _read_incidents(case: Case, records: Sequence[Mapping[str, Any]]) -> tuple[Incident, ...]:
    rows = pl.read_parquet(case.path / FINDINGS).sort("first_ts", "finding_id")
    spans = {_fitting(r["id"], str, "id"): _known_span(r) for r in records}
    own_events = _count_own_events(case, spans)
    incidents = []
    for record in records:
        actors = tuple(sorted((_actor(a["kind"], a["value"], a["shared"]) for a in record["actors"]), key=_actor_rank))
        summaries = {t["finding_id"]: t for t in record["timeline"]}
        stages = tuple(Stage(s["stage"], _known_span(s), len(s["findings"])) for s in record["stages"])
        findings = tuple(_read_finding(row, summaries[row["finding_id"]], actors) for row in rows.filter(incident_id=record["id"]).iter_rows(named=True))
        if not findings or record["level"] not in LEVELS or any(s.stage not in STAGES for s in stages):
            raise ValueError(f"incident {record['id']} has no findings, or an unknown level or stage")
        incidents.append(
            Incident(
                id=record["id"],
                level=record["level"],
                span=spans[record["id"]],
                actors=actors,
                stages=tuple(sorted(stages, key=lambda s: STAGES.index(s.stage))),
                findings=findings,
                attack=tuple(record["attack"]),
                own_events=own_events.get(record["id"]),
            )
        )
    return tuple(incidents)


def _read_finding(row: Mapping[str, Any], told: Mapping[str, Any], actors: Sequence[Actor]) -> Finding:
    actor = _actor(row["actor_kind"], row["actor"], is_shared=False)
    actor = next((a for a in actors if a.identity == actor.identity), actor)
    return Finding(
        id=row["finding_id"],
        detector=row["detector"],
        level=row["level"],
        attack=tuple(row["attack"] or ()),
        actor=actor,
        peer=row["peer"],
        span=Span(row["first_ts"], row["last_ts"]),
        measure=row["measure"],
        threshold=row["threshold"],
        events=row["events"],
        facts={name: _shown_fact(value) for name, value in json.loads(row["facts"] or "{}").items() if value is not None},
        summary={lang: masked(_summary_in(lang, told[f"summary_{lang}"], row["actor"]).replace(row["actor"], actor.value)) for lang in LANGUAGES},
    )


_FACT_CHARACTERS = 200
_FACT_ITEMS = 8


_WIDE = "[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
_FOLDED = re.compile(f"(?<={_WIDE})[ \t\n]+(?={_WIDE})")
_LEVEL_CODE = re.compile(rf"(?:(?<={_WIDE}) )?(?<![\w./-])({'|'.join(LEVELS)})(?![\w./-]|[ ][A-Za-z])(?: (?={_WIDE}))?", re.ASCII)
_SUCCESS_SIGNS = ("answer larger than any clean one", "answer as late as asked", "answer follows the truth of the condition")
"""Signs of success of web/sqli, which its summary quotes."""


def _japanese(text: str) -> str:
    """A detector's Japanese text without the spaces that YAML puts where it joins folded lines, and with levels in words.

    >>> _japanese("連続するか、 他の場合（medium）。1件なら high（早朝は low）")
    '連続するか、他の場合（中）。1件なら高（早朝は低）'
    """
    words = Words("ja")
    return _LEVEL_CODE.sub(lambda m: words.label("level", m[1]), _FOLDED.sub("", text))


def _detector_text(value: Any) -> Mapping[Language, str]:
    texts = _both(value)
    return {"en": texts["en"], "ja": _japanese(texts["ja"])}


def _summary_in(lang: Language, text: str, actor: str) -> str:
    if lang == "en":
        return text
    words = Words(lang)
    for sign in _SUCCESS_SIGNS:
        text = text.replace(sign, words.label("success", sign))
    return f"{actor}：{text.removeprefix(f'{actor} – ')}" if text.startswith(f"{actor} – ") else text


def _reason(record: Mapping[str, Any]) -> Mapping[Language, str]:
    """Why a detector could not judge; the English sentence of detection.json where its code is not known here."""
    code, facts = record["reason_code"], record["reason_facts"]
    told: dict[Language, str] = {}
    for lang in LANGUAGES:
        words = Words(lang)
        if code == "no_events":
            told[lang] = words("reason.no_events", relation=words.label("relation", facts["relation"]))
        elif code == "column_missing":
            counts = {name: words.number(facts[name]) for name in ("missing", "rows")}
            told[lang] = words("reason.column_missing", relation=words.label("relation", facts["relation"]), column=facts["column"], **counts)
        elif code == "failed":
            told[lang] = words("reason.failed", message=facts["message"])
        else:
            told[lang] = record["reason"] or ""
    return told


_YEARS = (
    ("input.year_given", re.compile(r"year (?P<year>\d{4}) given for the last line")),
    ("input.year_named", re.compile(r"year (?P<year>\d{4}) from the file name")),
    ("input.year_latest", re.compile(r"year (?P<year>\d{4}): the latest that puts no line after (?P<day>[\d-]{10})")),
    ("input.year_doubtful", re.compile(r"year (?P<year>\d{4}): the latest that puts no line after (?P<day>[\d-]{10}); its 29 February cannot be")),
)


def _year(assumption: str, words: Words) -> str:
    """How the year of a log without years was found."""
    for key, form in _YEARS:
        if told := form.fullmatch(assumption):
            return words(key, **told.groupdict())
    return words("input.year", year=assumption)


def _shown_fact(value: Any) -> str | float:
    if isinstance(value, int | float):
        return value
    if isinstance(value, list):
        shown = ", ".join(str(_shown_fact(v)) for v in value[:_FACT_ITEMS])
        return f"{shown} … (+{len(value) - _FACT_ITEMS})" if len(value) > _FACT_ITEMS else shown
    text = masked(str(value))
    return text if len(text) <= _FACT_CHARACTERS else f"{text[:_FACT_CHARACTERS]}… (+{len(text) - _FACT_CHARACTERS})"


def _read_detector(record: Mapping[str, Any]) -> Detector:
    """One detector as it ran, in the words it ran with."""
    return Detector(
        id=record["id"],
        title=_detector_text(record["title"]),
        description=_detector_text(record["description"]),
        false_positives={lang: record["false_positives"][lang] for lang in LANGUAGES},
        next_steps={lang: record["next_steps"][lang] for lang in LANGUAGES},
        version=record["version"],
        findings=record["findings"],
        is_evaluable=record["evaluable"],
        reason=_reason(record),
        parameters={name: _shown_fact(value) for name, value in record["parameters"].items()},
    )


def _read_people(record: Mapping[str, Any], counted_by: Sequence[str] = ()) -> People:
    exposed = record["confirmed"] + record["probable"] + record["possible"]
    return People(
        confirmed=record["confirmed"],
        probable=record["probable"],
        possible=record["possible"],
        excluded=record["excluded"],
        upper_bound=record["upper_bound"],
        least=record["range"][0] if "range" in record else exposed,
        counted_by=tuple(counted_by),
    )


def _read_table(record: Mapping[str, Any]) -> TableRecords:
    counts = {grade: record[grade] for grade in GRADES}
    return TableRecords(table=record["table"], key=record["key"], rows_at_incident=record["rows_at_incident"], **counts)


def _read_kind(record: Mapping[str, Any]) -> KindPeople:
    return KindPeople(record["kind"], _both(record), record["people"], record["confirmed"], record["probable"], record["possible"])


def _read_uncertainties(records: Sequence[Mapping[str, Any]]) -> tuple[Mapping[Language, str], ...]:
    """Each sentence once; what the logs leave open before what was assumed and what the tables leave open; parts of a list, so without a full stop."""
    told = sorted((r for r in records if r["code"] not in _TOLD_ELSEWHERE), key=lambda r: (r["code"] in _ASSUMPTIONS, r["code"].startswith("table_")))
    texts = [{lang: r[lang].removesuffix("." if lang == "en" else "。") for lang in LANGUAGES} for r in told]
    return tuple({text["en"]: text for text in texts}.values())


def _read_estimate(record: Mapping[str, Any]) -> Estimate:
    people = record["people"]
    return Estimate(
        kind=record["kind"],
        table=record["table"],
        where=record["where"],
        bytes=record["bytes"],
        rows=(record["rows_lower"], record["rows_likely"], record["rows_upper"]),
        people=None if people is None else (people["lower"], people["expected"], people["upper"]),
    )


def _read_coverage(record: Mapping[str, Any], names: Mapping[int, str]) -> Coverage:
    return Coverage(
        source=record["source"],
        name=names[record["source"]],
        span=_span(record["first_ts"], record["last_ts"]),
        gaps=tuple(Gap(_known_span(g), g["why"]) for g in record["gaps"]),
        rejected=record["rejected"],
        doubts=tuple(_both(d) for d in record["doubts"]),
    )


def _input_of(source: Source, name: str) -> Input:
    zone: dict[Language, str] = {}
    notes: dict[Language, tuple[str, ...]] = {}
    for lang in LANGUAGES:
        words = Words(lang)
        zone[lang] = words("input.assumed", zone=source.tz) if source.tz_assumed else source.tz
        told = [words("input.problem", problem=source.problem)] if source.problem else []
        told += [words("input.duplicate", id=source.duplicate_of)] if source.duplicate_of is not None else []
        told += [_year(source.year_assumption, words)] if source.year_assumption else []
        notes[lang] = (*told, *source.notes)
    formats = tuple(sorted(source.formats))
    return Input(source.id, name, source.sha256, formats, zone, notes, source.lines, source.event_lines, sum(source.skipped.values()), source.rejected)


def _usual_offset(case: Case) -> int:
    """The UTC offset that most events were written in; UTC when there is none."""
    counts: dict[int, int] = {}
    for table in EVENT_TABLES:
        if files := case.event_files(table):
            rows = pl.scan_parquet(files).select("ts_offset_min").drop_nulls().group_by("ts_offset_min").len().collect(engine="streaming")
            for offset, events in rows.iter_rows():
                counts[offset] = counts.get(offset, 0) + events
    return min(counts, key=lambda offset: (-counts[offset], offset), default=0)


def _empty_histogram(span: Span) -> Histogram:
    length = next((b for b in _BIN_LENGTHS if span.length / b <= _MAX_BINS - 1), None) or span.length / (_MAX_BINS - 1)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    start = epoch + (span.first - epoch) // length * length
    return Histogram(start, length, (0,) * ((span.last - start) // length + 1))


def _filled(histogram: Histogram, moments: pl.LazyFrame) -> Histogram:
    """``histogram`` with the moments of column ``ts`` added to its bins; moments outside it are left out."""
    index = ((pl.col("ts") - histogram.start).dt.total_microseconds() // int(histogram.bin.total_seconds() * 1_000_000)).alias("bin")
    events = list(histogram.events)
    for place, count in moments.select(index).drop_nulls().group_by("bin").len().collect(engine="streaming").iter_rows():
        if 0 <= place < len(events):
            events[place] += count
    return Histogram(histogram.start, histogram.bin, tuple(events))


def _count_all_events(case: Case, span: Span) -> Histogram:
    histogram = _empty_histogram(span.padded())
    for table in EVENT_TABLES:
        if files := case.event_files(table):
            histogram = _filled(histogram, pl.scan_parquet(files).select("ts"))
    return histogram


def _count_own_events(case: Case, spans: Mapping[str, Span]) -> dict[str, Histogram]:
    """For each incident its own events over time, as detection wrote them to evidence.parquet."""
    histograms = {id_: _empty_histogram(span.padded()) for id_, span in spans.items()}
    evidence = pl.scan_parquet(case.path / EVIDENCE).filter(pl.col("incident_id").is_in(list(spans))).select("incident_id", "table", "event_id").unique()
    for table in EVENT_TABLES:
        named = evidence.filter(table=table).select("incident_id", "event_id").collect(engine="streaming")
        files = case.event_files(table)
        if named.is_empty() or not files:
            continue
        # The bounds let Parquet statistics skip what holds no evidence.
        within = pl.col("event_id").is_between(named["event_id"].min(), named["event_id"].max())
        events = pl.scan_parquet(files).select("event_id", "ts").filter(within)
        timed = events.join(named.lazy(), on="event_id").select("incident_id", "ts").collect(engine="streaming")
        for id_ in histograms:
            histograms[id_] = _filled(histograms[id_], timed.lazy().filter(incident_id=id_))
    return histograms
