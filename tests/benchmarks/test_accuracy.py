"""Accuracy counts exactly what differs from the truth."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from benchmarks.accuracy import judge


def write(path: Path, columns: dict[str, list[object]], schema: dict[str, type[pl.DataType]] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns, schema_overrides=schema).write_parquet(path)


@pytest.fixture
def simulation(tmp_path: Path) -> Path:
    folder = tmp_path / "simulation"
    who: list[object] = ["attacker", "attacker", "customer", "staff"]
    write(folder / "truth/web-a.log.parquet", {"file": ["web/a.log"] * 4, "line": [1, 2, 3, 4], "who": who, "mark": [0, 1, -1, -1]})
    (folder / "expected_people.csv").write_text("person,grade\n1,confirmed\n2,probable\n3,possible\n")
    (folder / "expected_records.csv").write_text("table,record,grade\ncustomers,1,confirmed\norders,1,possible\n")
    return folder


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "case"
    write(folder / "events/web/7.parquet", {"event_id": [71, 72, 73, 74], "line": [1, 2, 3, 4]})
    incidents = [{"id": "I-a", "level": "high"}, {"id": "I-b", "level": "medium"}, {"id": "I-c", "level": "low"}]
    (folder / "incidents.json").write_text(json.dumps({"incidents": incidents}))
    (folder / "manifest.json").write_text(json.dumps({"sources": [{"id": 7, "name": "a.log"}]}))
    ids: list[object] = ["I-a", "I-a", "I-b", "I-c"]
    # event 71 stands in I-a twice (two findings), 73 is a customer's, 74 lies in a low incident only
    write(folder / "evidence.parquet", {"incident_id": ids, "table": ["web"] * 4, "event_id": [71, 71, 73, 74]})
    detectors: list[object] = ["web/sqli", "auth/brute-force", "auth/brute-force", "net/port-scan"]
    write(folder / "findings.parquet", {"incident_id": ["I-a", "I-b", "I-b", "I-c"], "detector": detectors, "actor_kind": ["ip", "user", "user", "ip"]})
    write(folder / "people.parquet", {"person": ["1", "2", "4", "5"], "grade": ["confirmed", "confirmed", "possible", "excluded"]})
    write(folder / "exposures.parquet", {"table": ["customers"] * 2, "record": ["1", "1"], "grade": ["possible", "confirmed"]})
    return folder


def test_precision_counts_events_once_and_serious_incidents_only(case: Path, simulation: Path) -> None:
    accuracy = judge(case, simulation)
    assert (accuracy.evidence, accuracy.hits, accuracy.attacker_events) == (2, 1, 2)
    assert (accuracy.precision, accuracy.recall) == (0.5, 0.5)


def test_an_incident_without_the_attacker_is_a_false_alarm(case: Path, simulation: Path) -> None:
    accuracy = judge(case, simulation)
    assert (accuracy.serious_incidents, accuracy.foreign_incidents) == (2, 1)
    assert accuracy.foreign_findings == ("auth/brute-force of one user",)


def test_scope_error_counts_wrong_missing_and_surplus_once_each(case: Path, simulation: Path) -> None:
    accuracy = judge(case, simulation)
    assert (accuracy.people_wrong, accuracy.people_expected) == (3, 3)  # 2 too high, 3 missing, 4 surplus; 5 is excluded, so rightly absent
    assert (accuracy.records_wrong, accuracy.records_expected) == (1, 2)  # orders/1 missing; customers/1 by its best grade
