"""The tables of one-pass expressions and the machine code that runs them, against Python's own ``re`` and plain loops."""

from __future__ import annotations

import ipaddress
import re
import shutil
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.ingest import load_formats
from breachscope.ingest.columns import NULL_TEXTS
from breachscope.ingest.keys import pairs_as_keys
from breachscope.ingest.native import UNNAMED, Caught, Kind, Wanted, catch, days_begin, find_lines, has_mark, is_built, survey
from breachscope.ingest.onepass import one_pass, refuting

needs_machine_code = pytest.mark.skipif(not is_built(), reason="the package was built without a C compiler")

ATOMS = ("a", "b", " ", "-", "é", "日", r"\.", "[ab]", "[^a ]", '[^"\\\\]', "[0-9]", "[!-~]", "[-a-z]", r"\d", r"\S", ".")
TEXTS = st.text(alphabet=list('ab -é日."\\3\u3000\t\x7f'), max_size=12) | st.text(alphabet=list("ab-~! "), max_size=40)
BEHIND = st.sampled_from(["", "a" * 64, "-" * 31])


def regexes() -> st.SearchStrategy[str]:
    """Expressions of the kind that formats use; most have several readings and so no table."""
    repeats = st.sampled_from(("", "", "", "?", "*", "+", "{2}", "{1,2}"))
    atoms = st.sampled_from(ATOMS)
    inner = st.recursive(
        atoms,
        lambda part: st.one_of(
            st.tuples(part, part).map("".join),
            st.tuples(part, part).map(lambda two: f"(?:{two[0]}|{two[1]})"),
            st.tuples(part, repeats).map(lambda two: f"(?:{two[0]}){two[1]}"),
            part.map(lambda one: f"(?P<#>{one})"),
        ),
        max_leaves=6,
    )
    return inner.map(_numbered)


def _numbered(regex: str) -> str:
    numbers = count()
    return re.sub("#", lambda _: f"g{next(numbers)}", regex)


def caught(regex: str, texts: list[str], wanted: list[Wanted] | None = None, without: str = "", behind: str = "") -> Caught | None:
    """What is caught in texts; where more stands ``behind`` them, machine code may look at many of their bytes in one go."""
    program = one_pass(regex, without)
    if program is None:
        return None
    held = [text.encode() for text in texts]
    data = b"".join(held) + behind.encode()
    ends = np.cumsum([len(text) for text in held], dtype=np.int64)
    starts = ends - np.array([len(text) for text in held], np.int64)
    return catch(data, starts, ends, program, [Wanted(g, Kind.TEXT) for g in program.groups] if wanted is None else wanted)


@needs_machine_code
@settings(max_examples=200)
@given(regexes(), st.lists(TEXTS, min_size=1, max_size=8), st.booleans(), BEHIND)
def test_what_matches_is_what_re_finds(regex: str, texts: list[str], is_whole: bool, behind: str) -> None:
    regex = f"^{regex}$" if is_whole else f"^{regex}"
    found = caught(regex, texts, behind=behind)
    if found is None:
        return
    compiled = re.compile(regex)
    of_text = dict(zip(found.texts.tolist(), range(len(texts)), strict=False))
    for number, text in enumerate(texts):
        wanted = compiled.match(text)
        if number in of_text:
            assert wanted is not None
            assert {g: s.to_list()[of_text[number]] for g, s in found.columns.items()} == wanted.groupdict()
        elif text.isascii() and (program := one_pass(regex)) is not None and program.is_exact:
            assert wanted is None  # what stands beyond ASCII may be left to the slower way


@needs_machine_code
@settings(max_examples=40)
@given(regexes(), regexes(), st.lists(TEXTS | st.sampled_from(["A", "ab B", "\u212a", "a\u017f", "KS"]), min_size=1, max_size=8))
def test_letters_of_both_cases_match_as_re_has_them(first: str, rest: str, texts: list[str]) -> None:
    first, rest = (re.sub(r"\(\?P<\w+>", "(?:", part) for part in (first, rest))
    regex = f"^{first}(?P<g>(?i){rest}[k-s]?)$"
    found = caught(regex, texts)
    if found is None:
        return
    wanted = [re.match(f"^{first}(?P<g>(?i:{rest}[k-s]?))$", text) if text.isascii() else None for text in texts]
    assert found.texts.tolist() == [n for n, match in enumerate(wanted) if match]
    assert found.columns["g"].to_list() == [match["g"] for match in wanted if match]


@needs_machine_code
@settings(max_examples=40)
@given(regexes(), regexes(), st.lists(TEXTS, min_size=1, max_size=8), st.booleans())
def test_what_is_refuted_is_what_re_refuses(first: str, rest: str, texts: list[str], is_whole: bool) -> None:
    regex = _numbered(re.sub(r"P<\w+>", "P<#>", rf"^{first}\b{rest}")) + "$" * is_whole
    program = refuting(regex, "\\")
    if program is None:
        return
    ends = np.cumsum([len(text.encode()) for text in texts], dtype=np.int64)
    found = catch("".join(texts).encode(), np.concatenate([[0], ends[:-1]]), ends, program, [])
    for text in set(texts) - {texts[n] for n in found.texts}:
        if text.isascii() and "\\" not in text and program.is_exact:
            assert not re.match(regex, text)


FIELDS = st.lists(st.sampled_from(["", "", "a", "ab", "0123456789", "é", "a b", '"a,b"', '""', '"', "-" * 20, '"a""b"']), min_size=1, max_size=40)


@needs_machine_code
@settings(max_examples=100)
@given(
    st.lists(FIELDS.map(",".join), min_size=1, max_size=6), st.sampled_from(["[^,]*", "[!-+./-~]*", '(?:[^",]*|(?:"[^"]*")+)', '(?:"[^"]*"|[^",]*)', "[^,]+"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=3), st.booleans(), BEHIND,
)  # fmt: skip
def test_fields_that_nobody_wants_are_passed_over_as_re_does(texts: list[str], field: str, gaps: list[int], is_whole: bool, behind: str) -> None:
    regex = "^" + "".join(f"(?:{field},){{{gap}}}(?P<g{n}>[^,]*)," for n, gap in enumerate(gaps)) + (f"{field}$" if is_whole else "")
    same_as_re(regex, texts, behind)


def same_as_re(regex: str, texts: list[str], behind: str) -> None:
    """Check an expression that has tables and that is not stopped by what stands beyond ASCII."""
    found = caught(regex, texts, behind=behind)
    assert found is not None
    wanted = [re.match(regex, text) for text in texts]
    assert found.texts.tolist() == [n for n, match in enumerate(wanted) if match]
    assert [dict(zip(found.columns, row, strict=True)) for row in zip(*found.columns.values(), strict=True)] == [m.groupdict() for m in wanted if m]


@needs_machine_code
@settings(max_examples=100)
@given(
    st.lists(st.text(alphabet=list('aZ09-_.,:"é日\x7f\x01 '), max_size=70), min_size=1, max_size=6),
    st.sampled_from(["[!-~]", "[^,]", "[0-9a-z:.]", '[^ "]', "[A-Za-z_-]"]), BEHIND,
)  # fmt: skip
def test_bytes_of_one_kind_are_passed_over_as_re_does(texts: list[str], kind: str, behind: str) -> None:
    same_as_re(f"^(?P<a>{kind}*)", texts, behind)


@needs_machine_code
@pytest.mark.parametrize(
    ("regex", "text"),
    [
        ("^(?P<a>[0-9a-z]+)(?P<b>;)?", "0123456789abcdefghijklmnopqrstuvwxyz;;"),
        ('^(?:(?:[^",]*|(?:"[^"]*")+),){9}(?P<a>[^,]*)', "a,bcd,,,,efghij,,,klmnop,,,qrst"),
        ("^<20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?P<a>Z?)", "<2026-11-22 12:34ZZZ"),
    ],
)
def test_what_stands_behind_a_text_is_no_part_of_it(regex: str, text: str) -> None:
    for length in range(len(text) + 1):
        same_as_re(regex, [text[:length]], text[length:] + "z" * 64)


MOMENTS = st.from_regex(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{4})", fullmatch=True)
DAMAGE = st.tuples(st.integers(0, 60), st.sampled_from(["", "x", "é", "9", "-", ":", "\x80"]))


@needs_machine_code
@settings(max_examples=100)
@given(
    st.lists(st.tuples(MOMENTS, MOMENTS, st.none() | DAMAGE), min_size=1, max_size=6),
    st.sampled_from([",[0-9a-f]{40}", "", "[A-Z]{4}", "(?P<z>[^;]*);"]),
    BEHIND,
)
def test_bytes_that_must_be_there_are_passed_over_as_re_does(written: list[tuple[str, str, tuple[int, str] | None]], rest: str, behind: str) -> None:
    moment = "20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{4})"
    ends = {",[0-9a-f]{40}": "," + "0123456789abcdef" * 2 + "01234567", "": "", "[A-Z]{4}": "GMTX", "(?P<z>[^;]*);": "any text 日本;"}
    texts = [f"<{first}> {second}{ends[rest]}" for first, second, _ in written]
    for n, (_, _, damage) in enumerate(written):
        if damage:  # one character left out, and another in its place
            texts[n] = texts[n][: damage[0]] + damage[1] + texts[n][damage[0] + 1 :]
    same_as_re(f"^<(?P<a>{moment})> {moment}{rest}$", texts, behind)


@pytest.mark.parametrize(
    "regex", ["a", "^a|b$", "^(?P<a>.*)(?P<b>.*)$", "(?i)^a$", r"^a\b$", "^(?=a)a$", "^(a)$", "^a++$", "^[[:alpha:]]$", "^(?:a|(?P<x>a)b)c$"]
)
def test_no_table_where_more_than_one_way_goes_on_or_the_syntax_is_not_known(regex: str) -> None:
    assert one_pass(regex) is None


def test_no_table_where_the_groups_are_more_than_there_is_room_for() -> None:
    regex = "^{}$".format("".join(f"(?P<g{n}>a)" for n in range(127)))
    assert one_pass(regex) is not None
    assert one_pass(f"{regex[:-1]}(?P<more>a)$") is None


def test_the_formats_of_access_logs_have_tables() -> None:
    catalog = load_formats()
    for name in ("combined", "common", "vhost_combined", "combined_extra"):
        assert one_pass(catalog[name].patterns[0].regex or "", without="\\") is not None, name


@needs_machine_code
@given(st.lists(st.sampled_from(["0", "7", "65535", "65536", "-", "", "+1", "01", "1.0", "९", "9" * 18, "9" * 19, "-1", "1 "]), min_size=1, max_size=9))
def test_numbers_are_digits_up_to_the_largest_or_nothing(texts: list[str]) -> None:
    found = caught("^(?P<n>.*)$", texts, [Wanted("n", Kind.NUMBER, (), 65535, 4)])
    assert found is not None
    plain = [(n, int(t) if t not in ("", "-") else None) for n, t in enumerate(texts) if re.fullmatch("[0-9]{1,18}|-|", t, re.ASCII)]
    expected = [(n, value) for n, value in plain if value is None or value <= 65535]
    assert list(zip(found.texts.tolist(), found.columns["n"].to_list(), strict=True)) == expected


ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda a: a.exploded.upper()),
    st.ip_addresses(v=4).map(lambda a: f"::ffff:{a}"),
    st.sampled_from(["1.2.3.4:80", "[2001:DB8::9]:443", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "host.example", "-", "", "1.2.3.4."]),
    st.from_regex(r"(?:25[0-9]|[0-9]{1,2}|[013]?[0-9]{2})(?:[.,](?:25[0-9]|[0-9/:]{1,2}|[013]?[0-9]{2})){2,4}", fullmatch=True),
)


@needs_machine_code
@given(st.lists(ADDRESSES, min_size=1, max_size=9), BEHIND)
def test_addresses_have_one_spelling(texts: list[str], behind: str) -> None:
    found = caught("^(?P<a>.*)$", texts, [Wanted("a", Kind.ADDRESS)], behind=behind)
    assert found is not None
    assert found.columns["a"].to_list() == [_canonical(text) for text in texts]


def _canonical(text: str) -> str | None:
    if text in NULL_TEXTS:
        return None
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text.partition(":")[0] if text.count(":") == 1 else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


@needs_machine_code
@given(st.lists(st.sampled_from(["", "-", "t1", "t2", "a longer text 1", "a longer text 2"]), min_size=1, max_size=12))
def test_runs_are_neighbours_with_the_same_text(texts: list[str]) -> None:
    found = caught("^(?P<t>.*)$", texts, [Wanted("t", Kind.RUN), Wanted("t", Kind.TOLD), Wanted("t", Kind.PLACE)])
    assert found is not None
    begins = [n for n in range(len(texts)) if n == 0 or texts[n] != texts[n - 1]]
    assert found.runs["t"].tolist() == [sum(b <= n for b in begins) - 1 for n in range(len(texts))]
    assert (found.places["t"][:, 1] - found.places["t"][:, 0]).tolist() == [len(t) for t in texts]


SHORT = st.text(alphabet=list("ab1é日- "), max_size=4) | st.text(alphabet=list("ab1"), min_size=28, max_size=70)


@needs_machine_code
@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["12:30", "12:31", "", "x"]), SHORT, SHORT, SHORT), min_size=1, max_size=8),
    st.sampled_from([" ", ", ", '" "', "; a=", "|", "]: [["]),
    BEHIND,
)
def test_fields_with_little_between_them_are_as_re_has_them(rows: list[tuple[str, ...]], between: str, behind: str) -> None:
    first, gap = re.escape(between[0]), re.escape(between)
    regex = f"^(?P<t>[0-9]+:(?P<m>[0-9]*)){gap}(?P<a>[^{first}]*){gap}(?P<b>(?:[ab]|[0-9])+(?:-)?){gap}#?(?P<c>(?P<d>[^{first}#]+))$"
    texts = [between.join(row) for row in rows]
    same_as_re(regex, texts, behind)
    found = caught(regex, texts, [Wanted("t", Kind.RUN), *(Wanted(g, Kind.TEXT) for g in "mabcd")], behind=behind)
    assert found is not None
    wanted = [m for text in texts if (m := re.match(regex, text))]
    assert [found.columns["t"].to_list()[n] for n in found.runs["t"].tolist()] == [m["t"] for m in wanted]
    assert {g: found.columns[g].to_list() for g in "mabcd"} == {g: [m[g] for m in wanted] for g in "mabcd"}


@needs_machine_code
@given(
    st.lists(st.tuples(st.sampled_from(["", "-", "t1", "x" * 12, "x" * 13, "x" * 12 + "y", "y" + "x" * 12, "x" * 200]), st.sampled_from(["?", ""])), min_size=1)
)
def test_texts_of_a_column_of_few_share_values(rows: list[tuple[str, str]]) -> None:
    texts = [f"{a} {b}{a if b else ''}" for a, b in rows]
    found = caught("^(?P<a>[^ ]*) (?P<b>[?][^ ]*)?$", texts, [Wanted("a", Kind.FEW), Wanted("b", Kind.FEW)])
    assert found is not None
    for name, expected in (("a", [a for a, _ in rows]), ("b", [f"?{a}" if b else None for a, b in rows])):
        values = found.columns[name].to_list()
        assert [values[n] for n in found.runs[name].tolist()] == expected


@needs_machine_code
def test_a_column_of_many_different_texts_has_them_all() -> None:
    expected = [f"text {n % 3_000}" + "!" * (n % 20) for n in range(9_000)]
    found = caught("^(?P<t>.*)$", expected, [Wanted("t", Kind.FEW)])
    assert found is not None
    values = found.columns["t"].to_list()
    assert [values[n] for n in found.runs["t"].tolist()] == expected
    two = caught("^(?P<t>.*)$", ["allow", "a longer text"] * 100, [Wanted("t", Kind.FEW)])
    assert two is not None
    assert (two.columns["t"].to_list(), two.runs["t"].tolist()) == (["allow", "a longer text"], [0, 1] * 100)


@needs_machine_code
@given(st.lists(st.lists(st.sampled_from([0, 1, 11, 12, 13, 63, 64, 65, 200]), min_size=2, max_size=2), min_size=1, max_size=9))
def test_texts_of_every_length_are_whole(lengths: list[list[int]]) -> None:
    fields = [["".join(chr(97 + (n + k) % 26) for k in range(length)) for length in both] for n, both in enumerate(lengths)]
    found = caught("^(?P<a>[a-z]*) (?P<b>[a-z]*)$", [" ".join(both) for both in fields])
    assert found is not None
    assert list(zip(found.columns["a"].to_list(), found.columns["b"].to_list(), strict=True)) == [tuple(both) for both in fields]


@needs_machine_code
def test_a_group_that_takes_no_part_has_no_text() -> None:
    found = caught("^a(?P<q>[?][^ ]*)? (?P<n>[0-9]*|-)$", ["a?x=1 12", "a ", "a? -"], [Wanted("q", Kind.TEXT), Wanted("n", Kind.NUMBER, (), 99, 2)])
    assert found is not None
    assert found.columns["q"].to_list() == ["?x=1", None, "?"]
    assert found.columns["n"].to_list() == [12, None, None]


@needs_machine_code
@given(st.lists(st.sampled_from([b"\n", b"\r", b"\0", b"a", b"\xe3\x81\x82", b"long " * 60, b"x" * 9000]), max_size=12).map(b"".join))
def test_lines_and_what_a_block_is_made_of(data: bytes) -> None:
    seen = survey(data, b"\n")
    assert seen == (data.count(b"\n"), data.count(b"\0"), data.isascii())
    lines = data.split(b"\n")[: None if data and not data.endswith(b"\n") else -1]
    starts, ends, firsts = find_lines(data, b"\n", len(lines))
    assert [data[b:e] for b, e in zip(starts.tolist(), ends.tolist(), strict=False)] == [line.rstrip(b"\r") for line in lines]
    assert starts[-1] == len(data)
    assert firsts.tolist() == [(line.rstrip(b"\r") or b"\n")[0] for line in lines]


@given(st.lists(st.sampled_from([b"\xef", b"\xbb", b"\xbf", b"\xef\xbb", b"\xef\xbb\xbf", b"x" * 31, "表".encode()])).map(b"".join))
def test_a_byte_order_mark_is_found_wherever_it_stands(data: bytes) -> None:
    assert has_mark(data) is (data.find(b"\xef\xbb\xbf") >= 0)


def test_there_is_machine_code_where_a_compiler_is() -> None:
    assert is_built() or not any(map(shutil.which, ("cc", "gcc", "clang"))), "install the package again: pip install --no-build-isolation -e ."


DAY = re.compile(r"(?:<[0-9]{1,3}>)?([A-Z][a-z]{2}) +([0-9]{1,2}) [0-9]")
DAYS = [
    "Aug 28 00:00:01 a", "<34>Aug 28 1x", "<3>Aug  1 0", "Aug  1 0", "Aug  1st", "Aug  13 0", "Aug 13 0", "Aug 1 0", "Aug 2 0", "Aug 2 x", "Aug   1 0",
    "Aug   2 0", "Aug 28 x", "Aug 281 0", "Aug", "", "<34Aug 28 0", "<1>", "<>Aug 28 0", "<1234>Aug 28 0", "<x>Aug 28 00", "Aug 28 ", "Aug 28",
]  # fmt: skip


@needs_machine_code
@settings(max_examples=100)
@given(st.lists(st.sampled_from(DAYS), max_size=9))
def test_no_line_of_another_day_is_left_out(texts: list[str]) -> None:
    days = [(number, found.groups()) for number, text in enumerate(texts) if (found := DAY.match(text))]
    new = {number for n, (number, day) in enumerate(days) if n == 0 or (days[n - 1][1][0], int(days[n - 1][1][1])) != (day[0], int(day[1]))}
    assert new <= set(days_of(texts))


@needs_machine_code
def test_most_lines_of_the_same_day_are_left_out() -> None:
    assert days_of(["Aug 28 00:00:01 a", "Aug", "<34>Aug 28 23:00:00", "Aug 28 x", "Aug  1 0", "<3>Aug  1 1", "Aug 28 0"]) == [0, 4, 6]
    assert days_of(["Aug  1st of all", "Aug  1 10:00:00 a", "Aug  1 11:00:00 b"]) == [0, 1]


def days_of(texts: list[str]) -> list[int]:
    data = "".join(f"{text}\n" for text in texts).encode()
    starts, ends, _ = find_lines(data, b"\n", len(texts))
    return list(map(int, days_begin(data, starts[:-1], ends)))


@needs_machine_code
def test_texts_that_hold_another_thing_than_a_number_are_told_apart() -> None:
    found = caught("^a(?P<n>[^ ]*)$", ["a1", "b", "ax", "a70000", "a-", "a "], [Wanted("n", Kind.NUMBER, (), 65535, 4)])
    assert found is not None
    assert (found.texts.tolist(), sorted(found.refused.tolist()), found.columns["n"].to_list()) == ([0, 4], [2, 3], [1, None])


@needs_machine_code
@pytest.mark.parametrize(
    ("separator", "text", "value"),
    [
        ("^", "b=1^a=x y\t=z^", "x y\t=z"),
        ("^", "a=1^b=2^a=1", "unsure"),
        ("^", "ba=1^ a=2", None),
        ("^", "<13>a=1", "unsure"),
        ("^", "b=\x1fa=1", "unsure"),
        ("é", "bé=1", "unsure"),
        ("", "b=1\ta=#0112", "#0112"),
        ("", "b=1#011a=2#0#011", "2#0"),
        ("", "b=1#011a=2", "2"),
        ("\t", "b=1#011a=2", None),
        ("=", "a=2", None),
        ("^", "", None),
    ],
)
def test_pairs_end_at_what_sets_them_apart(separator: str, text: str, value: str | None) -> None:
    keys = pairs_as_keys(frozenset({"a"}), "", spaced=True)
    assert keys is not None
    data, size = text.encode() + b"^\t#011a=9", len(text.encode())
    marks = np.array([ord(separator) + (separator > "\x7f") * 256 if separator else UNNAMED], np.int16)
    found = catch(data, np.array([0]), np.array([size]), keys, [Wanted("a", Kind.TEXT)], separators=marks)
    assert found.columns["a"].to_list() == ([] if value == "unsure" else [value])
