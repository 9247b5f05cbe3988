"""The terminal summary: ten lines of plain text, aligned by terminal cells, harmless whatever the logs hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from breachscope.hostile import padded, visible, width
from breachscope.report.answer import answer
from breachscope.report.facts import Facts
from breachscope.report.words import Words

LINE_CELLS = 120
"""Longest line but the last, which holds a path and commands to copy: a list says how many more there are, one long sentence goes on in the next line."""


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
    lines["what"] = f"{told.what} {_fitted(told.titles, room - width(visible(told.what)) - 1, words)}".rstrip()
    lines |= {"when": told.when, "people": told.people, "next": words("listing.clause").join([where, told.next])}
    lines |= _without_map(facts, words)
    headline = told.headline if told.level is None else f"[{words.label('level', told.level)}] {told.headline}"
    rows = _wrapped(headline, LINE_CELLS)
    for name, label in labels.items():
        # A path or a command that is to be copied must not be broken.
        parts_of_line = [visible(lines[name])] if name == "next" else _wrapped(lines[name], room)
        rows += [padded(label if n == 0 else "", cells) + part for n, part in enumerate(parts_of_line)]
    return "\n".join(rows)


_FIRST = ("what", "when", "who")
_WITH_MAP = ("people", "records", "kinds")
_WITHOUT_MAP = ("findings", "coverage", "map")
_LAST = ("sure", "unknown", "next")


def _fitted(texts: Sequence[str], room: int, words: Words) -> str:
    """As many of ``texts`` as fit in ``room`` cells and how many more there are; never fewer than one, however long."""
    shown = [visible(text) for text in texts]
    for kept in range(len(shown), 0, -1):
        line = words.listing(shown, kept, joint="listing.clause")
        if width(line) <= room:
            return line
    return words.listing(shown, 1, joint="listing.clause")


_PIECE = re.compile(r"[「（]*(?:[^\s\u3000-\u9fff\uff00-\uffef]+|\S)[、。，．）」：／]*\s*")
"""What stays together: a word, or one full-width character, with the punctuation that must not begin a line."""


def _wrapped(text: str, room: int) -> list[str]:
    """``text``, made visible, in lines of at most ``room`` cells, broken between words or full-width characters where it can be."""
    lines = [""]
    for piece in _PIECE.findall(visible(text)):
        if lines[-1] and width(lines[-1] + piece.rstrip()) > room:
            lines.append("")
        for character in piece if width(piece.rstrip()) > room else (piece,):
            if lines[-1] and width(lines[-1] + character.rstrip()) > room:
                lines.append("")
            lines[-1] += character
    return [line.rstrip() for line in lines]


def _without_map(facts: Facts, words: Words) -> dict[str, str]:
    found = sum(len(i.findings) for i in facts.incidents)
    able = sum(d.is_evaluable for d in facts.detectors)
    total = words.count(len(facts.detectors), "detectors")
    ran = total if able == len(facts.detectors) else words("answer.able", able=words.number(able), total=total)
    if found:
        worst = max(facts.incidents, key=lambda i: i.rank).level
        incidents = words.count(len(facts.incidents), "incidents")
        findings = words("answer.findings", findings=words.count(found, "findings"), detectors=ran, incidents=incidents, level=words.label("level", worst))
    else:
        findings = words("answer.findings_none", detectors=ran) if facts.is_examined else words("answer.findings_unjudged")
    coverage = words(
        "answer.coverage",
        sources=words.count(len(facts.sources), "sources"),
        lines=words.count(facts.lines, "lines"),
        events=words.number(facts.event_lines),
        skipped=words.number(facts.skipped),
        rejected=words.number(facts.rejected),
        gaps=words.count(sum(len(c.gaps) for c in facts.coverage), "gaps"),
    )
    return {"findings": findings, "coverage": coverage, "map": words("answer.map_adds")}
