"""Reading objects by their ids is seen whatever the order, the gaps, the ranges and the agents; ordinary readers stay quiet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.detect.building import Row, make_case, web

from breachscope.detect import Catalog, Detector, load_catalog, run_detectors
from breachscope.progress import Silent

IDS = 400
ATTACKER = "192.0.2.9"
BROWSERS = ["Chrome/140.0", "Firefox/140.0", "Safari/604.1", "Chrome/140.0 Edg/140.0", "Chrome/140.0 OPR/120.0", "Trident/7.0"]
SYSTEMS = ["Windows NT 10.0", "Macintosh; Intel Mac OS X 15", "X11; Linux x86_64"]
AGENTS = [f"Mozilla/5.0 ({system}) {browser}" for browser in BROWSERS for system in SYSTEMS]
"""Eighteen agent families."""


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_catalog()["web/object-enumeration"]


def asked(ids: Sequence[int], *, every: float = 1, after: float = 0, path: str = "/api/customers", user_agent: str = AGENTS[0]) -> list[Row]:
    return [web(after + every * n, ATTACKER, f"{path}/{i}", user_agent=user_agent) for n, i in enumerate(ids)]


def found(folder: Path, detector: Detector, rows: Sequence[Row]) -> list[tuple[str, float]]:
    detection = run_detectors(make_case(folder / "case", ("web", rows)), Catalog((detector,)), progress=Silent())
    assert detection.runs[0].evaluable, detection.runs[0].reason
    return [(r["actor"], r["measure"]) for r in detection.findings.to_pylist()]


def shuffled(ids: Sequence[int], seed: int = 7) -> list[int]:
    return random.Random(seed).sample(ids, len(ids))


def interleaved(*starts: int) -> list[int]:
    return [start + n for n in range(IDS // len(starts)) for start in starts]


ORDERS = {
    "next": list(range(1000, 1000 + IDS)),
    "previous": list(range(1000 + IDS, 1000, -1)),
    "every second": list(range(0, 2 * IDS, 2)),
    "every 97th": list(range(0, 97 * IDS, 97)),
    "shuffled": shuffled(range(1000, 1000 + IDS)),
    "every 97th, shuffled": shuffled(range(0, 97 * IDS, 97)),
    "two of three, shuffled": shuffled([i for i in range(1000, 1000 + IDS * 3 // 2) if i % 3]),
    "three ranges in turn": interleaved(1000, 50_000, 900_000),
}


@pytest.mark.parametrize("order", ORDERS)
def test_enumeration_fires_whatever_its_order(tmp_path: Path, detector: Detector, order: str) -> None:
    ids = ORDERS[order]
    assert found(tmp_path, detector, asked(ids)) == [(ATTACKER, len(set(ids)))]


def test_ids_that_are_not_found_are_steps_but_are_not_counted(tmp_path: Path, detector: Detector) -> None:
    rows = [{**row, "status": 404 if n % 3 == 2 else 200} for n, row in enumerate(asked(range(1000, 1300)))]
    assert found(tmp_path, detector, rows) == [(ATTACKER, 200)]


def test_ids_here_and_there_stay_quiet_below_the_ceiling(tmp_path: Path, detector: Detector) -> None:
    """Ids far apart, drawn by lot, at 2 a minute: 999 different ones are many, but show no enumeration; 1,000 are too many."""
    ids = random.Random(3).sample(range(10_000_000), 1000)
    assert found(tmp_path / "below", detector, asked(ids[:999], every=30)) == []
    assert found(tmp_path / "at", detector, asked(ids, every=30)) == [(ATTACKER, 1000)]


def test_public_pages_stay_quiet_at_any_number(tmp_path: Path, detector: Detector) -> None:
    visitors = [web(5000 + n, f"198.51.100.{v}", f"/products/{n}") for n in range(0, 1200, 4) for v in range(3)]
    assert found(tmp_path, detector, asked(range(1200), path="/products") + visitors) == []


@pytest.mark.parametrize(
    "agents",
    [
        [f"client{n}/1.0" for n in range(IDS)],
        [AGENTS[n % len(AGENTS)] for n in range(IDS)],
        random.Random(5).choices(AGENTS, k=IDS),
    ],
    ids=["new names", "families in turn", "families by lot"],
)
def test_one_client_that_changes_its_agent_at_every_request_is_one_actor(tmp_path: Path, detector: Detector, agents: Sequence[str]) -> None:
    rows = [{**row, "user_agent": agent} for row, agent in zip(asked(range(IDS)), agents, strict=True)]
    case = make_case(tmp_path / "case", ("web", rows))
    detection = run_detectors(case, Catalog((detector,)), progress=Silent())
    assert [(r["actor"], r["measure"]) for r in detection.findings.to_pylist()] == [(ATTACKER, IDS)]
    assert [a.shared for i in detection.incidents for a in i.actors] == [False]


def carrier(accounts: bool) -> list[Row]:
    """Eighteen people behind one address, at the same time: each opens the same pages and reads own data, twice."""
    lot = random.Random(11)
    visits = []
    for person, agent in enumerate(AGENTS):
        pages = ["/", "/style", "/news", f"/api/customers/{700 + person}", "/", "/cart"]
        visits += [(lot.uniform(0, 3600) + n, page, agent, person) for n in range(8) for page in pages]
    return [web(t, ATTACKER, page, user_agent=agent, user=f"u{person}" if accounts else None) for t, page, agent, person in sorted(visits)]


@pytest.mark.parametrize("accounts", [False, True])
def test_an_address_of_many_people_stays_shared(tmp_path: Path, detector: Detector, accounts: bool) -> None:
    """One of them enumerates: that agent's requests are the finding, and the address is told to be shared."""
    rows = carrier(accounts) + asked(range(5000, 5060), after=14400, user_agent=AGENTS[4])
    case = make_case(tmp_path / "case", ("web", rows))
    detection = run_detectors(case, Catalog((detector,)), progress=Silent())
    assert [(r["actor"], r["measure"]) for r in detection.findings.to_pylist()] == [(ATTACKER, 60)]
    assert [a.shared for i in detection.incidents for a in i.actors] == [True]
