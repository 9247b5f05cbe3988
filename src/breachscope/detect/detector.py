"""What a detector is: a query for findings, with its parameters, its evidence and what people are told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args

from breachscope.detect.sandbox import Scalar, SqlUse

Stage = Literal["reconnaissance", "entry", "collection", "exfiltration"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""What an attacker is doing, in the order in which an incident usually runs."""

Grade = Literal["record", "container", "volume", "context"]
EVIDENCE_GRADES: tuple[Grade, ...] = get_args(Grade)
"""What a finding's events tell scope: they name the record, the table, only a volume, or nothing about data."""

ParameterType = Literal["integer", "number", "duration", "bytes", "text"]
PARAMETER_TYPES: tuple[ParameterType, ...] = get_args(ParameterType)

EVIDENCE_RELATIONS = ("actor_requests", "actor_logins", "flow_parties")
"""Relations that name an event's actor: columns event_table, event_id, ts, actor_kind, actor and more."""

RESULT_COLUMNS = ("actor_kind", "actor", "first_ts", "last_ts", "measure", "threshold")
"""What every detector's row must have."""
OPTIONAL_COLUMNS = ("level", "peer", "target")

DESCRIPTION = "detector.yaml"
QUERY = "query.sql"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)?")
_BYTE_UNITS = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}


@dataclass(frozen=True)
class Text:
    """A sentence for people in both languages."""

    en: str
    ja: str

    def in_language(self, lang: str) -> str:
        return self.ja if lang == "ja" else self.en


@dataclass(frozen=True)
class Parameter:
    """A number, time or text that the query reads as ``$name``; ``default`` is its text as written."""

    name: str
    type: ParameterType
    default: str
    meaning: str

    def value(self, text: str) -> Scalar:
        """Read ``text`` as this parameter's type. Raises ValueError with what was expected.

        >>> Parameter("window", "duration", "10 min", "").value("90 s")
        datetime.timedelta(seconds=90)
        """
        if self.type == "text":
            return text
        if self.type == "integer" and re.fullmatch(r"-?\d{1,18}", text):
            return int(text)
        if self.type == "number" and re.fullmatch(r"-?\d{1,18}(\.\d+)?", text):
            return float(text)
        if self.type == "duration" and (match := _DURATION.fullmatch(text)):
            unit = match[2] if match[2] == "ms" else match[2][0]
            seconds = float(match[1]) * _SECONDS[unit]
            if 0 < seconds <= 366 * 86400:
                return timedelta(seconds=seconds)
        if self.type == "bytes" and (match := _BYTES.fullmatch(text)):
            return int(float(match[1]) * _BYTE_UNITS[match[2] or ""])
        raise ValueError(_EXPECTED[self.type])


_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "duration": "a time such as '90 s', '10 min' or '24 h', at most 366 days",
    "bytes": "a size such as '500 kB' or '50 MiB'",
    "text": "text",
}


@dataclass(frozen=True)
class Evidence:
    """Which events a finding names: those of ``relation`` of its actor, within its span, that meet ``where``.

    In ``where``, ``f`` is the finding's row as the query returned it and ``e`` the event.
    """

    grade: Grade
    relation: str
    where: str
    line: int


@dataclass(frozen=True)
class Detector:
    """One detector, checked and ready to run."""

    id: str
    path: Path
    title: Text
    level: str
    attack: tuple[str, ...]
    stage: Stage
    description: Text
    summary: Text
    """One line for the timeline; ``{name}`` stands for a column of the finding."""
    parameters: tuple[Parameter, ...]
    requires: Mapping[str, tuple[str, ...]]
    """Relation → columns without which the detector cannot judge."""
    evidence: Evidence
    false_positives: tuple[Text, ...]
    next_steps: tuple[Text, ...]
    references: tuple[str, ...]
    cannot_see: str
    query: str
    use: SqlUse
    columns: tuple[str, ...]
    """Columns that the query returns, in order."""
    version: str
    """SHA-256 over the names and bytes of the description and the query."""

    @property
    def query_path(self) -> Path:
        return self.path / QUERY

    @property
    def facts(self) -> tuple[str, ...]:
        """Columns that become the finding's facts, sorted."""
        known = {*RESULT_COLUMNS, "level", "peer"}
        return tuple(sorted(c for c in self.columns if c not in known and not c.startswith("_")))


def evidence_sql(detector: Detector) -> str:
    """A query for the events that the rows of table ``found`` name: (found_id, event_table, event_id, ts)."""
    return (
        "SELECT f.found_id, e.event_table, e.event_id, e.ts FROM found AS f "
        f"JOIN {detector.evidence.relation} AS e ON e.actor_kind = f.actor_kind AND e.actor = f.actor AND e.ts BETWEEN f.first_ts AND f.last_ts "
        f"WHERE (\n{detector.evidence.where}\n)"
    )
