"""What paths, arguments, agents and addresses are taken to mean."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.detect.building import make_case, web

from breachscope.detect.sandbox import Relations, Sandbox, open_sandbox
from breachscope.schema import EVENT_TABLES

SQL = Path("test.sql")


def word(sandbox: Sandbox, expression: str, text: str) -> object:
    return sandbox.fetch(f"SELECT {expression}", SQL, {"text": text}).column(0).to_pylist()[0]


@pytest.mark.parametrize("text", ["812", "-5", "812.json", "0b9f2a4e", "550e8400-e29b-41d4-a716-446655440000", "a@example.jp", "a%40example.jp"])
def test_numbers_uuids_hex_and_mail_addresses_are_slots(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_slot($text)", text) is True


@pytest.mark.parametrize("text", ["checkout", "index.html", "v2", "facade", "deadbeef", "accessed", ""])
def test_words_are_no_slots(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_slot($text)", text) is False


@pytest.mark.parametrize(
    "text",
    ["10.0.3.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"],
)
def test_internal_addresses(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_internal($text)", text) is True


@pytest.mark.parametrize(
    "text", ["203.0.113.66", "172.32.0.1", "172.15.0.1", "100.64.0.1", "2001:db8::9", "fcm.example", "1.10.0.1", "::ffff:203.0.113.9", "fe00::1"]
)
def test_public_carrier_and_named_addresses_are_not_internal(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_internal($text)", text) is False


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36", "chrome/windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0", "edge/windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1", "safari/ios"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "googlebot"),
        ("python-requests/2.31.0", "python-requests"),
        ("", "none"),
    ],
)
def test_agents_fall_into_families(sandbox: Sandbox, agent: str, family: str) -> None:
    assert word(sandbox, "ua_family($text)", agent) == family


@pytest.mark.parametrize(
    "text",
    [
        "id=1' or '1'='1",
        "id=1 or 1=1",
        "id=1 union select 1,2",
        "id=1/**/union/**/all/**/select 1",
        "id=1' and sleep(5)--",
        "user=admin'--",
        "id=1; drop table users",
        "id=1 and 1=2",
        "id=1 waitfor delay '0:0:5'",
        "id=-1 or id is not null",
        "id=(select count(*) from information_schema.tables)",
    ],
)
def test_injections_are_recognised(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_sqli($text)", text) is True


@pytest.mark.parametrize(
    "text",
    [
        "q=rock and roll",
        "q=select a gift from our union",
        "name=o'brien and sons",
        "q=don't and won't",
        "q=terms and conditions=yes",
        "sort=name&order=asc&limit=10",
        "q=drop shipping; create account",
        "title=cat's and dog's",
        "q=black or white",
    ],
)
def test_ordinary_words_are_no_injections(sandbox: Sandbox, text: str) -> None:
    assert word(sandbox, "is_sqli($text)", text) is False


def targets(tmp_path: Path, *urls: str, columns: str) -> list[tuple[object, ...]]:
    """Columns of relation targets for each of ``urls``, in their order."""
    case = make_case(tmp_path / "case", ("web", [web(n, "192.0.2.9", url) for n, url in enumerate(urls)]))
    files = {table: case.event_files(table) for table in EVENT_TABLES}
    with case.scratch() as scratch, open_sandbox(files, scratch, allowed=[case.path / "events/web"], threads=1) as sandbox:
        Relations(sandbox).need(frozenset({"targets", "requests"}))
        rows = sandbox.fetch(f"SELECT {columns} FROM requests JOIN targets USING (target_id) ORDER BY event_id", SQL)
        return list(zip(*(c.to_pylist() for c in rows.columns), strict=True))


def test_templates_name_slots_in_path_and_arguments(tmp_path: Path) -> None:
    assert targets(
        tmp_path, "/api/customers/812", "/api/orders/A7/items/3.json?b=x&a=12", "/item?id=5&t=1772414104", columns="template, endpoint, slot, slot_number"
    ) == [
        ("/api/customers/{id}", "/api/customers/{id}", "812", 812),
        ("/api/orders/A7/items/{id}.json?a={id}&b=x", "/api/orders/A7/items/{id}.json?a&b", "3.json/12", 3),
        ("/item?id={id}", "/item?id", "5", 5),
    ]


def test_more_than_fifty_values_in_one_place_make_a_slot(tmp_path: Path) -> None:
    rows = targets(
        tmp_path, *(f"/shop/item-{chr(97 + n // 26)}{chr(97 + n % 26)}/view" for n in range(51)), columns="DISTINCT ON (template) template, event_id"
    )
    assert [template for template, _ in rows] == ["/shop/{id}/view"]


def test_fifty_values_in_one_place_stay_words(tmp_path: Path) -> None:
    rows = targets(tmp_path, *(f"/shop/item-{chr(97 + n // 26)}{chr(97 + n % 26)}/view" for n in range(50)), columns="template")
    assert len(set(rows)) == 50


def test_pages_are_told_from_objects(tmp_path: Path) -> None:
    assert targets(tmp_path, "/admin/customers?page=3&size=50", "/admin/customers?size=50&page=4", "/list/page/7", columns="slot, page_value, page_group") == [
        ("50", "3", "/admin/customers?size=50"),
        ("50", "4", "/admin/customers?size=50"),
        ("7", "7", "/list/page/{id}?"),
    ]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("/a?q=%2527%20or", "q=' or"),
        ("/a?q=%252527", "q='"),
        ("/a?q=1+OR+1", "q=1 or 1"),
        ("/a?q=%u0027%uff1c", "q='<"),
        ("/a?q=&#39;&#x3c;&lt;", "q='<<"),
        ("/a?q=%c0%a7%e0%80%af", "q='/"),
        ("/a?q=%83%5c", "q=\ufffd\\"),
        ("/a?q=%E9%A1%A7%E5%AE%A2", "q=顧客"),
        ("/a?q=100%", "q=100%"),
    ],
)
def test_arguments_are_decoded_in_three_rounds(tmp_path: Path, url: str, plain: str) -> None:
    assert targets(tmp_path, url, columns="plain_query") == [(plain,)]


def test_a_fourth_round_is_not_undone(tmp_path: Path) -> None:
    assert targets(tmp_path, "/a?q=%25252527", columns="plain_query") == [("q=%27",)]


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_arguments_are_opened(tmp_path: Path, encode: object) -> None:
    assert callable(encode)
    value = encode(b"1 UNION SELECT 2>?").decode().rstrip("=")
    ((plain,),) = targets(tmp_path, f"/a?q={value}", columns="plain_query")
    assert str(plain).endswith(" 1 union select 2>?")


def test_paths_are_decoded_and_kept_raw(tmp_path: Path) -> None:
    assert targets(tmp_path, "/d/%252e%252e%252fetc/%c0%ae", columns="path, plain_path") == [("/d/%252e%252e%252fetc/%c0%ae", "/d/../etc/.")]
