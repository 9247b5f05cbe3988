"""How far the clocks of two logs are apart, told by what both saw.

Where two logs saw the same connections or requests, the differences of their times scatter around the offset of their
clocks, and those of chance matches lie anywhere. So the differences of all matches within a day are counted in windows; the
fullest window holds the offset, which is the median of the differences near it, with their median absolute deviation as
spread: neither is moved by chance matches. Correlating the times of logs is the method of B. Schatz, G. Mohay, A. Clark,
"A correlation method for establishing provenance of timestamps in digital evidence", Digital Investigation 3 (2006); the
median and its deviation are those of F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974).

Only keys that are rare in both logs are matched: address and port of a connection; method, path, query and status of a
request; else the address alone. Nothing is claimed unless at least :data:`LEAST_MATCHES` keys of :data:`LEAST_CLIENTS`
clients agree, these are at least half of all keys that both logs hold, and no other offset fits half as many: one
scanner that visits two servers in turn is no witness for their clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from breachscope.case import Case
from breachscope.scope.coverage import Stream
from breachscope.scope.database import Database, parquet_files_sql

MOST_OFFSET_SECONDS = 26 * 3600
"""Zones are up to 26 hours apart: a wrong one shows as an offset too."""
LEAST_MATCHES = 10
LEAST_CLIENTS = 3
LEAST_SHARE = 0.5
MOST_RIVAL = 0.5
"""Keys that fit another offset, as a share of those that fit the best one."""
MOST_REPEATS = 4
"""A key that occurs more often in a log is too common to tell which of its events is meant."""
NEAR_SECONDS = 3
"""Differences so near to the fullest window are taken for the same offset: logs tell the beginning or the end of what they saw, some in whole seconds."""
LEAST_OFFSET_SECONDS = 2.0
"""Less is what two right clocks may show for that reason."""
MOST_EVENTS = 400_000
"""Of more events a sample of keys is compared, the same ones in all logs."""
_NORMAL = 1.4826
"""Makes a median absolute deviation a standard deviation, where errors are normal."""

Evidence = Literal["connection", "request", "address"]
_KINDS: tuple[Evidence, ...] = ("connection", "request", "address")
"""Best first."""

_CONNECTION = "hash({ip}, {port})"
_KEYS: Mapping[str, Mapping[Evidence, str]] = {
    "web": {
        "connection": _CONNECTION.format(ip="client_ip", port="client_port"),
        "request": "CASE WHEN path IS NOT NULL THEN hash(method, path, query, status) END",
        "address": "hash(client_ip)",
    },
    "auth": {"connection": _CONNECTION.format(ip="client_ip", port="client_port"), "address": "hash(client_ip)"},
    "network": {"connection": _CONNECTION.format(ip="src_ip", port="src_port"), "address": "hash(src_ip)"},
}
_CLIENT = {"web": "client_ip", "auth": "client_ip", "network": "src_ip"}
_PORT = {"web": "client_port", "auth": "client_port", "network": "src_port"}


@dataclass(frozen=True)
class ClockOffset:
    """What two logs say of each other's clocks. ``seconds`` is how far the first one is ahead; None where the evidence is too thin."""

    ahead: str
    behind: str
    seconds: float | None
    spread_seconds: float | None
    matches: int
    """Keys that agree on the offset; where they are too few, those that agree best."""
    evidence: Evidence

    @property
    def told(self) -> str:
        """The offset in figures, the log that is ahead first."""
        return f"{Path(self.ahead).name} +{self.seconds:,.1f} s (±{self.spread_seconds:,.1f} s) / {Path(self.behind).name}"

    @property
    def is_apart(self) -> bool:
        """Whether the clocks differ by more than two right ones may show."""
        return self.seconds is not None and self.seconds > max(LEAST_OFFSET_SECONDS, 3 * (self.spread_seconds or 0))


def compare_clocks(database: Database, case: Case, streams: Sequence[Stream]) -> list[ClockOffset]:
    """The offsets of all pairs of logs that hold a key in common, by the best evidence that says something."""
    logs = {source.id: stream.name for stream in streams for source in stream.sources}
    names = sorted(set(logs.values()))
    if len(names) < 2:
        return []
    _collect(database, case, {source: names.index(name) for source, name in logs.items()}, sum(s.events for s in streams))
    found: dict[tuple[int, int], ClockOffset] = {}
    for kind in _KINDS:
        for a, b, center, spread, matches, clients, shared, rival in _peaks(database, kind):
            if (a, b) in found and found[a, b].seconds is not None:
                continue
            is_sure = matches >= LEAST_MATCHES and clients >= LEAST_CLIENTS and matches >= LEAST_SHARE * shared and rival <= MOST_RIVAL * matches
            ahead, behind = (a, b) if center >= 0 else (b, a)
            offset = ClockOffset(
                names[ahead], names[behind], round(abs(center), 3) if is_sure else None, round(spread * _NORMAL, 3) if is_sure else None, matches, kind
            )
            if is_sure or (a, b) not in found:
                found[a, b] = offset
    database.run("DROP TABLE clock_keys")
    return sorted(found.values(), key=lambda o: (o.ahead, o.behind))


def _collect(database: Database, case: Case, log_of: Mapping[int, int], events: int) -> None:
    """Create ``clock_keys``: kind, log, key, client, ts of every event whose key is rare in its log."""
    stride = max(1, -(-events // MOST_EVENTS))
    logs = ", ".join(f"({source}, {log})" for source, log in sorted(log_of.items()))
    selects = []
    for table, keys in _KEYS.items():
        files = case.counted_files("web") if table == "web" else case.event_files(table)
        for kind, key in keys.items():
            if files:
                needed = f"{_PORT[table]} IS NOT NULL" if kind == "connection" else "true"
                selects.append(
                    f"SELECT '{kind}' AS kind, source, {key} AS key, hash({_CLIENT[table]}) AS client, epoch_us(ts) AS ts "
                    f"FROM {parquet_files_sql(files)} WHERE ts IS NOT NULL AND {_CLIENT[table]} IS NOT NULL AND {needed}"
                )
    database.run(f"""
        CREATE OR REPLACE TEMP TABLE clock_keys AS
        SELECT kind, log, key, client, unnest(times) AS ts
        FROM (
            SELECT kind, log, key, min(client) AS client, list(ts ORDER BY ts) AS times
            FROM ({" UNION ALL ".join(selects)}) e JOIN (VALUES {logs}) l(id, log) ON e.source = l.id
            WHERE key IS NOT NULL AND key % {stride} = 0
            GROUP BY ALL HAVING count(*) <= {MOST_REPEATS}
        )""")


def _peaks(database: Database, kind: Evidence) -> list[tuple[int, int, float, float, int, int, int, int]]:
    """For each pair of logs: centre and spread in seconds (of the first less the second), keys and clients near it, keys shared, keys of the best rival."""
    return database.rows(f"""
        WITH matches AS (
            SELECT a.log AS a, b.log AS b, a.key, a.client AS client_a, b.client AS client_b, (a.ts - b.ts) / 1e6 AS seconds
            FROM clock_keys a JOIN clock_keys b ON a.kind = b.kind AND a.key = b.key AND a.log < b.log
            WHERE a.kind = '{kind}' AND abs(a.ts - b.ts) <= {MOST_OFFSET_SECONDS * 1_000_000}
        ),
        bins AS (SELECT DISTINCT a, b, floor(seconds)::BIGINT AS bin, key FROM matches),
        -- A window is two bins wide, so that an offset at the border of two is not split.
        windows AS (
            SELECT a, b, bin, count(DISTINCT key) AS matches FROM (SELECT * FROM bins UNION ALL SELECT a, b, bin - 1, key FROM bins) GROUP BY ALL
        ),
        best AS (
            SELECT a, b, bin FROM windows
            QUALIFY row_number() OVER (PARTITION BY a, b ORDER BY matches DESC, abs(bin), bin) = 1
        ),
        near AS (SELECT m.* FROM matches m JOIN best USING (a, b) WHERE abs(m.seconds - best.bin - 1) <= {NEAR_SECONDS}),
        centers AS (
            SELECT a, b, median(seconds) AS center, mad(seconds) AS spread, count(DISTINCT key) AS matches,
                greatest(count(DISTINCT client_a), count(DISTINCT client_b)) AS clients
            FROM near GROUP BY a, b
        ),
        rivals AS (SELECT a, b, max(matches) AS rival FROM windows JOIN best USING (a, b) WHERE abs(windows.bin - best.bin) > {NEAR_SECONDS} + 1 GROUP BY a, b),
        shared AS (SELECT a, b, count(DISTINCT key) AS shared FROM matches GROUP BY a, b)
        SELECT a, b, center, spread, matches, clients, shared, coalesce(rival, 0)
        FROM centers JOIN shared USING (a, b) LEFT JOIN rivals USING (a, b) ORDER BY a, b""")
