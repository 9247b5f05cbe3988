"""Whose events an incident's are: its actors, its span and its evidence.

Blame goes by what only the attacker had:

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

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from breachscope.detect.findings import MEDIUM, Finding
from breachscope.detect.sandbox import Sandbox

NO_EVIDENCE = """SELECT '' AS incident_id, '' AS "table", 0::BIGINT AS event_id, '' AS attribution, '' AS finding_id WHERE false"""
"""A query for no evidence, in the columns of schema.EVIDENCE."""
_HERE = Path("incidents")
_MAX_ROUNDS = 8


@dataclass(frozen=True)
class Actor:
    """Who is held responsible; ``shared`` when other people use the same address or account."""

    kind: str
    value: str
    shared: bool


@dataclass(frozen=True)
class Attributed:
    """Who is held responsible for each incident, its first and last moment, and a query for schema.EVIDENCE."""

    actors: Mapping[str, tuple[Actor, ...]]
    spans: Mapping[str, tuple[datetime, datetime]]
    evidence: str


class Attribution:
    """Finds the actors of each incident and their events; a silence longer than ``pause`` ends an actor's activity."""

    def __init__(self, sandbox: Sandbox, pause: timedelta) -> None:
        self._sandbox = sandbox
        self._pause = f"INTERVAL '{pause.total_seconds()} seconds'"

    def attribute(self, incidents: Mapping[str, Sequence[Finding]]) -> Attributed:
        """Read the sandbox's tables ``all_found`` and ``all_events`` and the relations; ``incidents`` is the findings of each, in time order."""
        spans = {i: (findings[0].first_ts, max(f.last_ts for f in findings)) for i, findings in incidents.items()}
        actors = {i: _own_actors(findings) for i, findings in incidents.items()}
        self._open({i: findings for i, findings in incidents.items() if any(f.gives_evidence for f in findings)})
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
        return Attributed({i: _merge_actors(a) for i, a in actors.items()}, spans, evidence)

    def _run(self, sql: str) -> None:
        self._sandbox.run(sql, _HERE)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._sandbox.fetch(sql, _HERE).to_pylist()
        return rows

    def _open(self, incidents: Mapping[str, Sequence[Finding]]) -> None:
        """Begin with what the findings themselves name."""
        members = [(i, f) for i, findings in incidents.items() for f in findings]
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
            WHERE f.level_rank >= {MEDIUM} AND (f.actor_kind = 'ip' AND NOT f.is_shared OR f.actor_kind = 'host' AND peer IS NOT NULL)
            """
        )
        self._run(
            f"""
            CREATE TEMP TABLE incident_sessions AS SELECT DISTINCT incident, actor AS session
            FROM incident_findings JOIN all_found AS f USING (found_no) WHERE f.actor_kind = 'session' AND f.level_rank >= {MEDIUM}
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
