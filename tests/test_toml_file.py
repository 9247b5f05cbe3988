from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.errors import DataMapError, FormatError
from breachscope.toml_file import TomlFile

DOCUMENT = '''# a map
tz = "Asia/Tokyo"

[tables.customers]
key = "id"   # "not a key = 3"
note = """
[tables.fake]
key = 1 ""\\"
"""
[tables.customers.columns]
"full name" = "name"

[[routes]]
match = "GET /a?x={x}"
default = { page = 1, size = { a = 2 } }
columns = [
  "a",
  # comment ]
  'b',
]
[[routes]]
match = 'GET /b'
[routes.more]
deep.key = 1979-05-27T07:32:00Z
[[routes.slots]]
name = 1
[[routes.slots]]
name = 2
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("tz",), 2),
        (("tables",), 4),
        (("tables", "customers"), 4),
        (("tables", "customers", "key"), 5),
        (("tables", "customers", "note"), 6),
        (("tables", "customers", "columns"), 10),
        (("tables", "customers", "columns", "full name"), 11),
        (("routes",), 13),
        (("routes", 0), 13),
        (("routes", 0, "match"), 14),
        (("routes", 0, "default", "size", "a"), 15),
        (("routes", 0, "columns"), 16),
        (("routes", 0, "columns", 0), 17),
        (("routes", 0, "columns", 1), 19),
        (("routes", 1), 21),
        (("routes", 1, "match"), 22),
        (("routes", 1, "more", "deep", "key"), 24),
        (("routes", 1, "slots", 0, "name"), 26),
        (("routes", 1, "slots", 1, "name"), 28),
    ],
)
def test_line_of_names_the_line_where_the_key_stands(keys: tuple[str | int, ...], line: int) -> None:
    assert TomlFile.parse(DOCUMENT, Path("m.toml")).line_of(*keys) == line


def test_line_of_a_missing_key_is_the_line_of_its_table() -> None:
    document = TomlFile.parse(DOCUMENT, Path("m.toml"))
    assert document.line_of("routes", 1, "kind") == 21
    assert document.line_of("nowhere") == 1


def test_windows_line_ends_and_bom_do_not_shift_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(b"\xef\xbb\xbf" + DOCUMENT.replace("\n", "\r\n").encode())
    assert TomlFile.load(path).line_of("routes", 1, "slots", 1, "name") == 28


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = = 2\n", 2),
        ("a = 1\na = 2\n", 2),
        ("[t]\nx = 1\n[t]\n", 3),
        ('a = 1\nb = "open', 2),
        ("a = [1,\n2", 2),
    ],
)
def test_invalid_toml_names_its_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        TomlFile.load(path, FormatError)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataMapError, match="cannot be read: No such file"):
        TomlFile.load(tmp_path / "absent.toml")
    with pytest.raises(DataMapError, match="cannot be read: Is a directory"):
        TomlFile.load(tmp_path)
    latin = tmp_path / "sjis.toml"
    latin.write_bytes("a = 1\nb = '表'\n".encode("cp932"))
    with pytest.raises(DataMapError, match=r"sjis\.toml:2: is not UTF-8"):
        TomlFile.load(latin)


def test_deep_nesting_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(DataMapError):
        TomlFile.load(path)


_values = st.recursive(
    st.one_of(
        st.integers(-5, 5).map(str),
        st.sampled_from(["true", "1.5", "''", '"a]b}c,#"', "'''x\ny'''", '"""q"" \\" \n"""', '"""z"""""', "''''''", "1979-05-27 07:32:00"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n # c ]\n" + ",\n".join(items) + "]"),
        st.lists(inner, max_size=3).map(lambda items: "{" + ", ".join(f"k{i} = {v}" for i, v in enumerate(items) if "\n" not in v) + "}"),
    ),
    max_leaves=8,
)


@given(st.lists(_values, max_size=6))
def test_every_key_of_a_generated_document_is_found_on_its_line(values: list[str]) -> None:
    text, expected = "", {}
    for number, value in enumerate(values):
        expected[f"top{number}"] = text.count("\n") + 1
        text += f"top{number} = {value} # end\n"
    document = TomlFile.parse(text, Path("g.toml"))
    assert {key: document.line_of(key) for key in document.data} == expected
