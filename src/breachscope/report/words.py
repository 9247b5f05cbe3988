"""Every text the report says to people, by key and language, and numbers and times the way each language writes them.

The texts are data: ``texts.en.toml`` and ``texts.ja.toml``, the same keys in both. Counts always carry their unit,
because people (人), records (件) and log lines (行) are different things that must never be mixed (LEGAL.md section 2).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")

_BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB")
JST_OFFSET_MIN = 540
_TOLD_IN_CODES = frozenset({"pattern", "success"})
"""Facts of the built-in detectors whose values are words of the program and not of a log."""


@cache
def load_texts(lang: Language) -> Mapping[str, str]:
    """All texts of a language under dotted keys, e.g. ``answer.who``."""
    content = tomllib.loads(files(__package__).joinpath(f"texts.{lang}.toml").read_text(encoding="utf-8"))
    texts: dict[str, str] = {}

    def flatten(prefix: str, node: Mapping[str, object]) -> None:
        for key, value in node.items():
            if isinstance(value, Mapping):
                flatten(f"{prefix}{key}.", value)
            else:
                texts[prefix + key] = str(value)

    flatten("", content)
    return texts


class Words:
    """One language's words, with the UTC offset in which times are told."""

    def __init__(self, lang: Language, offset_min: int = 0) -> None:
        self.lang = lang
        self.offset_min = offset_min
        self._texts = load_texts(lang)
        self._zone = timezone(timedelta(minutes=offset_min))

    def __call__(self, key: str, **values: object) -> str:
        """The text ``key`` with its ``{fields}`` filled in."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def label(self, group: str, code: str) -> str:
        """The word for a code such as level ``high``; the code itself when it is one of the user's own."""
        return self._texts.get(f"{group}.{re.sub('[./ ]', '_', code)}", code)

    def number(self, value: float) -> str:
        """
        >>> Words("en").number(1234567), Words("en").number(0.25), Words("en").number(399.5)
        ('1,234,567', '0.25', '399.5')
        """
        return f"{value:,.2f}".rstrip("0").rstrip(".")

    def count(self, value: int, unit: str) -> str:
        """``value`` with its unit: ``people``, ``records``, ``rows``, ``lines``, ``events``, ``findings``, ``incidents``, ``sources``, ….

        >>> Words("ja").count(1234, "people"), Words("en").count(1, "people"), Words("en").count(2, "people")
        ('1,234人', '1 person', '2 people')
        """
        form = "one" if value == 1 else "other"
        return self(f"unit.{unit}.{form}", n=self.number(value))

    def fact(self, name: str, value: str | float) -> str:
        """A detector's own fact in words; what only a user's detector tells stays as it is.

        >>> Words("ja").fact("off_hours", True), Words("en").fact("forward_share", 0.875), Words("ja").fact("pattern", "spray")
        ('はい', '87.5 %', '多数のアカウントを少数回ずつ')
        """
        if isinstance(value, bool):
            return self("found.yes" if value else "found.no")
        if isinstance(value, str):
            return self("listing.joint").join(self.label(name, part) for part in value.split(", ")) if name in _TOLD_IN_CODES else value
        return self.percent(value) if name.endswith("_share") and 0 <= value <= 1 else self.number(value)

    def bytes(self, value: float) -> str:
        """
        >>> Words("en").bytes(48_211_034), Words("en").bytes(812)
        ('48.2 MB', '812 B')
        """
        unit = "B"
        for larger in _BYTE_UNITS:
            if value < 1000:
                break
            value, unit = value / 1000, larger
        return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"

    def percent(self, share: float) -> str:
        """
        >>> Words("en").percent(0.99996), Words("en").percent(1.0), Words("en").percent(0.125)
        ('99.9 %', '100 %', '12.5 %')
        """
        # Cut, not rounded: a source with one missing minute is not 100 % covered.
        tenths = int(share * 1000)
        return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"

    def duration(self, span: timedelta) -> str:
        """The two largest units of a span.

        >>> Words("en").duration(timedelta(hours=2, minutes=41, seconds=5)), Words("ja").duration(timedelta(seconds=42))
        ('2 h 41 min', '42秒')
        """
        left = int(span.total_seconds())
        parts: list[str] = []
        for unit, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)):
            amount, left = divmod(left, seconds)
            if amount or (unit == "seconds" and not parts):
                parts.append(self(f"duration.{unit}", n=self.number(amount)))
            elif parts:
                break
            if len(parts) == 2:
                break
        return self("duration.joint").join(parts)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone)

    def date(self, moment: datetime) -> str:
        return self.local(moment).strftime("%Y-%m-%d")

    def clock(self, moment: datetime) -> str:
        return self.local(moment).strftime("%H:%M:%S")

    def moment(self, moment: datetime) -> str:
        """Date and time to the second, in the case's zone; the zone is told once by :meth:`zone`."""
        return self.local(moment).strftime("%Y-%m-%d %H:%M:%S")

    def span(self, first: datetime, last: datetime) -> str:
        """From–to, the date said once when both fall on one day; one moment when both fall on one second.

        >>> from datetime import UTC
        >>> Words("en", 540).span(datetime(2026, 8, 29, 17, 2, tzinfo=UTC), datetime(2026, 8, 29, 18, 0, 5, tzinfo=UTC))
        '2026-08-30 02:02:00 – 03:00:05'
        """
        if self.moment(first) == self.moment(last):
            return self.moment(first)
        if self.date(first) == self.date(last):
            return f"{self.moment(first)} – {self.clock(last)}"
        return f"{self.moment(first)} – {self.moment(last)}"

    def zone(self) -> str:
        """
        >>> Words("en", 540).zone(), Words("en", -150).zone(), Words("en").zone()
        ('UTC+09:00 (JST)', 'UTC-02:30', 'UTC')
        """
        if self.offset_min == 0:
            return "UTC"
        hours, minutes = divmod(abs(self.offset_min), 60)
        name = f"UTC{'-' if self.offset_min < 0 else '+'}{hours:02d}:{minutes:02d}"
        return self("zone.jst", zone=name) if self.offset_min == JST_OFFSET_MIN else name

    def listing(self, items: Sequence[str], most: int, joint: str = "listing.joint") -> str:
        """Join ``items`` by the text ``joint``; past ``most`` say how many more there are.

        >>> Words("en").listing(["a", "b", "c", "d"], 2)
        'a, b and 2 more'
        """
        shown = self(joint).join(items[:most])
        left = len(items) - most
        return self("listing.more", shown=shown, n=self.number(left)) if left > 0 else shown
