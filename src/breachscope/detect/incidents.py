"""Findings that belong together become incidents; an incident's own events become evidence.

**Linking.** Two findings no more than a gap apart in time are linked when they share an actor, an address (a session's
or an account's own, or the far side of an egress), or, from medium level on, an account that logged in successfully in
both. A shared address (NAT, proxy, carrier) never links.

**Whose events.** Blame goes by what only the attacker had:

- an address, where a finding of at least medium level names it and few people use it, or where nobody but the incident's sessions used it;
- a session that a finding names, or that began at such an address – wherever it is used afterwards;
- an account never by its name alone, for its owner uses it too: only together with such an address or session. Events that name nothing but the
  account are taken as ``shared`` when it was also used from elsewhere;
- a shared address only for the events that the findings name, as ``shared``.

A finding below medium level, or of a detector whose evidence is context, hands over nothing on its own: attempts are
not access. The span of an incident reaches over its actors' activity as long as no pause is longer than an hour, so that
a slow start or tail outside the detectors' windows is not lost.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from breachscope.detect.catalog import STAGES, Detector
from breachscope.detect.sandbox import Relations, Sandbox
from breachscope.schema import FINDINGS, LEVELS

_HERE = Path("incidents")
_MEDIUM = LEVELS.index("medium") + 1
_MAX_ROUNDS = 8
_NO_EVIDENCE = """SELECT '' AS incident_id, '' AS "table", 0::BIGINT AS event_id, '' AS attribution, '' AS finding_id WHERE false"""


@dataclass(frozen=True)
class LinkOptions:
    """``gap``: findings further apart are different incidents; ``pause``: a longer silence ends an actor's activity."""

    gap: timedelta = timedelta(hours=24)
    pause: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Actor:
    """Who is held responsible; ``shared`` when other people use the same address or account."""

    kind: str
    value: str
    shared: bool


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
            "first_ts": _iso(self.first_ts),
            "last_ts": _iso(self.last_ts),
            "actors": [{"kind": a.kind, "value": a.value, "shared": a.shared} for a in self.actors],
            "stages": [{"stage": s.stage, "first_ts": _iso(s.first_ts), "last_ts": _iso(s.last_ts), "findings": list(s.findings)} for s in self.stages],
            "findings": list(self.findings),
            "attack": list(self.attack),
            "timeline": [
                {
                    "ts": _iso(m.ts),
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


@dataclass(frozen=True)
class Finding:
    """One finding as the linker sees it."""

    number: int
    id: str
    detector: Detector
    level: int
    actor_kind: str
    actor: str
    peer: str | None
    shared: bool
    first_ts: datetime
    last_ts: datetime
    measure: float
    threshold: float
    events: int
    facts: str

    @property
    def gives_evidence(self) -> bool:
        return self.level >= _MEDIUM and self.detector.evidence.grade != "context"


def link_findings(sandbox: Sandbox, relations: Relations, detectors: Sequence[Detector], options: LinkOptions) -> tuple[pa.Table, str, tuple[Incident, ...]]:
    """Read the sandbox's tables ``all_found`` and ``all_events``; return schema.FINDINGS, a query for schema.EVIDENCE, and the incidents."""
    findings = _read_findings(sandbox, detectors)
    if not findings:
        return FINDINGS.arrow.empty_table(), _NO_EVIDENCE, ()
    relations.need(frozenset({"event_parties", "addresses", "session_origins"}))
    groups = _link(findings, _entities(sandbox, findings, options), options.gap)
    incident_ids = {number: _incident_id(group) for group in groups for number in (f.number for f in group)}
    actors, spans, evidence = _Evidence(sandbox, options).collect(groups)
    incidents = [_describe(group, actors[_incident_id(group)], spans[_incident_id(group)]) for group in groups]
    incidents.sort(key=lambda i: (i.first_ts, i.id))
    return _findings_table(findings, incident_ids), evidence, tuple(incidents)


def finding_id(detector: str, actor_kind: str, actor: str, group: str, first_ts: datetime) -> str:
    """``F-`` and twelve hex digits; ``group`` tells apart findings of one actor that begin together (peer, target, …)."""
    return "F-" + _short_hash(detector, actor_kind, actor, group, _iso(first_ts))


def _incident_id(group: Sequence[Finding]) -> str:
    first = group[0]
    return "I-" + _short_hash(first.detector.id, first.actor_kind, first.actor, first.id, _iso(first.first_ts))


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="auto").replace("+00:00", "Z")


def _read_findings(sandbox: Sandbox, detectors: Sequence[Detector]) -> list[Finding]:
    rows = sandbox.fetch("SELECT * FROM all_found ORDER BY found_no", _HERE).to_pylist()
    findings = []
    for row in rows:
        detector = detectors[row["detector_no"]]
        first = row["first_ts"].replace(tzinfo=UTC)
        findings.append(
            Finding(
                number=row["found_no"],
                id=finding_id(detector.id, row["actor_kind"], row["actor"], row["group_text"], first),
                detector=detector,
                level=row["level_rank"],
                actor_kind=row["actor_kind"],
                actor=row["actor"],
                peer=row["peer"],
                shared=row["is_shared"],
                first_ts=first,
                last_ts=row["last_ts"].replace(tzinfo=UTC),
                measure=row["measure"],
                threshold=row["threshold"],
                events=row["events"],
                facts=row["facts"],
            )
        )
    return sorted(findings, key=lambda f: (f.first_ts, f.detector.id, f.actor_kind, f.actor, f.id))


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
        WHERE f.actor_kind = 'ip' AND NOT f.is_shared AND f.level_rank >= {_MEDIUM} AND p.event_table = 'auth' AND p.succeeded AND p."user" IS NOT NULL
        UNION
        SELECT DISTINCT found_no, p."user" FROM all_found AS f JOIN event_parties AS p
        ON f.actor = p.session AND p.ts BETWEEN f.first_ts AND f.last_ts
        WHERE f.actor_kind = 'session' AND f.level_rank >= {_MEDIUM} AND p."user" IS NOT NULL
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


class _Evidence:
    """Finds the actors of each incident and their events."""

    def __init__(self, sandbox: Sandbox, options: LinkOptions) -> None:
        self._sandbox = sandbox
        self._pause = f"INTERVAL '{options.pause.total_seconds()} seconds'"

    def collect(self, groups: Sequence[Sequence[Finding]]) -> tuple[Mapping[str, tuple[Actor, ...]], Mapping[str, tuple[datetime, datetime]], str]:
        spans = {_incident_id(g): (g[0].first_ts, max(f.last_ts for f in g)) for g in groups}
        actors = {_incident_id(g): _own_actors(g) for g in groups}
        giving = [g for g in groups if any(f.gives_evidence for f in g)]
        self._open(giving)
        for _ in range(_MAX_ROUNDS):
            if not self._widen():
                break
        self._stretch()
        for row in self._rows("SELECT incident, first_ts, last_ts FROM incident_spans"):
            spans[row["incident"]] = (row["first_ts"].replace(tzinfo=UTC), row["last_ts"].replace(tzinfo=UTC))
        evidence = self._evidence()
        for row in self._rows(
            """
            SELECT incident, 'ip' AS kind, ip AS value, false AS shared FROM incident_ips
            UNION SELECT incident, 'session', session, false FROM incident_sessions
            UNION SELECT incident, 'user', "user", elsewhere FROM incident_users
            """
        ):
            actors[row["incident"]].add(Actor(row["kind"], row["value"], row["shared"]))
        return {i: _merge_actors(a) for i, a in actors.items()}, spans, evidence

    def _run(self, sql: str) -> None:
        self._sandbox.run(sql, _HERE)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._sandbox.fetch(sql, _HERE).to_pylist()
        return rows

    def _open(self, groups: Sequence[Sequence[Finding]]) -> None:
        """Begin with what the findings themselves name."""
        members = [(_incident_id(g), f) for g in groups for f in g]
        rows = pa.table(
            {
                "incident": pa.array([i for i, _ in members], pa.string()),
                "found_no": pa.array([f.number for _, f in members], pa.int64()),
                "finding_id": pa.array([f.id for _, f in members], pa.string()),
                "gives": pa.array([f.gives_evidence for _, f in members], pa.bool_()),
                "order_no": pa.array(range(len(members)), pa.int64()),
            }
        )
        self._sandbox.load("incident_findings", rows)
        self._run(
            f"""
            CREATE TEMP TABLE incident_ips AS SELECT DISTINCT incident, CASE f.actor_kind WHEN 'host' THEN peer ELSE actor END AS ip
            FROM incident_findings JOIN all_found AS f USING (found_no)
            WHERE f.level_rank >= {_MEDIUM} AND (f.actor_kind = 'ip' AND NOT f.is_shared OR f.actor_kind = 'host' AND peer IS NOT NULL)
            """
        )
        self._run(
            f"""
            CREATE TEMP TABLE incident_sessions AS SELECT DISTINCT incident, actor AS session
            FROM incident_findings JOIN all_found AS f USING (found_no) WHERE f.actor_kind = 'session' AND f.level_rank >= {_MEDIUM}
            """
        )
        self._run(
            """
            CREATE TEMP TABLE incident_logins AS SELECT DISTINCT incident, f.actor AS "user", p.client_ip
            FROM incident_findings AS i JOIN all_found AS f USING (found_no) JOIN all_events USING (found_no)
            JOIN event_parties AS p USING (event_table, event_id)
            WHERE f.actor_kind = 'user' AND i.gives AND p.client_ip IS NOT NULL AND p.succeeded
            """
        )
        self._run(
            """
            CREATE TEMP TABLE incident_spans AS SELECT incident, min(first_ts) AS first_ts, max(last_ts) AS last_ts
            FROM incident_findings JOIN all_found USING (found_no) GROUP BY incident
            """
        )

    def _widen(self) -> bool:
        """Add sessions that began at the incident's addresses, and addresses that only its sessions used; return whether any came."""
        before = self._sizes()
        self._run(
            f"""
            INSERT INTO incident_sessions
            SELECT DISTINCT incident, o.session FROM session_origins AS o JOIN incident_ips AS i ON o.origin = i.ip JOIN incident_spans AS s USING (incident)
            WHERE o.began BETWEEN s.first_ts - {self._pause} AND s.last_ts + {self._pause}
                AND NOT EXISTS (SELECT 1 FROM incident_sessions AS k WHERE k.incident = i.incident AND k.session = o.session)
            """
        )
        self._run(
            f"""
            INSERT INTO incident_ips
            WITH used AS (
                SELECT DISTINCT k.incident, p.client_ip FROM event_parties AS p JOIN incident_sessions AS k ON p.session = k.session
                WHERE p.client_ip IS NOT NULL
            ), others AS (
                SELECT DISTINCT u.incident, u.client_ip FROM used AS u JOIN incident_spans AS s USING (incident)
                JOIN event_parties AS p ON p.client_ip = u.client_ip AND p.ts BETWEEN s.first_ts - {self._pause} AND s.last_ts + {self._pause}
                LEFT JOIN incident_sessions AS k ON k.incident = u.incident AND k.session = p.session
                WHERE p.succeeded AND (p.session IS NOT NULL OR p."user" IS NOT NULL) AND k.session IS NULL
            )
            SELECT u.incident, u.client_ip FROM used AS u LEFT JOIN addresses AS a ON a.client_ip = u.client_ip
            ANTI JOIN others AS o ON o.incident = u.incident AND o.client_ip = u.client_ip
            ANTI JOIN incident_ips AS k ON k.incident = u.incident AND k.ip = u.client_ip
            WHERE NOT coalesce(a.is_shared OR a.is_loopback, false)
            """
        )
        return self._sizes() != before

    def _sizes(self) -> tuple[int, int]:
        row = self._rows("SELECT (SELECT count(*) FROM incident_ips) AS ips, (SELECT count(*) FROM incident_sessions) AS sessions")[0]
        return row["ips"], row["sessions"]

    def _stretch(self) -> None:
        """Reach over the actors' activity around the findings, up to the first long pause on either side."""
        self._run(
            """
            CREATE TEMP TABLE own_events AS
            SELECT i.incident, p.event_table, p.event_id, p.ts FROM event_parties AS p JOIN incident_ips AS i ON p.client_ip = i.ip
            UNION ALL SELECT i.incident, p.event_table, p.event_id, p.ts FROM event_parties AS p JOIN incident_ips AS i ON p.peer_ip = i.ip
            UNION ALL SELECT i.incident, p.event_table, p.event_id, p.ts FROM event_parties AS p JOIN incident_sessions AS i ON p.session = i.session
            UNION ALL SELECT i.incident, p.event_table, p.event_id, p.ts FROM event_parties AS p
            JOIN incident_logins AS i ON p."user" = i."user" AND p.client_ip = i.client_ip
            """
        )
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE incident_spans AS
            WITH stretches AS (
                SELECT incident, min(ts) AS first, max(ts) AS last, false AS found FROM own_events WHERE ts IS NOT NULL
                GROUP BY incident, time_bucket(INTERVAL 1 MINUTE, ts)
                UNION ALL SELECT incident, first_ts, last_ts, true FROM incident_spans
            ), reaching AS (
                SELECT *, max(last) OVER (PARTITION BY incident ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM stretches
            ), runs AS (
                SELECT *, sum((reached IS NULL OR first - reached > {self._pause})::INTEGER)
                    OVER (PARTITION BY incident ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS run
                FROM reaching
            )
            SELECT incident, min(first) AS first_ts, max(last) AS last_ts FROM runs WHERE (incident, run) IN (SELECT (incident, run) FROM runs WHERE found)
            GROUP BY incident
            """
        )

    def _evidence(self) -> str:
        """Return the query for the evidence, in order, in the columns of schema.EVIDENCE."""
        self._run(
            """
            CREATE TEMP TABLE incident_users AS
            WITH taken AS (
                SELECT DISTINCT o.incident, p."user" FROM own_events AS o JOIN event_parties AS p USING (event_table, event_id)
                WHERE p."user" IS NOT NULL AND p.succeeded
            ), outside AS (
                SELECT DISTINCT t.incident, t."user" FROM taken AS t JOIN event_parties AS p ON p."user" = t."user"
                ANTI JOIN own_events AS o ON o.incident = t.incident AND o.event_table = p.event_table AND o.event_id = p.event_id
                WHERE p.succeeded AND (p.client_ip IS NOT NULL OR p.session IS NOT NULL)
            )
            SELECT t.incident, t."user", o."user" IS NOT NULL AS elsewhere FROM taken AS t LEFT JOIN outside AS o USING (incident, "user")
            """
        )
        self._run(
            """
            CREATE TEMP TABLE evidence AS
            WITH candidates AS (
                SELECT o.incident, o.event_table, o.event_id, 0 AS doubt, NULL AS order_no FROM own_events AS o JOIN incident_spans AS s USING (incident)
                WHERE o.ts BETWEEN s.first_ts AND s.last_ts
                UNION ALL
                SELECT u.incident, p.event_table, p.event_id, u.elsewhere::INTEGER, NULL FROM incident_users AS u JOIN incident_spans AS s USING (incident)
                JOIN event_parties AS p ON p."user" = u."user" AND p.ts BETWEEN s.first_ts AND s.last_ts
                WHERE p.client_ip IS NULL AND p.session IS NULL
                UNION ALL
                SELECT i.incident, event_table, event_id, CASE WHEN i.gives THEN f.is_shared::INTEGER END, i.order_no
                FROM incident_findings AS i JOIN all_found AS f USING (found_no) JOIN all_events USING (found_no)
            )
            SELECT incident, event_table, event_id, min(doubt) AS doubt, min(order_no) AS order_no FROM candidates GROUP BY ALL HAVING min(doubt) IS NOT NULL
            """
        )
        return """
            SELECT e.incident AS incident_id, event_table AS "table", event_id, CASE doubt WHEN 0 THEN 'actor' ELSE 'shared' END AS attribution, finding_id
            FROM evidence AS e LEFT JOIN incident_findings USING (order_no) ORDER BY 1, 2, 3
        """


def _own_actors(group: Sequence[Finding]) -> set[Actor]:
    actors = {Actor(f.actor_kind, f.actor, f.shared) for f in group}
    return actors | {Actor("ip", f.peer, False) for f in group if f.actor_kind == "host" and f.peer}


def _merge_actors(actors: Iterable[Actor]) -> tuple[Actor, ...]:
    shared: dict[tuple[str, str], bool] = defaultdict(bool)
    for actor in actors:
        shared[actor.kind, actor.value] |= actor.shared
    return tuple(Actor(kind, value, flag) for (kind, value), flag in sorted(shared.items()))


def _describe(group: Sequence[Finding], actors: tuple[Actor, ...], span: tuple[datetime, datetime]) -> Incident:
    stages = []
    for stage in STAGES:
        members = [f for f in group if f.detector.stage == stage]
        if members:
            stages.append(StageSpan(stage, min(f.first_ts for f in members), max(f.last_ts for f in members), tuple(f.id for f in members)))
    return Incident(
        id=_incident_id(group),
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
        "first_ts": _iso(finding.first_ts),
        "last_ts": _iso(finding.last_ts),
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


def _findings_table(findings: Sequence[Finding], incidents: Mapping[int, str]) -> pa.Table:
    columns = {
        "finding_id": [f.id for f in findings],
        "incident_id": [incidents[f.number] for f in findings],
        "detector": [f.detector.id for f in findings],
        "level": [LEVELS[f.level - 1] for f in findings],
        "attack": [list(f.detector.attack) for f in findings],
        "actor_kind": [f.actor_kind for f in findings],
        "actor": [f.actor for f in findings],
        "peer": [f.peer for f in findings],
        "first_ts": [f.first_ts for f in findings],
        "last_ts": [f.last_ts for f in findings],
        "measure": [f.measure for f in findings],
        "threshold": [f.threshold for f in findings],
        "events": [f.events for f in findings],
        "facts": [f.facts for f in findings],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in FINDINGS.arrow], schema=FINDINGS.arrow)
