"""report.html as bytes: what it says, what it never says, and that nothing in it can act. The browser's view is in test_report_browser.py."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from breachscope.case import Case
from breachscope.report import Language, write_html

CaseWriter = Callable[..., Case]
BOTH = pytest.mark.parametrize("lang", ["en", "ja"])

# Elements and attributes that could run, load or send something.
ACTIVE_TAGS = {
    "script",
    "iframe",
    "object",
    "embed",
    "img",
    "link",
    "form",
    "input",
    "base",
    "video",
    "audio",
    "foreignobject",
    "use",
    "image",
    "animate",
    "set",
    "a href",
}
ADDRESS_ATTRIBUTES = {"src", "href", "xlink:href", "action", "formaction", "data", "poster", "srcset", "ping"}


class Page(HTMLParser):
    """What a browser would see of the page: tags, attributes, text by language."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(case: Case, lang: Language = "en") -> Page:
    return Page(write_html(case, lang).read_bytes())


def assert_inert(page: Page) -> None:
    assert ACTIVE_TAGS.isdisjoint(page.tags)
    assert [name for name, _ in page.attributes if name.startswith("on") or name == "style"] == []
    assert all(value.startswith("#") for name, value in page.attributes if name in ADDRESS_ATTRIBUTES)


def test_the_page_holds_no_active_part_and_no_address(write_case: CaseWriter) -> None:
    assert_inert(page_of(write_case()))


def test_the_policy_admits_one_style_sheet_by_its_hash_and_nothing_else(write_case: CaseWriter) -> None:
    html = write_html(write_case(), "en").read_text(encoding="utf-8")
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'" in html


@BOTH
def test_the_same_case_gives_the_same_bytes(write_case: CaseWriter, lang: Language) -> None:
    case = write_case()
    first = write_html(case, lang).read_bytes()
    assert write_html(case, lang).read_bytes() == first


def test_ids_are_unique_and_every_reference_has_its_target(write_case: CaseWriter) -> None:
    page = page_of(write_case())
    assert len(page.ids) == len(set(page.ids))
    wanted = {value.removeprefix("#") for name, value in page.attributes if name == "href"}
    wanted |= {id_ for name, value in page.attributes if name == "aria-labelledby" for id_ in value.split()}
    assert wanted <= set(page.ids)


def test_counts_are_those_of_scope_with_their_units(write_case: CaseWriter) -> None:
    text = page_of(write_case()).text
    for told in ("812 people", "488 people", "1 person", "52,001 people", "812人", "488人", "52,001人", "812 records", "2,345件", "50,000行", "1,300人"):
        assert told in text
    assert "812 件人" not in text
    assert "812件人" not in text


def test_mail_addresses_sessions_and_record_keys_do_not_appear(write_case: CaseWriter) -> None:
    html = write_html(write_case(), "ja").read_text(encoding="utf-8")
    assert "tanaka" not in html
    assert "ab12cd34ef56" not in html
    assert "t***@example.jp" in html


def test_every_input_stands_with_its_digest_lines_and_doubts(write_case: CaseWriter) -> None:
    text = page_of(write_case()).text
    for told in (f"{1:064x}", "shop-access.log", "5,760", "5,743", "gzip stream ends early after 81,920 bytes", "2026, from --reference-date"):
        assert told in text
    assert "/evidence/" not in text


def test_a_detector_that_could_not_judge_is_named_with_its_reason(write_case: CaseWriter) -> None:
    text = page_of(write_case()).text
    assert "not evaluable: status is missing in 5,000 of 7,200 web requests" in text
    assert "評価できない：Web要求 7,200件のうち5,000件で status がない" in text


def test_a_detector_that_failed_is_told_in_both_languages(write_case: CaseWriter, detectors: list[dict[str, Any]]) -> None:
    failed = {"evaluable": False, "reason": "failed: took too long", "reason_code": "failed", "reason_facts": {"message": "took too long"}}
    text = page_of(write_case(detectors=[d | failed for d in detectors])).text
    assert "it failed: took too long" in text
    assert "実行に失敗（took too long）" in text


def test_holes_of_the_logs_are_told(write_case: CaseWriter) -> None:
    text = page_of(write_case()).text
    assert "admin-access.log: 2026-08-30 02:30:00 – 02:44:00 not covered (the log is silent)" in text
    assert "admin-access.logは 2026-08-30 02:30:00 – 02:44:00 の記録を欠く（ログが途絶えている）" in text


@BOTH
def test_without_a_map_the_page_tells_what_a_map_adds(write_case: CaseWriter, mapless_scope: dict[str, Any], lang: Language) -> None:
    page = page_of(write_case(scope=mapless_scope), lang)
    assert ("No data map was given" if lang == "en" else "データマップがないため") in page.text
    assert [value for name, value in page.attributes if name == "data-count"] == []
    assert_inert(page)


def test_a_case_without_incidents_or_events_still_gives_a_page(write_case: CaseWriter, scope: dict[str, Any]) -> None:
    empty = scope | {"incidents": [], "coverage": [], "records": [], "data_kinds": []}
    empty["people"] |= {"confirmed": 0, "probable": 0, "possible": 0, "upper_bound": 0, "range": [0, 0]}
    page = page_of(write_case(scope=empty, serious=False, scan=False, sources=()))
    assert "No event carries a time, so there is no timeline." in page.text
    assert "That is not proof" in page.text


def test_hostile_texts_stay_texts(hostile_case: Case) -> None:
    page = page_of(hostile_case)
    assert_inert(page)
    assert page.tags.count("style") == 1
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert {"\u202e", "\u2066", "\x1b"}.isdisjoint(page.text)


def test_a_long_incident_is_cut_in_the_page_and_says_so(write_case: CaseWriter) -> None:
    case = write_case()
    findings = pl.read_parquet(case.path / "findings.parquet")
    row = findings.filter(pl.col("finding_id") == "F-000000000001")
    more = [row.with_columns(finding_id=pl.lit(f"F-{n:012x}"), first_ts=pl.col("first_ts") + timedelta(seconds=n)) for n in range(1000, 1300)]
    case.write_parquet("findings.parquet", pl.concat([findings, *more]).to_arrow().cast(findings.to_arrow().schema))
    incidents = case.path / "incidents.json"
    text = incidents.read_text(encoding="utf-8")
    for n in range(1000, 1300):
        entry = f'{{"finding_id": "F-{n:012x}", "summary_en": "x", "summary_ja": "x"}},'
        at = text.rindex('"timeline": [') + len('"timeline": [')
        text = text[:at] + entry + text[at:]
    incidents.write_text(text, encoding="utf-8")
    assert "105 more: see findings.parquet" in page_of(case).text


def test_the_facts_of_built_in_detectors_are_told_in_words(write_case: CaseWriter) -> None:
    def edit(row: list[Any]) -> list[Any]:
        row[12] = {"first_time": False, "off_hours": True, "pattern": "spray", "sequential_share": 0.87, "mine": "raw"}
        return row

    text = page_of(write_case(edit_rows=edit), "ja").text
    for told in (
        "初めての取得 いいえ",
        "業務時間外 はい",
        "型 多数のアカウントを少数回ずつ",
        "連番の割合 87 %",
        "first time no",
        "outside office hours yes",
        "mine raw",
    ):
        assert told in text
    assert "off_hours" not in text


@pytest.mark.parametrize(
    ("assumption", "told"),
    [
        ("year 2026: the latest that puts no line after 2026-11-22", "年：2026年（推定：2026-11-22より後の行が生じない最も遅い年）"),
        ("year 2025 from the file name", "年：2025年（ファイル名から推定）"),
        ("year 2026 given for the last line", "年：2026年（最後の行の年として指定）"),
    ],
)
def test_how_a_year_was_found_is_told_in_japanese(write_case: CaseWriter, assumption: str, told: str) -> None:
    case = write_case()
    manifest = case.path / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("2026, from --reference-date", assumption), encoding="utf-8")
    text = page_of(Case.open(case.path), "ja").text
    assert told in text
    assert f"年：{assumption}" not in text


def test_japanese_texts_of_detectors_have_levels_in_words_and_no_folding_spaces(write_case: CaseWriter, detectors: list[dict[str, Any]]) -> None:
    folded = {"en": "x", "ja": "連続するか、 他の場合（medium）。応答があれば high（早朝は low）"}
    text = page_of(write_case(detectors=[d | {"description": folded} for d in detectors]), "ja").text
    assert "連続するか、他の場合（中）。応答があれば高（早朝は低）" in text


def test_a_japanese_summary_sets_the_actor_off_with_a_colon(write_case: CaseWriter) -> None:
    case = write_case()
    incidents = case.path / "incidents.json"
    incidents.write_text(incidents.read_text(encoding="utf-8").replace("203.0.113.66：412", "203.0.113.66 – 412"), encoding="utf-8")
    assert "203.0.113.66：412（しきい値 10）" in page_of(case, "ja").text


def test_a_login_route_is_told_in_words(write_case: CaseWriter, scope: dict[str, Any]) -> None:
    scope["evidence"]["routes"][0] |= {"match": "login of customers", "kind": "login"}
    text = page_of(write_case(scope=scope), "ja").text
    assert "ログイン（テーブル customers）" in text
    assert "login of customers" not in text


def test_advice_on_findings_is_told_in_both_languages(write_case: CaseWriter) -> None:
    text = page_of(write_case(), "ja").text
    assert "ほかに考えられること多くのレコードを自動で読む管理業務" in text
    assert "次の作業だれのセッションかを確かめる" in text
    assert "Can also bea back office that reads many records by itself" in text
