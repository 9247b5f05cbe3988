"""Texts of both languages stand beside each other, and numbers carry their unit."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter

import pytest

import breachscope.report
from breachscope.report.words import LANGUAGES, Language, Words, load_texts

# Groups whose last part is a code that the program puts in.
CODED = tuple(
    f"{group}." for group in ("level", "stage", "grade", "grade_short", "grade_long", "grade_label", "actor", "section", "terminal", "unit", "duration")
)
CODED += ("methods.", "answer.record_", "why.", "estimate.", "route.", "relation.", "found.", "pattern.", "success.")


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    assert set(load_texts("en")) == set(load_texts("ja"))


def test_no_text_is_missing_or_padded() -> None:
    for lang in LANGUAGES:
        bad = [key for key, text in load_texts(lang).items() if not key.endswith("joint") and (not text or text != text.strip())]
        assert [key for key in bad if key not in {"listing.clause", "listing.arrow", "duration.joint"}] == []


def test_a_text_takes_the_same_fields_in_both_languages() -> None:
    english, japanese = load_texts("en"), load_texts("ja")
    assert {key: fields_of(text) for key, text in english.items()} == {key: fields_of(text) for key, text in japanese.items()}


def test_every_text_is_said_somewhere() -> None:
    package = Path(breachscope.report.__file__).parent
    said = "\n".join(path.read_text(encoding="utf-8") for path in sorted(package.rglob("*")) if path.suffix in {".py", ".j2"})
    assert [key for key in load_texts("en") if not key.startswith(CODED) and f'"{key}"' not in said and f"'{key}'" not in said] == []


def test_japanese_texts_are_not_left_in_english() -> None:
    literal = {key: re.sub(r"\{\w+\}", "", text) for key, text in load_texts("ja").items()}
    english = {key for key, text in literal.items() if re.search("[A-Za-z]{2}", text) and not re.search(r"[\u3040-\u30ff\u3400-\u9fff]", text)}
    assert english == {"page.brand", "incident.attack"}


@pytest.mark.parametrize(
    ("lang", "value", "unit", "told"),
    [
        ("ja", 1234, "people", "1,234人"),
        ("ja", 1234, "records", "1,234件"),
        ("ja", 1234, "lines", "1,234行"),
        ("en", 1, "people", "1 person"),
        ("en", 0, "people", "0 people"),
        ("en", 1_000_000, "records", "1,000,000 records"),
    ],
)
def test_a_count_carries_its_own_unit(lang: Language, value: int, unit: str, told: str) -> None:
    assert Words(lang).count(value, unit) == told


def test_people_and_records_never_share_a_unit() -> None:
    for lang in LANGUAGES:
        words = Words(lang)
        assert len({words.count(5, unit) for unit in ("people", "records", "lines", "events")}) == 4


def test_times_are_told_in_the_zone_of_the_case() -> None:
    words = Words("ja", 540)
    first = datetime(2026, 8, 29, 14, 59, 59, tzinfo=UTC)
    assert words.span(first, first + timedelta(seconds=1)) == "2026-08-29 23:59:59 – 2026-08-30 00:00:00"
    assert "UTC+09:00" in words.zone()


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (86_400 * 2 + 59, "2 d"), (86_399, "23 h 59 min")])
def test_a_duration_is_told_in_at_most_two_units(seconds: int, told: str) -> None:
    assert Words("en").duration(timedelta(seconds=seconds)) == told
