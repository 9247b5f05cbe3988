"""Drafting a map and checking one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.scope.world import CUSTOMERS, ITEM, PAGE, STORE, World, customers_csv

from breachscope.errors import TableError
from breachscope.scope import check_map, init_map, load_datamap
from breachscope.scope.drafting import _guess_kind, _is_card_number, _is_my_number


def used(world: World) -> None:
    for number in range(1, 9):
        world.web("10:00", f"/api/customers/{number}")
        world.web("10:01", f"/products/{number}", by=None)
    world.web("10:02", "/admin/customers?page=1&per_page=3")
    world.web("10:03", "/export/customers.csv")
    world.web("10:04", "/api/customers/99", 404, 20)
    world.web("10:05", "/img/logo.png", by=None)
    world.flow("10:06", "10.0.3.5", "203.0.113.66", 5000)


def test_a_draft_describes_tables_and_urls_and_loads(world: World) -> None:
    used(world)
    case = world.build()
    draft = init_map(case, [world.folder / "customers.csv"], world.folder)
    datamap = load_datamap(world.file("draft.toml", draft))
    table = datamap.tables["customers"]
    assert (table.source, table.key, table.person, table.created) == ("customers.csv", "id", "id", "created")
    assert dict(table.columns) == {"id": "identifier", "name": "name", "email": "email"}
    assert [(r.match, r.kind) for r in datamap.routes] == [
        ("GET /api/customers/{id}", "item"),
        ("GET /admin/customers?page={page}&per_page={size}", "page"),
        ("GET /export/customers.csv", "export"),
    ]
    assert "GET /products/{id}" in draft
    assert 'host   = "10.0.3.5"    # 5,000 bytes sent' in draft
    assert "logo" not in draft


def test_ids_that_are_no_keys_of_the_table_give_no_route(world: World) -> None:
    for number in range(100, 110):
        world.web("10:00", f"/api/customers/{number}")
    draft = init_map(world.build(), [world.folder / "customers.csv"], world.folder)
    assert "[[routes]]" not in draft


def test_japanese_columns_and_values_are_understood(world: World) -> None:
    text = "会員番号,氏名,フリガナ,生年月日,住所,電話番号,備考x,連絡先,カード\nM001,田中,タナカ,1990-01-02,東京都,03-1234-5678,,a@example.jp,4111111111111111\n"
    text += "M002,鈴木,スズキ,1991-01-02,大阪府,090-1234-5678,,b@example.jp,5500005555555559\n"
    world.file("会員.csv", text, "cp932")
    draft = init_map(world.build(), [world.folder / "会員.csv"], world.folder)
    table = load_datamap(world.file("draft.toml", draft)).tables["会員"]
    assert (table.key, table.person) == ("会員番号", "会員番号")
    assert dict(table.columns) == {
        "会員番号": "identifier",
        "氏名": "name",
        "フリガナ": "name",
        "生年月日": "birth_date",
        "住所": "address",
        "電話番号": "phone",
        "備考x": "communication",
        "連絡先": "email",
        "カード": "card_number",
    }


def test_hostile_names_and_urls_still_draft_a_map_that_loads(world: World) -> None:
    world.file('we "ird] = \n.csv'.replace("\n", ""), 'id,"na""me = 1]","x\\y",名前\n1,a,b,c\n')
    world.web("10:00", "/we/%22%5D%0A%1b[2J/{x}?{y}=1&a\x1bb=2")
    world.web("10:00", "/a\x1b[2J/{id}/7?page=1&<script>=1")
    draft = init_map(world.build(), [world.folder / 'we "ird] = .csv', world.folder / "customers.csv"], world.folder)
    assert "\x1b" not in draft
    assert set(load_datamap(world.file("draft.toml", draft)).tables) == {'we "ird] = ', "customers"}


def test_sources_are_written_relative_to_the_map(world: World) -> None:
    folder = world.folder / "maps"
    folder.mkdir()
    draft = init_map(world.build(), [world.folder / "customers.csv"], folder)
    assert f'source  = "{os.path.join("..", "customers.csv")}"' in draft  # noqa: PTH118  # what a map holds is text


def test_two_files_of_one_name_become_two_tables(world: World) -> None:
    other = world.folder / "other"
    other.mkdir()
    (other / "customers.csv").write_text(customers_csv(2))
    draft = init_map(world.build(), [world.folder / "customers.csv", other / "customers.csv"], world.folder)
    assert list(load_datamap(world.file("draft.toml", draft)).tables) == ["customers", "customers_2"]


def test_a_table_that_cannot_be_read_is_an_error(world: World) -> None:
    with pytest.raises(TableError, match="does not exist"):
        init_map(world.build(), [Path("absent.csv")], world.folder)


@pytest.mark.parametrize(("text", "valid"), [("4111111111111111", True), ("4111 1111 1111 1111", True), ("4111111111111112", False), ("1234", False)])
def test_card_numbers_need_their_check_digit(text: str, *, valid: bool) -> None:
    assert _is_card_number(text) is valid


@pytest.mark.parametrize(("text", "valid"), [("123456789018", True), ("123456789012", False), ("12345678901", False)])
def test_individual_numbers_need_their_check_digit(text: str, *, valid: bool) -> None:
    assert _is_my_number(text) is valid


def test_twelve_digits_without_check_digit_are_no_my_number() -> None:
    assert _guess_kind("code", ["123456789012", "123456789013"]) is None


def test_check_counts_what_matches_and_what_does_not(world: World) -> None:
    used(world)
    world.map_text += ITEM + PAGE + STORE
    case = world.build()
    check = check_map(case, load_datamap(world.file("datamap.toml", world.map_text)))
    item, page = check.routes
    assert (item.requests, item.returned, item.keys_asked, item.keys_found) == (9, 8, 9, 8)
    assert (page.requests, page.returned, page.keys_asked) == (0, 0, None)
    assert (check.stores[0].flows, check.stores[0].bytes_sent) == (1, 5000)
    assert (check.tables[0].rows, check.tables[0].people) == (10, 10)
    assert [t.match for t in check.unmatched] == ["GET /products/{id}", "GET /admin/customers?page={page}&per_page={per_page}", "GET /export/customers.csv"]
    text = check.text()
    assert "route GET /api/customers/{id}: 9 requests, 8 answered 2xx, 8 of 9 keys in customers" in text
    assert "route GET /list?page={page}&size={size}: no log shows any request" in text
    assert check.as_json()["routes"]


def test_a_draft_and_its_check_count_the_same_requests(world: World) -> None:
    used(world)
    world.web("10:07", "/admin/customers")
    world.web("10:08", "/admin/customers?page=2&per_page=3&sort=name")
    world.web("10:09", "/admin/customers?page=3&per_page=3", 403, 20)
    case = world.build()
    draft = init_map(case, [world.folder / "customers.csv"], world.folder)
    check = check_map(case, load_datamap(world.file("draft.toml", draft)))
    for route in check.routes:
        head = f"{route.requests:,} request{'s' if route.requests > 1 else ''}, {route.returned:,} answered 2xx"
        assert f"[[routes]]    # {head}\nmatch" in draft
        assert f"route {route.match}: {head}" in check.text()
    assert '[[routes]]    # 4 requests, 3 answered 2xx\nmatch    = "GET /admin/customers?page={page}&per_page={size}"' in draft
    assert '[[routes]]    # 1 request, 1 answered 2xx\nmatch   = "GET /export/customers.csv"' in draft


def test_one_of_a_thing_is_told_in_the_singular(world: World) -> None:
    world.file("customers.csv", customers_csv(1))
    world.map_text += ITEM + STORE
    world.web("10:00", "/api/customers/1")
    world.web("10:00", "/other")
    world.flow("10:06", "10.0.3.5", "203.0.113.66", 1)
    text = check_map(world.build(), load_datamap(world.file("datamap.toml", world.map_text))).text()
    assert "table customers: 1 row, 1 person" in text
    assert "1 request, 1 answered 2xx, 1 of 1 key in customers" in text
    assert "1 flow, 1 byte sent" in text
    assert "GET /other: 1 answer, 1 URL" in text


def test_check_of_a_case_without_logs_says_so(world: World) -> None:
    world.map_text = CUSTOMERS + ITEM + STORE
    check = check_map(world.build(), load_datamap(world.file("datamap.toml", world.map_text)))
    assert "no log shows any request" in check.text()
    assert "no log shows it" in check.text()
