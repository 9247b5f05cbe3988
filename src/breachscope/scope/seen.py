"""URL templates that the logs show: what a data map could describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from breachscope.errors import counted
from breachscope.scope.database import Database, parquet_files_sql
from breachscope.scope.requests import SAME_REQUEST
from breachscope.scope.templates import ARGUMENTS_SQL, NORMAL_PATH_SQL, PAGE_SLOTS

_MANY = (
    r"[0-9]+",
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    r"[0-9A-Fa-f]{16,}",
    r"[^@/]+@[^@/]+\.[A-Za-z]+",
    r"[A-Za-z]{1,5}[-_]?[0-9]{2,}",
)
"""Path segments that name one of many: number, UUID, long hex text, e-mail address, number with a short prefix (DETECTORS, URL template)."""

_SLOT_PATH_SQL = rf"""
array_to_string(list_transform(string_split(normal_path, '/'),
    lambda segment: CASE WHEN regexp_full_match(segment, '({"|".join(_MANY)})(\.[a-z]{{1,5}})?')
        THEN '{{id}}' || regexp_extract(segment, '(\.[a-z]{{1,5}})?$', 1) ELSE replace(replace(segment, '{{', ''), '}}', '') END), '/')
"""
STATIC_PATH = r"\.(css|js|mjs|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|eot|mp4|webm|txt|xml|webmanifest)$"


@dataclass(frozen=True)
class SeenTemplate:
    """One shape of URL: ``match`` as a route of the map would write it."""

    match: str
    requests: int
    returned: int
    """Answers with a status 2xx."""
    distinct_urls: int
    bytes_sent: int

    def told(self) -> str:
        """Say in English how often it was answered."""
        return f"{counted(self.returned, 'answer')}, {counted(self.distinct_urls, 'URL')}"


def seen_templates(database: Database, limit: int, *, mapped: bool) -> list[SeenTemplate]:
    """Return the shapes of successful requests of the incidents' actors, most answers first; with a map, those that no route matches."""
    unmatched = "AND (request_id IS NULL OR request_id NOT IN (SELECT request_id FROM matches))" if mapped else ""
    return _templates(
        database, f"SELECT method, path, query, status, bytes_sent FROM web_evidence WHERE method IS NOT NULL AND path IS NOT NULL {unmatched}", limit
    )


def all_templates(database: Database, files: Sequence[Path], limit: int, *, unmatched: bool = False) -> list[SeenTemplate]:
    """Return the shapes of all successful requests of a case, by anyone; ``unmatched``: those that no route matches."""
    if not files:
        return []
    events = f"SELECT method, path, query, status, bytes_sent FROM {parquet_files_sql(files)} e WHERE method IS NOT NULL AND path IS NOT NULL"
    if unmatched:
        events += f" AND NOT EXISTS (SELECT 1 FROM requests r JOIN matches USING (request_id) WHERE {SAME_REQUEST})"
    return _templates(database, events, limit)


LEAST_KEYS = 20
"""So many different values in one place of URLs that are keys of a table are no chance."""


@dataclass(frozen=True)
class KeysSeen:
    """Keys of a table that an incident's actor asked for successfully where no route of the map looks."""

    incident: str
    first_ts: int
    last_ts: int
    keys: int
    match: str
    """Shape of the path, or name of the argument, that holds them."""


def unmapped_keys(database: Database, rows: str) -> list[KeysSeen]:
    """Return where answered requests that no route matches name at least LEAST_KEYS keys of the staged table ``rows``."""
    pages = ", ".join(f"'{name}'" for name in (*PAGE_SLOTS, "per_page", "p"))
    found = database.rows(f"""
        WITH unmapped AS (
            SELECT incident_id, ts, method, {NORMAL_PATH_SQL} AS normal_path, {ARGUMENTS_SQL} AS arguments
            FROM web_evidence
            WHERE status BETWEEN 200 AND 299 AND coalesce(bytes_sent, 1) > 0 AND ts IS NOT NULL AND path IS NOT NULL
              AND NOT regexp_matches(path, '{STATIC_PATH}') AND (request_id IS NULL OR request_id NOT IN (SELECT request_id FROM matches))),
        named AS (
            SELECT incident_id, ts, method || ' ' || {_SLOT_PATH_SQL} AS place, unnest(string_split(normal_path, '/')) AS value FROM unmapped
            UNION ALL
            SELECT incident_id, ts, place || '?' || argument.name || '=', argument.value
            FROM (SELECT incident_id, ts, method || ' ' || {_SLOT_PATH_SQL} AS place, unnest(arguments) AS argument FROM unmapped)
            WHERE lower(argument.name) NOT IN ({pages}))
        SELECT incident_id, min(ts), max(ts), count(DISTINCT value), place FROM named
        WHERE value IN (SELECT record FROM {rows}) GROUP BY incident_id, place HAVING count(DISTINCT value) >= {LEAST_KEYS} ORDER BY incident_id, place""")
    return [KeysSeen(*row) for row in found]


def _templates(database: Database, events: str, limit: int) -> list[SeenTemplate]:
    names = """array_to_string(list_sort(list_distinct(list_filter(list_transform(string_split(coalesce(query, ''), '&'), lambda a: split_part(a, '=', 1)),
        lambda name: regexp_full_match(name, '[A-Za-z_][A-Za-z0-9_.-]{0,40}')))), '&')"""
    rows = database.rows(f"""
        WITH urls AS (
            SELECT upper(method) AS method, path, query, count(*) AS requests, count(*) FILTER (status BETWEEN 200 AND 299) AS returned,
                   coalesce(sum(bytes_sent) FILTER (status BETWEEN 200 AND 299), 0)::BIGINT AS bytes_sent
            FROM ({events}) GROUP BY ALL),
        shaped AS (
            SELECT method, {_SLOT_PATH_SQL} AS shape, {names} AS names, requests, returned, bytes_sent
            FROM (SELECT *, {NORMAL_PATH_SQL} AS normal_path FROM urls WHERE returned > 0))
        SELECT method, shape, names, sum(requests)::BIGINT, sum(returned)::BIGINT, count(*), sum(bytes_sent)::BIGINT
        FROM shaped WHERE NOT regexp_matches(shape, '{STATIC_PATH}')
        GROUP BY method, shape, names ORDER BY sum(returned) DESC, method, shape, names LIMIT {limit}""")
    return [SeenTemplate(_match(method, shape, names), requests, returned, urls, size) for method, shape, names, requests, returned, urls, size in rows]


def _match(method: str, shape: str, names: str) -> str:
    query = "&".join(f"{name}={{{name}}}" for name in names.split("&") if name)
    return f"{method} {shape}{'?' if query else ''}{query}"
