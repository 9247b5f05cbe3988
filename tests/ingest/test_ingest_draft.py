"""Drafts of formats from sample lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from breachscope.errors import UsageError
from breachscope.ingest import check_samples, load_formats, try_file
from breachscope.ingest.draft import new_format
from breachscope.ingest.guess import guess_lines

SAMPLES = {
    "waf.csv": (
        "日時,接続元IP,ユーザーID,URL,ステータス,備考\n" + "".join(f'2026/03/02 10:15:0{n},192.0.2.{n},u{n},"/o/{n}?v=1,2",200,メモ\n' for n in range(5)),
        "table", "web", {"client_ip": "192.0.2.0", "user": "u0", "path": "/o/0", "query": "v=1,2", "status": 200},
    ),
    "vpn.jsonl": (
        "".join(f'{{"at":"2026-03-02T01:15:04Z","actor":{{"login id":"u{n}"}},"net":{{"ip":"192.0.2.{n}"}},"result":"Failed","n":{n}}}\n' for n in range(3)),
        "json", "auth", {"client_ip": "192.0.2.0", "user": "u0", "outcome": "failure", "action": "logon"},
    ),
    "fw.log": (
        "".join(f'ts=1772414104 src=192.0.2.{n} spt=51512 dst=203.0.113.5 dpt=443 action="Blocked by policy" note="a b"\n' for n in range(3)),
        "keyvalue", "network", {"src_ip": "192.0.2.0", "src_port": 51512, "dst_ip": "203.0.113.5", "dst_port": 443, "action": "deny"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_draft_reads_its_samples(tmp_path: Path, name: str) -> None:
    text, kind, table, expected = SAMPLES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "formats").mkdir()
    new_format(tmp_path / name, tmp_path / "formats" / "mine.toml")
    catalog = load_formats([tmp_path / "formats"])
    mine = catalog["mine"]
    assert (mine.kind, mine.table) == (kind, table)
    assert check_samples(mine, catalog) == []
    said = dict(mine.samples[0].expect or {})
    assert {c: v for c, v in said.items() if not c.startswith("ts")} == expected
    ((_, trial),) = try_file(tmp_path / name, catalog)
    assert (trial.format, trial.rejected) == ("mine", {})


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "there is no line"),
        (["hello world", "good bye"], "no JSON objects, key=value pairs or table"),
        (['{"a":1}'], "too few are names"),
        (['192.0.2.9 - - [02/Mar/2026:10:00:00 +0900] "GET / HTTP/1.1" 200 5 rt=0.1 up=- pipe=p'], "--log-format"),
        (["192.0.2.9 [02/Mar/2026:10:00:00 +0900] GET / 200"], "--log-format"),
        (['{"ip":"192.0.2.9","url":"/a","time":"yesterday"}'], "in no form of time known here"),
        (['{"ip":"192.0.2.9","url":"/a","status":200}'], "is named like a time"),
        (['{"ip":"192.0.2.9","url":"/a","time":"03/02/2026 10:15:04"}'], "days and months cannot be told apart"),
        (['{"ip":'], "begins like JSON and is none"),
    ],
)
def test_what_cannot_be_told_is_not_drafted(lines: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        guess_lines(lines).as_toml("x")


def test_drafts_in_one_folder_are_loaded_together(tmp_path: Path) -> None:
    for name in SAMPLES:
        (tmp_path / name).write_text(SAMPLES[name][0], encoding="utf-8")
        new_format(tmp_path / name, tmp_path / f"{name.replace('.', '_')}.toml")
    catalog = load_formats([tmp_path])
    assert [f.id for f in catalog.formats if f.order >= 1000] == [name.replace(".", "_") for name in SAMPLES]


def test_a_file_that_stands_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(SAMPLES["fw.log"][0])
    (tmp_path / "mine.toml").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        new_format(tmp_path / "a.log", tmp_path / "mine.toml")
    with pytest.raises(UsageError, match="cannot be written"):
        new_format(tmp_path / "a.log", tmp_path / "nowhere" / "mine.toml")
    assert (tmp_path / "mine.toml").read_text() == "mine"
