"""report.html: one file that asks for nothing else, in both languages, for a screen, a narrow screen and A4 paper.

There is no script in it. The language switch is CSS (``:target``), the pictures are inline SVG, and the
Content-Security-Policy admits one style sheet by its hash and nothing else, so that even a text that escaped its
escaping could not run, load or send anything.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from breachscope.hostile import visible
from breachscope.report import timeline
from breachscope.report.answer import answer
from breachscope.report.facts import Facts
from breachscope.report.words import LANGUAGES, Language, Words
from breachscope.schema import GRADES

MOST_PICTURES = 10
MOST_FINDINGS = 200
MOST_BACKGROUND = 100
MOST_ACTORS = 12
MOST_GAPS = 20
MOST_TITLES = 8
MOST_DOUBTS = 5


@dataclass(frozen=True)
class Canvas:
    """The measures of timeline.py that the template needs."""

    width: int = timeline.WIDTH
    left: int = timeline.LABEL_WIDTH
    right: int = timeline.PLOT_RIGHT
    axis_height: int = timeline.AXIS_HEIGHT
    histogram_height: int = timeline.HISTOGRAM_HEIGHT
    stage_height: int = timeline.STAGE_HEIGHT
    lane_height: int = timeline.LANE_HEIGHT


def _shown(value: object) -> object:
    """Every value that a template prints passes here: text loses its power to act, markup of our own stays."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_page(facts: Facts, default: Language) -> bytes:
    """The whole page; the same facts give the same bytes."""
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = files(__package__).joinpath("templates", "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    words = {lang: Words(lang, facts.offset_min) for lang in LANGUAGES}
    pictured = facts.serious_incidents[:MOST_PICTURES]
    page = environment.get_template("page.html.j2").render(
        facts=facts,
        words=words,
        languages=LANGUAGES,
        default=default,
        answers={lang: answer(facts, w) for lang, w in words.items()},
        overviews={lang: timeline.draw_overview(facts, w) for lang, w in words.items()},
        incident_pictures={lang: {i.id: timeline.draw_incident(facts, i, w) for i in pictured} for lang, w in words.items()},
        canvas=Canvas(),
        grades=GRADES,
        most_findings=MOST_FINDINGS,
        most_background=MOST_BACKGROUND,
        most_actors=MOST_ACTORS,
        most_gaps=MOST_GAPS,
        most_titles=MOST_TITLES,
        most_doubts=MOST_DOUBTS,
        style=Markup(style),  # noqa: S704 # our own file, and its hash is in the policy
        style_hash=f"sha256-{digest}",
    )
    return page.encode()
