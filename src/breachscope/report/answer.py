"""The answer in sentences, the same for the terminal and the first screen of the page.

The wording follows LEGAL.md sections 1 and 3: what the logs show is told as a fact, what they cannot exclude as possible,
and whether either is a 漏えい or an おそれ in the sense of the law is left to people. No sentence ever says "no leak".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from breachscope.report.facts import STAGES, Actor, Detector, Facts, Finding, Incident, People, Span
from breachscope.report.words import Words
from breachscope.schema import LEVELS

_MOST_HOLES = 4
_SHORTEST_TOLD = timedelta(seconds=1)
_MOST_NAMED = 6
_MOST_BLIND = 5
_MOST_REJECTED_SHARE = 0.1
"""Beyond this share of unreadable lines the headline itself must say so."""


@dataclass(frozen=True)
class Answer:
    """The sentences of one language; what may be many is a tuple, the heaviest first, never empty."""

    level: str | None
    """The worst incident's, None when there is none."""
    headline: str
    what: str
    """The stages, or what stands for them, before the titles of what was found."""
    titles: tuple[str, ...]
    when: str
    who: tuple[str, ...]
    people: str
    records: tuple[str, ...]
    kinds: tuple[str, ...]
    sure: tuple[str, ...]
    unknown: tuple[str, ...]
    next: tuple[str, ...]
    """What to do, the first thing first."""


def answer(facts: Facts, words: Words) -> Answer:
    serious = facts.serious_incidents
    return Answer(
        level=serious[0].level if serious else None,
        headline=_headline(facts, words),
        what=_what(facts, words),
        titles=_titles(facts, words),
        when=_when(facts, words),
        who=_who(serious, words) if facts.is_examined else (words("answer.who_unexamined"),),
        people=_people(facts.people, words),
        records=_records(facts, words),
        kinds=_kinds(facts, words),
        sure=_sure(facts, words),
        unknown=_unknown(facts, words),
        next=_next(facts, words),
    )


def most(people: People, words: Words) -> str:
    """The upper bound in words."""
    return words("answer.most_unknown") if people.upper_bound is None else words.count(people.upper_bound, "people")


def _headline(facts: Facts, words: Words) -> str:
    if not facts.incidents and not facts.event_lines:
        return _unread_headline(facts, words)
    told = _examined_headline(facts, words) if facts.is_examined else words("headline.no_judge")
    if facts.rejected <= _MOST_REJECTED_SHARE * facts.lines:
        return told
    return words("headline.rejected", headline=told, rejected=words.number(facts.rejected), lines=words.count(facts.lines, "lines"))


def _unread_headline(facts: Facts, words: Words) -> str:
    """Why no line could be examined."""
    if not facts.lines:
        return words("headline.no_line")
    counts = {"lines": words.count(facts.lines, "lines"), "rejected": words.count(facts.rejected, "lines"), "skipped": words.count(facts.skipped, "lines")}
    if not facts.rejected:
        return words("headline.all_skipped", **counts)
    return words("headline.all_unread" if facts.skipped else "headline.all_rejected", **counts)


def _levels(facts: Facts, words: Words) -> str:
    """How many serious incidents there are of each level, the gravest first."""
    counts = Counter(i.level for i in facts.serious_incidents)
    return words("listing.joint").join(
        words("answer.level_count", level=words.label("level", level).lower(), n=words.number(counts[level])) for level in reversed(LEVELS) if counts[level]
    )


def _gravest(incident: Incident) -> Finding:
    """The finding to look at first: the oldest of the highest level."""
    return max(incident.findings, key=lambda f: LEVELS.index(f.level))


def _examined_headline(facts: Facts, words: Words) -> str:
    people = facts.people
    if people is None:
        if not facts.serious_incidents:
            return words("headline.no_map_quiet")
        return words("headline.no_map", incidents=words.count(len(facts.serious_incidents), "incidents"))
    counts = {"confirmed": words.count(people.confirmed, "people")}
    if people.upper_bound is None:
        return words("headline.unbounded_confirmed", **counts) if people.confirmed else words("headline.unbounded")
    counts["bound"] = words.number(people.upper_bound)
    if people.confirmed:
        return words("headline.confirmed", **counts)
    if people.probable:
        return words("headline.probable", probable=words.count(people.probable, "people"), **counts)
    if people.possible or people.upper_bound:
        return words("headline.possible", possible=words.count(people.possible, "people"), **counts)
    return words("headline.none_shown")


def _what(facts: Facts, words: Words) -> str:
    serious = facts.serious_incidents
    if serious:
        stages = words("listing.arrow").join(words.label("stage", s) for s in STAGES if any(stage.stage == s for stage in serious[0].stages))
        if len(serious) == 1:
            return words("answer.what", stages=stages)
        return words(
            "answer.what_more",
            n=words.number(len(serious)),
            levels=_levels(facts, words),
            id=serious[0].id,
            time=words.moment(serious[0].span.first),
            actor=actor_name(_gravest(serious[0]).actor, words),
            stages=stages,
        )
    if not facts.is_examined:
        return words("answer.what_unexamined")
    if facts.incidents:
        return words("answer.what_background", n=words.count(len(facts.incidents), "incidents"))
    return words("answer.what_nothing")


def _titles(facts: Facts, words: Words) -> tuple[str, ...]:
    """What was found, the gravest first."""
    findings = sorted((f for i in facts.serious_incidents[:1] or facts.incidents for f in i.findings), key=lambda f: (-LEVELS.index(f.level), f.span.first))
    return tuple(dict.fromkeys(facts.detector(f.detector).title[words.lang] for f in findings))


def _when(facts: Facts, words: Words) -> str:
    serious = facts.serious_incidents
    if serious:
        span = Span(min(i.span.first for i in serious), max(i.span.last for i in serious))
        if span.length < _SHORTEST_TOLD:
            return words("answer.when_instant", moment=words.moment(span.first), zone=words.zone())
        return words("answer.when", span=words.span(span.first, span.last), zone=words.zone(), length=words.duration(span.length))
    if facts.log_span is None:
        return words("answer.when_unknown")
    return words("answer.when_logs", span=words.span(facts.log_span.first, facts.log_span.last), zone=words.zone())


def actor_name(actor: Actor, words: Words) -> str:
    key = "actor.named_shared" if actor.is_shared else "actor.named"
    return words(key, kind=words.label("actor", actor.kind), value=actor.value)


def _who(serious: Sequence[Incident], words: Words) -> tuple[str, ...]:
    """Actors by name where the name may be told and tells something; of the others, how many there are."""
    if not serious:
        return (words("answer.who_nobody"),)
    everyone = list({a.identity: a for i in serious for a in i.actors}.values())
    # A host is where data left, not who took it.
    actors = [a for a in everyone if a.kind != "host"] or everyone
    named = [actor_name(a, words) for a in actors if not a.is_masked]
    accounts = sum(a.is_masked and a.kind == "user" for a in actors)
    sessions = sum(a.is_masked and a.kind == "session" for a in actors)
    counted = [words.count(n, unit) for n, unit in ((accounts, "accounts"), (sessions, "sessions")) if n]
    return (*named[:_MOST_NAMED], *counted, *([words("answer.who_more", n=words.number(len(named) - _MOST_NAMED))] if len(named) > _MOST_NAMED else []))


def _people(people: People | None, words: Words) -> str:
    if people is None:
        return words("answer.people_unknown")
    text = words(
        "answer.people",
        confirmed=words.count(people.confirmed, "people"),
        probable=words.count(people.probable, "people"),
        possible=words.count(people.possible, "people"),
        most=most(people, words),
    )
    return text if people.least == people.exposed else words("answer.people_least", people=text, least=words.count(people.least, "people"))


def _records(facts: Facts, words: Words) -> tuple[str, ...]:
    if facts.people is None:
        return (words("answer.record_unknown"),)
    tables = []
    for table in sorted(facts.tables, key=lambda t: (-t.confirmed, -t.probable, -t.possible, t.table)):
        counts = (("confirmed", table.confirmed), ("probable", table.probable), ("possible", table.possible))
        told = [words(f"answer.record_{grade}", n=words.count(records, "records_short")) for grade, records in counts if records]
        if told:
            tables.append(
                words("answer.record_table", table=table.table, counts=words("listing.joint").join(told), rows=words.count(table.rows_at_incident, "rows"))
            )
    return tuple(tables) or (words("answer.record_nothing"),)


def _kinds(facts: Facts, words: Words) -> tuple[str, ...]:
    if facts.people is None:
        return (words("answer.record_unknown"),)
    kinds = (words("answer.kind", kind=k.name[words.lang], people=words.count(k.people, "people")) for k in facts.kinds if k.people)
    return tuple(kinds) or (words("answer.kind_nothing"),)


def _sure(facts: Facts, words: Words) -> tuple[str, ...]:
    if not facts.is_examined:
        return (words("answer.sure_unexamined"),)
    if facts.people is None:
        told = [words("answer.sure_not_assessed")]
    else:
        told = [words("answer.sure_gaps", gaps=words.count(len(facts.holes), "gaps")) if facts.holes else words("answer.sure_complete")]
    shared = {
        a.identity: words("actor.named", kind=words.label("actor", a.kind), value=a.value) for i in facts.serious_incidents for a in i.actors if a.is_shared
    }
    if shared:
        told.append(words("answer.sure_shared", actors=words.listing(list(shared.values()), 2)))
    return tuple(told)


def _unknown(facts: Facts, words: Words) -> tuple[str, ...]:
    """What weakens the answer, the heaviest first; never empty, because logs never tell everything."""
    holes = facts.holes
    doubts = [words("answer.unknown_gap", name=h.log, span=words.span(h.span.first, h.span.last), why=words.label("why", h.why)) for h in holes[:_MOST_HOLES]]
    if len(holes) > _MOST_HOLES:
        doubts.append(words("answer.unknown_more_gaps", gaps=words.count(len(holes) - _MOST_HOLES, "gaps")))
    blind = tuple(d for d in facts.detectors if not d.is_evaluable)
    if blind and facts.event_lines:
        doubts.append(words("answer.unknown_detectors", detectors=words.count(len(blind), "detectors"), why=_why_blind(blind, words)))
    doubts += [told[words.lang] for told in facts.uncertainties]
    doubts += [words("answer.unknown_problem", name=facts.source_names[s.id], problem=s.problem) for s in facts.sources if s.problem]
    rejected = [s for s in facts.sources if s.rejected]
    if rejected:
        lines = words.count(sum(s.rejected for s in rejected), "lines")
        doubts.append(words("answer.unknown_rejected", lines=lines, sources=words.count(len(rejected), "sources")))
    assumed = sum(s.tz_assumed for s in facts.sources)
    if assumed:
        doubts.append(words("answer.unknown_tz", sources=words.count(assumed, "sources")))
    inferred = sum(s.year_assumption is not None for s in facts.sources)
    if inferred:
        doubts.append(words("answer.unknown_year", sources=words.count(inferred, "sources")))
    doubts.append(words("answer.unknown_outside"))
    return tuple(doubts)


def _why_blind(blind: Sequence[Detector], words: Words) -> str:
    """Detectors that could not judge, by what kept them from it."""
    reasons: dict[str, list[str]] = {}
    for detector in blind:
        reasons.setdefault(detector.reason[words.lang], []).append(detector.id)
    told = (words("answer.blind", reason=reason, detectors=words.listing(ids, _MOST_BLIND)) for reason, ids in reasons.items())
    return words("listing.joint").join(told)


def _next(facts: Facts, words: Words) -> tuple[str, ...]:
    if not facts.is_examined:
        return (words("answer.next_formats"),)
    if facts.serious_incidents:
        trace = words("answer.next_trace", case=facts.case_argument, finding=_gravest(facts.serious_incidents[0]).id)
        return (trace,) if facts.people is not None else (trace, words("answer.next_map"))
    return (words("answer.next_map") if facts.people is None else words("answer.next_quiet"),)
