"""What the report knows: the case's results as typed records, in the order they are told.

Every count here is the one that detection or scope wrote, so that a reader who opens ``scope.json`` finds the same
number; reading.py fills these records.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from breachscope.manifest import Source
from breachscope.report.words import Language
from breachscope.schema import LEVELS

STAGES = ("reconnaissance", "entry", "collection", "exfiltration")
SERIOUS_LEVELS = ("medium", "high", "critical")
"""Levels that make an incident part of the answer; lower ones are background that every site on the internet has."""

_PADDING_SHARE = 0.03
_SHORTEST_PICTURE = timedelta(minutes=2)


@dataclass(frozen=True)
class Span:
    """A stretch of time, both ends included, in UTC."""

    first: datetime
    last: datetime

    @property
    def length(self) -> timedelta:
        return self.last - self.first

    def padded(self) -> Span:
        """With some room on both sides; a single moment gets two minutes."""
        half = max(self.length, _SHORTEST_PICTURE) / 2 * (1 + 2 * _PADDING_SHARE)
        middle = self.first + self.length / 2
        return Span(middle - half, middle + half)

    def overlaps(self, other: Span) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Histogram:
    """Log events a bin from ``start`` on."""

    start: datetime
    bin: timedelta
    events: tuple[int, ...]


@dataclass(frozen=True)
class Actor:
    """Who did it, as far as the logs tell.

    ``value`` is fit to be shown: ``is_masked`` when it was personal or a secret. ``identity`` tells two apart whose shown
    values are alike; it is never shown.
    """

    kind: str
    value: str
    is_masked: bool
    is_shared: bool
    identity: str


@dataclass(frozen=True)
class Finding:
    """One detector's claim; ``facts`` are the detector's own further numbers and words, masked."""

    id: str
    detector: str
    level: str
    attack: tuple[str, ...]
    actor: Actor
    peer: str | None
    span: Span
    measure: float
    threshold: float
    events: int
    facts: Mapping[str, str | float]
    summary: Mapping[Language, str]


@dataclass(frozen=True)
class Stage:
    """One step of an incident and how many findings show it."""

    stage: str
    span: Span
    findings: int


@dataclass(frozen=True)
class Incident:
    """Findings of linked actors, oldest first; ``own_events`` counts the events that detection tied to it."""

    id: str
    level: str
    span: Span
    actors: tuple[Actor, ...]
    stages: tuple[Stage, ...]
    findings: tuple[Finding, ...]
    attack: tuple[str, ...]
    own_events: Histogram | None

    @property
    def rank(self) -> int:
        """Place of the level among :data:`LEVELS`, lowest first."""
        return LEVELS.index(self.level)

    @property
    def is_serious(self) -> bool:
        return self.level in SERIOUS_LEVELS


@dataclass(frozen=True)
class Detector:
    """One detector as it ran. ``reason`` tells why it could not be evaluated."""

    id: str
    title: Mapping[Language, str]
    description: Mapping[Language, str]
    false_positives: Mapping[Language, Sequence[str]]
    next_steps: Mapping[Language, Sequence[str]]
    version: str
    findings: int
    is_evaluable: bool
    reason: Mapping[Language, str]
    parameters: Mapping[str, str | float]


@dataclass(frozen=True)
class People:
    """People by best grade, each counted once. ``upper_bound`` is None when nothing bounds it."""

    confirmed: int
    probable: int
    possible: int
    excluded: int
    upper_bound: int | None
    least: int
    """People when keys that differ only in writing are taken for one person's."""
    counted_by: tuple[str, ...]

    @property
    def exposed(self) -> int:
        return self.confirmed + self.probable + self.possible

    @property
    def tiles(self) -> tuple[tuple[str, int | None], ...]:
        return (("confirmed", self.confirmed), ("probable", self.probable), ("possible", self.possible), ("upper_bound", self.upper_bound))


@dataclass(frozen=True)
class TableRecords:
    """Records of one customer table by grade."""

    table: str
    key: str
    confirmed: int
    probable: int
    possible: int
    excluded: int
    rows_at_incident: int


@dataclass(frozen=True)
class KindPeople:
    """People concerned by one kind of personal data, under any grade but excluded."""

    kind: str
    name: Mapping[Language, str]
    people: int
    confirmed: int
    probable: int
    possible: int

    @property
    def is_sensitive(self) -> bool:
        """One of the eleven heads of 要配慮個人情報 (LEGAL.md section 9)."""
        return self.kind.startswith("sensitive.")


@dataclass(frozen=True)
class Estimate:
    """Rows bounded by bytes where the log names none; ``people`` is None where it is known which rows they are."""

    kind: str
    table: str
    where: str
    bytes: int | None
    rows: tuple[int, int, int]
    """Lower, likely and upper number of rows."""
    people: tuple[int, float, int] | None
    """Lower, expected and upper number of distinct people behind the likely rows."""


@dataclass(frozen=True)
class Route:
    """Requests of the incidents that a route of the data map explains."""

    match: str
    kind: str
    table: str
    requests: int
    returned: int


@dataclass(frozen=True)
class Template:
    """Requests of the incidents that no data map explains yet."""

    match: str
    requests: int
    returned: int
    bytes: int


@dataclass(frozen=True)
class Hole:
    """A span of an incident for which a log is known, or must be feared, to lack lines."""

    log: str
    span: Span
    why: str


@dataclass(frozen=True)
class Gap:
    """A hole as it stands in the coverage of one file."""

    span: Span
    why: str


@dataclass(frozen=True)
class Input:
    """One file as it was given, with the fate of its lines."""

    id: int
    name: str
    sha256: str
    formats: tuple[str, ...]
    zone: Mapping[Language, str]
    notes: Mapping[Language, Sequence[str]]
    lines: int
    event_lines: int
    skipped: int
    rejected: int


@dataclass(frozen=True)
class Coverage:
    """What one log covers, where it has holes, and what weakens it."""

    source: int
    name: str
    span: Span | None
    gaps: tuple[Gap, ...]
    rejected: int
    doubts: tuple[Mapping[Language, str], ...]


@dataclass(frozen=True)
class Facts:
    """Everything a report tells about one case."""

    case: str
    """What the case is called, or the path to it where commands are to be copied."""
    tool: str
    offset_min: int
    """UTC offset most events were written in, in minutes."""
    log_span: Span | None
    all_events: Histogram | None
    incidents: tuple[Incident, ...]
    detectors: tuple[Detector, ...]
    people: People | None
    """None when no data map was given."""
    people_by_incident: Mapping[str, People]
    holes_by_incident: Mapping[str, Sequence[Hole]]
    tables: tuple[TableRecords, ...]
    kinds: tuple[KindPeople, ...]
    estimates: tuple[Estimate, ...]
    routes: tuple[Route, ...]
    unmapped: tuple[Template, ...]
    uncertainties: tuple[Mapping[Language, str], ...]
    """What scope found that weakens the answer, beyond what coverage and inputs tell."""
    map_digest: tuple[str, str] | None
    """Name and SHA-256 of the data map."""
    coverage: tuple[Coverage, ...]
    sources: tuple[Source, ...]
    source_names: Mapping[int, str]
    """File names, with as much of the folder as tells two apart."""
    inputs: tuple[Input, ...]
    files: tuple[tuple[str, str], ...]
    """Result files this report was made from, with their SHA-256."""

    @property
    def case_argument(self) -> str:
        """``case`` as a shell takes it."""
        return shlex.quote(self.case)

    @property
    def lines(self) -> int:
        return sum(s.lines for s in self.sources)

    @property
    def event_lines(self) -> int:
        return sum(s.event_lines for s in self.sources)

    @property
    def skipped(self) -> int:
        return sum(sum(s.skipped.values()) for s in self.sources)

    @property
    def rejected(self) -> int:
        return sum(s.rejected for s in self.sources)

    @property
    def is_examined(self) -> bool:
        """Some line became an event and some detector could judge; otherwise silence means nothing."""
        return bool(self.incidents) or (self.event_lines > 0 and any(d.is_evaluable for d in self.detectors))

    @property
    def serious_incidents(self) -> tuple[Incident, ...]:
        """Worst first, then oldest first."""
        return tuple(sorted((i for i in self.incidents if i.is_serious), key=lambda i: (-i.rank, i.span.first, i.id)))

    @property
    def background_incidents(self) -> tuple[Incident, ...]:
        return tuple(i for i in self.incidents if not i.is_serious)

    def detector(self, id_: str) -> Detector:
        return next(d for d in self.detectors if d.id == id_)

    def detectors_of(self, incident: Incident) -> tuple[Detector, ...]:
        """The detectors that fired in an incident, in the order they first did."""
        return tuple(self.detector(id_) for id_ in dict.fromkeys(f.detector for f in incident.findings))

    def titles_of(self, incident: Incident, lang: Language) -> tuple[str, ...]:
        return tuple(d.title[lang] for d in self.detectors_of(incident))

    def levels_of(self, incident: Incident) -> tuple[str, ...]:
        """Levels of an incident's findings, highest first."""
        return tuple(level for level in reversed(LEVELS) if any(f.level == level for f in incident.findings))

    def people_of(self, incident_id: str) -> People | None:
        return self.people_by_incident.get(incident_id)

    def holes_of(self, incident_id: str) -> Sequence[Hole]:
        return self.holes_by_incident.get(incident_id, ())

    @property
    def most_people_of_a_kind(self) -> int:
        return max((k.people for k in self.kinds), default=0) or 1

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Holes of logs while a serious incident went on, oldest first."""
        found = {hole for i in self.serious_incidents for hole in self.holes_of(i.id)}
        return tuple(sorted(found, key=lambda hole: (hole.span.first, hole.log, hole.why)))
