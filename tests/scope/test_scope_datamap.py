"""The data map: what it accepts, and what it says of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scope.world import CUSTOMERS, EXPORT, ITEM, LOGIN, PAGE, STORE

from breachscope.errors import ContentErrors, DataMapError
from breachscope.scope import KINDS, load_datamap
from breachscope.scope.datamap import OrderTerm, canonical_address, without_credentials
from breachscope.scope.templates import TemplateError, parse_template


def load_errors(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    path = tmp_path / "datamap.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContentErrors) as caught:
        load_datamap(path)
    assert all(e.path == str(path) for e in caught.value.errors)
    return [(e.line, e.text) for e in caught.value.errors]


def test_a_whole_map_loads(tmp_path: Path) -> None:
    path = tmp_path / "datamap.toml"
    path.write_text('tz = "Asia/Tokyo"\n' + CUSTOMERS + ITEM + PAGE + EXPORT + LOGIN + STORE, encoding="utf-8")
    datamap = load_datamap(path)
    assert [r.kind for r in datamap.routes] == ["item", "page", "export", "login"]
    assert datamap.routes[0].columns == ("name",)
    assert datamap.routes[1].columns == ("name", "email")
    assert datamap.routes[1].order_by == (OrderTerm("id", False),)
    assert datamap.stores[0].hosts == ("10.0.3.5",)
    assert (datamap.tables["customers"].tz, datamap.tables["customers"].tz_assumed) == ("UTC", False)


def test_the_eleven_sensitive_heads_are_kinds() -> None:
    assert sum(kind.startswith("sensitive.") for kind in KINDS) == 11


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """tz = "Asia/Tokio"
stray = 1
[tables.customers]
source = "customers.xlsx"
key = 5
persn = "id"
[tables.customers.columns]
name = "nmae"
[[routes]]
match = "get /x/{id}"
returns = "custmers"
[[routes]]
match = "GET /list?page={page}"
returns = "customers"
kind = "page"
default = { page = 1, sise = 5 }
[[routes]]
match = "GET /s?q={_q}"
returns = "customers"
kind = "search"
[[stores]]
host = "db01"
tables = ["customers", "crads"]
"""
    told = load_errors(tmp_path, text)
    assert [line for line, _ in told] == [1, 2, 4, 5, 6, 8, 10, 11, 16, 20, 22, 23]
    texts = " | ".join(text for _, text in told)
    for part in (
        "tz 'Asia/Tokio' is no known time zone",
        "unknown key 'stray'; known here: tz, tables, routes, stores",
        "the name must end in one of .csv",
        "key must be a non-empty text",
        "unknown key 'persn'; did you mean 'person'?",
        "unknown kind of personal data 'nmae'; did you mean 'name'?",
        "must begin with a method in capitals",
        "returns an unknown table 'custmers'; did you mean 'customers'?",
        "unknown key 'sise'; did you mean 'size'?",
        "kind 'search' is not yet supported in this version",
        "host 'db01' must be an IP address",
        "unknown table 'crads'",
    ):
        assert part in texts


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("", 1, "names no customer table"),
        ('[tables.t]\nkey = "id"\n', 1, "source is missing"),
        ('tables = "x"\n', 1, "tables must be a table"),
        ('[tables.t]\nsource = "t.csv"\nkey = "id"\nencoding = "sjis"\n', 4, "encoding must be one of utf-8, utf-16, cp932"),
        ('[tables.t]\nsource = "t.csv"\nkey = "id"\ndelimiter = "ab"\n', 4, "delimiter must be one ASCII character"),
        ('[tables.t]\nsource = "t.parquet"\nkey = "id"\nencoding = "utf-8"\n', 4, "encoding means nothing for the source"),
        ('[tables.t]\nsource = "t.csv"\nkey = "id"\ntable = "x"\n', 4, "table means nothing for the source"),
        ('[tables.t]\nsource = "mysql://h/d"\nkey = "id"\n', 2, "'mysql' databases are not supported"),
        ('[tables.t]\nsource = "postgresql://u:hunter2@h/d"\nkey = "id"\n', 2, "a password does not belong in the map"),
        ('[tables.t]\nsource = "postgresql://h/d?password=hunter2"\nkey = "id"\n', 2, "a password does not belong in the map"),
        (CUSTOMERS + '[[routes]]\nmatch = "GET /all"\nreturns = "customers"\n', 11, "kind is missing"),
        (CUSTOMERS + '[[routes]]\nmatch = "GET /all?page={page}"\nreturns = "customers"\n', 11, "perhaps 'page'"),
        (CUSTOMERS + '[[routes]]\nmatch = "GET /all"\nreturns = "customers"\nkind = "item"\n', 12, "an item route needs a slot"),
        (CUSTOMERS + '[[routes]]\nmatch = "GET /{id}"\nreturns = "customers"\nkind = "export"\n', 12, "a route of kind export takes no slots but '{_}'"),
        (CUSTOMERS + PAGE.replace('order_by = "id"\n', ""), 11, "order_by is missing"),
        (CUSTOMERS + PAGE.replace("&size={size}", "").replace("default = { size = 3 }\n", ""), 11, "the number of rows of a page is unknown"),
        (CUSTOMERS + PAGE.replace("size={size}", "limit={limit}"), 12, "use either {page} and {size} or {offset} and {limit}"),
        (CUSTOMERS + ITEM + 'order_by = "id"\n', 15, "unknown key 'order_by'"),
        (CUSTOMERS + EXPORT + 'header = "yes"\n', 19, "header must be true or false"),
        (CUSTOMERS + EXPORT.replace('format = "csv"\n', "") + "header = true\n", 18, "header means nothing without format"),
        (CUSTOMERS + LOGIN.replace('user_column = "email"\n', ""), 11, "user_column is missing"),
        (CUSTOMERS + LOGIN + "success = [404]\n", 15, "success must be a list of status codes between 200 and 399"),
        (CUSTOMERS + ITEM.replace('["name"]', '["name", "name"]'), 14, "columns names one column twice"),
        (CUSTOMERS + '[[stores]]\nhost = "10.0.0.1"\n', 11, "tables is missing"),
        (CUSTOMERS + "[routes]\nx = 1\n", 11, "routes must be an array of tables"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_sentence(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    told = load_errors(tmp_path, text)
    assert len(told) == 1, told
    assert told[0][0] == line
    assert complaint in told[0][1]
    assert "hunter2" not in told[0][1]


def test_invalid_toml_and_absent_files_name_the_map(tmp_path: Path) -> None:
    with pytest.raises(DataMapError, match="cannot be read"):
        load_datamap(tmp_path / "absent.toml")
    path = tmp_path / "datamap.toml"
    path.write_text("[tables.x]\nkey = \n")
    with pytest.raises(DataMapError, match=r"datamap\.toml:2: not valid TOML"):
        load_datamap(path)


def test_variables_in_urls_are_no_passwords(tmp_path: Path) -> None:
    path = tmp_path / "datamap.toml"
    path.write_text('[tables.t]\nsource = "postgresql://${USER_NAME}:${SECRET}@h/d"\nkey = "id"\n')
    assert load_datamap(path).tables["t"].source == "postgresql://${USER_NAME}:${SECRET}@h/d"


def test_addresses_are_compared_in_one_spelling() -> None:
    assert canonical_address("::FFFF:10.0.3.5") == "10.0.3.5"
    assert canonical_address("2001:DB8:0::1") == "2001:db8::1"


def test_no_credential_is_ever_shown() -> None:
    assert without_credentials("postgresql://u:p@h:1/d?password=p") == "postgresql://h:1/d"
    assert without_credentials("postgresql://u:p%40@h/d") == "postgresql://h/d"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("/x", "must begin with a method"),
        ("GET x", "must begin with '/'"),
        ("GET /a b", "must not contain spaces"),
        ("GET /{a", "braces"),
        ("GET /{}", "a slot needs a name"),
        ("GET /{a}/{a}", "stands twice"),
        ("GET /x?={a}", "an argument of the query needs a name"),
        ("GET /x?a=1{b}", "either a slot or fixed text"),
        ("GET /x?a=1&a={b}", "argument 'a' stands twice"),
        ("GET /{a?b}", "braces"),
    ],
)
def test_a_template_that_cannot_be_understood_says_why(text: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        parse_template(text)
