"""Every detector fires on its own log and leaves the near neighbour alone, through the real pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from breachscope.detect import Catalog, Detector, check_detector, load_catalog
from breachscope.detect.workshop import find_logs

CATALOG = load_catalog()


@pytest.mark.parametrize("detector", CATALOG.detectors, ids=lambda d: str(d.id))
def test_fires_log_fires_and_quiet_log_is_quiet(detector: Detector) -> None:
    for result in check_detector(detector):
        assert result.passed, f"{result.log}: {result.findings} findings, {result.rejected} rejected, {result.reason}"


@pytest.mark.parametrize("detector", CATALOG.detectors, ids=lambda d: str(d.id))
def test_quiet_log_differs_from_fires_log_in_one_line(detector: Detector) -> None:
    logs = find_logs(detector)
    for fires in [p for p in logs if p.name.startswith("fires")]:
        quiet = fires.with_name(fires.name.replace("fires", "quiet"))
        firing, silent = fires.read_text().splitlines(), quiet.read_text().splitlines()
        differing = [1 for a, b in zip(firing, silent, strict=False) if a != b]
        assert len(differing) + abs(len(firing) - len(silent)) == 1, quiet


def test_the_twelve_detectors_are_there() -> None:
    assert isinstance(CATALOG, Catalog)
    assert [d.id for d in CATALOG.detectors] == [
        "auth/brute-force",
        "auth/fail-then-success",
        "auth/spray",
        "net/egress-volume",
        "net/port-scan",
        "web/bulk-export",
        "web/object-enumeration",
        "web/pagination-scrape",
        "web/path-traversal",
        "web/response-volume",
        "web/sensitive-file",
        "web/sqli",
    ]


def test_every_threshold_default_is_named_in_the_description() -> None:
    """A reader of the description must meet the main number of each detector."""
    main = {
        "auth/brute-force": "20",
        "auth/fail-then-success": "20",
        "auth/spray": "10",
        "net/egress-volume": "100 MB",
        "net/port-scan": "15",
        "web/bulk-export": "10,000",
        "web/object-enumeration": "50",
        "web/pagination-scrape": "20",
        "web/path-traversal": "more than 3",
        "web/response-volume": "50 MiB",
        "web/sensitive-file": "more than 4",
        "web/sqli": "more than 10",
    }
    for detector in CATALOG.detectors:
        assert main[detector.id] in detector.description.en, detector.id


def test_japanese_texts_are_not_left_in_english() -> None:
    for detector in CATALOG.detectors:
        for text in (detector.title, detector.description, detector.summary, *detector.false_positives, *detector.next_steps):
            assert re.search("[\u3040-\u30ff\u4e00-\u9fff]", text.ja), f"{detector.id}: {text.ja}"


def test_detectors_read_no_file_outside_their_folder() -> None:
    for detector in CATALOG.detectors:
        assert {p.name for p in Path(detector.path).iterdir()} >= {"detector.yaml", "query.sql", "fires.log", "quiet.log"}
