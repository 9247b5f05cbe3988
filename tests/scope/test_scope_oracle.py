"""The join and the counts against a slow, obvious reading in plain Python."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scope.world import DAY, EXPORT, ITEM, PAGE, STORE, Answer, World

ORDER = ("confirmed", "probable", "possible", "excluded")
MAP = """[tables.customers]
source = "customers.csv"
key = "id"
person = "person"
created = "created"
deleted = "deleted"
tz = "UTC"
[tables.customers.columns]
name = "name"
person = "identifier"
"""


@dataclass(frozen=True)
class Row:
    id: int
    person: str | None
    name: str
    created: int | None
    deleted: int | None

    def exists(self, minute: int) -> bool:
        return (self.created is None or self.created <= minute) and (self.deleted is None or self.deleted > minute)


@dataclass(frozen=True)
class Event:
    kind: str
    minute: int
    shared: bool
    status: int
    size: int | None
    key: int
    page: int
    page_size: int


def _rows(persons: Sequence[str | None], names: Sequence[str], spans: Sequence[tuple[int | None, int | None]]) -> list[Row]:
    return [Row(n + 1, p, name, *span) for n, (p, name, span) in enumerate(zip(persons, names, spans, strict=True))]


_minute = st.one_of(st.none(), st.integers(0, 50))
rows_strategy = st.integers(0, 12).flatmap(
    lambda n: st.builds(
        _rows,
        st.lists(st.sampled_from([None, "a", "b", "c", "d", "e"]), min_size=n, max_size=n),
        st.lists(st.sampled_from(["x", "long name", 'q"uote', "表", "a,b"]), min_size=n, max_size=n),
        st.lists(st.tuples(_minute, _minute), min_size=n, max_size=n),
    )
)
event_strategy = st.builds(
    Event,
    kind=st.sampled_from(["item", "page", "export", "store"]),
    minute=st.integers(0, 50),
    shared=st.booleans(),
    status=st.sampled_from([200, 200, 200, 206, 304, 403, 404]),
    size=st.one_of(st.none(), st.just(0), st.integers(1, 150)),
    key=st.integers(1, 14),
    page=st.integers(1, 5),
    page_size=st.integers(1, 5),
)


def csv_row(row: Row) -> str:
    name = '"' + row.name.replace('"', '""') + '"' if '"' in row.name or "," in row.name else row.name
    return f"{row.id},{name}\n"


def returned(event: Event) -> bool:
    return event.status in (200, 206) and event.size != 0


def grades_of(rows: Sequence[Row], event: Event) -> dict[int, str]:
    """What one event says about each row."""
    existing = sorted((r for r in rows if r.exists(event.minute)), key=lambda r: r.id)
    if event.kind == "store":
        return {r.id: "possible" for r in existing} if event.size is None or event.size > 0 else {}
    if event.kind == "item":
        asked = [r for r in rows if r.id == event.key]
        if not asked:
            return {}
        if not returned(event) or asked[0] not in existing:
            return {event.key: "excluded"}
        grade = "probable" if event.size is None else "confirmed"
        return {event.key: "possible" if event.shared else grade}
    if not returned(event):
        return {}
    if event.kind == "page":
        shown = existing[(event.page - 1) * event.page_size : event.page * event.page_size]
        return {r.id: "possible" if event.shared or event.status == 206 else "probable" for r in shown}
    if event.status == 206:
        return {r.id: "possible" for r in existing}
    begun = []
    written = len("id,name\n")
    for row in existing:
        if event.size is not None and written >= event.size:
            break
        begun.append(row)
        written += len(csv_row(row).encode())
    return {r.id: "possible" if event.shared else "probable" for r in begun}


def best(grades: Sequence[str]) -> str:
    return min(grades, key=ORDER.index)


def time_text(minute: int | None) -> str:
    return "" if minute is None else f"{DAY + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"


def clock(minute: int) -> datetime:
    return DAY + timedelta(minutes=minute)


def fill(folder: Path, rows: Sequence[Row], events: Sequence[Event]) -> World:
    world = World(folder, MAP + ITEM + PAGE + EXPORT + STORE)
    lines = ["id,person,name,created,deleted"]
    for row in rows:
        quoted = csv_row(row).partition(",")[2].rstrip("\n")
        lines.append(f"{row.id},{row.person or ''},{quoted},{time_text(row.created)},{time_text(row.deleted)}")
    world.file("customers.csv", "\n".join(lines) + "\n")
    for event in events:
        by = "shared" if event.shared else "actor"
        if event.kind == "store":
            world.flow(clock(event.minute), "10.0.3.5", "203.0.113.66", event.size, by=by)
        else:
            urls = {"item": f"/api/customers/{event.key}", "page": f"/list?page={event.page}&size={event.page_size}", "export": "/export.csv"}
            world.web(clock(event.minute), urls[event.kind], event.status, event.size, by=by)
    world.web(clock(0), "/", by="actor")
    world.web(clock(50), "/", by="actor")
    # Others show that the logs of every route and of the store's network are there.
    for url in ("/api/customers/1", "/list", "/export.csv"):
        world.web(clock(0), url, 404, 20, by=None)
    world.flow(clock(0), "10.9.9.1", "10.9.9.2", 1, by=None)
    return world


def scope_of(rows: Sequence[Row], events: Sequence[Event], *, problem: str | None = None) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        world = fill(Path(folder), rows, events)
        world.source(1, "/logs/web.log", problem=problem)
        answer = world.scope()
        return Answer(answer.case, {**answer.document, "grades": answer.grades(), "rows": answer.people_rows})


@settings(deadline=None, max_examples=30)
@given(rows_strategy, st.lists(event_strategy, max_size=12))
def test_grades_and_people_are_those_of_the_plain_reading(rows: list[Row], events: list[Event]) -> None:
    # No three different records get one size, which would make it an error page's.
    events = [e if e.kind != "item" or not e.size else replace(e, size=500 + e.key if e.status in (200, 206) else 20) for e in events]
    told: dict[int, list[str]] = {}
    for event in events:
        for key, grade in grades_of(rows, event).items():
            told.setdefault(key, []).append(grade)
    expected = {str(key): best(grades) for key, grades in told.items()}
    document = scope_of(rows, events).document
    assert document["grades"] == expected
    people: dict[str, list[str]] = {}
    for row in rows:
        if row.person is not None and str(row.id) in expected:
            people.setdefault(row.person, []).append(expected[str(row.id)])
    counted = [best(grades) for grades in people.values()]
    nameless = sum(1 for r in rows if r.person is None and expected.get(str(r.id), "excluded") != "excluded")
    unknown = {e.key for e in events if e.kind == "item" and returned(e)} - {r.id for r in rows}
    found = document["people"]
    assert [found[g] for g in ORDER] == [counted.count(g) for g in ORDER]
    assert found["upper_bound"] == sum(g != "excluded" for g in counted) + nameless + len(unknown)
    assert {p: r["grade"] for p, r in document["rows"].items()} == {p: best(g) for p, g in people.items()}
    (records,) = document["records"]
    assert [records[g] for g in ORDER] == [list(expected.values()).count(g) for g in ORDER]


@settings(deadline=None, max_examples=12)
@given(rows_strategy, st.lists(event_strategy, max_size=8))
def test_a_hole_never_lowers_a_grade_or_a_bound(rows: list[Row], events: list[Event]) -> None:
    whole, broken = scope_of(rows, events).document, scope_of(rows, events, problem="ends early").document
    for key, grade in whole["grades"].items():
        assert ORDER.index(broken["grades"][key]) <= ORDER.index(grade)
    assert broken["people"]["upper_bound"] >= whole["people"]["upper_bound"]
    for scope in (whole, broken):
        people = scope["people"]
        assert people["confirmed"] + people["probable"] + people["possible"] <= people["upper_bound"]
        assert people["range"][0] <= people["confirmed"] + people["probable"] + people["possible"] <= people["range"][1] == people["upper_bound"]
        for kind in scope["data_kinds"]:
            assert kind["confirmed"] + kind["probable"] + kind["possible"] == kind["people"] <= people["upper_bound"]


@settings(deadline=None, max_examples=12)
@given(rows_strategy, st.lists(event_strategy, max_size=8), st.integers(0, 7))
def test_more_evidence_never_lowers_a_bound(rows: list[Row], events: list[Event], without: int) -> None:
    fewer = [e for i, e in enumerate(events) if i != without]
    assert scope_of(rows, events).document["people"]["upper_bound"] >= scope_of(rows, fewer).document["people"]["upper_bound"]
