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
    assert "not evaluable: the column duration_ms is empty in every web log" in text
    assert "評価できない：the column duration_ms is empty in every web log" in text


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
