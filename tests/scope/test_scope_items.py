"""Routes of kind item: one record, named by its key."""

from __future__ import annotations

import pytest
from tests.scope.world import CUSTOMERS, ITEM, World, customers_csv


@pytest.mark.parametrize(
    ("status", "size", "grade", "reason"),
    [
        (200, 500, "confirmed", "returned_by_key"),
        (206, 500, "confirmed", "returned_by_key"),
        (200, None, "probable", "returned_size_unknown"),
        (200, 0, "excluded", "empty_body"),
        (204, None, "excluded", "empty_body"),
        (304, None, "excluded", "already_known_copy_unseen"),
        (302, 154, "excluded", "redirected"),
        (401, 154, "excluded", "refused"),
        (403, 154, "excluded", "refused"),
        (404, 154, "excluded", "not_found"),
        (429, 154, "excluded", "failed"),
        (500, 154, "excluded", "failed"),
        (499, 0, "excluded", "failed"),
        (499, 300, "probable", "client_closed"),
        (None, 500, "possible", "status_unknown"),
    ],
)
def test_the_answer_decides_the_grade(world: World, status: int | None, size: int | None, grade: str, reason: str) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3", status, size)
    answer = world.scope()
    assert answer.grades() == {"3": grade}
    assert answer.reasons() == {"3": reason}


@pytest.mark.parametrize(
    "url",
    [
        "/api/customers/3",
        "/api/customers/3/",
        "/api//customers/3",
        "/api/%63ustomers/%33",
        "/api/customers/3;jsessionid=1",
        "/api/customers/3?verbose=1&_=99",
    ],
)
def test_the_same_url_written_differently_is_the_same_record(world: World, url: str) -> None:
    world.map_text += ITEM
    world.web("10:00", url)
    assert world.scope().grades() == {"3": "confirmed"}


@pytest.mark.parametrize("url", ["/api/customers/3/orders", "/api/customers", "/v2/api/customers/3", "/API/customers/3", "/api/customers/3%2F4"])
def test_another_url_exposes_nothing(world: World, url: str) -> None:
    world.map_text += ITEM
    world.web("10:00", url)
    world.web("10:00", "/api/customers/1", by=None)
    answer = world.scope()
    assert answer.grades() == {}
    is_a_key = url.endswith("%2F4")  # of no row today: perhaps of a further person
    assert answer.people == (0, 0, 0, int(is_a_key))


def test_head_asks_for_no_body_and_post_is_another_request(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3", 200, None, method="HEAD")
    world.web("10:01", "/api/customers/4", 200, 500, method="POST")
    world.web("10:02", "/api/customers/5", 200, 500, method="get")
    answer = world.scope()
    assert answer.grades() == {"3": "excluded", "5": "confirmed"}
    assert answer.reasons()["3"] == "head_request"


def test_a_key_that_the_table_lacks_makes_no_record_but_is_counted(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/77")
    world.web("10:01", "/api/customers/78", 404, 20)
    answer = world.scope()
    assert answer.grades() == {}
    told = [u for u in answer.document["uncertainties"] if u["code"] == "keys_not_in_table"]
    assert [(u["table"], u["count"]) for u in told] == [("customers", 1)]
    assert answer.document["evidence"]["routes"][0]["keys_not_in_table"] == 1


def test_a_record_not_yet_created_or_already_deleted_is_excluded(world: World) -> None:
    world.file(
        "customers.csv",
        customers_csv(changes={3: {"created": "2026-09-01 10:00:01"}, 4: {"deleted": "2026-09-01 10:00:00"}, 5: {"created": "2026-09-01T10:00:00Z"}}),
    )
    world.map_text += ITEM
    for number in (3, 4, 5):
        world.web("10:00", f"/api/customers/{number}")
    answer = world.scope()
    assert answer.reasons() == {"3": "not_yet_created", "4": "already_deleted", "5": "returned_by_key"}
    assert answer.people == (1, 0, 0, 1)


def test_an_assumed_zone_leaves_existence_in_doubt(world: World) -> None:
    world.map_text = world.map_text.replace('tz = "UTC"\n', "") + ITEM
    world.file("customers.csv", customers_csv(changes={3: {"created": "2026-09-01 15:00:00"}, 4: {"created": "2026-09-03 00:00:00"}}))
    world.web("10:00", "/api/customers/3")
    world.web("10:00", "/api/customers/4")
    answer = world.scope()
    assert answer.reasons() == {"3": "existence_in_doubt", "4": "not_yet_created"}
    assert answer.grades()["3"] == "possible"
    assert "table_tz_assumed" in answer.codes


def test_leading_zeros_of_keys_count(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n007,a,a@x.jp,,\n7,b,b@x.jp,,\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/007")
    assert world.scope().grades() == {"007": "confirmed"}


def test_a_key_written_differently_is_probable_and_said(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\nAB12,a,a@x.jp,,\n00017,b,b@x.jp,,\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/ab12")
    world.web("10:01", "/api/customers/17")
    answer = world.scope()
    assert answer.grades() == {"00017": "probable", "AB12": "probable"}
    assert set(answer.reasons().values()) == {"returned_loose_key"}


def test_a_shared_address_is_possible_at_best(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3", by="shared")
    world.web("10:01", "/api/customers/4", 403, 20, by="shared")
    answer = world.scope()
    assert answer.grades() == {"3": "possible", "4": "excluded"}
    assert answer.reasons()["3"] == "shared_address"


def test_others_requests_expose_nothing(world: World) -> None:
    world.map_text += ITEM
    world.web("10:00", "/api/customers/3", by=None)
    world.web("10:01", "/api/customers/4")
    assert world.scope().grades() == {"4": "confirmed"}


def test_a_304_after_an_earlier_200_to_the_same_client_is_no_surprise(world: World) -> None:
    world.map_text += ITEM
    world.web("09:00", "/api/customers/3", 200, 500, by=None)
    world.web("10:00", "/api/customers/3", 304, None)
    world.web("10:00", "/api/customers/4", 304, None)
    world.web("10:30", "/api/customers/4", 200, 500, ip="198.51.100.1", by=None)
    answer = world.scope()
    assert answer.reasons() == {"3": "already_known_copy", "4": "already_known_copy_unseen"}
    assert [u["count"] for u in answer.document["uncertainties"] if u["code"] == "already_known_copy_unseen"] == [1]


def test_a_body_as_long_as_the_error_page_is_no_record(world: World) -> None:
    world.file("customers.csv", customers_csv(30))
    world.map_text += ITEM
    for number in range(100, 110):
        world.web("09:00", f"/api/customers/{number}", 200, 154)  # no such customers: a page that says so with status 200
    for number in range(1, 21):
        world.web("10:00", f"/api/customers/{number}", 200, 300 + number)
    world.web("10:01", "/api/customers/25", 200, 154)
    answer = world.scope()
    assert answer.grades()["25"] == "excluded"
    assert answer.reasons()["25"] == "error_page"
    assert answer.people == (20, 0, 0, 20)


def test_an_error_page_as_long_as_records_leaves_doubt(world: World) -> None:
    world.file("customers.csv", customers_csv(30))
    world.map_text += ITEM
    for number in range(100, 110):
        world.web("09:00", f"/api/customers/{number}", 404, 310)
    for number in range(1, 21):
        world.web("10:00", f"/api/customers/{number}", 200, 300 + number)
    answer = world.scope()
    assert answer.grades()["10"] == "probable"
    assert answer.reasons()["10"] == "returned_error_page_size"
    assert answer.people == (19, 1, 0, 20)


def test_one_constant_size_for_everything_never_excludes(world: World) -> None:
    world.map_text += ITEM
    for number in range(100, 110):
        world.web("09:00", f"/api/customers/{number}", 404, 500)
    for number in range(1, 6):
        world.web("10:00", f"/api/customers/{number}", 200, 500)
    assert set(world.scope().grades().values()) == {"probable"}


def test_a_body_smaller_than_the_record_leaves_doubt(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={3: {"name": "x" * 200}}))
    world.map_text += ITEM
    for number in (1, 2, 4, 5, 6):
        world.web("10:00", f"/api/customers/{number}", 200, 800)
    world.web("10:01", "/api/customers/3", 200, 90)
    answer = world.scope()
    assert (answer.grades()["3"], answer.reasons()["3"]) == ("probable", "returned_too_small")


def test_small_compressed_bodies_are_no_doubt_when_all_are_small(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={n: {"name": "x" * 200} for n in range(1, 11)}))
    world.map_text += ITEM
    for number in range(1, 7):
        world.web("10:00", f"/api/customers/{number}", 200, 90)
    assert set(world.scope().grades().values()) == {"confirmed"}


def test_a_slot_of_another_column_covers_all_its_rows(world: World) -> None:
    world.file("orders.csv", "order_id,customer_id,items\nA1,3,tea\nA2,3,cup\nA3,4,pot\n")
    world.map_text += '[tables.orders]\nsource = "orders.csv"\nkey = "order_id"\nperson = "customer_id"\n[tables.orders.columns]\nitems = "purchase_history"\n'
    world.map_text += '[[routes]]\nmatch = "GET /api/customers/{customer_id}/orders"\nreturns = "orders"\n'
    world.web("10:00", "/api/customers/3/orders")
    answer = world.scope()
    assert answer.grades("orders") == {"A1": "probable", "A2": "probable"}
    assert answer.people == (0, 1, 0, 1)


def test_two_slots_must_both_fit(world: World) -> None:
    world.file("orders.csv", "order_id,customer_id,items\nA1,3,tea\nA3,4,pot\n")
    world.map_text += '[tables.orders]\nsource = "orders.csv"\nkey = "order_id"\nperson = "customer_id"\n[tables.orders.columns]\nitems = "purchase_history"\n'
    world.map_text += '[[routes]]\nmatch = "GET /c/{customer_id}/o?id={order_id}"\nreturns = "orders"\n'
    world.web("10:00", "/c/3/o?id=A1")
    world.web("10:00", "/c/3/o?id=A3")
    assert world.scope().grades("orders") == {"A1": "probable"}


def test_an_argument_sent_twice_leaves_open_which_record_was_returned(world: World) -> None:
    world.map_text += ITEM.replace("/api/customers/{id}", "/c?id={id}")
    world.web("10:00", "/c?id=3&id=4")
    world.web("10:00", "/c?id=5&id=5")
    assert world.scope().grades() == {"3": "possible", "4": "possible", "5": "confirmed"}


def test_a_literal_argument_and_a_host_narrow_the_match(world: World) -> None:
    world.map_text += ITEM.replace("/api/customers/{id}", "/c?do=show&id={id}").replace("columns", 'host = "Admin.example.jp"\ncolumns')
    world.web("10:00", "/c?id=1&do=show", vhost="ADMIN.example.jp:443")
    world.web("10:00", "/c?id=2&do=edit", vhost="admin.example.jp")
    world.web("10:00", "/c?id=3&do=show", vhost="www.example.jp")
    world.web("10:00", "/c?id=4&do=show")
    assert world.scope().grades() == {"1": "confirmed", "4": "confirmed"}


def test_a_route_that_spells_out_the_path_goes_before_a_slot(world: World) -> None:
    world.map_text += ITEM + '[[routes]]\nmatch = "GET /api/customers/export"\nreturns = "customers"\nkind = "export"\n'
    world.web("10:00", "/api/customers/export", 200, None)
    answer = world.scope()
    assert answer.people == (0, 10, 0, 10)
    assert "keys_not_in_table" not in answer.codes


def test_a_slot_value_is_decoded(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n田中/1,a,a@x.jp,,\na b+c,b,b@x.jp,,\n")
    world.map_text += ITEM
    world.web("10:00", "/api/customers/%E7%94%B0%E4%B8%AD%2F1")
    world.web("10:00", "/api/customers/a%20b+c")
    assert world.scope().grades() == {"a b+c": "confirmed", "田中/1": "confirmed"}


@pytest.mark.parametrize(
    "url", ["/api/customers/%FF%FE", "/api/customers/%", "/api/customers/'; DROP TABLE rows_0; --", "/api/customers/%00", "/api/customers/" + "9" * 5000]
)
def test_hostile_urls_are_read_as_text(world: World, url: str) -> None:
    world.map_text += ITEM
    world.web("10:00", url)
    world.web("10:01", "/api/customers/3")
    assert world.scope().grades() == {"3": "confirmed"}


def test_an_exposure_tells_columns_kinds_times_and_events(world: World) -> None:
    world.map_text += ITEM
    second = world.web("10:05", "/api/customers/3")
    first = world.web("10:00", "/api/customers/3")
    (row,) = world.scope().exposures
    assert (row["incident_id"], row["table"], row["record"], row["person"]) == ("I-000000000001", "customers", "3", "3")
    assert (row["columns"], row["data_kinds"]) == (["name"], ["name"])
    assert (row["first_ts"].isoformat(), row["last_ts"].isoformat()) == ("2026-09-01T10:00:00+00:00", "2026-09-01T10:05:00+00:00")
    assert (row["event_ids"], row["events"]) == ([first, second], 2)


def test_a_response_without_time_is_possible(world: World) -> None:
    world.map_text += ITEM
    world.web("", "/api/customers/3")
    world.web("10:00", "/api/customers/4")
    assert world.scope().grades() == {"3": "possible", "4": "confirmed"}


def test_a_map_without_a_person_counts_records_only(world: World) -> None:
    world.map_text = CUSTOMERS.replace('person = "id"\n', "") + ITEM
    world.web("10:00", "/api/customers/3")
    answer = world.scope()
    assert answer.grades() == {"3": "confirmed"}
    assert answer.people == (0, 0, 0, 0)
