"""The terminal summary: ten lines of plain text, aligned by terminal cells, harmless whatever the logs hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from breachscope.hostile import clipped, padded, visible, width
from breachscope.report.answer import answer
from breachscope.report.facts import Facts
from breachscope.report.words import Words

LINE_CELLS = 120
"""Longest line but the last, which holds a path; a list says how many more there are before it grows longer."""


def summary_of(facts: Facts, words: Words, report: Path | None) -> str:
    """The ten lines; without a data map they tell of findings, incidents, coverage and what a map would add."""
    told = answer(facts, words)
    where = words("answer.report_missing", case=facts.case_argument) if report is None else words("answer.report", path=report)
    labels = {name: words(f"terminal.{name}") for name in (*_FIRST, *(_WITHOUT_MAP if facts.people is None else _WITH_MAP), *_LAST)}
    cells = max(map(width, labels.values())) + 2
    room = LINE_CELLS - cells
    parts: dict[str, tuple[str, ...]] = {
        "what": told.titles,
        "who": told.who,
        "records": told.records,
        "kinds": told.kinds,
        "sure": told.sure,
        "unknown": told.unknown,
    }
    lines = {name: _fitted(texts, room, words) for name, texts in parts.items()}
    lines["what"] = f"{told.what} {_fitted(told.titles, room - width(told.what) - 1, words)}".rstrip()
    lines |= {"when": told.when, "people": told.people, "next": words("listing.clause").join([where, told.next])}
    lines |= _without_map(facts, words)
    headline = told.headline if told.level is None else f"[{words.label('level', told.level)}] {told.headline}"
    rows = [headline, *(padded(label, cells) + lines[name] for name, label in labels.items())]
    return "\n".join(map(visible, rows))


_FIRST = ("what", "when", "who")
_WITH_MAP = ("people", "records", "kinds")
_WITHOUT_MAP = ("findings", "coverage", "map")
_LAST = ("sure", "unknown", "next")


def _fitted(texts: Sequence[str], room: int, words: Words) -> str:
    """As many of ``texts`` as fit in ``room`` cells and how many more there are; the first one is cut when it leaves no room for that."""
    shown = [visible(text) for text in texts]
    for kept in range(len(shown), 0, -1):
        line = words.listing(shown, kept, joint="listing.clause")
        if width(line) <= room:
            return line
    if not shown:
        return ""
    rest = width(words.listing(["", *shown[1:]], 1))
    return words.listing([clipped(shown[0], room - rest), *shown[1:]], 1)


def _without_map(facts: Facts, words: Words) -> dict[str, str]:
    found = sum(len(i.findings) for i in facts.incidents)
    ran = words.count(sum(d.is_evaluable for d in facts.detectors), "detectors")
    if found:
        worst = max(facts.incidents, key=lambda i: i.rank).level
        incidents = words.count(len(facts.incidents), "incidents")
        findings = words("answer.findings", findings=words.count(found, "findings"), detectors=ran, incidents=incidents, level=words.label("level", worst))
    else:
        findings = words("answer.findings_none", detectors=ran)
    coverage = words(
        "answer.coverage",
        sources=words.count(len(facts.sources), "sources"),
        lines=words.count(sum(s.lines for s in facts.sources), "lines"),
        events=words.count(sum(sum(s.events.values()) for s in facts.sources), "events"),
        rejected=words.count(sum(s.rejected for s in facts.sources), "lines"),
        gaps=words.count(sum(len(c.gaps) for c in facts.coverage), "gaps"),
    )
    return {"findings": findings, "coverage": coverage, "map": words("answer.map_adds")}
