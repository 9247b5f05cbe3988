"""Which requests of the logs ask for what the map's routes give away.

Tables made in DuckDB::

    web_evidence   web events of the incidents: incident_id, event_id, ts (µs), source, request_id, status, bytes_sent,
                   client_ip, user, is_shared
    traffic        every web request of the case that may match a route, by anyone: source, request_id, status, bytes_sent, requests
    requests       distinct requests: request_id, method, path, query, vhost, normal_path, arguments
    matches        request_id, route, is_head
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from breachscope.errors import counted
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.datamap import Route
from breachscope.scope.templates import ARGUMENTS_SQL, NORMAL_PATH_SQL, UNUSUAL_PATH_SQL, Template, quote

SAME_REQUEST = " AND ".join(f"r.{c} IS NOT DISTINCT FROM e.{c}" for c in ("method", "path", "query", "vhost"))
"""Condition that an event ``e`` is an instance of the request ``r``."""


def load_evidence(database: Database, evidence: Path) -> None:
    """Make the table ``evidence``: one row per incident and event, shared only where nothing ties it to the actor alone."""
    database.run(f"""
        CREATE TEMP TABLE evidence AS
        SELECT incident_id, "table", event_id, bool_and(attribution = 'shared') AS is_shared
        FROM {parquet_files_sql([evidence])} GROUP BY ALL""")


def match_requests(database: Database, files: Sequence[Path], routes: Sequence[Route]) -> None:
    """Make the tables of this module from the web event files."""
    templates = [(r, r.template) for r in routes if r.template is not None]
    candidate = " OR ".join([*dict.fromkeys(t.candidate_sql() for _, t in templates), UNUSUAL_PATH_SQL]) if templates else "false"
    events = parquet_files_sql(files) if files else None
    empty = """
        SELECT 0::INTEGER AS source, '' AS method, '' AS path, '' AS query, '' AS vhost, 0::SMALLINT AS status, 0::BIGINT AS bytes_sent, 0::BIGINT AS requests
        WHERE false"""
    grouped = f"""
        SELECT source, method, path, query, vhost, status, bytes_sent, count(*) AS requests
        FROM {events} WHERE method IS NOT NULL AND path IS NOT NULL AND ({candidate}) GROUP BY ALL"""
    database.run(f"CREATE TEMP TABLE candidate_traffic AS {grouped if events else empty}")
    database.run(f"""
        CREATE TEMP TABLE requests AS
        SELECT row_number() OVER (ORDER BY method, path, query, vhost) AS request_id, *, {NORMAL_PATH_SQL} AS normal_path, {ARGUMENTS_SQL} AS arguments
        FROM (SELECT DISTINCT method, path, query, vhost FROM candidate_traffic)""")
    database.run("CREATE TEMP TABLE matches (request_id BIGINT, route INTEGER, path_slots INTEGER, is_head BOOLEAN)")
    for route, template in templates:
        _match(database, route, template)
    # A route that spells out a path knows better than one with a slot there: /customers/export is no customer.
    database.run("""
        DELETE FROM matches USING (SELECT request_id, min(path_slots) AS fewest FROM matches GROUP BY request_id) AS best
        WHERE matches.request_id = best.request_id AND matches.path_slots > best.fewest""")
    database.run(f"""
        CREATE TEMP TABLE traffic AS
        SELECT e.source, r.request_id, e.status, e.bytes_sent, e.requests FROM candidate_traffic e JOIN requests r ON {SAME_REQUEST}
        WHERE r.request_id IN (SELECT request_id FROM matches)""")
    database.run("DROP TABLE candidate_traffic")
    _web_evidence(database, events)


def count_requests(database: Database, route: Route) -> tuple[int, int]:
    """Return how many requests, by anyone, a route matches, and how many of them were answered 2xx."""
    requests, answered = database.rows(f"""
        SELECT coalesce(sum(t.requests), 0)::BIGINT, coalesce(sum(t.requests) FILTER (t.status BETWEEN 200 AND 299), 0)::BIGINT
        FROM traffic t JOIN matches m ON m.request_id = t.request_id AND m.route = {route.index}""")[0]
    return requests, answered


def told_requests(requests: int, answered: int) -> str:
    """Say in English what :func:`count_requests` found."""
    return f"{counted(requests, 'request')}, {answered:,} answered 2xx"


def create_evidence(database: Database) -> None:
    """Make an empty table ``evidence``, where all traffic is looked at and no incident."""
    database.run('CREATE TEMP TABLE evidence (incident_id VARCHAR, "table" VARCHAR, event_id BIGINT, is_shared BOOLEAN)')


def _match(database: Database, route: Route, template: Template) -> None:
    optional = frozenset(route.default)
    if route.kind == "page":
        optional |= {"page", "offset"}
    host = f"AND (vhost IS NULL OR regexp_replace(lower(vhost), ':[0-9]+$', '') = {quote(route.host.lower())})" if route.host else ""
    database.run(f"""
        INSERT INTO matches
        SELECT request_id, {route.index}, {len(template.path_slots)}, upper(method) = 'HEAD'
        FROM requests WHERE {template.match_sql(optional)} {host}""")


def _web_evidence(database: Database, events: str | None) -> None:
    if events is None:
        database.run("""
            CREATE TEMP TABLE web_evidence AS
            SELECT '' AS incident_id, 0::BIGINT AS event_id, 0::BIGINT AS ts, 0::INTEGER AS source, 0::BIGINT AS request_id, 0::SMALLINT AS status,
                   0::BIGINT AS bytes_sent, '' AS client_ip, '' AS "user", '' AS method, '' AS path, '' AS query, false AS is_shared WHERE false""")
        return
    database.run(f"""
        CREATE TEMP TABLE web_evidence AS
        SELECT v.incident_id, e.event_id, epoch_us(e.ts) AS ts, e.source, r.request_id, e.status, e.bytes_sent, e.client_ip, e."user",
               e.method, e.path, e.query, v.is_shared
        FROM {events} e JOIN evidence v ON v."table" = 'web' AND v.event_id = e.event_id LEFT JOIN requests r ON {SAME_REQUEST}""")
