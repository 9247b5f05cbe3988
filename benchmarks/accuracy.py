"""How right an answer is: a case against the simulator's truth.

Events: those of incidents of level medium and above, against the attacker's lines. An event in a log whose lines do not become events (blank,
bookkeeping) is nobody's miss. People and records: each one's grade against the expected one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

_SERIOUS = ("medium", "high", "critical")


@dataclass(frozen=True)
class Accuracy:
    """Counts behind precision, recall and scope error."""

    serious_incidents: int
    foreign_incidents: int
    """Serious incidents without a single event of the attacker: false alarms, or hostile noise from outside."""
    foreign_findings: tuple[str, ...]
    """What raised them: detector and kind of actor."""
    evidence: int
    hits: int
    """Evidence that is the attacker's."""
    attacker_events: int
    people_wrong: int
    """People whose grade is not the expected one, missing and surplus ones included."""
    people_expected: int
    records_wrong: int
    records_expected: int

    @property
    def precision(self) -> float:
        """Share of the evidence that is the attacker's."""
        return self.hits / self.evidence if self.evidence else 1.0

    @property
    def recall(self) -> float:
        """Share of the attacker's events that are evidence."""
        return self.hits / self.attacker_events if self.attacker_events else 1.0


def judge(case: Path, simulation: Path) -> Accuracy:
    """Compare a case with the truth of the simulation that it was made from."""
    levels = {i["id"]: i["level"] for i in json.loads((case / "incidents.json").read_text(encoding="utf-8"))["incidents"]}
    serious = [i for i, level in levels.items() if level in _SERIOUS]
    owned = _owned_events(case, simulation)
    evidence = pl.read_parquet(case / "evidence.parquet").filter(pl.col("incident_id").is_in(serious))
    told = evidence.select("incident_id", "table", "event_id").unique().join(owned, on=["table", "event_id"], how="left")
    mine = told.filter(pl.col("who") == "attacker")
    foreign = sorted(set(serious) - set(mine["incident_id"].to_list()))
    raised = pl.read_parquet(case / "findings.parquet").filter(pl.col("incident_id").is_in(foreign)).select("detector", "actor_kind").unique().sort(pl.all())
    people, people_expected = _differences(case / "people.parquet", simulation / "expected_people.csv", ["person"])
    records, records_expected = _differences(case / "exposures.parquet", simulation / "expected_records.csv", ["table", "record"])
    return Accuracy(
        serious_incidents=len(serious),
        foreign_incidents=len(foreign),
        foreign_findings=tuple(f"{detector} of one {kind}" for detector, kind in raised.iter_rows()),
        evidence=told.select("table", "event_id").n_unique(),
        hits=mine.select("table", "event_id").n_unique(),
        attacker_events=owned.filter(pl.col("who") == "attacker").height,
        people_wrong=people,
        people_expected=people_expected,
        records_wrong=records,
        records_expected=records_expected,
    )


def _owned_events(case: Path, simulation: Path) -> pl.DataFrame:
    """Return every event of the case with its owner: table, event_id, who."""
    sources = {s["name"]: s["id"] for s in json.loads((case / "manifest.json").read_text(encoding="utf-8"))["sources"]}
    frames = []
    for truth in sorted((simulation / "truth").glob("*-*.parquet")):
        lines = pl.read_parquet(truth, columns=["file", "line", "who"]).with_columns(pl.col("who").cast(pl.String))
        source = sources[Path(str(lines["file"][0])).name]
        for events in sorted((case / "events").glob(f"*/{source}.parquet")):
            found = pl.read_parquet(events, columns=["event_id", "line"]).join(lines.select("line", "who"), on="line", how="left")
            frames.append(found.select(pl.lit(events.parent.name).alias("table"), "event_id", "who"))
    return pl.concat(frames)


def _differences(answer: Path, expected: Path, keys: list[str]) -> tuple[int, int]:
    """Return how many keys have another best grade than expected, and how many are expected."""
    rank = {"": 0, "excluded": 0, "possible": 1, "probable": 2, "confirmed": 3}
    graded = pl.col("grade").cast(pl.String).replace_strict(rank, return_dtype=pl.Int8)
    ours = pl.read_parquet(answer, columns=[*keys, "grade"]).with_columns(graded).group_by(keys).agg(pl.col("grade").max()).filter(pl.col("grade") > 0)
    truth = pl.read_csv(expected, schema_overrides=dict.fromkeys(keys, pl.String)).with_columns(graded.alias("truth")).select(*keys, "truth")
    both = truth.join(ours, on=keys, how="full", coalesce=True)
    wrong = both.filter(pl.col("truth").fill_null(0) != pl.col("grade").fill_null(0))
    return wrong.height, truth.height
