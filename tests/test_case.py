"""The case folder: atomic, private, one writer; a custody chain that shows every change."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from breachscope.case import CUSTODY, MANIFEST, Case, Difference
from breachscope.errors import CaseError
from breachscope.manifest import Manifest, Source


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case.create_or_open(tmp_path / "case")


def source(path: Path, number: int = 1, **other: Any) -> Source:
    stored = path.read_bytes()
    digest = hashlib.sha256(stored).hexdigest()
    return Source(
        id=number, path=str(path), name=path.name, sha256=digest, content_sha256=digest, size=len(stored), mtime="2026-03-02T00:00:00+00:00",
        compression="none", encoding="utf-8", newline="LF", **other,
    )  # fmt: skip


def told(findings: list[Difference]) -> list[tuple[str, str, str]]:
    return [(f.what, Path(f.path).name, f.detail) for f in findings]


# Opening


def test_a_new_case_can_be_opened_again(tmp_path: Path) -> None:
    Case.create_or_open(tmp_path / "deep" / "case")
    assert Case.open(tmp_path / "deep" / "case").sources() == ()


def test_an_empty_folder_becomes_a_case(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert Case.create_or_open(tmp_path / "empty").read_manifest() is None


@pytest.mark.parametrize("make", [Case.create_or_open, Case.open])
def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path, make: Callable[[Path], Case]) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(CaseError, match=r"give a new or empty folder|is not a case folder"):
        make(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_is_no_case(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(CaseError, match="is a file; --case wants a folder"):
        Case.create_or_open(tmp_path / "x")


def test_a_place_that_cannot_be_written_is_told_in_one_sentence() -> None:
    with pytest.raises(CaseError, match=r"/proc/nothing: cannot be written \(No such file or directory\); choose another --case"):
        Case.create_or_open(Path("/proc/nothing"))


# Writing


def test_everything_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        case = Case.create_or_open(tmp_path / "case")
        case.write_json("scope.json", {})
        case.write_parquet("events/web/1.parquet", pa.table({"a": [1]}))
        with case.lock(), case.scratch():
            case.record("test", [], {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(case.path.stat().st_mode) == 0o700
    files = [p for p in case.path.rglob("*") if p.is_file()]
    assert {p.name for p in files} == {"scope.json", "1.parquet", CUSTODY, ".lock"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {0o600}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(case: Case) -> None:
    case.write_bytes("scope.json", b"old")
    with pytest.raises(CaseError), case.open_atomic("scope.json") as partial:
        partial.with_name("absent").rename(partial)  # any trouble while it is being written
    assert (case.path / "scope.json").read_bytes() == b"old"
    assert sorted(p.name for p in case.path.iterdir()) == [CUSTODY, "scope.json"]


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(case: Case) -> None:
    case.write_bytes("scope.json", b"old")
    script = f"""
import resource
from pathlib import Path
from breachscope.case import Case
from breachscope.errors import CaseError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Case.open(Path({str(case.path)!r})).write_bytes("scope.json", b"x" * 5000)
except CaseError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{case.path}/scope.json: cannot be written (File too large); free space or choose another --case, then run again\n"
    assert (case.path / "scope.json").read_bytes() == b"old"
    assert not list(case.path.rglob("*.partial"))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_json_is_canonical(case: Case) -> None:
    case.write_json("a.json", {"b": 1, "a": {"d": "表", "c": None}})
    assert (case.path / "a.json").read_text(encoding="utf-8") == '{\n  "a": {\n    "c": null,\n    "d": "表"\n  },\n  "b": 1\n}\n'


def test_equal_tables_give_equal_bytes(case: Case) -> None:
    table = pa.table({"t": pa.array(["a", None, "b"] * 1000), "n": pa.array(range(3000))})
    case.write_parquet("a.parquet", table)
    case.write_parquet("b.parquet", pa.concat_tables([table.slice(0, 7), table.slice(7)]).combine_chunks())
    assert (case.path / "a.parquet").read_bytes() == (case.path / "b.parquet").read_bytes()


# The lock


def test_a_second_writer_is_refused_and_readers_are_not(case: Case, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x\n")
    case.write_manifest(Manifest(date(2026, 3, 2), (source(log),)))
    with case.lock():
        with pytest.raises(CaseError, match="another breachscope is writing to this case; wait for it to end"), Case.open(case.path).lock():
            pass
        assert [s.name for s in Case.open(case.path).sources()] == ["x.log"]
    with Case.open(case.path).lock():
        pass


def test_the_lock_of_a_killed_writer_is_free(case: Case) -> None:
    script = f"import os, breachscope.case as c, pathlib; c.Case.open(pathlib.Path({str(case.path)!r})).lock().__enter__(); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with case.lock():
        pass


def test_leftovers_of_a_killed_writer_go_when_the_next_one_comes(case: Case) -> None:
    (case.path / "events" / "web").mkdir(parents=True)
    (case.path / "events" / "web" / "1.parquet.partial").touch()
    (case.path / "tmp" / "123").mkdir(parents=True)
    with case.lock():
        assert sorted(p.name for p in case.path.rglob("*") if p.is_file()) == [".lock", CUSTODY]


# The manifest


def test_a_manifest_comes_back_as_it_was_written(case: Case, tmp_path: Path) -> None:
    log = tmp_path / "a\n表 \udcff.log"
    log.write_text("x\n")
    written = Manifest(
        date(2026, 3, 2), (source(log, 1, skipped={"blank": 1}, lines=1, notes=("is empty",)), source(log, 3, duplicate_of=1, problem="cut", tz="Asia/Tokyo"))
    )
    case.write_manifest(written)
    assert case.read_manifest() == written
    assert written.next_id == 4
    json.loads((case.path / MANIFEST).read_bytes().decode("utf-8"))


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": "breachscope/manifest/1"}', b'{"schema": "breachscope/manifest/99"}', b"\xff", b"[" * 9999])
def test_a_damaged_manifest_is_one_sentence(case: Case, damage: bytes) -> None:
    case.write_bytes(MANIFEST, damage)
    with pytest.raises(CaseError, match=r"manifest\.json: (is damaged|was written by another version)"):
        case.sources()
    assert [f.what for f in case.verify()] == ["manifest"]


def test_a_line_without_a_fate_is_a_fault(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x\n")
    source(log, lines=4, event_lines=1, skipped={"blank": 2}, rejected=1).check_lines()
    with pytest.raises(CaseError, match="5 lines read but 4 accounted for"):
        source(log, lines=5, event_lines=1, skipped={"blank": 2}, rejected=1).check_lines()


def test_event_files_are_those_that_the_manifest_names(case: Case, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x\n")
    for name in ("events/web/1.parquet", "events/web/9.parquet", "events/auth/1.parquet"):
        case.write_bytes(name, b"")
    case.write_manifest(Manifest(date(2026, 3, 2), (source(log, files={"events/web/1.parquet": "", "events/auth/1.parquet": ""}),)))
    assert [p.relative_to(case.path).as_posix() for p in case.event_files("web")] == ["events/web/1.parquet"]
    assert case.event_files("network") == []
    with pytest.raises(KeyError):
        case.event_files("wev")


# Custody


@pytest.fixture
def recorded(case: Case) -> Case:
    """A case with three custody records."""
    for n in range(1, 4):
        case.write_bytes(f"result{n}.json", b"%d" % n)
        case.record(f"step{n}", [f"result{n}.json"], {"path": "/logs/表\udcff.log", "n": n})
    assert case.verify() == []
    return case


def lines_of(case: Case) -> list[bytes]:
    return (case.path / CUSTODY).read_bytes().splitlines(keepends=True)


def test_records_say_who_when_where_what(recorded: Case) -> None:
    records = [json.loads(line) for line in lines_of(recorded)]
    assert [r["seq"] for r in records] == [1, 2, 3]
    assert records[0]["previous"] == "0" * 64
    assert [r["previous"] for r in records[1:]] == [r["hash"] for r in records[:2]]
    assert set(records[0]) == {"seq", "time", "user", "host", "tool", "command", "parameters", "outputs", "previous", "hash"}
    assert records[1]["outputs"] == {"result2.json": hashlib.sha256(b"2").hexdigest()}
    assert records[1]["time"].endswith("+00:00")


@pytest.mark.parametrize("field", ["seq", "time", "user", "host", "tool", "command", "parameters", "outputs", "previous", "hash"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_change_of_any_field_shows(recorded: Case, field: str, number: int) -> None:
    lines = lines_of(recorded)
    record = json.loads(lines[number - 1])
    record[field] = {"seq": 9, "parameters": {}, "outputs": {}}.get(field, "0" * 64 if field in ("previous", "hash") else "x")
    if json.loads(lines[number - 1])[field] == record[field]:
        record[field] = "1" * 64
    lines[number - 1] = json.dumps(record).encode() + b"\n"
    (recorded.path / CUSTODY).write_bytes(b"".join(lines))
    assert f"record {number} was changed after it was written" in [f.detail for f in recorded.verify()]


def rehashed(record: dict[str, Any]) -> bytes:
    """A forged record whose own hash is right."""
    body = {k: v for k, v in record.items() if k != "hash"}
    digest = hashlib.sha256(json.dumps(body, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return json.dumps({**body, "hash": digest}, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    ("edit", "number"),
    [
        (lambda a, b, c: [b, c], 1),
        (lambda a, b, c: [a, c], 2),
        (lambda a, b, c: [a, c, b], 2),
        (lambda a, b, c: [a, b, b, c], 3),
        (lambda a, b, c: [a, rehashed({**json.loads(b), "user": "other"}), c], 3),
    ],
)
def test_records_removed_inserted_or_reordered_show(recorded: Case, edit: Callable[..., list[bytes]], number: int) -> None:
    (recorded.path / CUSTODY).write_bytes(b"".join(edit(*lines_of(recorded))))
    assert f"record {number} does not follow the one before: a record was removed or inserted" in [f.detail for f in recorded.verify()]


@pytest.mark.parametrize("line", [b"\n", b"garbage\n", b"[]\n", b"5\n", b"\xff\n"])
def test_what_is_no_record_shows(recorded: Case, line: bytes) -> None:
    first, *others = lines_of(recorded)
    (recorded.path / CUSTODY).write_bytes(b"".join([first, line, *others]))
    assert told(recorded.verify()) == [("custody", CUSTODY, "is not a record: the custody chain was edited")]


def test_a_last_record_cut_off_shows_and_the_next_command_goes_on(recorded: Case) -> None:
    whole = (recorded.path / CUSTODY).read_bytes()
    (recorded.path / CUSTODY).write_bytes(whole[:-30])
    assert told(recorded.verify()) == [("custody", CUSTODY, "record 3 is cut off: the command was killed while it wrote, or the end was removed")]
    recorded.record("step3", ["result3.json"], {})
    assert recorded.verify() == []
    assert [json.loads(line)["seq"] for line in lines_of(recorded)] == [1, 2, 3]


def test_a_whole_last_record_that_lost_its_newline_is_kept(recorded: Case) -> None:
    path = recorded.path / CUSTODY
    path.write_bytes(path.read_bytes()[:-1])
    assert recorded.verify() == []
    recorded.record("step4", [], {})
    assert [json.loads(line)["seq"] for line in lines_of(recorded)] == [1, 2, 3, 4]
    assert recorded.verify() == []


def test_recorded_outputs_are_the_latest(recorded: Case) -> None:
    recorded.write_bytes("result1.json", b"new")
    recorded.record("again", ["result1.json"], {})
    assert recorded.custody.outputs()["result1.json"] == hashlib.sha256(b"new").hexdigest()
    assert recorded.verify() == []


# verify


def test_a_changed_and_a_missing_result_are_named(recorded: Case) -> None:
    (recorded.path / "result1.json").write_bytes(b"forged")
    (recorded.path / "result2.json").unlink()
    assert told(recorded.verify()) == [
        ("result", "result1.json", "differs from what breachscope wrote"),
        ("result", "result2.json", "is missing"),
    ]


def test_changed_grown_and_missing_inputs_are_named(case: Case, tmp_path: Path) -> None:
    logs = [tmp_path / f"{name}.log" for name in ("same", "changed", "grown", "shrunk", "gone")]
    for log in logs:
        log.write_bytes(b"0123456789")
    case.write_manifest(Manifest(date(2026, 3, 2), tuple(source(log, n) for n, log in enumerate(logs, 1))))
    assert [f.detail.split(":")[0] for f in case.verify()] == ["has no custody record"]
    case.record("ingest", [MANIFEST], {})
    assert case.verify() == []
    os.utime(logs[0], (0, 0))
    logs[1].write_bytes(b"0123456780")
    logs[2].write_bytes(b"0123456789ab")
    logs[3].write_bytes(b"012")
    logs[4].unlink()
    found = told(case.verify())
    assert [(what, name) for what, name, _ in found] == [("input", f"{n}.log") for n in ("changed", "grown", "shrunk", "gone")]
    assert found[0][2].startswith("differs from what was ingested")
    assert found[1][2] == "has grown from 10 to 12 bytes since it was ingested; ingest again to add the rest"
    assert found[2][2].startswith("differs from what was ingested")
    assert found[3][2] == "cannot be read any more (No such file or directory)"
