"""report.html in a real browser: headless Chromium, driven by Playwright.

The browser is the machine's own (Debian's package ``chromium``); without one these tests fail in CI and are skipped elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from breachscope.case import Case
from breachscope.report import Language, write_html

CaseWriter = Callable[..., Case]
BOTH = pytest.mark.parametrize("lang", ["en", "ja"])
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
A4_WIDTH_PX = 695
"""A4 less the page margins of the print style, at 96 pixels an inch."""

# Elements that stick out of the viewport, but for what scrolls within its own box.
STICKING_OUT = """() => [...document.querySelectorAll('.edition *')]
  .filter(e => e.getClientRects().length && !e.closest('.scroll > *') && !e.closest('.skip'))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + '.' + e.className)"""


@dataclass
class Watched:
    """A page and everything it did that a dead document would not do."""

    page: Page
    deeds: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        self.deeds.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        reason = "no Chromium on this machine; install Debian's package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: watched.deeds.append(f"console: {message.text}"))
    watched.page.on("pageerror", lambda error: watched.deeds.append(f"error: {error}"))
    watched.page.on("dialog", watched.dismiss)
    watched.page.on("popup", lambda popup: watched.deeds.append(f"popup: {popup.url}"))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    yield watched
    context.close()


def shown(case: Case, watched: Watched, lang: Language = "en", fragment: str = "") -> Page:
    address = write_html(case, lang).resolve().as_uri()
    watched.page.goto(address + fragment)
    assert watched.requests == [address + fragment] or watched.requests == [address]
    return watched.page


def number_in(text: str) -> int:
    return int("".join(re.findall(r"\d", text)))


@BOTH
def test_the_page_opens_in_the_default_language_without_a_word_of_complaint(write_case: CaseWriter, watched: Watched, lang: Language) -> None:
    page = shown(write_case(), watched, lang)
    headlines = page.locator("h1:visible")
    assert headlines.count() == 1
    assert ("was returned to the attacker" if lang == "en" else "攻撃者に返されたことを確認しました") in headlines.inner_text()
    assert watched.deeds == []


def test_the_language_switch_and_links_within_a_language_work_without_script(write_case: CaseWriter, watched: Watched) -> None:
    page = shown(write_case(), watched, "ja")
    page.locator("#ja .languages").get_by_text("English").click()
    assert (page.locator("#en").is_visible(), page.locator("#ja").is_visible()) == (True, False)
    page.locator("#en .contents a").first.click()
    assert (page.locator("#en").is_visible(), page.locator("#ja").is_visible()) == (True, False)
    page.locator("#en .languages").get_by_text("日本語").click()
    assert (page.locator("#en").is_visible(), page.locator("#ja").is_visible()) == (False, True)


@BOTH
def test_counts_on_the_page_are_those_of_scope(write_case: CaseWriter, watched: Watched, scope: dict[str, Any], lang: Language) -> None:
    page = shown(write_case(), watched, lang)
    for grade in ("confirmed", "probable", "possible", "upper_bound"):
        tile = page.locator(f"#{lang} [data-count='people.{grade}']")
        assert tile.is_visible()
        assert number_in(tile.inner_text()) == scope["people"][grade]
    rows = page.locator(f"#{lang} table[data-name=records] tbody tr")
    told = [[number_in(cell) for cell in rows.nth(n).locator("td.n").all_inner_texts()] for n in range(rows.count())]
    assert told == [[t["confirmed"], t["probable"], t["possible"], t["excluded"], t["rows_at_incident"]] for t in scope["records"]]
    kinds = page.locator(f"#{lang} [data-count=kind]").all_inner_texts()
    assert [number_in(cell) for cell in kinds] == [k["people"] for k in scope["data_kinds"]]


@BOTH
def test_the_first_screen_holds_the_answer(write_case: CaseWriter, watched: Watched, lang: Language) -> None:
    page = shown(write_case(), watched, lang)
    for name in ("h1", ".tiles", "dl.key dd:nth-of-type(4)"):
        box = page.locator(f"#{lang} {name}").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800


@BOTH
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_sticks_out_of_the_window(write_case: CaseWriter, watched: Watched, lang: Language, width: int) -> None:
    watched.page.set_viewport_size({"width": width, "height": 800})
    page = shown(write_case(), watched, lang)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(STICKING_OUT) == []


@BOTH
def test_the_page_prints_on_a4_in_the_shown_language_only(write_case: CaseWriter, watched: Watched, lang: Language) -> None:
    page = shown(write_case(), watched, lang)
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_WIDTH_PX, "height": 1000})
    assert page.locator(".edition:visible").count() == 1
    assert page.locator(".languages:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH_PX
    assert page.locator(f"#{lang} .scroll").evaluate_all("boxes => boxes.filter(b => b.scrollWidth > b.clientWidth + 1).map(b => b.ariaLabel)") == []


def test_the_pictures_have_a_name_and_a_description(write_case: CaseWriter, watched: Watched) -> None:
    page = shown(write_case(), watched)
    pictures = page.locator("#en svg[role=img]")
    assert pictures.count() == 2
    for n in range(2):
        ids = (pictures.nth(n).get_attribute("aria-labelledby") or "").split()
        assert all(page.locator(f"[id='{id_}']").text_content() for id_ in ids)
    assert page.get_by_role("img", name="Incident I-00000000000b, step by step").count() == 1


@BOTH
def test_a_hostile_case_runs_nothing_loads_nothing_and_fits(hostile_case: Case, watched: Watched, lang: Language) -> None:
    page = shown(hostile_case, watched, lang)
    page.wait_for_timeout(200)
    assert watched.deeds == []
    assert page.locator("script, img, iframe, svg[onload]").count() == 0
    assert page.locator(f"#{lang} h1").is_visible()
    assert page.locator(f"#{lang} [data-count='people.confirmed']").is_visible()
    assert page.evaluate(STICKING_OUT) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(STICKING_OUT) == []


@BOTH
def test_a_case_without_a_map_fits_too(write_case: CaseWriter, watched: Watched, mapless_scope: dict[str, Any], lang: Language) -> None:
    page = shown(write_case(scope=mapless_scope), watched, lang)
    assert page.locator(".tiles").count() == 0
    assert page.evaluate(STICKING_OUT) == []
    assert watched.deeds == []
