"""What the user is told of inputs: one sentence for one matter, with what to do; and a trial says what an ingest would."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.ingest import IngestOptions, IngestResult, check_samples, ingest, load_formats, new_format, try_file, with_log_formats
from breachscope.progress import Silent
from breachscope.timestamps import Zone

WEB = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /a HTTP/1.1" 200 512 "-" "curl/8.0"'
LOGIN = "Mar  2 10:15:04 db01 sshd[77]: Accepted password for u1 from 192.0.2.9 port 50022 ssh2"
SECOND = "Mar  2 10:15:05 db01 sshd[78]: Failed password for u1 from 192.0.2.9 port 50023 ssh2"
JUNK = "nothing that any format knows"


def told(folder: Path, *paths: Path, **options: Any) -> tuple[list[str], IngestResult, Case]:
    """All sentences of an ingest, complaints and warnings, without the folder in which the inputs stand."""
    case = Case.create_or_open(folder / "case")
    progress = Silent()
    with case.lock():
        result = ingest(case, paths, IngestOptions(**{"reference_date": date(2026, 11, 21), "tz": "Asia/Tokyo", **options}), progress)
    return [s.replace(f"{folder}/", "") for s in (*map(str, result.errors), *progress.warnings)], result, case


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


UNREAD = "'breachscope formats new SAMPLE' drafts a format for --formats DIR, --log-format takes a web server's own string"


@pytest.mark.parametrize(
    ("lines", "options", "sentence"),
    [
        ([JUNK], {}, f"x.log: its only line could not be read; {UNREAD}"),
        ([JUNK, "", JUNK], {}, f"x.log: not one of its 2 lines could be read; {UNREAD}"),
        (
            [WEB, WEB],
            {"only_format": "sshd"},
            "x.log: not one of its 2 lines could be read as sshd, the format asked for; leave that out to have the format found",
        ),
        ([LOGIN, *[JUNK] * 3], {}, "x.log: only 25% of its sampled lines are in the best format found (syslog); 3 rejected lines are in no other either"),
        (
            [WEB, *[JUNK] * 3],
            {"only_format": "combined"},
            "x.log: only 25% of its sampled lines are in the format asked for (combined); 3 rejected lines are not",
        ),
        ([], {}, "x.log: is empty"),
    ],
)
def test_a_matter_is_told_once_and_again_by_the_next_ingest_where_the_input_is_as_unread_as_before(
    tmp_path: Path, lines: Sequence[str], options: dict[str, Any], sentence: str
) -> None:
    path = write(tmp_path / "x.log", *lines)
    first, result, _ = told(tmp_path, path, **options)
    assert first == [sentence]
    assert sentence.removeprefix("x.log: ") in result.added[0].notes, "the report tells it, too"
    assert told(tmp_path, path, **options)[0] == [sentence] * bool(result.errors)


def test_a_log_of_many_formats_whose_every_line_is_read_is_nothing_to_tell(tmp_path: Path) -> None:
    firewall = 'time=10:15:04 date=2026-03-02 type="traffic" subtype="forward" action="accept" srcip=192.0.2.9 dstip=203.0.113.5 dstport=443 proto=6'
    path = write(tmp_path / "x.log", WEB, LOGIN, json.dumps({"remote_addr": "192.0.2.9"}), firewall)
    sentences, result, _ = told(tmp_path, path)
    assert (result.added[0].confidence < 0.5, result.added[0].rejected, sentences[1:]) == (True, 1, [])
    assert sentences == ["x.log: only 25% of its sampled lines are in the best format found (combined); 1 rejected line is in no other either"]
    whole = write(tmp_path / "y.log", WEB, LOGIN, firewall)
    assert told(tmp_path, whole)[0] == []


def test_a_stream_damaged_from_its_beginning_is_not_called_empty(tmp_path: Path) -> None:
    for name, stored in (("not.gz", b"\x1f\x8bnot gzip at all"), ("cut.gz", gzip.compress(WEB.encode())[:12])):
        (tmp_path / name).write_bytes(stored)
        sentences, _, _ = told(tmp_path, tmp_path / name)
        assert sentences == [f"{name}: the gzip stream is cut or damaged after 0 bytes of content; what follows is not known; nothing could be read"]


def test_text_in_japanese_encodings_is_read_without_a_word(tmp_path: Path) -> None:
    rows = ["time,client ip,url,user", *(f"2026-03-02 10:15:{n:02},192.0.2.9,/a/{n},{name}" for n, name in enumerate(("田中", "すずき", "佐藤ｹﾝ", "山田")))]
    for encoding in ("euc_jp", "cp932", "utf-8", "utf-16", "latin-1"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes("".join(f"{row}\n" for row in rows).encode(encoding, "replace" if encoding != "latin-1" else "ignore"))
        encoded = [s for s in told(tmp_path, path)[0] if "guessed" not in s]
        assert encoded == []


def test_a_given_string_that_fits_no_line_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", WEB, WEB)
    idle = "--log-format '%h %t %r %D' fits no line; give the string as the server's configuration has it"
    assert told(tmp_path, path, log_formats=("%h %t %r %D",))[0] == [idle]
    assert told(tmp_path, path, log_formats=("%h %t %r %D",))[0] == [idle], "an input that is known says no more about it"
    used = r'%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
    assert told(tmp_path, path, log_formats=(used,))[0] == []
    assert told(tmp_path, path, log_formats=(used, "%h %t %r %D"))[0] == [idle]
    copy = write(tmp_path / "y.log", WEB, WEB)
    same = "y.log: has the same content as x.log; counted once"
    assert told(tmp_path, copy, log_formats=("%h %t %r %D",))[0] == [same], "its lines were read when other strings were given"
    assert told(tmp_path, path, copy, log_formats=("%h %t %r %D",))[0] == [idle]


@pytest.mark.parametrize(
    "lines",
    [
        [WEB, LOGIN, "", WEB, JUNK, SECOND, WEB],
        [LOGIN, "Mar  2 10:15:06 db01 sshd[79]: a message of a kind unknown", "Mar  2 10:15:07 db01 cron[1]: ran", WEB],
        ["日時,接続元IP,URL,ステータス", *(f"2026/03/02 10:15:{n:02},192.0.2.9,/a/{n},200" for n in range(30))],
        [JUNK],
        ["", ""],
    ],
    ids=["web", "syslog", "guessed", "unread", "blank"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "utf-16"])
def test_a_trial_tells_what_an_ingest_does(tmp_path: Path, lines: Sequence[str], encoding: str) -> None:
    path = tmp_path / "x.log"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    sentences, result, case = told(tmp_path, path)
    (source,) = result.added
    ((place, trial),) = try_file(path, load_formats(()), Zone.named("Asia/Tokyo"))
    assert place == str(path)
    assert (trial.lines, trial.formats, trial.skipped) == (source.lines, source.formats, source.skipped)
    assert trial.rejected == Counter(r["reason"] for file in case.reject_files() for r in pq.read_table(file).to_pylist())
    assert [f"x.log: {s}" for s in (trial.problem, *trial.notes) if s] == sentences
    events = [row for table in ("web", "auth") for file in case.event_files(table) for row in pq.read_table(file).to_pylist()]
    assert [e["line"] for e in trial.events] == sorted(row["line"] for row in events)[:20]


def test_a_trial_tells_what_cannot_be_read_as_an_ingest_does(tmp_path: Path) -> None:
    (tmp_path / "binary.log").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress("\n".join(WEB.replace("/a", f"/{n * n}") for n in range(500)).encode())[:-40])
    (tmp_path / "twice.log.gz.gz").write_bytes(gzip.compress(gzip.compress(f"{WEB}\n".encode())))
    for path in sorted(tmp_path.iterdir()):
        sentences, result, _ = told(tmp_path, path)
        ((_, trial),) = try_file(path, load_formats(()))
        assert [f"{path.name}: {trial.problem}"] == sentences
        assert (trial.lines, trial.formats) == (result.added[0].lines, result.added[0].formats)


def test_a_trial_stops_after_ten_thousand_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", *[WEB] * 10_000, LOGIN)
    ((_, trial),) = try_file(path, with_log_formats(load_formats(()), ()))
    assert (trial.lines, trial.formats) == (10_000, {"combined": 10_000})


def test_the_format_that_the_readmes_show_reads_its_sample(tmp_path: Path) -> None:
    for name in ("README.md", "README.ja.md"):
        (shown,) = re.findall(r"```toml\n# fw-osaka\.toml\n(.*?)```", (Path(__file__).parents[2] / name).read_text(encoding="utf-8"), re.DOTALL)
        (tmp_path / "fw_osaka.toml").write_text(shown, encoding="utf-8")
        catalog = load_formats((tmp_path,))
        assert check_samples(catalog["fw_osaka"], catalog) == []


@pytest.mark.parametrize(
    ("lines", "example"),
    [
        (["受付,元,先", "2026/03/02 10:00:00,192.0.2.1,203.0.113.5"], "entra_signin_csv"),
        (['{"a": 1, "b": 2}'], "gitlab_json"),
        (["a=1 b=2 c=3"], "fortigate_auth"),
        ([JUNK], "combined"),
    ],
)
def test_lines_that_tell_too_little_for_a_draft_lead_to_a_format_to_write_by(tmp_path: Path, lines: Sequence[str], example: str) -> None:
    with pytest.raises(UsageError, match=f"write one by hand, as in the README and by 'breachscope formats show {example}'$"):
        new_format(write(tmp_path / "x.log", *lines), tmp_path / "x.toml")
    assert not (tmp_path / "x.toml").exists()
    assert load_formats()[example].id == example
