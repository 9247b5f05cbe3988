"""Routes of kind page and export: many rows at once."""

from __future__ import annotations

import pytest
from tests.scope.world import CUSTOMERS, EXPORT, ITEM, PAGE, World, customers_csv


def rows(*numbers: int, grade: str = "probable") -> dict[str, str]:
    return dict(sorted((str(n), grade) for n in numbers))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/list?page=1&size=3", (1, 2, 3)),
        ("/list?page=2&size=3", (4, 5, 6)),
        ("/list?size=3&page=2", (4, 5, 6)),
        ("/list?page=2", (4, 5, 6)),
        ("/list", (1, 2, 3)),
        ("/list?page=4&size=3", (10,)),
        ("/list?page=5&size=3", ()),
        ("/list?page=%32&size=3", (4, 5, 6)),
        ("/list/?page=2&size=3&_=1693", (4, 5, 6)),
        ("/list?page=1&size=100", tuple(range(1, 11))),
        ("/list?page=99999999999999&size=99999999999999", ()),
    ],
)
def test_a_page_covers_its_rows_by_order_and_none_beyond_the_end(world: World, url: str, expected: tuple[int, ...]) -> None:
    world.map_text += PAGE
    world.web("10:00", url)
    assert world.scope().grades() == rows(*expected)


def test_numbers_sort_as_numbers(world: World) -> None:
    world.map_text += PAGE
    world.web("10:00", "/list?page=4&size=3")
    answer = world.scope()
    assert answer.grades() == rows(10)
    (said,) = (u for u in answer.document["uncertainties"] if u["code"] == "order_assumed")
    assert (said["detail"], said["order"]) == ("GET /list?page={page}&size={size}", [{"column": "id", "compared_as": "whole_number", "descending": False}])
    assert said["en"] == "GET /list?page={page}&size={size}: assumed to be ordered by id, compared as numbers."
    assert said["ja"] == "GET /list?page={page}&size={size}：id の数値順と仮定しました。"


def test_an_order_of_several_columns_is_said_term_by_term(world: World) -> None:
    world.map_text += PAGE.replace('"id"', '["created desc", "name"]')
    world.web("10:00", "/list?page=1&size=3")
    (said,) = (u for u in world.scope().document["uncertainties"] if u["code"] == "order_assumed")
    assert [(t["column"], t["compared_as"], t["descending"]) for t in said["order"]] == [("created", "time", True), ("name", "text", False)]
    assert "ordered by created descending, compared as times, then by name, compared as text." in said["en"]
    assert "created の時刻順（降順）、次に name の文字列順と仮定しました。" in said["ja"]


def test_keys_with_leading_zeros_sort_as_text(world: World) -> None:
    world.file("customers.csv", "id,name,email,created,deleted\n010,a,a@x.jp,,\n009,b,b@x.jp,,\n10,c,c@x.jp,,\n1,d,d@x.jp,,\n")
    world.map_text += PAGE
    world.web("10:00", "/list?page=1&size=2")
    assert world.scope().grades() == {"009": "probable", "010": "probable"}


def test_pages_may_count_from_zero(world: World) -> None:
    world.map_text += PAGE + "first_page = 0\n"
    world.web("10:00", "/list?page=1&size=3")
    world.web("10:00", "/list")
    assert world.scope().grades() == rows(1, 2, 3, 4, 5, 6)


def test_the_server_gives_no_more_than_its_maximum(world: World) -> None:
    world.map_text += PAGE + "max_size = 4\n"
    world.web("10:00", "/list?page=2&size=1000")
    assert world.scope().grades() == rows(5, 6, 7, 8)


def test_offset_and_limit_count_rows(world: World) -> None:
    world.map_text += PAGE.replace("page={page}&size={size}", "offset={offset}&limit={limit}").replace("size = 3", "limit = 3")
    world.web("10:00", "/list?offset=4&limit=2")
    world.web("10:00", "/list?limit=1")
    world.web("10:00", "/list?offset=8")
    assert world.scope().grades() == rows(1, 5, 6, 9, 10)


def test_rows_are_counted_among_those_that_existed_then(world: World) -> None:
    later, earlier = "2026-09-01 10:30:00", "2026-09-01 09:00:00"
    world.file("customers.csv", customers_csv(changes={2: {"created": later}, 4: {"deleted": earlier}, 6: {"deleted": later}}))
    world.map_text += PAGE
    world.web("10:00", "/list?page=2&size=3")  # of 1 3 5 6 7 8 9 10
    assert world.scope().grades() == rows(6, 7, 8)


def test_the_same_page_before_and_after_a_change_shows_other_rows(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={2: {"created": "2026-09-01 10:30:00"}}))
    world.map_text += PAGE
    world.web("10:00", "/list?page=1&size=3")  # of 1 3 4 …
    world.web("11:00", "/list?page=1&size=3")  # of 1 2 3 …
    answer = world.scope()
    assert answer.grades() == rows(1, 2, 3, 4)
    events = {r["record"]: r["events"] for r in answer.exposures}
    assert events == {"1": 2, "2": 1, "3": 2, "4": 1}


def test_descending_order_begins_at_the_end(world: World) -> None:
    world.map_text += PAGE.replace('"id"', '"id desc"')
    world.web("10:00", "/list?page=1&size=3")
    assert world.scope().grades() == rows(8, 9, 10)


def test_rows_that_tie_across_the_edge_of_a_page_are_possible(world: World) -> None:
    names = {n: {"name": name} for n, name in enumerate(["a", "b", "b", "b", "c", "d", "e", "f", "g", "h"], 1)}
    world.file("customers.csv", customers_csv(changes=names))
    world.map_text += PAGE.replace('"id"', '"name"')
    world.web("10:00", "/list?page=1&size=3")  # a and two of the three b
    answer = world.scope()
    assert answer.grades() == {"1": "probable", "2": "possible", "3": "possible", "4": "possible"}
    assert answer.reasons()["3"] == "on_page_by_tie"


def test_a_tie_within_the_page_is_no_doubt(world: World) -> None:
    names = {n: {"name": name} for n, name in enumerate(["a", "b", "b", "c", "c", "d", "e", "f", "g", "h"], 1)}
    world.file("customers.csv", customers_csv(changes=names))
    world.map_text += PAGE.replace('"id"', '"name"')
    world.web("10:00", "/list?page=1&size=3")
    assert world.scope().grades() == rows(1, 2, 3)


def test_a_second_order_column_breaks_ties(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={n: {"name": "same"} for n in range(1, 11)}))
    world.map_text += PAGE.replace('"id"', '["name", "id desc"]')
    world.web("10:00", "/list?page=1&size=2")
    assert world.scope().grades() == rows(9, 10)


@pytest.mark.parametrize("query", ["page=x&size=3", "page=-1&size=3", "page=0&size=3", "page=1&size=0", "page=1&size=all", "page=1&page=2&size=3"])
def test_an_unreadable_page_leaves_every_row_possible(world: World, query: str) -> None:
    world.map_text += PAGE
    world.web("10:00", f"/list?{query}")
    answer = world.scope()
    assert answer.grades() == rows(*range(1, 11), grade="possible")
    assert set(answer.reasons().values()) == {"page_unreadable"}


def test_an_argument_that_may_filter_raises_the_rest_to_possible(world: World) -> None:
    world.map_text += PAGE
    world.web("10:00", "/list?page=1&size=3&q=tanaka")
    answer = world.scope()
    assert answer.grades() == rows(1, 2, 3) | rows(*range(4, 11), grade="possible") | {"10": "possible"}
    assert "page_arguments" in answer.codes


def test_an_argument_named_in_ignore_changes_nothing(world: World) -> None:
    world.map_text += PAGE + 'ignore = ["q*"]\n'
    world.web("10:00", "/list?page=1&size=3&query=tanaka&utm_source=x")
    assert world.scope().grades() == rows(1, 2, 3)


@pytest.mark.parametrize(
    ("status", "size", "method"),
    [(403, 20, "GET"), (302, 20, "GET"), (304, None, "GET"), (200, 0, "GET"), (204, None, "GET"), (200, None, "HEAD"), (500, 20, "GET")],
)
@pytest.mark.parametrize("url", ["/list?page=1&size=3", "/export.csv"])
def test_a_list_that_was_not_sent_exposes_nothing(world: World, url: str, status: int, size: int | None, method: str) -> None:
    world.map_text += PAGE + EXPORT
    world.web("10:00", url, status, size, method=method)
    for other in ("/list", "/export.csv"):
        world.web("10:00", other, 404, 20, by=None)
    assert world.scope().people == (0, 0, 0, 0)


def test_a_shared_address_makes_a_list_possible(world: World) -> None:
    world.map_text += PAGE
    world.web("10:00", "/list?page=1&size=3", by="shared")
    answer = world.scope()
    assert answer.grades() == rows(1, 2, 3, grade="possible")
    assert set(answer.reasons().values()) == {"shared_address"}


HEADER = len("id,name\n")
ROW = len("1,name1\n")  # rows 1 to 9; row 10 has two bytes more
FULL = HEADER + 9 * ROW + ROW + 2


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, range(1, 11)),
        (FULL, range(1, 11)),
        (FULL + 700, range(1, 11)),
        (FULL - 1, range(1, 11)),
        (FULL - ROW - 2, range(1, 10)),
        (FULL - ROW - 1, range(1, 11)),
        (HEADER + 3 * ROW, range(1, 4)),
        (HEADER + 3 * ROW + 1, range(1, 5)),
        (HEADER + 1, range(1, 2)),
        (HEADER, ()),
        (3, ()),
    ],
)
def test_an_export_holds_the_rows_that_were_begun(world: World, size: int | None, expected: range) -> None:
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 200, size)
    assert world.scope().grades() == rows(*expected)


def test_a_cut_export_is_estimated_exactly_when_its_layout_is_known(world: World) -> None:
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 200, HEADER + 3 * ROW + 1)
    (estimate,) = world.scope().document["estimates"]
    assert (estimate["rows_lower"], estimate["rows_likely"], estimate["rows_upper"], estimate["rows_existing"]) == (4, 4, 4, 10)
    assert estimate["people"] is None


def test_a_cut_export_of_unknown_compression_raises_the_upper_bound(world: World) -> None:
    world.map_text += EXPORT.replace("compressed = false\n", "")
    world.web("10:00", "/export.csv", 200, HEADER + 3 * ROW)
    answer = world.scope()
    assert answer.grades() == rows(1, 2, 3) | rows(*range(4, 11), grade="possible")
    assert answer.people == (0, 3, 7, 10)
    assert "compression_assumed" in answer.codes


def test_quotes_newlines_and_japanese_count_as_bytes(world: World) -> None:
    names = {1: {"name": '"田中, ""太"""'}, 2: {"name": "山田"}}
    world.file("customers.csv", customers_csv(3, names))
    world.map_text += EXPORT + 'newline = "\\r\\n"\nencoding = "utf-8-sig"\n'
    first = len('\ufeffid,name\r\n1,"田中, ""太"""\r\n'.encode())
    world.web("10:00", "/export.csv", 200, first)
    assert world.scope().grades() == rows(1)


def test_one_byte_more_begins_the_next_row(world: World) -> None:
    names = {1: {"name": '"田中, ""太"""'}, 2: {"name": "山田"}}
    world.file("customers.csv", customers_csv(3, names))
    world.map_text += EXPORT + 'newline = "\\r\\n"\nencoding = "cp932"\n'
    first = len('id,name\r\n1,"田中, ""太"""\r\n'.encode("cp932"))
    world.web("10:00", "/export.csv", 200, first + 1)
    assert world.scope().grades() == rows(1, 2)


def test_without_a_declared_layout_the_rows_are_a_range(world: World) -> None:
    world.map_text += EXPORT.replace('format = "csv"\n', "")
    world.web("10:00", "/export.csv", 200, 4 * 8)
    answer = world.scope()
    (estimate,) = answer.document["estimates"]
    assert estimate["rows_lower"] < estimate["rows_likely"] == 4 < estimate["rows_upper"]
    assert answer.people[1] == 4
    assert answer.people[3] == estimate["rows_upper"]
    assert "export_sizes_assumed" in answer.codes


def test_a_cut_export_without_order_leaves_every_row_possible(world: World) -> None:
    world.map_text += EXPORT.replace('order_by = "id"\n', "")
    world.web("10:00", "/export.csv", 200, HEADER + 3 * ROW)
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    (estimate,) = answer.document["estimates"]
    assert estimate["people"] == {"lower": 3, "expected": 3.0, "upper": 3}


def test_a_partial_answer_leaves_open_which_rows_it_held(world: World) -> None:
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 206, HEADER + 3 * ROW)
    answer = world.scope()
    assert answer.people == (0, 0, 10, 10)
    assert set(answer.reasons().values()) == {"partial_content"}


def test_only_rows_that_existed_are_in_the_export(world: World) -> None:
    world.file("customers.csv", customers_csv(changes={2: {"created": "2026-09-01 10:30:00"}, 3: {"deleted": "2026-09-01 09:00:00"}}))
    world.map_text += EXPORT
    world.web("10:00", "/export.csv", 200, HEADER + 2 * ROW)
    assert world.scope().grades() == rows(1, 4)


def test_the_best_grade_wins_and_each_person_counts_once(world: World) -> None:
    world.map_text += ITEM + PAGE + EXPORT
    world.web("10:00", "/api/customers/2")
    world.web("10:01", "/list?page=1&size=3")
    world.web("10:02", "/export.csv", 200, HEADER + 5 * ROW)
    answer = world.scope()
    assert answer.grades() == {"2": "confirmed"} | rows(1, 3, 4, 5)
    assert answer.people == (1, 4, 0, 5)
    assert answer.people_rows["2"]["grade"] == "confirmed"


def test_weaker_evidence_stays_where_it_gives_further_columns(world: World) -> None:
    world.map_text += ITEM + PAGE
    world.web("10:00", "/api/customers/2")
    world.web("10:01", "/list?page=1&size=3")
    answer = world.scope()
    given = sorted((r["grade"], tuple(r["columns"])) for r in answer.exposures if r["record"] == "2")
    assert given == [("confirmed", ("name",)), ("probable", ("email", "name"))]
    kinds = {k["kind"]: (k["confirmed"], k["probable"], k["possible"], k["people"]) for k in answer.document["data_kinds"]}
    assert kinds == {"name": (1, 2, 0, 3), "email": (0, 3, 0, 3)}


def test_weaker_evidence_for_the_same_columns_is_dropped(world: World) -> None:
    world.map_text = CUSTOMERS + ITEM + PAGE + 'columns = ["name"]\n'
    world.web("10:00", "/api/customers/2")
    world.web("10:01", "/list?page=1&size=3")
    assert [r["grade"] for r in world.scope().exposures if r["record"] == "2"] == ["confirmed"]


def test_a_refused_record_that_another_request_gave_is_exposed(world: World) -> None:
    world.map_text += ITEM + PAGE
    world.web("10:00", "/api/customers/2", 403, 20)
    world.web("10:01", "/list?page=1&size=3")
    answer = world.scope()
    assert answer.grades() == rows(1, 2, 3)
    assert "refused" not in {r["reason"] for r in answer.exposures}
