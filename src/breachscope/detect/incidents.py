"""Findings that belong together become incidents, with their actors, stages and timeline.

Two findings no more than a gap apart in time are linked when they share an actor, an address (a session's or an account's
own, or the far side of an egress), or, from medium level on, an account that logged in successfully in both. A shared
address (NAT, proxy, carrier) never links. Whose events become the evidence is decided in :mod:`breachscope.detect.attribution`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from breachscope.detect.attribution import NO_EVIDENCE, Actor, Attribution
from breachscope.detect.detector import STAGES, Detector
from breachscope.detect.findings import MEDIUM, Finding, findings_table, iso_time, read_findings, short_hash
from breachscope.detect.sandbox import Relations, Sandbox
from breachscope.schema import FINDINGS, LEVELS

_HERE = Path("incidents")


@dataclass(frozen=True)
class LinkOptions:
    """``gap``: findings further apart are different incidents; ``pause``: a longer silence ends an actor's activity."""

    gap: timedelta = timedelta(hours=24)
    pause: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class StageSpan:
    """One stage of an incident and the findings that show it."""

    stage: str
    first_ts: datetime
    last_ts: datetime
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """One finding on the timeline, in words."""

    ts: datetime
    finding_id: str
    detector: str
    level: str
    stage: str
    summary_en: str
    summary_ja: str


@dataclass(frozen=True)
class Incident:
    """Linked findings with their actors, stages and timeline. Times are UTC."""

    id: str
    level: str
    first_ts: datetime
    last_ts: datetime
    actors: tuple[Actor, ...]
    stages: tuple[StageSpan, ...]
    findings: tuple[str, ...]
    attack: tuple[str, ...]
    timeline: tuple[Moment, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "level": self.level,
            "first_ts": iso_time(self.first_ts),
            "last_ts": iso_time(self.last_ts),
            "actors": [{"kind": a.kind, "value": a.value, "shared": a.shared} for a in self.actors],
            "stages": [{"stage": s.stage, "first_ts": iso_time(s.first_ts), "last_ts": iso_time(s.last_ts), "findings": list(s.findings)} for s in self.stages],
            "findings": list(self.findings),
            "attack": list(self.attack),
            "timeline": [
                {
                    "ts": iso_time(m.ts),
                    "finding_id": m.finding_id,
                    "detector": m.detector,
                    "level": m.level,
                    "stage": m.stage,
                    "summary_en": m.summary_en,
                    "summary_ja": m.summary_ja,
                }
                for m in self.timeline
            ],
        }


def link_findings(sandbox: Sandbox, relations: Relations, detectors: Sequence[Detector], options: LinkOptions) -> tuple[pa.Table, str, tuple[Incident, ...]]:
    """Read the sandbox's tables ``all_found`` and ``all_events``; return schema.FINDINGS, a query for schema.EVIDENCE, and the incidents."""
    findings = read_findings(sandbox, detectors)
    if not findings:
        return FINDINGS.arrow.empty_table(), NO_EVIDENCE, ()
    relations.need(frozenset({"event_parties", "addresses", "session_origins"}))
    groups = {_incident_id(group): group for group in _link(findings, _entities(sandbox, findings, options), options.gap)}
    attributed = Attribution(sandbox, options.pause).attribute(groups)
    incidents = [_describe(i, group, attributed.actors[i], attributed.spans[i]) for i, group in groups.items()]
    incidents.sort(key=lambda i: (i.first_ts, i.id))
    incident_ids = {f.number: i for i, group in groups.items() for f in group}
    return findings_table(findings, incident_ids), attributed.evidence, tuple(incidents)


def _incident_id(group: Sequence[Finding]) -> str:
    first = group[0]
    return "I-" + short_hash(first.detector.id, first.actor_kind, first.actor, first.id, iso_time(first.first_ts))


def _entities(sandbox: Sandbox, findings: Sequence[Finding], options: LinkOptions) -> Mapping[int, set[tuple[str, str]]]:
    """What each finding can be linked by."""
    entities: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for finding in findings:
        if finding.actor_kind == "host" and finding.peer:
            entities[finding.number].add(("ip", finding.peer))
        elif finding.actor_kind == "ip" and finding.shared:
            entities[finding.number].add(("shared", f"{finding.actor}\0{json.loads(finding.facts).get('ua_family')}"))
        else:
            entities[finding.number].add((finding.actor_kind, finding.actor))
    seen = sandbox.fetch(
        """
        SELECT DISTINCT found_no, p.client_ip FROM all_found AS f JOIN all_events USING (found_no)
        JOIN event_parties AS p USING (event_table, event_id) LEFT JOIN addresses AS a ON a.client_ip = p.client_ip
        WHERE f.actor_kind IN ('session', 'user') AND p.client_ip IS NOT NULL AND NOT coalesce(a.is_shared OR a.is_loopback, false)
        """,
        _HERE,
    )
    for number, address in _pairs(seen):
        entities[number].add(("ip", address))
    accounts = sandbox.fetch(
        f"""
        SELECT DISTINCT found_no, p."user" FROM all_found AS f JOIN event_parties AS p
        ON f.actor = p.client_ip AND p.ts BETWEEN f.first_ts AND f.last_ts + INTERVAL '{options.gap.total_seconds()} seconds'
        WHERE f.actor_kind = 'ip' AND NOT f.is_shared AND f.level_rank >= {MEDIUM} AND p.event_table = 'auth' AND p.succeeded AND p."user" IS NOT NULL
        UNION
        SELECT DISTINCT found_no, p."user" FROM all_found AS f JOIN event_parties AS p
        ON f.actor = p.session AND p.ts BETWEEN f.first_ts AND f.last_ts
        WHERE f.actor_kind = 'session' AND f.level_rank >= {MEDIUM} AND p."user" IS NOT NULL
        """,
        _HERE,
    )
    for number, account in _pairs(accounts):
        entities[number].add(("account", account))
    return entities


def _pairs(table: pa.Table) -> Iterable[tuple[int, str]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _link(findings: Sequence[Finding], entities: Mapping[int, set[tuple[str, str]]], gap: timedelta) -> list[list[Finding]]:
    """Group findings that share an entity within ``gap``; each group and the groups are in time order."""
    parent = {f.number: f.number for f in findings}

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    reached: dict[tuple[str, str], tuple[datetime, int]] = {}
    for finding in findings:
        for entity in entities[finding.number]:
            before = reached.get(entity)
            if before and finding.first_ts - before[0] <= gap:
                parent[root(finding.number)] = root(before[1])
                reached[entity] = (max(before[0], finding.last_ts), finding.number)
            else:
                reached[entity] = (finding.last_ts, finding.number)
    groups: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[root(finding.number)].append(finding)
    return list(groups.values())


def _describe(incident_id: str, group: Sequence[Finding], actors: tuple[Actor, ...], span: tuple[datetime, datetime]) -> Incident:
    stages = []
    for stage in STAGES:
        members = [f for f in group if f.detector.stage == stage]
        if members:
            stages.append(StageSpan(stage, min(f.first_ts for f in members), max(f.last_ts for f in members), tuple(f.id for f in members)))
    return Incident(
        id=incident_id,
        level=LEVELS[max(f.level for f in group) - 1],
        first_ts=span[0],
        last_ts=span[1],
        actors=actors,
        stages=tuple(stages),
        findings=tuple(f.id for f in group),
        attack=tuple(sorted({technique for f in group for technique in f.detector.attack})),
        timeline=tuple(_moment(f) for f in group),
    )


def _moment(finding: Finding) -> Moment:
    values = {
        **json.loads(finding.facts),
        "actor_kind": finding.actor_kind,
        "actor": finding.actor,
        "peer": finding.peer,
        "measure": finding.measure,
        "threshold": finding.threshold,
        "events": finding.events,
        "first_ts": iso_time(finding.first_ts),
        "last_ts": iso_time(finding.last_ts),
    }
    words = {name: _word(value) for name, value in values.items()}
    summary = finding.detector.summary
    return Moment(
        finding.first_ts, finding.id, finding.detector.id, LEVELS[finding.level - 1], finding.detector.stage, _fill(summary.en, words), _fill(summary.ja, words)
    )


def _fill(template: str, words: Mapping[str, str]) -> str:
    parts = template.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        filled.append(words.get(name, "–") + rest)
    return "".join(filled)


def _word(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    return str(value)
