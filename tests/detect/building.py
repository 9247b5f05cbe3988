"""Cases made of event tables written by hand, for claims that need more than one detector's logs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from breachscope.case import Case
from breachscope.manifest import Manifest, Source
from breachscope.schema import EVENT_ID_LINE_FACTOR, EVENT_ID_SOURCE_FACTOR, EVENT_TABLES

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

Row = Mapping[str, object]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def web(seconds: float, client_ip: str | None, target: str, status: int = 200, **columns: object) -> Row:
    path, _, query = target.partition("?")
    return {"ts": at(seconds), "client_ip": client_ip, "method": "GET", "path": path, "query": query or None, "status": status, "bytes_sent": 500, **columns}


def login(seconds: float, client_ip: str | None, user: str | None, outcome: str, **columns: object) -> Row:
    return {"ts": at(seconds), "client_ip": client_ip, "user": user, "action": "logon", "outcome": outcome, "service": "sshd", **columns}


def flow(seconds: float, src_ip: str, dst_ip: str, bytes_out: int | None = None, **columns: object) -> Row:
    return {"ts": at(seconds), "src_ip": src_ip, "dst_ip": dst_ip, "bytes_out": bytes_out, "client_ip": src_ip, **columns}


def make_case(folder: Path, *sources: tuple[str, Sequence[Row]]) -> Case:
    """Make a case of (event table, rows) sources; rows are numbered as lines in their order."""
    case = Case.create_or_open(folder)
    manifest = Manifest(date(2026, 12, 31))
    for source_id, (table, rows) in enumerate(sources, 1):
        schema = EVENT_TABLES[table].arrow
        numbered = [
            {"event_id": source_id * EVENT_ID_SOURCE_FACTOR + line * EVENT_ID_LINE_FACTOR, "source": source_id, "line": line, "ts_offset_min": 0, **row}
            for line, row in enumerate(rows, 1)
        ]
        name = f"events/{table}/{source_id}.parquet"
        case.write_parquet(name, pa.Table.from_pylist(numbered, schema=schema))
        digest = hashlib.sha256((case.path / name).read_bytes()).hexdigest()
        manifest = manifest.with_source(
            Source(source_id, f"/logs/{source_id}", f"{source_id}.log", "", "", 0, "", "none", "utf-8", "lf", files={name: digest}, events={table: len(rows)})
        )
    case.write_manifest(manifest)
    return case


def event_id(source: int, line: int) -> int:
    return source * EVENT_ID_SOURCE_FACTOR + line * EVENT_ID_LINE_FACTOR
