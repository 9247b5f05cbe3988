"""Logins, stores, missing logs, several incidents, and what is said without a map."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scope.world import CUSTOMERS, EXPORT, ITEM, LOGIN, PAGE, STORE, World, customers_csv

import breachscope.scope
from breachscope.errors import CaseError, UsageError
from breachscope.progress import Silent
from breachscope.scope import compute_scope, trace_person, trace_record
from breachscope.scope.coverage import HOUR, MINUTE, Stream, _Rhythm, _thresholds

SCHEMA = json.loads((Path(breachscope.scope.__file__).parent / "scope.schema.json").read_text(encoding="utf-8"))


def test_an_account_that_was_logged_in_to_gives_its_own_record(world: World) -> None:
    world.map_text += LOGIN
    world.login("10:00", "u3@example.jp")
    world.login("10:01", "u4@example.jp", "failure")
    world.login("10:02", "U5@Example.jp")
    world.login("10:03", "root")
    world.login("10:04", "u6@example.jp", by="shared")
    world.login("10:05", "u7@example.jp", by=None)
    answer = world.scope()
    assert answer.grades() == {"3": "confirmed", "5": "confirmed", "6": "possible"}
    assert answer.reasons()["3"] == "login_succeeded"
    assert [u["count"] for u in answer.document["uncertainties"] if u["code"] == "accounts_not_in_table"] == [1]


def test_a_login_of_another_service_is_no_login_here(world: World) -> None:
    world.map_text += LOGIN + 'service = "shop"\n'
    world.login("10:00", "u3@example.jp", service="sshd")
    world.login("10:00", "u4@example.jp", service="shop")
    assert world.scope().grades() == {"4": "confirmed"}


def test_a_web_login_counts_where_the_log_names_the_account(world: World) -> None:
    world.map_text += LOGIN + 'match = "POST /login"\n'
    world.web("10:00", "/login", 302, 0, method="POST", user="u3@example.jp")
    world.web("10:01", "/login", 200, 900, method="POST", user="u4@example.jp")  # the form again: a failure where success redirects
    world.web("10:02", "/login", 401, 90, method="POST", user="u5@example.jp")
    world.web("10:03", "/login", 302, 0, method="POST")
    assert world.scope().grades() == {"3": "confirmed"}


def test_declared_success_statuses_decide(world: World) -> None:
    world.map_text += LOGIN + 'match = "POST /login"\nsuccess = [200]\n'
    world.web("10:00", "/login", 302, 0, method="POST", user="u3@example.jp")
    world.web("10:01", "/login", 200, 900, method="POST", user="u4@example.jp")
    assert world.scope().grades() == {"4": "confirmed"}


def test_bytes_that_left_a_store_make_its_rows_possible(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={2: {"created": "2026-09-01 10:30:00"}, 3: {"deleted": "2026-09-01 09:00:00"}}))
    world.map_text += STORE
    world.flow("10:00", "10.0.3.5", "203.0.113.66", 5000)
    answer = world.scope()
    assert set(answer.grades()) == {"1", "4", "5", "6", "7", "8", "9", "10"}
    assert set(answer.reasons().values()) == {"left_the_store"}
    assert answer.people == (0, 0, 8, 8)
    (estimate,) = answer.document["estimates"]
    assert (estimate["bytes"], estimate["rows_existing"], estimate["rows_lower"], estimate["rows_likely"], estimate["rows_upper"]) == (5000, 8, 0, 8, 8)


def test_few_bytes_bound_the_rows_but_not_which(world: World) -> None:
    world.file("customers.csv", customers_csv(1000))
    world.map_text += STORE
    world.flow("10:00", "10.0.3.5", "203.0.113.66", 300)
    answer = world.scope()
    assert answer.people == (0, 0, 1000, 1000)
    (estimate,) = answer.document["estimates"]
    assert 8 <= estimate["rows_likely"] <= 12
    assert estimate["rows_likely"] < estimate["rows_upper"] < 1000
    assert estimate["people"] == {"lower": 0, "expected": estimate["rows_likely"], "upper": estimate["rows_upper"]}
    assert "volume_proves_no_content" in answer.codes


@pytest.mark.parametrize(
    ("src", "dst", "sent", "received", "more"),
    [
        ("203.0.113.66", "10.0.3.5", 100, 0, {}),
        ("10.0.3.5", "203.0.113.66", 0, 100, {}),
        ("10.0.3.5", "203.0.113.66", 5000, None, {"action": "deny"}),
        ("10.0.3.9", "203.0.113.66", 5000, None, {}),
        ("203.0.113.66", "10.0.3.5", 60, None, {}),
    ],
)
def test_traffic_that_took_nothing_from_the_store_exposes_nothing(
    world: World, src: str, dst: str, sent: int, received: int | None, more: dict[str, str]
) -> None:
    world.map_text += STORE
    world.flow("10:00", src, dst, sent, received, **more)
    assert world.scope().people == (0, 0, 0, 0)


def test_an_answer_to_a_connection_into_the_store_left_it_too(world: World) -> None:
    world.map_text += STORE
    world.flow("10:00", "203.0.113.66", "10.0.3.5", 100, 7000)
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert answer.document["estimates"][0]["bytes"] == 7000


def test_running_totals_of_one_connection_are_not_added_up(world: World) -> None:
    world.map_text += STORE
    for clock, sent in (("10:00", 1000), ("10:01", 2000), ("10:02", 3000)):
        world.flow(clock, "10.0.3.5", "203.0.113.66", sent, is_interim=True, flow_id="77")
    assert world.scope().document["estimates"][0]["bytes"] == 3000


def test_unknown_bytes_leave_the_rows_unbounded(world: World) -> None:
    world.map_text += STORE
    world.flow("10:00", "10.0.3.5", "203.0.113.66", None)
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert (answer.document["estimates"][0]["bytes"], answer.document["estimates"][0]["rows_upper"]) == (None, 10)


def fill_day(world: World, *, without: range = range(0)) -> None:
    """One ordinary request a minute for two days, but for the minutes of ``without`` of the second day, and a firewall that never stops."""
    for minute in range(2880):
        clock = f"{minute % 1440 // 60}:{minute % 60}"
        if minute - 1440 not in without:
            world.web(clock, "/api/customers/1", by=None, day=minute // 1440, ip="198.51.100.9")
        if minute % 10 == 0:
            world.flow(clock, "10.0.0.1", "192.0.2.1", 10, by=None, day=minute // 1440)


def test_a_hole_in_the_web_log_makes_its_tables_possible(world: World) -> None:
    world.map_text += ITEM
    fill_day(world, without=range(600, 780))
    world.web("10:00", "/api/customers/3", day=1)
    world.web("13:30", "/api/customers/4", 403, 20, day=1)
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert answer.grades()["3"] == "confirmed"
    assert answer.reasons()["4"] == "logs_missing"
    (gap,) = answer.document["coverage"][0]["gaps"]
    assert (gap["first_ts"], gap["last_ts"], gap["why"]) == ("2026-09-02T10:00:00Z", "2026-09-02T13:00:00Z", "silent")
    assert answer.document["incidents"][0]["holes"] == [{**gap, "log": "web.log", "table": "web"}]
    assert "logs_missing" in answer.codes


def test_without_the_hole_the_same_refusal_excludes(world: World) -> None:
    world.map_text += ITEM
    fill_day(world)
    world.web("10:00", "/api/customers/3", day=1)
    world.web("13:30", "/api/customers/4", 403, 20, day=1)
    answer = world.scope()
    assert answer.grades() == {"3": "confirmed", "4": "excluded"}
    assert answer.people == (1, 0, 0, 1)


def test_a_hole_outside_the_incident_raises_nothing(world: World) -> None:
    world.map_text += ITEM
    fill_day(world, without=range(600, 780))
    world.web("14:00", "/api/customers/3", day=1)
    world.web("15:00", "/api/customers/4", 403, 20, day=1)
    answer = world.scope()
    assert answer.people == (1, 0, 0, 1)
    assert answer.document["coverage"][0]["gaps"] == []


def test_a_nightly_pause_is_no_hole(world: World) -> None:
    world.map_text += ITEM
    for day in range(3):
        for minute in range(8 * 60, 18 * 60):
            world.web(f"{minute // 60}:{minute % 60}", "/api/customers/1", by=None, day=day, ip="198.51.100.9")
        for hour in range(24):
            world.flow(f"{hour}:00", "10.0.0.1", "192.0.2.1", 10, by=None, day=day)
    world.web("17:00", "/api/customers/3", day=1)
    world.web("9:00", "/api/customers/4", 403, 20, day=2)
    assert world.scope().people == (1, 0, 0, 1)


def test_rows_that_never_existed_during_the_hole_stay_out(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={2: {"created": "2026-09-02 13:30:00"}, 5: {"deleted": "2026-09-02 11:00:00"}}))
    world.map_text += ITEM
    fill_day(world, without=range(600, 780))
    world.web("10:00", "/api/customers/3", day=1)
    world.web("14:00", "/api/customers/4", 403, 20, day=1)
    answer = world.scope()
    assert "2" not in answer.grades()
    assert answer.grades()["5"] == "possible"


def test_a_broken_off_input_leaves_a_hole_from_its_end(world: World) -> None:
    world.map_text += ITEM
    world.source(1, "/logs/web.log.gz", problem="gzip stream ends early")
    world.web("10:00", "/api/customers/3")
    world.login("11:00", "root")
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    (gap,) = answer.document["coverage"][0]["gaps"]
    assert (gap["first_ts"], gap["last_ts"], gap["why"]) == ("2026-09-01T10:00:00Z", "2026-09-01T11:00:00Z", "broken_off")
    assert "input_problem" in answer.codes


def rotated(world: World, without: range, change: int) -> None:
    """Two days as :func:`fill_day`, in two files: the second begins with minute ``change``."""
    world.source(1, "/logs/web.log.1")
    world.source(4, "/logs/web.log")
    for minute in range(2880):
        clock, day = f"{minute % 1440 // 60}:{minute % 60}", minute // 1440
        if minute not in without:
            world.web(clock, "/api/customers/1", by=None, day=day, ip="198.51.100.9", source=1 if minute < change else 4)
        if minute % 10 == 0:
            world.flow(clock, "10.0.0.1", "192.0.2.1", 10, by=None, day=day)
    world.incident("0:00", "23:59", day=1)


@pytest.mark.parametrize(("change", "holder", "sources"), [(2100, 1, [1, 4]), (1500, 4, [4]), (2700, 1, [1])])
def test_a_gap_of_a_rotated_log_counts_once_where_it_lies(world: World, change: int, holder: int, sources: list[int]) -> None:
    world.map_text += ITEM
    rotated(world, range(2040, 2220), change)
    document = world.scope().document
    gaps = {c["source"]: c["gaps"] for c in document["coverage"]}
    (gap,) = gaps.pop(holder)
    assert (gap["why"], gap["sources"], gap["first_ts"], gap["last_ts"]) == ("silent", sources, "2026-09-02T09:59:00Z", "2026-09-02T13:00:00Z")
    assert all(not others for others in gaps.values())
    assert len(document["incidents"][0]["holes"]) == 1


def test_the_first_of_two_rotated_files_does_not_end_early(world: World) -> None:
    world.map_text += ITEM
    rotated(world, range(0), 1500)
    assert all(not c["gaps"] for c in world.scope().document["coverage"])


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(2, 3000))
def test_the_threshold_of_a_pause_is_that_of_the_others(minutes: list[int], events: int) -> None:
    pauses = np.array(minutes, np.int64) * MINUTE
    for i, found in enumerate(_thresholds(pauses, events).tolist()):
        others = sorted(minutes[:i] + minutes[i + 1 :], reverse=True)
        longer = (events - 2) // 100
        longest = 10 * others[longer] if longer < len(others) else 0
        if events >= 1000 and others:
            longest = min(longest, 3 * others[0])
        assert found == max(30, longest) * MINUTE


@given(st.dictionaries(st.integers(0, 150), st.integers(1, 50), min_size=1, max_size=40), st.integers(-3000, 12000), st.integers(0, 6000))
def test_the_expected_events_are_those_of_the_same_hours_of_other_days(by_hour: dict[int, int], first: int, length: int) -> None:
    hours = np.array(sorted(by_hour), np.int64) * HOUR
    counts = np.array([by_hour[h] for h in sorted(by_hour)], np.int64)
    stream = Stream("log", "web", (), events=sum(by_hour.values()), firsts=hours, lasts=hours, counts=counts)
    span = range(min(by_hour), max(by_hour) + 1)
    wanted, last = 0.0, first + length
    for hour in range(first // 60, last // 60 + 1):
        same = [by_hour.get(h, 0) for h in span if (h - hour) % 24 == 0 and not first // 60 <= h <= last // 60]
        rate = sum(same) / len(same) if same else stream.events / len(span)
        wanted += (min(last, hour * 60 + 60) - max(first, hour * 60)) / 60 * rate
    assert math.isclose(_Rhythm.of(stream).expects(first * MINUTE, last * MINUTE), wanted, rel_tol=1e-9, abs_tol=1e-9)


def test_rows_of_nobody_that_did_not_exist_then_are_not_counted(world: World) -> None:
    later = "2026-09-05 00:00:00"
    text = "id,owner,created,deleted\n1,a,,\n2,,,\n3,,,\n" + f"4,,{later},\n"
    world.file("customers.csv", text)
    world.map_text = (
        '[tables.orders]\nsource = "customers.csv"\nkey = "id"\nperson = "owner"\ncreated = "created"\ntz = "UTC"\n[tables.orders.columns]\nid = "identifier"\n'
        '[[routes]]\nmatch = "GET /export.csv"\nreturns = "orders"\nkind = "export"\n'
    )
    world.web("10:00", "/export.csv", 200, None)
    answer = world.scope()
    (record,) = answer.document["records"]
    assert (record["rows"], record["rows_at_incident"], record["null_people"]) == (4, 3, 2)
    (said,) = (u for u in answer.document["uncertainties"] if u["code"] == "table_null_people")
    assert said["count"] == 2
    assert said["en"].startswith("orders: 2 of the rows that existed at the incident name no person")
    assert answer.people == (0, 1, 0, 3)


def test_the_next_rotated_file_ends_the_hole(world: World) -> None:
    world.map_text += ITEM
    world.source(1, "/logs/web.log.1.gz", problem="gzip stream ends early")
    world.source(4, "/logs/web.log")
    world.web("09:00", "/api/customers/1", by=None)
    world.web("09:30", "/api/customers/1", by=None, source=4)
    world.web("10:00", "/api/customers/3", source=4)
    world.web("10:10", "/api/customers/4", 403, 20, source=4)
    assert world.scope().people == (1, 0, 0, 1)


def test_a_web_log_that_does_not_reach_the_incident_leaves_it_open(world: World) -> None:
    world.map_text += ITEM
    world.web("03:00", "/api/customers/1", by=None)
    world.web("03:01", "/api/customers/1", by=None)
    world.login("10:00", "u1@example.jp")
    world.login("10:20", "root")
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert answer.document["coverage"][0]["gaps"][0]["why"] == "ends_early"


def test_without_any_web_log_every_mapped_row_is_possible(world: World) -> None:
    world.map_text += ITEM
    world.login("10:00", "root")
    world.login("10:20", "root")
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert "no_web_logs" in answer.codes


def test_unreadable_lines_that_name_a_mapped_path_are_a_hole(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    world.reject(b"\xff\xfe garbage GET /api/customers/9 garbage")
    world.web("10:05", "/api/customers/4", 403, 20)
    answer = world.scope()
    assert answer.people == (1, 0, 9, 10)
    assert answer.document["coverage"][0]["gaps"][0]["why"] == "rejected"
    assert "lines_rejected" in answer.codes


def test_unreadable_lines_about_other_things_or_times_are_no_hole(world: World) -> None:
    world.map_text += ITEM
    world.web("08:00", "/", by=None)
    world.reject(b"GET /api/customers/9 before the incident")
    world.web("09:00", "/", by=None)
    world.web("10:00", "/api/customers/3")
    world.reject(b"\x16\x03\x01 not HTTP at all")
    world.web("10:05", "/api/customers/4", 403, 20)
    answer = world.scope()
    assert answer.people == (1, 0, 0, 1)
    assert answer.document["coverage"][0]["rejected"] == 2


def test_a_hole_raises_only_the_tables_that_its_log_serves(world: World) -> None:
    world.file("cards.csv", "card,owner\nC1,1\nC2,2\n")
    world.map_text += '[tables.cards]\nsource = "cards.csv"\nkey = "card"\nperson = "owner"\n[tables.cards.columns]\ncard = "card_number"\n'
    world.map_text += ITEM + '[[routes]]\nmatch = "GET /cards/{card}"\nreturns = "cards"\n'
    world.source(4, "/logs/cards.log")
    world.web("10:00", "/api/customers/3")
    world.reject(b"?? /api/customers/ ??")
    world.web("10:05", "/api/customers/4", 403, 20)
    world.web("10:00", "/cards/C1", source=4)
    world.web("10:05", "/cards/C2", 403, 20, source=4)
    answer = world.scope()
    assert answer.grades("cards") == {"C1": "confirmed", "C2": "excluded"}
    assert set(answer.grades().values()) == {"confirmed", "possible"}


def test_people_count_once_over_tables_and_incidents(world: World) -> None:
    world.file("cards.csv", "card,owner\nC1,3\nC2,3\nC3,4\nC4,\n")
    world.map_text += '[tables.cards]\nsource = "cards.csv"\nkey = "card"\nperson = "owner"\n[tables.cards.columns]\ncard = "card_number"\n'
    world.map_text += ITEM + '[[routes]]\nmatch = "GET /cards"\nreturns = "cards"\nkind = "export"\n'
    world.incident("10:00", "10:30", "I-a")
    world.incident("12:00", "12:30", "I-b")
    world.web("10:00", "/api/customers/3", incident="I-a")
    world.web("12:00", "/cards", 200, None, incident="I-b")
    answer = world.scope()
    assert answer.people == (1, 1, 0, 3)  # card C4 names nobody: perhaps a third person
    assert answer.document["people"]["range"] == [2, 3]
    assert answer.people_rows["3"]["incidents"] == ["I-a", "I-b"]
    assert answer.people_rows["3"]["tables"] == ["cards", "customers"]
    assert answer.people_rows["3"]["records"] == 3
    by_incident = {i["id"]: i["people"] for i in answer.document["incidents"]}
    assert [(p["confirmed"], p["probable"], p["upper_bound"]) for p in (by_incident["I-a"], by_incident["I-b"])] == [(1, 0, 1), (0, 2, 3)]
    assert [r["probable"] for r in answer.document["records"] if r["table"] == "cards"] == [4]


def test_keys_written_differently_lower_the_least_number_of_people(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\na1,x,x@x.jp,,\nA1,y,y@x.jp,,\n Ａ１,z,z@x.jp,,\nb2,w,w@x.jp,,\n")
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 200, None)
    answer = world.scope()
    assert answer.people == (0, 4, 0, 4)
    assert answer.document["people"]["range"] == [2, 4]
    assert "people_written_differently" in answer.codes


def test_people_of_another_population_are_other_people(world: World) -> None:
    world.file("staff.csv", "staff_id,mail\n3,s3@example.jp\n")
    world.map_text += (
        '[tables.staff]\nsource = "staff.csv"\nkey = "staff_id"\nperson = "staff_id"\npopulation = "staff"\n[tables.staff.columns]\nmail = "email"\n'
    )
    world.map_text += ITEM + '[[routes]]\nmatch = "GET /staff/{staff_id}"\nreturns = "staff"\n'
    world.web("10:00", "/api/customers/3")
    world.web("10:00", "/staff/3")
    answer = world.scope()
    assert answer.people == (2, 0, 0, 2)
    assert set(answer.people_rows) == {"3", "staff:3"}


def test_duplicate_and_empty_keys_are_counted_and_said(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n1,a,a@x.jp,,\n1,b,b@x.jp,,\n,c,c@x.jp,,\n2,d,d@x.jp,,\n")
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 200, None)
    answer = world.scope()
    assert answer.grades() == {"1": "probable", "2": "probable", "row:3": "probable"}
    (record,) = answer.document["records"]
    assert (record["probable"], record["null_keys"], record["duplicate_keys"], record["null_people"]) == (3, 1, 1, 1)
    assert answer.people == (0, 2, 0, 3)
    assert {"table_null_keys", "table_duplicate_keys", "table_null_people"} <= answer.codes


def test_without_a_map_people_are_unknown_and_the_map_that_would_help_is_told(world: World) -> None:
    for number in range(1, 6):
        world.web("10:00", f"/api/customers/{number}?v={number}")
    world.web("10:01", "/style.css")
    world.web("10:02", "/api/customers/7", 404, 20)
    answer = world.scope(mapped=False)
    document = answer.document
    assert document["people"] is None
    assert document["map"] is None
    assert "no_map" in answer.codes
    assert document["map_would_add"] == [{"match": "GET /api/customers/{id}?v={v}", "requests": 5, "returned": 5, "distinct_urls": 5, "bytes": 2500}]
    assert document["incidents"][0]["people"] is None
    assert document["coverage"][0]["first_ts"] == "2026-09-01T10:00:00Z"
    assert answer.exposures == []


def test_responses_that_no_route_describes_are_said(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    world.web("10:00", "/api/secrets/3")
    answer = world.scope()
    assert [u["count"] for u in answer.document["uncertainties"] if u["code"] == "unmapped_responses"] == [1]
    assert [t["match"] for t in answer.document["map_would_add"]] == ["GET /api/secrets/{id}"]


def test_no_incident_is_said_to_be_no_proof(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3", by=None)
    answer = world.scope()
    assert answer.people == (0, 0, 0, None)
    assert answer.document["people"]["range"] == [0, None]
    assert "no_incident" in answer.codes
    assert "no_events" not in answer.codes
    jsonschema.Draft202012Validator(SCHEMA).validate(answer.document)


def test_no_event_bounds_nothing(world: World) -> None:
    world.map_text += ITEM
    answer = world.scope()
    assert answer.people == (0, 0, 0, None)
    assert {"no_events", "no_incident"} <= answer.codes


@pytest.mark.parametrize("mapped", [True, False])
def test_scope_json_follows_its_schema(world: World, *, mapped: bool) -> None:
    world.map_text += ITEM + PAGE + EXPORT + LOGIN + STORE
    world.source(1, "/logs/web.log", problem="ends early", tz_assumed=True, year_assumption="2026 from the file name")
    world.web("10:00", "/api/customers/3")
    world.web("10:01", "/list")
    world.web("10:02", "/export.csv", 200, 30)
    world.reject(b"/api/customers/ ?")
    world.login("10:03", "u3@example.jp")
    world.flow("10:04", "10.0.3.5", "203.0.113.66", 300)
    answer = world.scope(mapped=mapped)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(answer.document)
    assert answer.document["schema"] == "breachscope/scope/1"


def test_trace_leads_from_person_and_record_to_events(world: World) -> None:
    world.map_text += ITEM + PAGE
    item = world.web("10:00", "/api/customers/3")
    page = world.web("10:01", "/list?page=1&size=3")
    case = world.scope().case
    assert [(e.grade, e.event_ids) for e in trace_person(case, "3")] == [("confirmed", (item,)), ("probable", (page,))]
    assert [e.grade for e in trace_record(case, "customers", "1")] == ["probable"]
    with pytest.raises(UsageError, match="no exposure of this person"):
        trace_person(case, "99")
    with pytest.raises(UsageError, match="no exposure of this record"):
        trace_record(case, "cards", "1")


def test_scope_wants_a_detected_case(world: World) -> None:
    case = world.build()
    (case.path / "incidents.json").unlink()
    with pytest.raises(CaseError, match="breachscope detect"):
        compute_scope(case, None, Silent())


def test_two_runs_and_another_row_order_give_the_same_bytes(tmp_path: Path) -> None:
    import random

    outputs = []
    for run in range(3):
        folder = tmp_path / str(run)
        folder.mkdir()
        world = World(folder, CUSTOMERS + ITEM + PAGE + EXPORT + LOGIN + STORE)
        world.file("customers.csv", customers_csv(500, {7: {"created": "2026-09-01 10:30:00"}}))
        if run == 2:
            world.shuffle = random.Random(5).shuffle
        for number in range(1, 200):
            world.web(f"10:{number % 60}", f"/api/customers/{number * 7 % 300}", 200 if number % 5 else 403, 300 + number)
            world.web(f"10:{number % 60}", f"/list?page={number % 13}&size=5")
        world.web("10:40", "/export.csv", 200, 900)
        world.login("10:41", "u3@example.jp")
        world.flow("10:42", "10.0.3.5", "203.0.113.66", 300)
        case = world.scope().case
        outputs.append([(case.path / name).read_bytes() for name in ("scope.json", "exposures.parquet", "people.parquet")])
    assert outputs[0] == outputs[1] == outputs[2]


def test_files_with_personal_data_are_private(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3")
    case = world.scope().case
    for name in ("scope.json", "exposures.parquet", "people.parquet"):
        assert (case.path / name).stat().st_mode & 0o777 == 0o600


def test_a_hundred_incidents_are_all_named(world: World) -> None:
    world.map_text += ITEM
    names = [f"I-{number:03}" for number in range(100)]
    for name in names:
        world.incident("10:00", "10:01", name)
        world.web("10:00", "/api/customers/3", incident=name)
    answer = world.scope()
    assert answer.people == (1, 0, 0, 1)
    assert answer.people_rows["3"]["incidents"] == names
    assert [i["people"]["confirmed"] for i in answer.document["incidents"]] == [1] * 100
