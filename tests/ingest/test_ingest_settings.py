"""Settings of single sources: which inputs they reach, what they change, and every mistake with its line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from breachscope.case import CUSTODY, Case
from breachscope.errors import ContentErrors, UsageError
from breachscope.ingest import IngestOptions, IngestResult, ingest, load_formats
from breachscope.ingest.settings import read_sources
from breachscope.manifest import Source
from breachscope.progress import Silent

LINE = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /o/1 HTTP/1.1" 200 512'
LOGIN = "Mar  2 10:15:04 srv1 sshd[8]: Failed password for root from 192.0.2.9 port 51512 ssh2"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two login logs without zone and year, and one web log, in folders of their own."""
    for folder, name, line in (("a", "auth.log", LOGIN), ("b", "auth.log", LOGIN.replace("sshd[8]", "sshd[9]")), ("web", "access.log", LINE)):
        (tmp_path / "logs" / folder).mkdir(parents=True)
        (tmp_path / "logs" / folder / name).write_text(f"{line}\n")
    return tmp_path / "logs"


def read(case: Case, logs: Path, progress: Silent | None = None, **options: Any) -> IngestResult:
    with case.lock():
        return ingest(case, [logs], IngestOptions(**{"reference_date": date(2026, 11, 21), **options}), progress or Silent())


def set_sources(case: Path, text: str) -> Path:
    case.mkdir(exist_ok=True)
    (case / "sources.toml").write_text(text)
    return case


def by_name(case: Case) -> dict[str, Source]:
    return {"/".join(Path(s.path).parts[-2:]): s for s in case.sources()}


def first_times(case: Case) -> dict[str, datetime]:
    times = {}
    for name, source in by_name(case).items():
        file = next(f for f in source.files if f.startswith("events/"))
        times[name] = pq.read_table(case.path / file)["ts"].to_pylist()[0]
    return times


def test_each_setting_reaches_the_inputs_that_its_glob_fits(tmp_path: Path, logs: Path) -> None:
    folder = set_sources(
        tmp_path / "case",
        '[[source]]\nmatch = "b/*.log"\ntz = "America/New_York"\n\n'
        f'[[source]]\nmatch = "{logs}/*/auth.log"\ntz = "Asia/Tokyo"\nyear = 2024\n\n'
        '[[source]]\nmatch = "access.log"\nskew = 93.5\n',
    )
    case = Case.create_or_open(folder)
    read(case, logs)
    assert first_times(case) == {
        "a/auth.log": datetime(2024, 3, 2, 1, 15, 4, tzinfo=UTC),
        "b/auth.log": datetime(2024, 3, 2, 15, 15, 4, tzinfo=UTC),
        "web/access.log": datetime(2026, 3, 2, 1, 13, 30, 500_000, tzinfo=UTC),
    }
    sources = by_name(case)
    assert {name: (s.tz, s.tz_assumed, s.skew) for name, s in sources.items()} == {
        "a/auth.log": ("Asia/Tokyo", False, 0.0),
        "b/auth.log": ("America/New_York", False, 0.0),
        "web/access.log": ("UTC", False, 93.5),
    }
    assert sources["web/access.log"].first_ts == "2026-03-02T01:13:30.500000+00:00"
    assert "its clock was 93.5 s ahead, as sources.toml has it: its times are set right by that" in sources["web/access.log"].notes
    assert case.verify() == []


def test_the_command_line_stands_for_what_is_not_set(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(set_sources(tmp_path / "case", '[[source]]\nmatch = "a/*"\nyear = 2023\n'))
    read(case, logs, tz="Asia/Tokyo", year=2025)
    times = first_times(case)
    assert times["a/auth.log"] == datetime(2023, 3, 2, 1, 15, 4, tzinfo=UTC)
    assert times["b/auth.log"] == datetime(2025, 3, 2, 1, 15, 4, tzinfo=UTC)


def test_a_changed_setting_reads_its_source_again_and_no_other(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(set_sources(tmp_path / "case", '[[source]]\nmatch = "a/*"\nskew = 1\n'))
    assert len(read(case, logs).added) == 3
    assert read(case, logs).added == []
    set_sources(case.path, '# the firewall of Osaka\n[[source]]\nmatch = "a/*"\nskew = 2\n')
    assert [Path(s.path).parent.name for s in read(case, logs).added] == ["a"]
    set_sources(case.path, '[[source]]\nmatch = "a/auth.log"\nskew = 2.0\n')
    assert read(case, logs).added == []
    (case.path / "sources.toml").unlink()
    assert [Path(s.path).parent.name for s in read(case, logs).added] == ["a"]
    assert case.verify() == []


def test_a_source_read_as_one_format_and_no_other(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(set_sources(tmp_path / "case", '[[source]]\nmatch = "web/*"\nformat = "combined"\n'))
    read(case, logs)
    sources = by_name(case)
    assert (sources["web/access.log"].rejected, sources["a/auth.log"].rejected) == (1, 0)


def test_custody_names_the_file_that_was_used(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(tmp_path / "case")
    named = set_sources(tmp_path / "elsewhere", '[[source]]\nmatch = "a/*"\ntz = "Asia/Tokyo"\n') / "sources.toml"
    read(case, logs, sources_file=named, trusted_proxies=("10.0.0.0/8",))
    record = json.loads((case.path / CUSTODY).read_text().splitlines()[-1])
    assert list(record["parameters"]["sources"]) == [str(named)]
    assert record["parameters"]["trusted_proxies"] == ["10.0.0.0/8"]
    assert {s.trusted_proxies for s in case.sources()} == {("10.0.0.0/8",)}


def test_a_glob_that_fits_nothing_is_told(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(set_sources(tmp_path / "case", '[[source]]\nmatch = "a/*"\nskew = 1\n[[source]]\nmatch = "proxi/*"\nskew = 1\n'))
    progress = Silent()
    read(case, logs, progress)
    told = [w for w in progress.warnings if "fits none" in w]
    assert told == [f"{case.path / 'sources.toml'}:4: match 'proxi/*' fits none of the inputs; nothing is set by it"]


def test_every_mistake_is_told_with_its_line(tmp_path: Path, logs: Path) -> None:
    folder = set_sources(
        tmp_path / "case",
        """[[source]]
match = "a/**/x.log"
tz = "Asia/Tokio"
year = 26
format = "combind"
skew = true
trusted_proxies = ["10.0.0.5/8"]

[[source]]
tzone = "UTC"

[[source]]
match = "b"

[[source]]
match = "c"
skew = inf
trusted_proxies = "10.0.0.8"

[soruce]
""",
    )
    with pytest.raises(ContentErrors) as raised:
        read(Case.create_or_open(folder), logs)
    lines = [(e.line, e.text) for e in raised.value.errors]
    expected = [
        (20, "'soruce' is not a setting of sources.toml; did you mean 'source'?"),
        (3, "time zone 'Asia/Tokio' is not known; did you mean 'Asia/Tokyo'?"),
        (4, "year is a whole number from 1970 to 2199"),
        (5, "no format is called 'combind'; did you mean 'combined'?"),
        (6, "skew is a number of seconds"),
        (7, "a trusted proxy is an address or a network, such as 10.0.0.0/8: 10.0.0.5/8 has host bits set; write 10.0.0.0/8 for all"),
        (2, "'**' has no meaning here"),
        (10, "'tzone' is not a setting of a source; it has match, tz, year, format, encoding, skew, trusted_proxies"),
        (9, "a source needs match"),
        (12, "sets nothing"),
        (17, "skew is a number of seconds"),
        (18, "trusted_proxies is a list"),
    ]
    assert [line for line, _ in lines] == [line for line, _ in expected]
    assert all(text.startswith(begin) for (_, text), (_, begin) in zip(lines, expected, strict=True))
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize("proxy", ["10.0.0", "proxy.example", "10.0.0.5/8", ""])
def test_a_proxy_on_the_command_line_is_an_address(tmp_path: Path, logs: Path, proxy: str) -> None:
    with pytest.raises(UsageError, match="a trusted proxy is an address or a network"):
        read(Case.create_or_open(tmp_path / "case"), logs, trusted_proxies=(proxy,))


def test_a_time_after_the_day_of_reading_is_told(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(f"{LINE}\n")
    notes = {}
    for day in (date(2026, 3, 2), date(2026, 2, 28)):
        case = Case.create_or_open(tmp_path / f"case-{day}")
        notes[day.day] = read(case, tmp_path / "access.log", reference_date=day).added[0].notes
    assert notes == {
        2: (),
        28: ("its last time, 2026-03-02T01:15:04+00:00, is later than the day it was read: the clock was ahead, or the zone or the year is another",),
    }


def test_a_line_whose_year_nothing_tells_is_rejected(tmp_path: Path) -> None:
    """The format has its time behind a word, where no year is looked for."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "app.toml").write_text(
        'title = "app"\nkind = "regex"\ntable = "auth"\norder = 9000\ntime.formats = ["%b %e %H:%M:%S"]\n'
        "[[pattern]]\nmatch = '^login (?P<time>[A-Z][a-z]{2} +[0-9]+ [0-9:]+) (?P<user>[a-z]+)$'\n"
        'set = { action = "logon" }\n[[sample]]\nline = "login Mar  2 10:15:04 root"\n'
        '[sample.expect]\nts = 2000-03-02T10:15:04Z\nts_offset_min = 0\nts_quality = "none"\nuser = "root"\naction = "logon"\n'
    )
    (tmp_path / "app.log").write_text("login Mar  2 10:15:04 root\n")
    case = Case.create_or_open(tmp_path / "case")
    source = read(case, tmp_path / "app.log", formats_dirs=(tmp_path / "formats",)).added[0]
    rejected = pq.read_table(case.reject_files()[0])["reason"].to_pylist()
    assert (source.rejected, source.event_lines, rejected) == (1, 0, ["its time has no year, and none can be found"])


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("0001-01-01T00:00:00Z", "time is not of the years 1970 to 2199"),
        ("9999-12-31T23:59:59Z", "time is not of the years 1970 to 2199"),
        ("2026-02-30T00:00:00Z", "time cannot be read"),
    ],
)
def test_an_absurd_time_is_told_from_an_unreadable_one(tmp_path: Path, time: str, reason: str) -> None:
    (tmp_path / "access.json").write_text(f'{{"time_iso8601":"{time}","remote_addr":"192.0.2.9","status":200,"request_uri":"/"}}\n')
    case = Case.create_or_open(tmp_path / "case")
    read(case, tmp_path / "access.json")
    assert pq.read_table(case.reject_files()[0])["reason"].to_pylist() == [reason]


def test_verify_tells_when_the_settings_are_not_those_that_the_inputs_were_read_by(tmp_path: Path, logs: Path) -> None:
    case = Case.create_or_open(tmp_path / "case")
    read(case, logs)
    assert case.verify() == []
    own = set_sources(case.path, '[[source]]\nmatch = "a/*.log"\ntz = "Asia/Tokyo"\n') / "sources.toml"
    assert [(f.what, f.path, f.detail) for f in case.verify()] == [("settings", str(own), "was put there after the last ingest; ingest again to read by it")]
    read(case, logs)
    assert case.verify() == []
    set_sources(case.path, '[[source]]\nmatch = "none.log"\ntz = "Asia/Tokyo"\n')
    assert [(f.what, f.detail) for f in case.verify()] == [("settings", "was changed after the last ingest; ingest again to read by it")]
    read(case, logs)
    assert case.verify() == []
    own.write_text('[[source]]\nmatch = "nothing.log"\ntz = "Asia/Tokyo"\n')  # changes no input, and is read all the same
    read(case, logs)
    assert case.verify() == []
    before = (case.path / CUSTODY).read_bytes()
    read(case, logs)
    assert (case.path / CUSTODY).read_bytes() == before
    own.unlink()
    assert [(f.what, f.detail) for f in case.verify()] == [("settings", "is gone; the inputs were read by it")]
    read(case, logs)
    assert case.verify() == []


@pytest.mark.parametrize("value", ['"latin-1"', '"UTF-16"', "932"])
def test_an_encoding_is_one_that_is_read(tmp_path: Path, value: str) -> None:
    (tmp_path / "sources.toml").write_text(f'[[source]]\nmatch = "*.log"\nencoding = {value}\n')
    with pytest.raises(ContentErrors, match="encoding is one of UTF-8, Shift_JIS, CP932, EUC-JP, UTF-16LE"):
        read_sources(tmp_path / "sources.toml", load_formats())
