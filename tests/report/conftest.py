"""A case written by hand, to the contracts of detection and scope: every number a test expects stands here, not in the code under test."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from breachscope.case import Case
from breachscope.manifest import Manifest, Source
from breachscope.schema import EVENT_TABLES, EVIDENCE, EXPOSURES, FINDINGS, PEOPLE

START = datetime(2026, 8, 28, 15, 0, tzinfo=UTC)
"""Midnight of 2026-08-29 in Japan."""
ATTACKER = "203.0.113.66"
STAGE_NAMES = ("reconnaissance", "entry", "collection", "exfiltration")

CaseWriter = Callable[..., Case]


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _minutes(amount: float) -> datetime:
    return START + timedelta(minutes=amount)


def _detector(id_: str, en: str, ja: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "version": "9f" * 32,
        "level": "high",
        "title": {"en": en, "ja": ja},
        "description": {"en": f"{en}: more than the threshold in a sliding window.", "ja": f"{ja}：動く時間窓でしきい値を超える。"},
        "false_positives": {"en": ["a back office that reads many records by itself"], "ja": ["多くのレコードを自動で読む管理業務"]},
        "next_steps": {"en": ["ask whose session it was"], "ja": ["だれのセッションかを確かめる"]},
        "parameters": {"window": "10 min", "min_values": 50},
        "findings": 1,
        "evaluable": True,
        "reason": None,
        "reason_code": None,
        "reason_facts": {},
    } | changes


DETECTORS = [
    _detector("auth/fail-then-success", "Login after many failures", "多数の失敗の後のログイン成功"),
    _detector("auth/spray", "Password spraying", "パスワードスプレー", level="medium"),
    _detector("net/egress-volume", "Large outbound volume", "大量の外向き通信"),
    _detector("net/port-scan", "Port scan", "ポートスキャン", level="low"),
    _detector("web/bulk-export", "Bulk export", "一括エクスポート", level="critical"),
    _detector("web/object-enumeration", "Object enumeration", "連番アクセスによる列挙"),
    _detector(
        *("web/sqli", "SQL injection", "SQLインジェクション"),
        findings=0,
        evaluable=False,
        reason="status is missing in 5,000 of 7,200 requests",
        reason_code="column_missing",
        reason_facts={"relation": "requests", "column": "status", "missing": 5000, "rows": 7200},
    ),
]

# id, detector, level, stage, actor kind, actor, peer, first and last minute, measure, threshold, events, facts
FINDING_ROWS: list[tuple[Any, ...]] = [
    ("F-000000000001", "auth/spray", "medium", "reconnaissance", "ip", ATTACKER, None, 1501, 1568, 412.0, 10.0, 1240, {"users": 412}),
    ("F-000000000002", "auth/fail-then-success", "high", "entry", "user", "admin", None, 1570, 1571, 23.0, 20.0, 24, {"failures": 23}),
    (
        *("F-000000000003", "web/object-enumeration", "high", "collection", "session", "ab12cd34ef56", None, 1575, 1620, 812.0, 50.0, 812),
        {"template": "/api/customers/{id}", "first_id": 1, "last_id": 812},
    ),
    (
        "F-000000000004",
        "web/bulk-export",
        "critical",
        "collection",
        "session",
        "ab12cd34ef56",
        None,
        1625,
        1626,
        400.0,
        100.0,
        1,
        {"path": "/admin/export/customers.csv"},
    ),
    (
        "F-000000000005",
        "net/egress-volume",
        "high",
        "exfiltration",
        "host",
        "10.0.3.5",
        ATTACKER,
        1630,
        1671,
        48_211_034.0,
        10_000_000.0,
        3,
        {"bytes": 48_211_034},
    ),
]
SCAN_ROW = ("F-00000000000a", "net/port-scan", "low", "reconnaissance", "ip", "198.51.100.7", None, 240, 241, 61.0, 15.0, 61, {"ports": 61})


def _sources() -> tuple[Source, ...]:
    def source(id_: int, name: str, folder: str, table: str, lines: int, **more: Any) -> Source:
        rejected = int(more.get("rejected", 0))
        skipped = more.get("skipped", {})
        return Source(
            **{
                "id": id_,
                "path": f"/evidence/{folder}/{name}",
                "name": name,
                "sha256": f"{id_:064x}",
                "content_sha256": f"{id_:064x}",
                "size": lines * 120,
                "mtime": "2026-08-31T00:00:00Z",
                "compression": "none",
                "encoding": "utf-8",
                "newline": "lf",
                "formats": {f"{table}-format": lines},
                "confidence": 1.0,
                "tz": "+09:00",
                "first_ts": _iso(START),
                "last_ts": _iso(_minutes(2879)),
                "lines": lines,
                "event_lines": lines - rejected - sum(skipped.values()),
                "events": {table: lines - rejected - sum(skipped.values())},
                "files": {f"events/{table}/{id_}.parquet": f"{id_:064x}"},
            }
            | more
        )

    return (
        source(1, "shop-access.log", "web", "web", 5760, rejected=17),
        source(2, "admin-access.log", "web", "web", 1440, skipped={"comment": 2}),
        source(3, "auth.log", "auth", "auth", 720, tz="Asia/Tokyo", year_assumption="2026, from --reference-date"),
        source(4, "fw.log", "fw", "network", 288, problem="gzip stream ends early after 81,920 bytes"),
    )


def _write_events(case: Case, sources: tuple[Source, ...]) -> None:
    """Evenly spread events; every row of a source has an id of the schema's form."""
    for source in sources:
        for table, rows in source.events.items():
            schema = EVENT_TABLES[table].arrow
            step = timedelta(minutes=2879) / max(1, rows - 1)
            columns: dict[str, list[Any]] = {
                "event_id": [source.id * (1 << 43) + line * (1 << 7) for line in range(1, rows + 1)],
                "ts": [START + step * n for n in range(rows)],
                "ts_offset_min": [540] * rows,
                "source": [source.id] * rows,
                "line": list(range(1, rows + 1)),
            }
            case.write_parquet(f"events/{table}/{source.id}.parquet", pa.table([columns.get(f.name, [None] * rows) for f in schema], schema=schema))


def _write_detection(case: Case, rows: list[tuple[Any, ...]], detectors: list[dict[str, Any]], incidents: list[dict[str, Any]], of: Mapping[str, str]) -> None:
    columns = [
        [(r[0], of[r[0]], r[1], r[2], ["T1213"], r[4], r[5], r[6], _minutes(r[7]), _minutes(r[8]), r[9], r[10], r[11], json.dumps(r[12]))[i] for r in rows]
        for i in range(len(FINDINGS.columns))
    ]
    case.write_parquet("findings.parquet", pa.table(columns, schema=FINDINGS.arrow))
    case.write_json("incidents.json", {"schema": "breachscope/incidents/1", "incidents": incidents})
    case.write_json("detection.json", {"schema": "breachscope/detection/1", "detectors": detectors})


def _incident(id_: str, level: str, rows: list[tuple[Any, ...]], actors: list[tuple[str, str, bool]]) -> dict[str, Any]:
    stages = []
    for stage in STAGE_NAMES:
        members = [r for r in rows if r[3] == stage]
        if members:
            first, last = _minutes(min(r[7] for r in members)), _minutes(max(r[8] for r in members))
            stages.append({"stage": stage, "first_ts": _iso(first), "last_ts": _iso(last), "findings": [r[0] for r in members]})
    return {
        "id": id_,
        "level": level,
        "first_ts": _iso(_minutes(min(r[7] for r in rows))),
        "last_ts": _iso(_minutes(max(r[8] for r in rows))),
        "actors": [{"kind": kind, "value": value, "shared": shared} for kind, value, shared in actors],
        "stages": stages,
        "findings": [r[0] for r in rows],
        "attack": ["T1110.003", "T1213"],
        "timeline": [
            {
                "ts": _iso(_minutes(r[7])),
                "finding_id": r[0],
                "detector": r[1],
                "level": r[2],
                "stage": r[3],
                "summary_en": f"{r[5]}: {r[9]:,.0f} against a threshold of {r[10]:,.0f}",
                "summary_ja": f"{r[5]}：{r[9]:,.0f}（しきい値 {r[10]:,.0f}）",
            }
            for r in rows
        ],
    }


HOLE = {"first_ts": _iso(_minutes(1590)), "last_ts": _iso(_minutes(1604)), "why": "silent"}


def _counts(confirmed: int, probable: int, possible: int, excluded: int = 0) -> dict[str, int]:
    return {"confirmed": confirmed, "probable": probable, "possible": possible, "excluded": excluded}


def _records(table: str, counts: dict[str, int], rows: int, key: str) -> dict[str, Any]:
    source = {"name": f"{table}.csv", "format": "csv", "encoding": "utf-8", "sha256": "ab" * 32}
    loss = {"null_keys": 0, "duplicate_keys": 0, "null_people": 0}
    return {"table": table, "rows": rows, "rows_at_incident": rows, "source": source, "key": key, "person": "customer_id", **counts, **loss}


def _coverage(source: int, rejected: int = 0, **changes: Any) -> dict[str, Any]:
    ends = {"first_ts": _iso(START), "last_ts": _iso(_minutes(2879))}
    return {"source": source, "tables": ["web"], **ends, "events": {"web": 1}, "rejected": rejected, "gaps": [], "doubts": []} | changes


PEOPLE_COUNTS = {**_counts(812, 488, 1, 40), "upper_bound": 52_001}
SCOPE: dict[str, Any] = {
    "schema": "breachscope/scope/1",
    "map": {"name": "datamap.toml", "sha256": "cd" * 32},
    "people": {**PEOPLE_COUNTS, "counted_by": ["customer_id"], "range": [1301, 52_001]},
    "records": [
        _records("customers", _counts(812, 488, 1, 40), 50_000, "customer_id"),
        _records("cards", _counts(0, 0, 2345), 2345, "card_id"),
    ],
    "data_kinds": [
        {"kind": "name", "people": 1300, "confirmed": 812, "probable": 488, "possible": 0, "en": "name", "ja": "氏名"},
        {"kind": "email", "people": 1300, "confirmed": 812, "probable": 488, "possible": 0, "en": "e-mail address", "ja": "メールアドレス"},
        {"kind": "sensitive.disability", "people": 7, "confirmed": 7, "probable": 0, "possible": 0, "en": "disability", "ja": "障害"},
    ],
    "incidents": [
        {
            "id": "I-00000000000b",
            "level": "critical",
            "first_ts": _iso(_minutes(1501)),
            "last_ts": _iso(_minutes(1671)),
            "people": PEOPLE_COUNTS,
            "holes": [{**HOLE, "log": "admin-access.log", "table": "web"}],
        }
    ],
    "coverage": [
        _coverage(1, rejected=17),
        _coverage(2, gaps=[HOLE], doubts=[{"code": "clock", "en": "clock runs 4 s behind", "ja": "時計が4秒遅れている"}]),
        _coverage(3),
        _coverage(4),
    ],
    "clocks": [],
    "estimates": [
        {
            "kind": "export_cut",
            "incident": "I-00000000000b",
            "table": "customers",
            "where": "GET /admin/export/customers.csv",
            "bytes": 48_211,
            "rows_existing": 50_000,
            "rows_lower": 380,
            "rows_likely": 400,
            "rows_upper": 421,
            "people": {"lower": 380, "expected": 399.5, "upper": 421},
        }
    ],
    "inputs": [],
    "evidence": {
        "events": 87,
        "by_table": {"web": 87},
        "shared": 0,
        "routes": [
            {"match": "GET /api/customers/{customer_id}", "kind": "item", "returns": "customers", "requests": 852, "returned": 812, "keys_not_in_table": 0}
        ],
    },
    "uncertainties": [
        {
            "code": "compression_assumed",
            "table": "customers",
            "incident": "I-00000000000b",
            "count": 20,
            "detail": "GET /admin/export/customers.csv",
            "en": "GET /admin/export/customers.csv: compression is unknown; up to 20 to 1 is assumed for the upper bound.",
            "ja": "GET /admin/export/customers.csv：圧縮の有無が不明なため、上限には最大20:1を仮定しました。",
        }
    ],
    "reasons": {},
    "map_would_add": [{"match": "GET /account/{id}", "requests": 9, "returned": 8, "distinct_urls": 8, "bytes": 12_345}],
    "legal": [],
}


@pytest.fixture
def scope() -> dict[str, Any]:
    """The hand-written scope.json, to be changed at will."""
    return copy.deepcopy(SCOPE)


@pytest.fixture
def mapless_scope(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope.json of a run without a data map."""
    incidents = [i | {"people": None} for i in scope["incidents"]]
    return scope | {"map": None, "people": None, "records": [], "data_kinds": [], "estimates": [], "incidents": incidents, "uncertainties": []}


@pytest.fixture
def detectors() -> list[dict[str, Any]]:
    """The hand-written detectors of detection.json, to be changed at will."""
    return copy.deepcopy(DETECTORS)


@pytest.fixture
def write_case(tmp_path: Path) -> CaseWriter:
    """A function that writes a case; keyword arguments replace parts of it."""

    def write(
        name: str = "acme-0831",
        *,
        scope: dict[str, Any] | None = None,
        serious: bool = True,
        scan: bool = True,
        edit_rows: Callable[[list[Any]], list[Any]] | None = None,
        detectors: list[dict[str, Any]] | None = None,
        sources: tuple[Source, ...] | None = None,
        actors: list[tuple[str, str, bool]] | None = None,
    ) -> Case:
        case = Case.create_or_open(tmp_path / name)
        inputs = _sources() if sources is None else sources
        _write_events(case, inputs)
        case.write_manifest(Manifest(date(2026, 9, 1), inputs))
        attack_rows = FINDING_ROWS if serious else []
        if edit_rows:
            attack_rows = [tuple(edit_rows(list(row))) for row in attack_rows]
        scan_rows = [SCAN_ROW] if scan else []
        who = actors or [("ip", ATTACKER, False), ("user", "admin", False), ("session", "ab12cd34ef56", False), ("user", "tanaka@example.jp", False)]
        incidents = [_incident("I-00000000000a", "low", scan_rows, [("ip", "198.51.100.7", False)])] if scan else []
        incidents += [_incident("I-00000000000b", "critical", attack_rows, who)] if serious else []
        of = {r[0]: "I-00000000000a" for r in scan_rows} | {r[0]: "I-00000000000b" for r in attack_rows}
        _write_detection(case, scan_rows + attack_rows, DETECTORS if detectors is None else detectors, incidents, of)
        own = [(2 * (1 << 43) + line * (1 << 7)) for line in range(750, 837)] if serious else []
        evidence = [["I-00000000000b"] * len(own), ["web"] * len(own), own, ["actor"] * len(own), [None] * len(own)]
        case.write_parquet("evidence.parquet", pa.table(evidence, schema=EVIDENCE.arrow))
        case.write_parquet("exposures.parquet", EXPOSURES.arrow.empty_table())
        case.write_parquet("people.parquet", PEOPLE.arrow.empty_table())
        case.write_json("scope.json", SCOPE if scope is None else scope)
        return case

    return write


MARKUP = '"><script>alert(1)</script><svg onload=alert(2)><img src=//203.0.113.9/x onerror=alert(3)>{{7*7}}</style><style>*{display:none}'


@pytest.fixture
def hostile_case(write_case: CaseWriter, scope: dict[str, Any], detectors: list[dict[str, Any]]) -> Case:
    """A case in which everything that a log, a table, a file name or a user's detector can say is hostile."""
    sources = tuple(
        replace(s, name=f"{MARKUP}\u202e{s.id}.log", path=f"/x/{MARKUP}{s.id}.log", problem=MARKUP, notes=(MARKUP,), year_assumption=MARKUP) for s in _sources()
    )
    scope["records"][0]["table"] = MARKUP
    scope["data_kinds"][0] |= {"kind": MARKUP, "en": MARKUP, "ja": MARKUP}
    scope["records"][0]["key"] = MARKUP
    scope["people"]["counted_by"] = [MARKUP]
    scope["coverage"][0]["doubts"] = [{"code": MARKUP, "en": MARKUP, "ja": MARKUP}]
    scope["coverage"][0]["gaps"] = [{**HOLE, "why": MARKUP}]
    scope["incidents"][0]["holes"][0] |= {"log": MARKUP, "why": MARKUP}
    scope["evidence"]["routes"][0] |= {"match": MARKUP, "kind": MARKUP, "returns": MARKUP}
    scope["map_would_add"][0]["match"] = MARKUP
    scope["estimates"][0] |= {"where": MARKUP, "table": MARKUP}
    scope["uncertainties"][0] |= {"en": MARKUP, "ja": MARKUP}
    scope["map"]["name"] = MARKUP
    both = {"en": MARKUP, "ja": MARKUP}
    lists = {"en": [MARKUP], "ja": [MARKUP]}
    texts = {
        "title": both,
        "description": both,
        "false_positives": lists,
        "next_steps": lists,
        "reason": MARKUP,
        "reason_code": MARKUP,
        "parameters": {MARKUP: MARKUP},
    }

    def poison(row: list[Any]) -> list[Any]:
        row[5] = MARKUP + "\u202e\x1b[2J"
        row[6] = MARKUP
        row[12] = {MARKUP: MARKUP, "user_agent": MARKUP + "\u2066", "paths": [MARKUP] * 3}
        return row

    return write_case(
        "hostile <b>&\u202e",
        scope=scope,
        detectors=[d | texts for d in detectors],
        sources=sources,
        edit_rows=poison,
        actors=[(kind, MARKUP + "\u202e\x1b[2J", False) for kind in ("ip", "user", "session", "host")],
    )
