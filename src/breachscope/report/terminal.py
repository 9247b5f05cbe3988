"""The terminal summary: ten rows of plain text, aligned by terminal cells, harmless whatever the logs hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from breachscope.hostile import clipped, padded, visible, width
from breachscope.report.answer import Answer, answer
from breachscope.report.facts import Facts
from breachscope.report.words import Words

ROW_CELLS = 100
"""Width of a terminal on which each item is one row: a list says how many more there are, and only a headline or an item that must
stay whole – the gravest of many incidents, people by keys written differently – goes on in the next row. Paths and commands are never broken."""

_LEAST_TITLE_CELLS = 30
"""Where less is left behind the stages, the titles have a row to themselves."""


def summary_of(facts: Facts, words: Words, report: Path | None) -> str:
    """The ten lines; without a data map they tell of findings, incidents, coverage and what a map would add."""
    told = answer(facts, words)
    labels = {name: words(f"terminal.{name}") for name in (*_FIRST, *(_WITHOUT_MAP if facts.people is None else _WITH_MAP), *_LAST)}
    cells = max(map(width, labels.values())) + 2
    room = ROW_CELLS - cells
    lists = {"who": told.who, "records": told.records, "kinds": told.kinds, "unknown": told.unknown}
    lines = {name: _fitted(texts, room, words) for name, texts in lists.items()}
    lines["what"] = _what(told, room, words)
    lines["when"] = words("listing.clause").join([told.when, *_coverage(facts, words)])
    lines["people"] = told.people
    lines["report"] = words("answer.report_missing", case=facts.case_argument) if report is None else words("answer.report", path=report)
    lines["next"] = told.next[0]
    lines |= _without_map(facts, words)
    headline = told.headline if told.level is None else f"[{words.label('level', told.level)}] {told.headline}"
    rows = _wrapped(headline, ROW_CELLS)
    for name, label in labels.items():
        parts = [visible(lines[name])] if name in _LAST_WHOLE else _wrapped(lines[name], room)
        rows += [padded(label if n == 0 else "", cells) + part for n, part in enumerate(parts)]
    return "\n".join(rows)


_FIRST = ("what", "when", "who")
_WITH_MAP = ("people", "records", "kinds")
_WITHOUT_MAP = ("findings", "coverage", "map")
_LAST_WHOLE = ("report", "next")
"""What holds a path or a command to be copied."""
_LAST = ("unknown", *_LAST_WHOLE)


def _what(told: Answer, room: int, words: Words) -> str:
    left = room - width(visible(told.what)) - 1
    return f"{told.what} {_fitted(told.titles, left if left >= _LEAST_TITLE_CELLS else room, words)}".rstrip()


def _coverage(facts: Facts, words: Words) -> tuple[str, ...]:
    """Whether the logs of the time just told are whole; nothing where nothing was examined, or an own item tells it."""
    if not facts.is_examined:
        return ()
    if facts.serious_incidents:
        return (words("terminal.holes", gaps=words.count(len(facts.holes), "gaps")) if facts.holes else words("terminal.no_hole"),)
    return () if facts.people is None else (words("terminal.logs", gaps=_gaps(facts, words)),)


def _gaps(facts: Facts, words: Words) -> str:
    return words.count(sum(len(c.gaps) for c in facts.coverage), "gaps")


def _fitted(texts: Sequence[str], room: int, words: Words) -> str:
    """As many of ``texts`` as fit in ``room`` cells and how many more there are; never fewer than one, cut where it is too long: the page has it whole."""
    shown = [visible(text) for text in texts]
    for kept in range(len(shown), 0, -1):
        line = words.listing(shown, kept, joint="listing.clause")
        if width(line) <= room:
            return line
    more = width(words.listing(["", *shown[1:]], 1)) if shown else 0
    return words.listing([clipped(text, room - more) for text in shown], 1)


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
        gaps=_gaps(facts, words),
    )
    return {"findings": findings, "coverage": coverage, "map": words("terminal.draft")}
