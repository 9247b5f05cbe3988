"""The answer for people: ten lines on a terminal, and one page for a browser or paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from breachscope.case import Case
from breachscope.report.page import render_page
from breachscope.report.reading import open_result, read_facts
from breachscope.report.terminal import summary_of
from breachscope.report.words import Language, Words

__all__ = ["REPORT_HTML", "Language", "open_result", "summarize", "write_html"]

REPORT_HTML = "report/report.html"
"""Where :func:`write_html` writes, relative to the case."""


def summarize(case: Case, lang: Language, map_given: bool) -> str:
    """The answer in ten lines of plain text without terminal codes; raises CaseError when detection or scope did not run."""
    # The commands told here are there to be copied, so they name the case by its path; the page may travel and names it by its name.
    facts = replace(read_facts(case, with_scope=map_given), case=str(case.path))
    report = case.path / REPORT_HTML
    return summary_of(facts, Words(lang, facts.offset_min), report if report.is_file() else None)


def write_html(case: Case, lang: Language) -> Path:
    """Write the page in both languages, showing ``lang`` first, and return its path. The same case gives the same bytes."""
    case.write_bytes(REPORT_HTML, render_page(read_facts(case), lang))
    return case.path / REPORT_HTML
