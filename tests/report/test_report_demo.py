"""The report of the demo incident, through the whole pipeline, against the simulator's ground truth."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from breachscope.case import Case
from breachscope.demo import demo_folder
from breachscope.detect import DetectOptions, load_catalog
from breachscope.ingest import IngestOptions
from breachscope.pipeline import detect_incidents, ingest_logs, measure_scope
from breachscope.progress import Silent
from breachscope.report import summarize, write_html
from breachscope.scope import load_datamap


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The demo case up to scope."""
    folder = demo_folder()
    case = Case.create_or_open(tmp_path_factory.mktemp("demo") / "case")
    ingest_logs(case, [folder / "logs"], IngestOptions(tz="Asia/Tokyo", year=2026, formats_dirs=(folder / "formats",)), Silent())
    detect_incidents(case, DetectOptions(load_catalog()), Silent())
    measure_scope(case, load_datamap(folder / "datamap.toml"), Silent())
    return case


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((demo_folder() / "expected.json").read_bytes())
    return expected


def test_people_told_are_those_of_the_ground_truth(demo: Case, truth: dict[str, Any]) -> None:
    people = truth["people"]
    line = next(line for line in summarize(demo, "en", True).splitlines() if line.startswith("People"))
    assert [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d(?= p)", line)][:3] == [people["confirmed"], people["probable"], people["possible"]]


def test_the_attackers_addresses_are_named(demo: Case, truth: dict[str, Any]) -> None:
    line = next(line for line in summarize(demo, "en", True).splitlines() if line.startswith("By whom"))
    assert all(address in line for address in truth["incident"]["addresses"])


def test_times_are_told_in_japanese_time(demo: Case) -> None:
    text = summarize(demo, "ja", True)
    assert "日本時間、UTC+09:00" in text
    assert "2026-08-29 01:52:12" in text


def test_no_mail_address_name_or_session_of_the_tables_is_on_the_page(demo: Case, truth: dict[str, Any]) -> None:
    html = write_html(demo, "ja").read_text(encoding="utf-8")
    with (demo_folder() / "tables" / "customers.csv").open(encoding="utf-8-sig", newline="") as table:
        customers = list(csv.DictReader(table))
    assert len(customers) > 1000
    told = [c["customer_id"] for c in customers for column in ("email", "full_name", "full_name_kana", "address", "phone") if c[column] and c[column] in html]
    assert told == []
    assert truth["incident"]["session"] not in html
    assert truth["incident"]["account"] not in html


def test_two_runs_give_the_same_page(demo: Case) -> None:
    first = write_html(demo, "ja").read_bytes()
    assert write_html(demo, "ja").read_bytes() == first


def test_the_page_stays_small(demo: Case) -> None:
    path: Path = write_html(demo, "en")
    assert path.stat().st_size < 1_000_000
