"""A small case made by hand: events, evidence, customer tables and a map, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.manifest import Manifest, Source
from breachscope.progress import Silent
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES, EVIDENCE, REJECTS
from breachscope.scope import compute_scope, load_datamap

DAY = datetime(2026, 9, 1, tzinfo=UTC)
ATTACKER = "203.0.113.66"


def at(clock: str, day: int = 0) -> datetime:
    """``at("10:15")`` or ``at("10:15:04")`` on 2026-09-01 UTC, ``day`` days later."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return DAY + timedelta(days=day, hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)


@dataclass(frozen=True)
class Answer:
    """What scope wrote."""

    case: Case
    document: Mapping[str, Any]

    @property
    def exposures(self) -> Sequence[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = pq.read_table(self.case.path / "exposures.parquet").to_pylist()
        return rows

    @property
    def people_rows(self) -> Mapping[str, Mapping[str, Any]]:
        return {row["person"]: row for row in pq.read_table(self.case.path / "people.parquet").to_pylist()}

    def grades(self, table: str = "customers") -> dict[str, str]:
        """Best grade of each exposed record."""
        order = ("confirmed", "probable", "possible", "excluded")
        best: dict[str, str] = {}
        for row in self.exposures:
            if row["table"] == table:
                best[row["record"]] = min(best.get(row["record"], row["grade"]), row["grade"], key=order.index)
        return dict(sorted(best.items()))

    def reasons(self, table: str = "customers") -> dict[str, str]:
        """Reason of each exposed record's best grade."""
        best = self.grades(table)
        return {r["record"]: r["reason"] for r in self.exposures if r["table"] == table and r["grade"] == best[r["record"]]}

    @property
    def people(self) -> tuple[int, int, int, int | None]:
        """Confirmed, probable, possible, upper bound."""
        people = self.document["people"]
        return people["confirmed"], people["probable"], people["possible"], people["upper_bound"]

    @property
    def codes(self) -> set[str]:
        return {u["code"] for u in self.document["uncertainties"]}


@dataclass
class World:
    """Collects what a case is made of."""

    folder: Path
    map_text: str = ""
    _events: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    _evidence: list[tuple[str, str, int, str]] = field(default_factory=list)
    _sources: dict[int, dict[str, Any]] = field(default_factory=dict)
    _rejects: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    _incidents: dict[str, tuple[datetime, datetime, str]] = field(default_factory=dict)
    _lines: dict[int, int] = field(default_factory=dict)
    shuffle: Any = None

    def file(self, name: str, text: str, encoding: str = "utf-8") -> Path:
        path = self.folder / name
        path.write_bytes(text.encode(encoding))
        return path

    def source(self, number: int, path: str, **facts: Any) -> None:
        """Name an input; without this, input 1 is ``/logs/web.log`` and so on."""
        self._sources[number] = {"path": path, **facts}

    def web(
        self,
        clock: str | datetime,
        url: str,
        status: int | None = 200,
        size: int | None = 500,
        *,
        method: str = "GET",
        ip: str = ATTACKER,
        by: str | None = "actor",
        **more: Any,
    ) -> int:
        """Add a request; ``by`` is its attribution in the evidence, None for no evidence."""
        path, _, query = url.partition("?")
        row = {"method": method, "path": path, "query": query or None, "status": status, "bytes_sent": size, "client_ip": ip, **more}
        return self._add("web", clock, by, row)

    def login(self, clock: str, user: str, outcome: str = "success", *, by: str | None = "actor", **more: Any) -> int:
        return self._add(
            "auth", clock, by, {"user": user, "action": "logon", "outcome": outcome, "service": "shop", "client_ip": ATTACKER, "source": 2, **more}
        )

    def flow(self, clock: str | datetime, src: str, dst: str, sent: int | None, received: int | None = None, *, by: str | None = "actor", **more: Any) -> int:
        row = {"src_ip": src, "dst_ip": dst, "bytes_out": sent, "bytes_in": received, "source": 3, **more}
        return self._add("network", clock, by, row)

    def reject(self, raw: bytes, source: int = 1) -> None:
        """A line that could not be read, after the lines so far."""
        self._lines[source] = self._lines.get(source, 0) + 1
        self._rejects.setdefault(source, []).append((self._lines[source], raw))

    def skip_lines(self, count: int, source: int = 1) -> None:
        """Lines without event or reject, as blank ones, after the lines so far."""
        self._lines[source] = self._lines.get(source, 0) + count

    def incident(self, first: str, last: str, name: str = "I-000000000001", level: str = "high", day: int = 0) -> None:
        self._incidents[name] = (at(first, day), at(last, day), level)

    def _add(self, table: str, clock: str | datetime, by: str | None, row: dict[str, Any]) -> int:
        day, incident = row.pop("day", 0), row.pop("incident", "I-000000000001")
        source = row.pop("source", 1)
        line = self._lines[source] = self._lines.get(source, 0) + 1
        event_id: int = source * EVENT_ID_SOURCE_FACTOR + line * EVENT_ID_LINE_FACTOR
        self._events.setdefault((table, source), []).append(
            {"event_id": event_id, "ts": clock if isinstance(clock, datetime) else at(clock, day) if clock else None, "source": source, "line": line, **row}
        )
        if by is not None:
            self._evidence.append((incident, table, event_id, by))
        return event_id

    def build(self) -> Case:
        case = Case.create_or_open(self.folder / "case")
        sources: dict[int, dict[str, Any]] = {}
        for (table, number), rows in self._events.items():
            schema = EVENT_TABLES[table].arrow
            if self.shuffle is not None:
                rows = list(rows)
                self.shuffle(rows)
            case.write_parquet(f"events/{table}/{number}.parquet", pa.Table.from_pylist(rows, schema=schema))
            times = sorted(r["ts"] for r in rows if r["ts"] is not None)
            facts = sources.setdefault(number, {"events": {}, "files": {}, "times": []})
            facts["events"][table] = len(rows)
            facts["files"][f"events/{table}/{number}.parquet"] = "0" * 64
            facts["times"] += times
        for number, lines in self._rejects.items():
            rejects = [{"source": number, "line": line, "reason": "no format", "raw": raw, "raw_bytes": len(raw)} for line, raw in lines]
            case.write_parquet(f"rejects/{number}.parquet", pa.Table.from_pylist(rejects, schema=REJECTS.arrow))
            sources.setdefault(number, {"events": {}, "files": {}, "times": []})["files"][f"rejects/{number}.parquet"] = "0" * 64
        case.write_manifest(Manifest(date(2026, 9, 10), tuple(self._source(n, f) for n, f in sorted(sources.items()))))
        evidence = [dict(zip(("incident_id", "table", "event_id", "attribution"), e, strict=True)) for e in self._evidence]
        case.write_parquet("evidence.parquet", pa.Table.from_pylist(evidence, schema=EVIDENCE.arrow))
        incidents = [
            {"id": name, "level": level, "first_ts": _iso(first), "last_ts": _iso(last)} for name, (first, last, level) in sorted(self._incidents.items())
        ]
        case.write_json("incidents.json", {"schema": "breachscope/incidents/1", "incidents": incidents})
        return case

    def _source(self, number: int, facts: Mapping[str, Any]) -> Source:
        default = {1: "/logs/web.log", 2: "/logs/auth.log", 3: "/logs/fw.log"}.get(number, f"/logs/{number}.log")
        given = {"path": default, **self._sources.get(number, {})}
        rejected = len(self._rejects.get(number, ()))
        events = sum(facts["events"].values())
        times = facts["times"]
        values: dict[str, Any] = {
            "id": number,
            "name": Path(given["path"]).name,
            "sha256": f"{number:064x}",
            "content_sha256": f"{number:064x}",
            "size": 1,
            "mtime": _iso(DAY),
            "compression": "none",
            "encoding": "utf-8",
            "newline": "lf",
            "lines": events + rejected,
            "event_lines": events,
            "rejected": rejected,
            "events": facts["events"],
            "files": facts["files"],
            "first_ts": _iso(min(times)) if times else None,
            "last_ts": _iso(max(times)) if times else None,
            **given,
        }
        return Source(**values)

    def scope(self, *, mapped: bool = True) -> Answer:
        """Build the case and compute its scope; the incident covers its evidence when none was given."""
        if not self._incidents and self._evidence:
            own = {e[2] for e in self._evidence}
            times = [r["ts"] for rows in self._events.values() for r in rows if r["event_id"] in own and r["ts"] is not None]
            self._incidents["I-000000000001"] = (min(times), max(times), "high")
        case = self.build()
        datamap = load_datamap(self.file("datamap.toml", self.map_text)) if mapped else None
        compute_scope(case, datamap, Silent())
        return Answer(case, json.loads((case.path / "scope.json").read_bytes()))


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


CUSTOMERS = """[tables.customers]
source = "customers.csv"
key = "id"
person = "id"
created = "created"
deleted = "deleted"
tz = "UTC"
[tables.customers.columns]
name = "name"
email = "email"
"""
ITEM = '[[routes]]\nmatch = "GET /api/customers/{id}"\nreturns = "customers"\ncolumns = ["name"]\n'
PAGE = """[[routes]]
match = "GET /list?page={page}&size={size}"
returns = "customers"
kind = "page"
order_by = "id"
default = { size = 3 }
"""
EXPORT = """[[routes]]
match = "GET /export.csv"
returns = "customers"
kind = "export"
order_by = "id"
format = "csv"
columns = ["id", "name"]
compressed = false
"""
LOGIN = '[[routes]]\nkind = "login"\nreturns = "customers"\nuser_column = "email"\n'
STORE = '[[stores]]\nhost = "10.0.3.5"\ntables = ["customers"]\n'


def customers_csv(count: int = 10, changes: Mapping[int, Mapping[str, str]] | None = None) -> str:
    """Rows 1 to ``count``: id, name (nameN), email (uN@example.jp), created (2025), deleted (empty)."""
    lines = ["id,name,email,created,deleted"]
    for number in range(1, count + 1):
        row = {"id": str(number), "name": f"name{number}", "email": f"u{number}@example.jp", "created": "2025-01-01 00:00:00", "deleted": ""}
        row.update((changes or {}).get(number, {}))
        lines.append(",".join(row.values()))
    return "\n".join(lines) + "\n"
