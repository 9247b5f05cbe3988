"""Where everything stands on the timeline pictures: coordinates only, the template draws them.

Why no plotting library: the pictures are lanes, bars and bands on a time axis, with text in two languages that must
follow the page's language switch, its escaping, its Content-Security-Policy and its print style. Of the libraries that
render self-contained SVG, matplotlib (50 MB with fonts) needs a Japanese font at run time and one picture a language,
pygal has no lanes and writes a script reference to a foreign host and random ids into each file, and drawsvg or
svgwrite only spell the elements that a Jinja2 template spells as well, without its autoescape. So the arithmetic is
here, tested by itself, and the same inputs give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from breachscope.hostile import clipped
from breachscope.report.answer import actor_name
from breachscope.report.facts import Coverage, Facts, Finding, Histogram, Incident, Span
from breachscope.report.words import Words

WIDTH = 1120
LABEL_WIDTH = 300
PLOT_RIGHT = WIDTH - 12
AXIS_HEIGHT = 26
HISTOGRAM_HEIGHT = 56
LANE_HEIGHT = 28
STAGE_HEIGHT = 19
MAX_LANES = 16
MAX_TICKS = 9
MIN_BAR_WIDTH = 3.0
LABEL_CELLS = 48
"""Terminal cells of text that fit left of the plot at the label's size."""
DETAIL_CELLS = 54
_STAGE_NAME_ROOM = 110.0

_STEPS = tuple(
    timedelta(seconds=s)
    for s in (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000)
)


@dataclass(frozen=True)
class Tick:
    """A round moment on the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A stretch of time; ``kind`` is its style class: a level, ``cover`` or ``gap``; ``title`` is what a reader sees on pointing."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class StageBar:
    """A stage on its own row, with its name beside it: behind, or before where there is no room behind."""

    x: float
    width: float
    kind: str
    title: str
    row: int
    text_x: float
    is_named_before: bool


@dataclass(frozen=True)
class Lane:
    """One row of bars with its label and a second, smaller line."""

    y: float
    label: str
    detail: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Column:
    """One histogram column, at least as tall as a reader can see."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A drawing of ``height`` by :data:`WIDTH` units; ``bands`` are shaded over its whole height."""

    height: float
    ticks: tuple[Tick, ...]
    columns: tuple[Column, ...]
    peak: str
    bands: tuple[Bar, ...]
    stages: tuple[StageBar, ...]
    stages_top: float
    lanes: tuple[Lane, ...]
    lanes_left_out: int
    description: str
    histogram_top: float = AXIS_HEIGHT


@dataclass(frozen=True)
class Scale:
    """Maps moments to x."""

    first: datetime
    last: datetime

    def x(self, moment: datetime) -> float:
        share = (moment - self.first) / (self.last - self.first)
        return round(LABEL_WIDTH + min(1.0, max(0.0, share)) * (PLOT_RIGHT - LABEL_WIDTH), 2)

    def extent(self, span: Span) -> tuple[float, float]:
        """Left edge and width of a span, never thinner than a reader can see, kept inside the plot."""
        left, right = self.x(span.first), self.x(span.last)
        if right - left < MIN_BAR_WIDTH:
            left = min(left, PLOT_RIGHT - MIN_BAR_WIDTH)
            right = left + MIN_BAR_WIDTH
        return round(left, 2), round(right - left, 2)

    def bar(self, span: Span, kind: str, title: str) -> Bar:
        return Bar(*self.extent(span), kind, title)

    def shows(self, span: Span) -> bool:
        return span.overlaps(Span(self.first, self.last))


def scale_of(span: Span) -> Scale:
    shown = span.padded()
    return Scale(shown.first, shown.last)


def ticks_of(scale: Scale, words: Words) -> tuple[Tick, ...]:
    """Round moments of the case's zone, at most :data:`MAX_TICKS`; the date is told where it changes."""
    length = scale.last - scale.first
    step = next((s for s in _STEPS if length / s <= MAX_TICKS - 1), max(_STEPS[-1], length / (MAX_TICKS - 1)))
    midnight = words.local(scale.first).replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + step * -(-(scale.first - midnight) // step)
    ticks = []
    date_shown = ""
    while moment <= scale.last:
        date, clock = words.date(moment), words.clock(moment).removesuffix(":00")
        ticks.append(Tick(scale.x(moment), clock if date == date_shown else date[5:] if clock == "00:00" else f"{date[5:]} {clock}"))
        date_shown = date
        moment += step
    return tuple(ticks)


def columns_of(histogram: Histogram | None, scale: Scale, top: float) -> tuple[Column, ...]:
    """Histogram columns under ``top``; a bin with a single event still shows."""
    peak = max(histogram.events, default=0) if histogram else 0
    columns = []
    for index, events in enumerate(histogram.events if histogram else ()):
        if events:
            left, right = (scale.x(histogram.start + histogram.bin * edge) for edge in (index, index + 1)) if histogram else (0.0, 0.0)
            height = max(1.0, round(events / peak * HISTOGRAM_HEIGHT, 2))
            columns.append(Column(left, round(top + HISTOGRAM_HEIGHT - height, 2), round(max(right - left - 0.4, 0.8), 2), height))
    return tuple(columns)


def _peak(histogram: Histogram | None, words: Words) -> str:
    if histogram is None:
        return ""
    return words("timeline.peak", n=words.count(max(histogram.events, default=0), "events"), length=words.duration(histogram.bin))


def draw_overview(facts: Facts, words: Words) -> Picture | None:
    """The whole span of the logs: events a bin, what each log covers and where it has holes, and the incidents as bands."""
    if facts.log_span is None:
        return None
    scale = scale_of(facts.log_span)
    top = AXIS_HEIGHT + HISTOGRAM_HEIGHT + 12
    shown = facts.coverage[:MAX_LANES]
    lanes = tuple(_coverage_lane(log, scale, words, top + index * LANE_HEIGHT) for index, log in enumerate(shown))
    bands = tuple(
        scale.bar(i.span, i.level, words("timeline.band", id=i.id, level=words.label("level", i.level), span=words.span(i.span.first, i.span.last)))
        for i in facts.serious_incidents
        if scale.shows(i.span)
    )
    description = words(
        "timeline.overview_text",
        span=words.span(facts.log_span.first, facts.log_span.last),
        sources=words.count(len(facts.coverage), "sources"),
        gaps=words.count(sum(len(log.gaps) for log in facts.coverage), "gaps"),
        incidents=words.count(len(bands), "incidents"),
    )
    return Picture(
        height=top + len(lanes) * LANE_HEIGHT + 4,
        ticks=ticks_of(scale, words),
        columns=columns_of(facts.all_events, scale, AXIS_HEIGHT),
        peak=_peak(facts.all_events, words),
        bands=bands,
        stages=(),
        stages_top=top,
        lanes=lanes,
        lanes_left_out=len(facts.coverage) - len(shown),
        description=description,
    )


def _coverage_lane(log: Coverage, scale: Scale, words: Words, y: float) -> Lane:
    bars = []
    if log.span is not None:
        bars.append(scale.bar(log.span, "cover", words("timeline.covers", name=log.name, span=words.span(log.span.first, log.span.last))))
    bars += [scale.bar(gap.span, "gap", _hole_title(log.name, gap.span, gap.why, words)) for gap in log.gaps if scale.shows(gap.span)]
    return Lane(y, clipped(log.name, LABEL_CELLS), "", tuple(bars))


def _hole_title(log: str, span: Span, why: str, words: Words) -> str:
    return words("timeline.gap", name=log, span=words.span(span.first, span.last), why=words.label("why", why))


def draw_incident(facts: Facts, incident: Incident, words: Words) -> Picture:
    """One incident: its own events a bin, a row for each stage, a lane for each detector and actor, and the holes in the logs as bands."""
    scale = scale_of(incident.span)
    stages_top = AXIS_HEIGHT + HISTOGRAM_HEIGHT + 10
    top = stages_top + len(incident.stages) * STAGE_HEIGHT + 10
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in incident.findings:
        found.setdefault((finding.detector, finding.actor.identity), []).append(finding)
    lanes = tuple(_finding_lane(facts, findings, scale, words, top + index * LANE_HEIGHT) for index, findings in enumerate(list(found.values())[:MAX_LANES]))
    holes = facts.holes_of(incident.id)
    description = words(
        "timeline.incident_text",
        id=incident.id,
        span=words.span(incident.span.first, incident.span.last),
        stages=words("listing.arrow").join(words.label("stage", s.stage) for s in incident.stages),
        findings=words.count(len(incident.findings), "findings"),
    )
    return Picture(
        height=top + len(lanes) * LANE_HEIGHT + 4,
        ticks=ticks_of(scale, words),
        columns=columns_of(incident.own_events, scale, AXIS_HEIGHT),
        peak=_peak(incident.own_events, words),
        bands=tuple(scale.bar(h.span, "gap", _hole_title(h.log, h.span, h.why, words)) for h in holes),
        stages=tuple(_stage_bar(scale, stage.span, stage.stage, words, row) for row, stage in enumerate(incident.stages)),
        stages_top=stages_top,
        lanes=lanes,
        lanes_left_out=max(0, len(found) - MAX_LANES),
        description=description,
    )


def _finding_lane(facts: Facts, findings: list[Finding], scale: Scale, words: Words, y: float) -> Lane:
    title = facts.detector(findings[0].detector).title[words.lang]
    actor = actor_name(findings[0].actor, words)
    bars = []
    for finding in findings:
        told = {"level": words.label("level", finding.level), "span": words.span(finding.span.first, finding.span.last)}
        bars.append(scale.bar(finding.span, finding.level, words("timeline.finding", title=title, actor=actor, **told)))
    return Lane(y, clipped(title, LABEL_CELLS), clipped(actor, DETAIL_CELLS), tuple(bars))


def _stage_bar(scale: Scale, span: Span, stage: str, words: Words, row: int) -> StageBar:
    x, bar_width = scale.extent(span)
    is_named_before = x + bar_width > PLOT_RIGHT - _STAGE_NAME_ROOM
    text_x = x - 5 if is_named_before else x + bar_width + 5
    return StageBar(x, bar_width, stage, words.label("stage", stage), row, round(text_x, 2), is_named_before)
