"""Format files: the built-in ones keep their own promises, and a wrong one is told all its mistakes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
from tests.ingest.reading import CATALOG, whole_reading
from tests.ingest.test_ingest_kinds import READ
from tests.ingest.test_ingest_messages import MESSAGES, SKIPPED, VARIANTS, varied

from breachscope.errors import BreachscopeError, ContentErrors
from breachscope.ingest import Format, FormatCatalog, check_samples, engine, load_format, load_formats
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import Pattern
from breachscope.ingest.marks import occurring
from breachscope.ingest.reading import Context, Reading
from breachscope.schema import EVENT_TABLES

SHOWN: set[int] = set()
"""Patterns that took a line while the engine was watched."""


def by_id(fmt: Format) -> str:
    return fmt.id


@contextmanager
def watched() -> Iterator[None]:
    is_eventless = engine.is_eventless

    def noted(lines: pl.Series, pattern: Pattern, reading: Reading) -> bool:
        SHOWN.add(id(pattern))
        return is_eventless(lines, pattern, reading)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "is_eventless", noted)
        yield


@cache
def faults_of_samples(fmt_id: str) -> list[str]:
    with watched():
        return check_samples(CATALOG[fmt_id], CATALOG)


@pytest.mark.parametrize("fmt", CATALOG.formats, ids=by_id)
def test_samples_are_read_as_the_format_says(fmt: Format) -> None:
    assert faults_of_samples(fmt.id) == []


def test_every_pattern_takes_a_sample_or_a_line_by_hand() -> None:
    """What no line reaches is not known to read anything, or an earlier pattern takes all that it would."""
    assert not any(faults_of_samples(fmt.id) for fmt in CATALOG.formats)
    by_hand: list[tuple[str, str | None, str]] = [("syslog", None, line) for line in (*(line for line, _ in MESSAGES), *SKIPPED)]
    by_hand += [("syslog" if CATALOG[variant[0]].kind == "syslog" else variant[0], None, varied(*variant)[0]) for variant in VARIANTS]
    by_hand += [(fmt_id, header, line) for fmt_id, header, kinds in READ for line, _ in kinds]
    with watched():
        for (fmt_id, header), group in groupby(sorted(by_hand, key=lambda h: (h[0], h[1] or "")), key=lambda h: h[:2]):
            whole_reading([line for _, _, line in group], fmt_id, header)
    unshown = [f"{fmt.id}: pattern {number}" for fmt in CATALOG.formats for number, p in enumerate(fmt.patterns, 1) if id(p) not in SHOWN]
    assert unshown == [], "write a line as the product writes it, and its event by hand (test_ingest_kinds.py)"


@pytest.mark.parametrize("fmt", CATALOG.formats, ids=by_id)
def test_format_names_its_specification_and_refuses_something(fmt: Format) -> None:
    assert fmt.title
    assert fmt.spec
    takes_everything = any(p.regex == "^" or "*" in fmt.programs for p in fmt.patterns)
    assert takes_everything or any(s.expect is None for s in fmt.samples), "a format needs a [[refuse]]: a near neighbour that it must not read"


@pytest.mark.parametrize("fmt", CATALOG.formats, ids=by_id)
def test_samples_expect_known_columns_and_members_of_closed_vocabularies(fmt: Format) -> None:
    tables = [EVENT_TABLES[t] for t in {fmt.table, *(p.table for p in fmt.patterns)} if t]
    for sample in fmt.samples:
        for name, value in (sample.expect or {}).items():
            columns = [t[name] for t in tables if name in t]
            assert any(not c.values or value in c.values for c in columns), f"{fmt.path}:{sample.number}: {name} = {value!r}"


UNSAID = {
    **{key: {"action"} for key in ("nfdump", "tcpdump", "zeek_conn", "zeek_dns", "zeek_rdp", "zeek_ssl")},
    **{key: {"user"} for key in ("zeek_files", "zeek_ssh")},
    "cisco_asa_url": {"method", "status"},
}
"""What a source does not say: Zeek watches, and decides nothing; nor can it see who logs in behind SSH, or who fetched a file; ASA tells the URL."""


@pytest.mark.parametrize("fmt", [f for f in CATALOG.formats if f.table], ids=by_id)
def test_a_sample_fills_every_required_column(fmt: Format) -> None:
    filled = [set(s.expect) for s in fmt.samples if s.expect]
    required = set(EVENT_TABLES[fmt.table or ""].required) - UNSAID.get(fmt.id, set())
    assert any(required <= columns for columns in filled), f"no sample of {fmt.id} fills {sorted(required)}"


@pytest.mark.parametrize("fmt", CATALOG.formats, ids=by_id)
def test_a_sample_stands_under_the_format_that_a_file_of_it_would_lock_on(fmt: Format, tmp_path: Path) -> None:
    """No earlier format may read the samples as well as their own."""
    from breachscope.ingest import try_file

    if fmt.id == "syslog":
        return  # its samples are skipped on purpose
    log = tmp_path / "x.log"
    samples = [s for s in fmt.samples if s.expect]
    for header in dict.fromkeys(s.header for s in samples):
        lines = [s.line for s in samples if s.header == header]
        log.write_text("\n".join([*([header] if header else []), *lines]) + "\n", encoding="utf-8")
        ((_, trial),) = try_file(log, CATALOG)
        assert dict(trial.formats) == {fmt.id: len(lines)}


def mistakes(tmp_path: Path, text: str, name: str = "mine.toml") -> list[str]:
    path = tmp_path / name
    path.write_text(dedent(text), encoding="utf-8")
    with pytest.raises((ContentErrors, BreachscopeError)) as caught:
        load_format(path)
    errors = caught.value.errors if isinstance(caught.value, ContentErrors) else [caught.value]
    return [str(e).replace(f"{path}:", "") for e in errors]


GOOD = r"""
title = "Mine"
kind = "regex"
table = "web"
order = 2000
time.formats = ["iso8601"]

[[pattern]]
match = '^(?P<time>\S+) (?P<client_ip>\S+) (?P<status>\d+)$'

[[sample]]
line = '2026-03-02T10:15:04Z 192.0.2.9 200'
expect = { ts = 2026-03-02T10:15:04Z, ts_offset_min = 0, ts_quality = "exact", client_ip = "192.0.2.9", status = 200 }
"""


def test_a_format_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    catalog = load_formats([tmp_path])
    assert check_samples(catalog["mine"], catalog) == []


def test_each_sample_that_is_read_otherwise_is_told_beside_good_ones(tmp_path: Path) -> None:
    line = "2026-03-02T10:15:05Z 192.0.2.9 404"
    more = f"""
[[sample]]
line = '{line}'
[sample.expect]
ts = 2026-03-02T10:15:05Z
ts_offset_min = 0
ts_quality = "exact"
client_ip = "192.0.2.9"
status = 200

[[sample]]
line = '{line}'
skip = "nothing"

[[sample]]
line = 'junk'
expect = {{ status = 200 }}

[[refuse]]
line = '{line}'
"""
    (tmp_path / "mine.toml").write_text(GOOD + more)
    catalog = load_formats([tmp_path])
    told = [fault.removeprefix(f"{tmp_path}/mine.toml:").partition(": ")[2] for fault in check_samples(catalog["mine"], catalog)]
    assert told == [
        "status is 404, expected 200",
        "should be skipped as 'nothing': it became an event of web",
        "should become an event: it was rejected: no format reads this line",
        "should be refused: it became an event of web",
    ]


def test_all_mistakes_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    assert mistakes(
        tmp_path,
        r"""
        title = "Mine"
        kind = "regex"
        table = "web"
        order = 2000
        colour = "red"

        [[pattern]]
        match = '^(?P<tim>\S+) (?P<clientip>\S+'

        [[pattern]]
        match = '^(?P<time>\S+) (?P<client_up>\S+)$'
        sett = { method = "GET" }

        [fields.status]
        scael = 10

        [[sample]]
        line = 'x'
        """,
    ) == [
        "6: 'colour' is not a setting of a format; did you mean 'columns'?",
        "9: match is not a regular expression: unclosed group",
        "13: 'sett' is not a setting of a format; did you mean 'set'?",
        "11: needs [time] formats, for its lines carry a time",
        "12: table web has no column 'client_up'; did you mean 'client_ip'?",
        "16: 'scael' is not a setting of a format; did you mean 'scale'?",
        "18: a sample needs 'line' and 'expect' (or 'skip')",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ('kind = "regex"', 'kind = "regexp"'),
            "3: kind 'regexp' is not one of regex, delimited, table, json, keyvalue, envelope, syslog; did you mean 'regex'?",
        ),
        (('table = "web"', 'table = "wev"'), "4: table 'wev' is not one of web, auth, network, data_access; did you mean 'web'?"),
        (('table = "web"', ""), "1: table None is not one of web, auth, network, data_access"),
        (("order = 2000", 'order = "last"'), "5: 'order' is a whole number"),
        (("order = 2000", ""), "1: needs order = a whole number"),
        (('time.formats = ["iso8601"]', 'time = "iso8601"'), "6: 'time' is a table"),
        (('time.formats = ["iso8601"]', "time.formats = []"), '6: [time] needs formats = ["…"]'),
        (('time.formats = ["iso8601"]', ""), "8: needs [time] formats, for its lines carry a time"),
        (('time.formats = ["iso8601"]', 'time.formats = ["%Q"]'), "6: '%Q' is not a form of time"),
        (('title = "Mine"', 'title = "Mine"\ntitle = "Yours"'), '3: not valid TOML: cannot overwrite a value'),
        (("[[pattern]]", "[pattern]"), "8: 'pattern' is written as [[pattern]]: there may be several"),
        (("(?P<status>\\d+)", "(?P<statu>\\d+)"), "9: table web has no column 'statu'; did you mean 'status'?"),
        (("(?P<status>\\d+)", "(?P<ts>\\d+)"), "9: table web has no column 'ts'"),
        (
            ("[[sample]]", "[fields.outcome]\nmap = { OK = \"succes\" }\n[[sample]]"),
            "12: outcome is one of success, failure, unknown, not 'succes'; did you mean 'success'?",
        ),
        (("[[sample]]", "[fields.colour]\nlower = true\n[[sample]]"), "11: table web has no column 'colour'"),
        (("[[sample]]", "[fields.status]\nscale = \"ten\"\n[[sample]]"), "12: 'scale' is a number"),
        (("\\d+)$'", "\\d+)$'\nset = { outcome = \"ok\" }"), "10: outcome is one of success, failure, unknown, not 'ok'"),
        (('kind = "regex"', 'kind = "json"\nkeys = { time = "$.date+time" }'), '4: time joins paths, each of which begins with "$": "$.date+$.time"'),
        (("(?P<time>\\S+)", "\\S+"), "8: a pattern of events needs a group or key 'time'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    assert change[0] in GOOD
    assert complaint in mistakes(tmp_path, GOOD.replace(*change))


def test_a_format_without_samples_is_refused(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD[: GOOD.index("[[sample]]")]) == ["1: needs at least one [[sample]] with the fields expected of it"]


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        ("delimited", ["separator", "columns"]),
        ("json", ["keys", "require"]),
        ("keyvalue", ["keys", "require"]),
        ("table", ["separator", "keys", "require"]),
        ("syslog", ["programs"]),
    ],
)
def test_each_kind_says_what_it_needs(tmp_path: Path, kind: str, needs: list[str]) -> None:
    told = mistakes(tmp_path, GOOD.replace('kind = "regex"', f'kind = "{kind}"'))
    assert [f"3: a format of kind {kind} needs '{key}'" for key in needs] == [t for t in told if "a format of kind" in t]


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.replace('kind = "regex"', 'kind = "x"'))
    (tmp_path / "b.toml").write_text(GOOD + "\n[[sample]\n")
    (tmp_path / "c.toml").write_text(GOOD)
    (tmp_path / "d.toml").write_text(GOOD)
    with pytest.raises(ContentErrors) as caught:
        load_formats([tmp_path, tmp_path / "absent"])
    assert [str(e) for e in caught.value.errors] == [
        f"{tmp_path}/a.toml:3: kind 'x' is not one of regex, delimited, table, json, keyvalue, envelope, syslog",
        f"{tmp_path}/b.toml:15: not valid TOML: expected ']]' at the end of an array declaration",
        f"{tmp_path}/absent: is not a folder; --formats wants a folder of format files, or one of them",
        f"{tmp_path}/d.toml:5: order 2000 is taken by c; give another number",
    ]


def test_a_format_of_the_user_replaces_the_built_in_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "combined.toml").write_text(GOOD)
    assert load_formats([tmp_path])["combined"].title == "Mine"


def test_unknown_format_gets_the_nearest_name() -> None:
    with pytest.raises(BreachscopeError, match=r"no format is called 'combind'; did you mean 'combined'\?"):
        CATALOG["combind"]


def test_the_catalog_knows_of_each_file_what_the_file_says() -> None:
    glanced = [(e.kind, e.order, e.programs, e.splits, e.continues) for e in CATALOG.entries]
    assert glanced == [(f.kind, f.order, f.programs, f.parts is not None, f.continues is not None) for f in CATALOG.formats]


@pytest.mark.parametrize("fmt", CATALOG.formats, ids=by_id)
def test_a_built_in_format_has_no_mistakes(fmt: Format) -> None:
    """A run does not check them again, and reads nothing behind the first sample."""
    assert load_format(fmt.path) == fmt


@pytest.mark.parametrize("fmt", [f for f in CATALOG.formats if f.kind not in ("syslog", "table")], ids=by_id)
def test_every_good_line_is_like_its_format(fmt: Format) -> None:
    """What is not like a format is not tried with it."""
    lines = pl.Series([s.line for s in fmt.samples if s.expect is not None or s.skip is not None])
    assert lines.str.contains(fmt.likeness).all()
    assert all(fmt.may_read(occurring(line, fmt.marks)) for line in (lines.slice(n, 1) for n in range(len(lines))))


def test_orders_are_ascending_and_unique() -> None:
    orders = [f.order for f in CATALOG.formats]
    assert orders == sorted(set(orders))


def test_syslog_messages_are_never_read_as_whole_lines() -> None:
    assert isinstance(CATALOG, FormatCatalog)
    messages = {f.id for f in CATALOG.messages_of(CATALOG.programs) if f.kind == "syslog"}
    assert "sshd" in messages
    assert {f.id for f in CATALOG.whole_lines} | messages == {f.id for f in CATALOG.formats}
    assert {f.id for f in CATALOG.whole_lines} & messages == set()


EVENTS_BY_TYPE = """
title = "events of several types"
spec = ["none"]
kind = "json"
order = 990
require = ["time"]
time.formats = ["iso8601"]

[keys]
time = "$.at"
_type = "$.type"

[[pattern]]
where = { _type = ["flow", "netflow"] }
table = "network"
keys = { src_ip = "$.src", dst_ip = "$.dst" }
require = ["time", "src_ip"]

[[pattern]]
where = { _type = "login" }
table = "auth"
keys = { client_ip = "$.src", user = "$.who" }
set = { action = "logon", outcome = "success", service = "x" }

[[pattern]]
where = { _type = "*" }
skip = "other events"

[[sample]]
line = '{"at":"2026-03-02T10:15:35Z","type":"stats"}'
skip = "other events"
"""


def test_a_json_line_goes_where_its_type_says(tmp_path: Path) -> None:
    (tmp_path / "typed.toml").write_text(EVENTS_BY_TYPE)
    catalog = load_formats([tmp_path])
    lines = [
        '{"at":"2026-03-02T10:15:35Z","type":"flow","src":"192.0.2.1","dst":"192.0.2.2"}',
        '{"at":"2026-03-02T10:15:36Z","type":"netflow","src":"192.0.2.1","dst":"192.0.2.3"}',
        '{"at":"2026-03-02T10:15:37Z","type":"login","src":"192.0.2.1","who":"u1"}',
        '{"at":"2026-03-02T10:15:38Z","type":"stats","src":"192.0.2.1"}',
        '{"at":"2026-03-02T10:15:39Z","src":"192.0.2.1"}',
        '{"at":"2026-03-02T10:15:40Z","type":"flow"}',
        "no JSON",
    ]
    frame = pl.DataFrame({"line": range(1, len(lines) + 1), "text": lines}, schema={"line": pl.Int64, "text": pl.String})
    reading = read_lines(frame, catalog["typed"], catalog, Context(source=1))
    found = [(table, row["line"], row.get("dst_ip") or row["user"]) for table, _, rows in reading.events for row in rows.iter_rows(named=True)]
    assert sorted(found) == [("auth", 3, "u1"), ("network", 1, "192.0.2.2"), ("network", 2, "192.0.2.3")]
    assert dict(reading.skipped) == {"other events": 1}
    assert reading.rejects()["line"].to_list() == [5, 6, 7], "a flow that lacks its source is none of the other events"


def test_a_condition_on_an_unknown_key_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "typed.toml").write_text(EVENTS_BY_TYPE.replace('where = { _type = "login" }', 'where = { _kind = "login" }'))
    with pytest.raises(ContentErrors, match=r"typed\.toml:20: no group or key is called '_kind'"):
        load_formats([tmp_path])


def test_pairs_that_are_skipped_need_no_key_of_their_own(tmp_path: Path) -> None:
    """Whether a format is tried at all is asked of every pattern, also of one that requires nothing."""
    text = GOOD.replace('kind = "regex"', 'kind = "keyvalue"\nrequire = ["time", "client_ip"]').replace(
        "2026-03-02T10:15:04Z 192.0.2.9 200", "t=2026-03-02T10:15:04Z ip=192.0.2.9 s=200"
    )
    keys = '[keys]\ntime = "t"\nclient_ip = "ip"\nstatus = "s"\n_kind = "kind"\n'
    keys += '[[pattern]]\nwhere = { _kind = "stats" }\nskip = "statistics"\n[[pattern]]\nkeys = {}'
    start, end = text.index("[[pattern]]"), text.index("[[sample]]")
    (tmp_path / "mine.toml").write_text(text[:start] + keys + "\n\n" + text[end:])
    mine = load_formats([tmp_path])["mine"]
    lines = pl.Series(["kind=stats n=1", "t=2026-03-02T10:15:04Z ip=192.0.2.9 s=200", "junk"])
    assert lines.str.contains(mine.likeness).to_list() == [True, True, False]
