"""Runs detectors over a case: rows of queries → findings → incidents → the files that scope and report read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa

from breachscope.case import Case
from breachscope.detect.allow import AllowList
from breachscope.detect.catalog import Catalog
from breachscope.detect.detector import RESULT_COLUMNS, Detector, Text, evidence_sql
from breachscope.detect.incidents import Incident, LinkOptions, link_findings
from breachscope.detect.sandbox import MEMORY_LIMIT, TIME_LIMIT_SECONDS, Relations, Sandbox, Scalar, open_sandbox
from breachscope.errors import DetectorError, did_you_mean
from breachscope.progress import Progress
from breachscope.schema import EVENT_TABLES, EVIDENCE, LEVELS

MOSTLY_NULL = 0.5
"""A detector cannot judge when more than this share of a column it needs is null."""

OUTPUTS = ("findings.parquet", "evidence.parquet", "incidents.json", "detection.json")
"""What a run writes into the case."""

_HERE = Path("detect")
_EVENTS_IN_WORDS = {"web": "web events", "auth": "login events", "network": "network events", "data_access": "data access events", "logins": "login events"}
"""What an empty relation lacks, where its name alone is no word for it."""
_BEST_PEAK = "arg_max(peak, {'rank': level_rank, 'measure': peak.measure, 'sooner': -epoch_us(last_ts), 'peak': peak})"
"""Of rows that become one, the facts of the highest level, then the highest measure, then the earliest."""
_LEVEL_RANK = "list_position([" + ", ".join(f"'{level}'" for level in LEVELS) + "], {level})"


@dataclass(frozen=True)
class Reason:
    """Why a detector could not judge: a stable code and the facts that a sentence in any language needs.

    ``no_events``: the case has no row of ``relation``. ``column_missing``: ``column`` of ``relation`` is empty in ``missing`` of
    ``rows`` rows. ``failed``: its query did, with DuckDB's or the sandbox's ``message``.
    """

    code: Literal["no_events", "column_missing", "failed"]
    facts: Mapping[str, str | int]

    def __str__(self) -> str:
        """In English."""
        if self.code == "failed":
            return f"failed: {self.facts['message']}"
        relation = str(self.facts["relation"])
        if self.code == "no_events":
            return f"no {_EVENTS_IN_WORDS.get(relation, relation.replace('_', ' '))}"
        return f"{self.facts['column']} is missing in {self.facts['missing']:,} of {self.facts['rows']:,} {relation.replace('_', ' ')}"


@dataclass(frozen=True)
class DetectorRun:
    """What one detector did: its parameters as used, and why it could not judge, where it could not."""

    id: str
    version: str
    level: str
    parameters: Mapping[str, str]
    findings: int
    reason: Reason | None
    """Why it is not evaluable, or None."""
    skipped_null_keys: Mapping[str, int]
    """relation.column → rows that had no value there, and so formed no group."""
    suppressed: int
    """Findings dropped because every event behind them is allowed."""

    @property
    def evaluable(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Detection:
    """The outcome of a run."""

    runs: tuple[DetectorRun, ...]
    findings: pa.Table
    """schema.FINDINGS"""
    incidents: tuple[Incident, ...]

    @property
    def highest_level(self) -> str | None:
        ranks = [LEVELS.index(i.level) for i in self.incidents]
        return LEVELS[max(ranks)] if ranks else None


def run_detectors(
    case: Case,
    catalog: Catalog,
    *,
    parameters: Mapping[str, Mapping[str, str]] | None = None,
    only: Sequence[str] = (),
    progress: Progress,
    allow: AllowList | None = None,
    links: LinkOptions | None = None,
    threads: int | None = None,
    memory_limit: str = MEMORY_LIMIT,
    time_limit: float = TIME_LIMIT_SECONDS,
) -> Detection:
    """Run ``catalog`` (or the detectors ``only``) over the events of ``case`` and write :data:`OUTPUTS`.

    ``parameters`` are detector id → name → text, as :func:`merge_parameters` gives them. A detector that fails or takes
    longer than ``time_limit`` seconds is not evaluable, with the reason; the others go on.
    Raises DetectorError for an unknown id or parameter.
    """
    detectors = [catalog[i] for i in sorted(set(only))] if only else list(catalog.detectors)
    chosen = parameters or {}
    for detector_id in chosen:
        _ = catalog[detector_id]
    with _sandbox_over(case, threads, memory_limit, time_limit) as sandbox:
        relations = Relations(sandbox)
        _create_collections(sandbox)
        progress.start("detect", len(detectors))
        runs = []
        for number, detector in enumerate(detectors):
            runs.append(_run_one(sandbox, relations, number, detector, _values(detector, chosen.get(detector.id, {}))))
            progress.advance(1)
        progress.finish()
        if allow:
            relations.need(frozenset({"event_parties"}))
            runs = _suppress(sandbox, allow, runs)
        table, evidence, incidents = link_findings(sandbox, relations, detectors, links or LinkOptions())
        with case.open_parquet("evidence.parquet", EVIDENCE.arrow) as writer:
            for rows in sandbox.stream(evidence, _HERE):
                writer.write(rows.cast(EVIDENCE.arrow))
    for run in runs:
        if run.reason and run.reason.code == "failed":
            progress.warn(f"{run.id}: {run.reason}")
    detection = Detection(tuple(runs), table, incidents)
    case.write_parquet("findings.parquet", table)
    case.write_json("incidents.json", {"schema": "breachscope/incidents/1", "incidents": [i.as_json() for i in incidents]})
    case.write_json("detection.json", {"schema": "breachscope/detection/1", "detectors": [_run_json(r, catalog[r.id]) for r in detection.runs]})
    return detection


@contextmanager
def _sandbox_over(case: Case, threads: int | None, memory_limit: str, time_limit: float) -> Iterator[Sandbox]:
    event_files = {table: case.counted_files(table) for table in EVENT_TABLES}
    folders = sorted({path.parent for paths in event_files.values() for path in paths})
    with (
        case.scratch() as scratch,
        open_sandbox(event_files, scratch, allowed=folders, threads=threads, memory_limit=memory_limit, time_limit=time_limit) as sandbox,
    ):
        yield sandbox


def _values(detector: Detector, texts: Mapping[str, str]) -> Mapping[str, str]:
    """The text of every parameter: as given, else the default. Raises DetectorError for an unknown name or a wrong type."""
    values = {p.name: p.default for p in detector.parameters}
    for name, text in texts.items():
        parse_parameter(detector, name, text)
        values[name] = text
    return values


def parse_parameter(detector: Detector, name: str, text: str) -> Scalar:
    """Read one parameter. Raises DetectorError with the nearest name, or with what the type expects."""
    for parameter in detector.parameters:
        if parameter.name == name:
            try:
                return parameter.value(text)
            except ValueError as error:
                raise DetectorError(f"parameter {name!r} of {detector.id} is {text!r}, but must be {error}") from error
    known = [p.name for p in detector.parameters]
    raise DetectorError(f"{detector.id} has no parameter {name!r}{did_you_mean(name, known)} (it has {', '.join(known) or 'none'})")


def _create_collections(sandbox: Sandbox) -> None:
    sandbox.connection.execute(
        """
        CREATE TEMP TABLE all_found (found_no BIGINT, detector_no INTEGER, level_rank INTEGER, actor_kind VARCHAR, actor VARCHAR, peer VARCHAR,
            group_text VARCHAR, is_shared BOOLEAN, first_ts TIMESTAMP, last_ts TIMESTAMP, measure DOUBLE, threshold DOUBLE, events BIGINT, facts VARCHAR);
        CREATE TEMP TABLE all_events (found_no BIGINT, event_table VARCHAR, event_id BIGINT);
        """
    )


def _run_one(sandbox: Sandbox, relations: Relations, number: int, detector: Detector, parameters: Mapping[str, str]) -> DetectorRun:
    findings = 0
    reason: Reason | None
    skipped: Mapping[str, int] = {}
    try:
        relations.need(detector.use.relations | {detector.evidence.relation, "addresses"} | frozenset(detector.requires))
        reason, skipped = _judge(sandbox, detector)
        if reason is None:
            values = {p.name: p.value(parameters[p.name]) for p in detector.parameters}
            findings = _find(sandbox, number, detector, values)
    except DetectorError as error:
        reason = Reason("failed", {"message": error.text})
    return DetectorRun(detector.id, detector.version, detector.level, parameters, findings, reason, skipped, 0)


def _judge(sandbox: Sandbox, detector: Detector) -> tuple[Reason | None, Mapping[str, int]]:
    """Say why the detector cannot judge this case, if so, and count the rows that lack a needed column."""
    skipped = {}
    for relation, columns in detector.requires.items():
        counts = ", ".join(f'count("{c}")' for c in columns)
        rows, *filled = sandbox.count(f"SELECT count(*){', ' if counts else ''}{counts} FROM {relation}")
        if rows == 0:
            return Reason("no_events", {"relation": relation}), {}
        for column, present in zip(columns, filled, strict=True):
            missing = rows - present
            if missing > MOSTLY_NULL * rows:
                return Reason("column_missing", {"relation": relation, "column": column, "missing": missing, "rows": rows}), {}
            if missing:
                skipped[f"{relation}.{column}"] = missing
    return None, skipped


def _find(sandbox: Sandbox, number: int, detector: Detector, values: Mapping[str, Scalar]) -> int:
    """Run the query, merge rows of one group whose spans touch, name their events, and add both to the collections."""
    path = detector.query_path
    sandbox.run(_hits_sql(detector), path, values, limited=True)
    sandbox.run(_merge_sql(detector), path)
    sandbox.run(f"CREATE OR REPLACE TEMP TABLE found_events AS {evidence_sql(detector)}", path, limited=True)
    groups = _group_columns(detector)
    pairs = ", ".join(f"'{name}': f.\"{name}\"" for name in detector.facts)
    facts = f"to_json({{{pairs}}})::VARCHAR" if pairs else "'{}'"
    group_text = ", ".join(f'f."{c}"::VARCHAR' for c in groups)
    peer = "f.peer" if "peer" in detector.columns else "NULL"
    (base,) = sandbox.count("SELECT count(*) FROM all_found")
    sandbox.run(
        f"""
        INSERT INTO all_found
        SELECT {base} + f.found_id, {number}, f.level_rank, f.actor_kind, f.actor, {peer}, to_json([{group_text}])::VARCHAR,
            coalesce(a.is_shared, false), coalesce(e.first_ts, f.first_ts), coalesce(e.last_ts, f.last_ts),
            f.measure, f.threshold, coalesce(e.events, 0), {facts}
        FROM found AS f LEFT JOIN (
            SELECT found_id, min(ts) AS first_ts, max(ts) AS last_ts, count(*) AS events FROM found_events GROUP BY found_id
        ) AS e USING (found_id)
        LEFT JOIN addresses AS a ON f.actor_kind = 'ip' AND f.actor = a.client_ip
        """,
        path,
    )
    sandbox.run(f"INSERT INTO all_events SELECT {base} + found_id, event_table, event_id FROM found_events", path)
    return sandbox.count("SELECT count(*) FROM found")[0]


def _suppress(sandbox: Sandbox, allow: AllowList, runs: Sequence[DetectorRun]) -> list[DetectorRun]:
    """Drop the findings all of whose events are allowed; return the runs with those counted."""
    addresses = sandbox.fetch("SELECT DISTINCT client_ip FROM event_parties WHERE client_ip IS NOT NULL", _HERE).column(0).to_pylist()
    agents = sandbox.fetch("SELECT DISTINCT user_agent FROM event_parties WHERE user_agent IS NOT NULL", _HERE).column(0).to_pylist()
    for name, values in (("ips", allow.select_addresses(addresses)), ("agents", allow.select_agents(agents)), ("users", allow.users)):
        sandbox.load(f"allowed_{name}", pa.table({"value": pa.array(values, pa.string())}))
    sandbox.run(
        """
        CREATE TEMP TABLE suppressed AS
        SELECT found_no FROM all_events JOIN event_parties AS p USING (event_table, event_id)
        GROUP BY found_no HAVING bool_and(coalesce(
            p.client_ip IN (FROM allowed_ips) OR p.user_agent IN (FROM allowed_agents) OR p."user" IN (FROM allowed_users), false))
        """,
        _HERE,
    )
    counts = dict(sandbox.connection.execute("SELECT detector_no, count(*) FROM all_found JOIN suppressed USING (found_no) GROUP BY detector_no").fetchall())
    for table in ("all_found", "all_events"):
        sandbox.run(f"DELETE FROM {table} WHERE found_no IN (FROM suppressed)", _HERE)
    return [replace(run, findings=run.findings - counts.get(n, 0), suppressed=counts.get(n, 0)) for n, run in enumerate(runs)]


def _group_columns(detector: Detector) -> list[str]:
    """Columns in which rows of one finding agree, besides the actor."""
    return sorted(c for c in detector.columns if c in {"peer", "target"} or c.startswith("_"))


def _hits_sql(detector: Detector) -> str:
    """Gather the query's rows while they stream, one for each group and minute, so that ten million of them take no room.

    Rows that end in the same minute and last at least a minute touch, and so do rows that end at the same moment.
    """
    groups = ", ".join(f'"{c}"' for c in ["actor_kind", "actor", *_group_columns(detector)])
    carried = [c for c in detector.columns if c not in {*RESULT_COLUMNS, "level", *_group_columns(detector)}]
    peak = ", ".join(["'measure': measure::DOUBLE", "'threshold': threshold::DOUBLE", *(f"'{c}': \"{c}\"" for c in carried)])
    level = _LEVEL_RANK.format(level="level" if "level" in detector.columns else f"'{detector.level}'")
    return f"""
        CREATE OR REPLACE TEMP TABLE hits AS
        SELECT {groups}, min(first_ts) AS first_ts, max(last_ts) AS last_ts, max(level_rank) AS level_rank, {_BEST_PEAK} AS peak
        FROM (
            SELECT {groups}, first_ts, last_ts, coalesce({level}, 1) AS level_rank, {{{peak}}} AS peak,
                CASE WHEN last_ts - first_ts >= INTERVAL 1 MINUTE THEN time_bucket(INTERVAL 1 MINUTE, last_ts) ELSE last_ts END AS gathered,
                last_ts - first_ts >= INTERVAL 1 MINUTE AS is_long
            FROM (\n{detector.query}\n) WHERE actor_kind IS NOT NULL AND actor IS NOT NULL AND first_ts <= last_ts
        ) GROUP BY {groups}, gathered, is_long
    """


def _merge_sql(detector: Detector) -> str:
    """Rows of one group whose spans touch become one row of ``found``: first and last time, the highest level, the peak and its facts."""
    groups = ", ".join(f'"{c}"' for c in ["actor_kind", "actor", *_group_columns(detector)])
    return f"""
        CREATE OR REPLACE TEMP TABLE found AS
        WITH reaching AS (
            SELECT *, max(last_ts) OVER (PARTITION BY {groups} ORDER BY first_ts, last_ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM hits
        ), islands AS (
            SELECT *, count(*) FILTER (reached IS NULL OR first_ts > reached)
                OVER (PARTITION BY {groups} ORDER BY first_ts, last_ts ROWS UNBOUNDED PRECEDING) AS island
            FROM reaching
        ), merged AS (
            SELECT {groups}, min(first_ts) AS first_ts, max(last_ts) AS last_ts, max(level_rank) AS level_rank, {_BEST_PEAK} AS peak
            FROM islands GROUP BY {groups}, island
        )
        SELECT row_number() OVER (ORDER BY {groups}, first_ts) AS found_id, * EXCLUDE (peak), unnest(peak) FROM merged
    """


def _by_language(texts: Sequence[Text]) -> dict[str, list[str]]:
    return {"en": [t.en for t in texts], "ja": [t.ja for t in texts]}


def _run_json(run: DetectorRun, detector: Detector) -> dict[str, object]:
    """What was run and in which words it was described: a report on the case must not depend on the detectors of another day."""
    return {
        "id": run.id,
        "title": asdict(detector.title),
        "description": asdict(detector.description),
        "false_positives": _by_language(detector.false_positives),
        "next_steps": _by_language(detector.next_steps),
        "version": run.version,
        "level": run.level,
        "parameters": dict(run.parameters),
        "findings": run.findings,
        "suppressed": run.suppressed,
        "evaluable": run.evaluable,
        "reason": str(run.reason) if run.reason else None,
        "reason_code": run.reason.code if run.reason else None,
        "reason_facts": dict(run.reason.facts) if run.reason else {},
        "skipped_null_keys": dict(run.skipped_null_keys),
    }
