"""Findings: rows of detectors' queries, each with its detector and a stable id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from breachscope.detect.detector import Detector
from breachscope.detect.sandbox import Sandbox
from breachscope.schema import FINDINGS, LEVELS

MEDIUM = LEVELS.index("medium") + 1
"""From this level on a finding is more than an attempt."""
_HERE = Path("findings")


@dataclass(frozen=True)
class Finding:
    """One finding; ``level`` is its place in schema.LEVELS, from 1."""

    number: int
    id: str
    detector: Detector
    level: int
    actor_kind: str
    actor: str
    peer: str | None
    shared: bool
    first_ts: datetime
    last_ts: datetime
    measure: float
    threshold: float
    events: int
    facts: str

    @property
    def gives_evidence(self) -> bool:
        return self.level >= MEDIUM and self.detector.evidence.grade != "context"


def read_findings(sandbox: Sandbox, detectors: Sequence[Detector]) -> list[Finding]:
    """The rows of the sandbox's table ``all_found``, in time order."""
    rows = sandbox.fetch("SELECT * FROM all_found ORDER BY found_no", _HERE).to_pylist()
    findings = []
    for row in rows:
        detector = detectors[row["detector_no"]]
        first = row["first_ts"].replace(tzinfo=UTC)
        findings.append(
            Finding(
                number=row["found_no"],
                id=finding_id(detector.id, row["actor_kind"], row["actor"], row["group_text"], first),
                detector=detector,
                level=row["level_rank"],
                actor_kind=row["actor_kind"],
                actor=row["actor"],
                peer=row["peer"],
                shared=row["is_shared"],
                first_ts=first,
                last_ts=row["last_ts"].replace(tzinfo=UTC),
                measure=row["measure"],
                threshold=row["threshold"],
                events=row["events"],
                facts=row["facts"],
            )
        )
    return sorted(findings, key=lambda f: (f.first_ts, f.detector.id, f.actor_kind, f.actor, f.id))


def findings_table(findings: Sequence[Finding], incidents: Mapping[int, str]) -> pa.Table:
    """schema.FINDINGS; ``incidents`` is the incident of each finding by its number."""
    columns = {
        "finding_id": [f.id for f in findings],
        "incident_id": [incidents[f.number] for f in findings],
        "detector": [f.detector.id for f in findings],
        "level": [LEVELS[f.level - 1] for f in findings],
        "attack": [list(f.detector.attack) for f in findings],
        "actor_kind": [f.actor_kind for f in findings],
        "actor": [f.actor for f in findings],
        "peer": [f.peer for f in findings],
        "first_ts": [f.first_ts for f in findings],
        "last_ts": [f.last_ts for f in findings],
        "measure": [f.measure for f in findings],
        "threshold": [f.threshold for f in findings],
        "events": [f.events for f in findings],
        "facts": [f.facts for f in findings],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in FINDINGS.arrow], schema=FINDINGS.arrow)


def finding_id(detector: str, actor_kind: str, actor: str, group: str, first_ts: datetime) -> str:
    """``F-`` and twelve hex digits; ``group`` tells apart findings of one actor that begin together (peer, target, …)."""
    return "F-" + short_hash(detector, actor_kind, actor, group, iso_time(first_ts))


def short_hash(*parts: str) -> str:
    """Twelve hex digits of SHA-256, for ids."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def iso_time(moment: datetime) -> str:
    """A UTC time as results write it."""
    return moment.isoformat(timespec="auto").replace("+00:00", "Z")
