"""Clocks of two logs: an offset that was put in comes out, and nothing is claimed of logs that have nothing to say."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scope.world import DAY, World

Pair = dict[str, Any]


def clocks(world: World) -> list[Pair]:
    found: list[Pair] = world.scope(mapped=False).document["clocks"]
    return found


def requests(count: int, chance: Random, hours: float = 8) -> list[tuple[datetime, str, str]]:
    """Time, address and path of requests by some clients."""
    moments = sorted(DAY + timedelta(seconds=round(chance.uniform(0, hours * 3600), 3)) for _ in range(count))
    return [(t, f"198.51.100.{chance.randrange(1, 60)}", f"/o/{n}") for n, t in enumerate(moments)]


def behind_a_balancer(world: World, count: int, ahead: float, chance: Random, delay: float = 0.05) -> None:
    """Requests seen by a load balancer (input 1) and, from the balancer's address, by the server behind it (input 4), whose clock is ahead."""
    for moment, ip, path in requests(count, chance):
        world.web(moment, path, ip=ip, by=None)
        world.web(moment + timedelta(seconds=ahead + chance.uniform(0, delay)), path, ip="10.0.0.8", by=None, source=4)


def test_the_offset_of_a_server_behind_a_balancer_is_told(world: World) -> None:
    world.incident("10:00", "11:00")
    behind_a_balancer(world, 40, 93.5, Random(1))
    answer = world.scope(mapped=False)
    (pair,) = answer.document["clocks"]
    assert {k: pair[k] for k in ("ahead", "behind", "says", "matches", "evidence")} == {
        "ahead": [4],
        "behind": [1],
        "says": "differ",
        "matches": 40,
        "evidence": "request",
    }
    assert pair["seconds"] == pytest.approx(93.525, abs=0.02)
    assert pair["spread_seconds"] < 0.1
    doubts = [d for c in answer.document["coverage"] for d in c["doubts"] if d["code"] == "clocks_differ"]
    assert len(doubts) == 2, "each of the two logs is in doubt"
    (told,) = [u for u in answer.document["uncertainties"] if u["code"] == "clocks_differ"]
    assert told["en"].startswith("4.log +93.5 s (±0.0 s) / web.log: 40 events that both logs hold show")
    assert told["ja"].startswith("4.log +93.5 s (±0.0 s) / web.log：両方のログに残る40件から")


@settings(max_examples=12, deadline=None)
@given(shift=st.floats(-14 * 3600, 14 * 3600), seed=st.integers(0, 1000), noise=st.integers(0, 25))
def test_a_known_shift_is_recovered(tmp_path_factory: pytest.TempPathFactory, shift: float, seed: int, noise: int) -> None:
    chance = Random(seed)
    world = World(tmp_path_factory.mktemp("w"))
    behind_a_balancer(world, 30, shift, chance)
    # The same paths at any other time: probes of the server itself.
    for _, ip, path in requests(noise, chance):
        world.web(DAY + timedelta(seconds=chance.uniform(0, 8 * 3600)), path, ip=ip, by=None, source=4)
    (pair,) = clocks(world)
    assert pair["says"] == ("differ" if abs(shift) > 3 else pair["says"])
    assert (pair["seconds"] if pair["ahead"] == [4] else -pair["seconds"]) == pytest.approx(shift + 0.025, abs=0.1)


def test_a_firewall_and_a_web_server_are_compared_by_address_and_port(world: World) -> None:
    chance = Random(2)
    for n, (moment, ip, path) in enumerate(requests(30, chance)):
        world.flow(moment - timedelta(hours=9), ip, "10.0.0.5", None, by=None, src_port=40_000 + n)
        world.web(moment + timedelta(seconds=0.2), path, ip=ip, by=None, client_port=40_000 + n)
    (pair,) = clocks(world)
    assert (pair["ahead"], pair["evidence"], pair["matches"]) == ([1], "connection", 30)
    assert pair["seconds"] == pytest.approx(9 * 3600 + 0.2)


def test_a_firewall_without_ports_is_compared_by_address(world: World) -> None:
    chance = Random(3)
    for n in range(40):
        moment = DAY + timedelta(seconds=chance.uniform(0, 30_000))
        world.flow(moment + timedelta(seconds=61), f"198.51.100.{n}", "10.0.0.5", None, by=None)
        world.web(moment + timedelta(seconds=chance.uniform(0, 0.5)), "/", ip=f"198.51.100.{n}", by=None)
    (pair,) = clocks(world)
    assert (pair["ahead"], pair["says"], pair["evidence"]) == ([3], "differ", "address")
    assert pair["seconds"] == pytest.approx(60.75, abs=0.2)


def test_right_clocks_are_no_doubt(world: World) -> None:
    world.incident("10:00", "11:00")
    behind_a_balancer(world, 40, 0.3, Random(4))
    answer = world.scope(mapped=False)
    assert [c["says"] for c in answer.document["clocks"]] == ["agree"]
    assert "clocks_differ" not in answer.codes


def test_too_few_in_common_say_nothing(world: World) -> None:
    behind_a_balancer(world, 9, 93.5, Random(5))
    (pair,) = clocks(world)
    assert (pair["says"], pair["seconds"], pair["matches"]) == ("unknown", None, 9)


def test_one_scanner_that_visits_two_servers_in_turn_is_no_witness(world: World) -> None:
    for n in range(200):
        moment = DAY + timedelta(seconds=n)
        world.web(moment, f"/scan/{n}", 404, ip="203.0.113.5", by=None)
        world.web(moment + timedelta(seconds=600), f"/scan/{n}", 404, ip="203.0.113.5", by=None, source=4)
    assert [c["says"] for c in clocks(world)] == ["unknown"]


def test_two_sites_with_their_own_visitors_are_not_compared(world: World) -> None:
    chance = Random(6)
    for source in (1, 4):
        for moment, ip, path in requests(300, chance):
            world.web(moment, path if chance.random() < 0.3 else f"/{source}{path}", ip=ip, by=None, source=source)
    assert {c["says"] for c in clocks(world)} <= {"unknown"}


def test_rotated_files_of_one_log_have_one_clock(world: World) -> None:
    world.source(1, "/logs/lb.log")
    world.source(4, "/logs/lb.log.1")
    behind_a_balancer(world, 40, 93.5, Random(7))
    assert clocks(world) == []


def test_a_common_request_matches_nothing(world: World) -> None:
    chance = Random(8)
    for moment, ip, _ in requests(200, chance):
        world.web(moment, "/", ip=ip, by=None)
        world.web(moment + timedelta(seconds=93), "/", ip="10.0.0.8", by=None, source=4)
    assert clocks(world) == []


def test_the_answer_is_the_same_whatever_the_order_of_rows(tmp_path: Path) -> None:
    answers = []
    for seed in (None, 1):
        world = World(tmp_path / str(seed))
        world.folder.mkdir()
        world.shuffle = Random(seed).shuffle if seed else None
        behind_a_balancer(world, 60, 5, Random(9), delay=1.5)
        answers.append(clocks(world))
    assert answers[0] == answers[1]
