"""Lost, cut and unreadable logs, unknown keys and unmapped paths: none of them may lower the upper bound."""

from __future__ import annotations

import pytest
from tests.scope.world import EXPORT, ITEM, STORE, World, customers_csv


def _ordinary_hours(world: World, first: int, last: int) -> None:
    """A request a minute, by others, from one hour to another, and a firewall that speaks all day."""
    for minute in range(first * 60, last * 60):
        world.web(f"{minute // 60}:{minute % 60}", "/api/customers/1", by=None, ip="198.51.100.9")


def _firewall(world: World) -> None:
    for minute in range(0, 1440, 10):
        world.flow(f"{minute // 60}:{minute % 60}", "10.0.0.1", "192.0.2.1", 10, by=None)


def test_a_route_whose_log_was_not_given_may_have_been_used(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/shop/")
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert set(answer.reasons().values()) == {"route_never_seen"}


def test_a_route_that_nobody_used_is_no_hole_where_its_neighbours_are_logged(world: World) -> None:
    world.map_text += ITEM + '[[routes]]\nmatch = "GET /api/all.csv"\nreturns = "customers"\nkind = "export"\n'
    world.web("10:00", "/api/customers/3")
    answer = world.scope()
    assert answer.people == (1, 0, 0, 1)
    assert "route_never_seen" in answer.codes


def test_a_log_that_ends_with_the_incident_may_have_been_cut(world: World) -> None:
    world.map_text += ITEM
    _ordinary_hours(world, 0, 10)
    world.web("10:00", "/api/customers/3")
    _firewall(world)
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert [h["why"] for h in answer.document["incidents"][0]["holes"]] == ["ends_early"]


def test_a_log_that_begins_with_the_incident_may_have_been_cut(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    _ordinary_hours(world, 10, 24)
    _firewall(world)
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert [h["why"] for h in answer.document["incidents"][0]["holes"]] == ["begins_late"]


def test_rows_of_the_lost_hours_count_though_the_known_incident_ended_before(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={2: {"created": "2026-09-01 15:00:00"}}))
    world.map_text += ITEM
    _ordinary_hours(world, 0, 10)
    world.web("10:00", "/api/customers/3")
    _firewall(world)
    assert world.scope().grades()["2"] == "possible"


@pytest.mark.parametrize(("lines", "possible"), [(20, 9), (19, 0)])
def test_many_unreadable_lines_in_a_row_are_a_hole(world: World, lines: int, possible: int) -> None:
    world.map_text += ITEM
    _ordinary_hours(world, 0, 10)
    world.web("10:00", "/api/customers/3")
    for _ in range(lines):
        world.reject(b"garbage")
    world.web("10:05", "/api/customers/3")
    answer = world.scope()
    assert answer.people == (1, 0, possible, 1 + possible)
    assert set(answer.reasons().values()) == ({"returned_by_key", "lines_rejected"} if possible else {"returned_by_key"})


def test_many_unreadable_lines_among_an_incidents_own_are_a_hole(world: World) -> None:
    world.map_text += ITEM
    for second in range(30):
        world.web(f"10:00:{second}", "/api/customers/3")
        world.reject(b"garbage")
    world.web("10:05", "/api/customers/3")
    assert world.scope().people == (1, 0, 9, 10)


def test_unreadable_lines_far_from_the_incident_raise_nothing(world: World) -> None:
    world.map_text += ITEM
    _ordinary_hours(world, 0, 2)
    for _ in range(50):
        world.reject(b"garbage")
    _ordinary_hours(world, 2, 10)
    world.web("10:00", "/api/customers/3")
    assert world.scope().people == (1, 0, 0, 1)


def test_many_blank_lines_in_a_row_are_a_hole(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    world.skip_lines(30)
    world.web("10:05", "/api/customers/3")
    world.source(1, "/logs/web.log", skipped={"blank": 30}, lines=32)
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert [u["count"] for u in answer.document["uncertainties"] if u["code"] == "lines_rejected"] == [30]


def test_nul_bytes_where_lines_should_stand_are_a_hole(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    world.web("10:01", "/api/customers/3")
    world.web("10:09", "/api/customers/3")
    world.source(1, "/logs/web.log", nul_runs=((3, 3, 4096),))
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    (hole,) = answer.document["incidents"][0]["holes"]
    assert (hole["why"], hole["first_ts"][11:16], hole["last_ts"][11:16]) == ("rejected", "10:01", "10:09")


def test_a_pause_that_a_regular_log_never_made_is_a_hole(world: World) -> None:
    world.map_text += ITEM
    for minute in range(2880):
        if not 1440 + 600 < minute < 1440 + 640:
            world.web(f"{minute % 1440 // 60}:{minute % 60}", "/api/customers/1", by=None, day=minute // 1440, ip="198.51.100.9")
        if minute % 10 == 0:
            world.flow(f"{minute % 1440 // 60}:{minute % 60}", "10.0.0.1", "192.0.2.1", 10, by=None, day=minute // 1440)
    world.web("10:00", "/api/customers/3", day=1)
    world.web("11:00", "/api/customers/3", day=1)
    assert world.scope().people == (1, 0, 9, 10)


def test_without_a_network_log_the_stores_may_have_been_read(world: World) -> None:
    world.map_text += ITEM + STORE
    world.web("10:00", "/api/customers/3")
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert answer.reasons()["1"] == "no_network_log"
    assert "no_network_logs" in answer.codes


def test_keys_that_were_answered_but_are_no_longer_in_the_table_raise_the_bound(world: World) -> None:
    world.map_text += ITEM
    for key in (3, 91, 92, 91):
        world.web("10:00", f"/api/customers/{key}")
    world.web("10:01", "/api/customers/93", 404, 20)
    answer = world.scope()
    assert answer.people == (1, 0, 0, 3)
    assert answer.document["people"]["range"] == [1, 3]
    assert answer.document["records"][0]["keys_not_in_table"] == 2
    assert "keys_not_in_table" in answer.codes


@pytest.mark.parametrize("url", ["/v2/person?id={}", "/v2/person/{}/card"])
def test_keys_asked_for_on_unmapped_paths_make_their_table_possible(world: World, url: str) -> None:
    world.file("customers.csv", customers_csv(50))
    world.map_text += ITEM
    world.web("09:00", "/api/customers/1", by=None)
    for key in range(1, 21):
        world.web("10:00", url.format(key))
    answer = world.scope()
    assert answer.people == (0, 0, 50, 50)
    assert set(answer.reasons().values()) == {"unmapped_but_keys_match"}
    assert "unmapped_but_keys_match" in answer.codes


@pytest.mark.parametrize(("url", "count"), [("/v2/person?id={}", 19), ("/list?page={}", 40), ("/v2/person?id=x{}", 40)])
def test_few_keys_page_numbers_and_other_values_are_no_keys(world: World, url: str, count: int) -> None:
    world.file("customers.csv", customers_csv(50))
    world.map_text += ITEM
    world.web("09:00", "/api/customers/1", by=None)
    for key in range(1, count + 1):
        world.web("10:00", url.format(key))
    assert world.scope().people == (0, 0, 0, 0)


def test_an_export_route_in_a_log_that_was_not_given_is_a_hole_beside_a_known_one(world: World) -> None:
    world.map_text += ITEM + EXPORT
    world.web("10:00", "/api/customers/3")
    assert world.scope().people == (1, 0, 9, 10)
