"""Archives: every member is an input of its own; what cannot be read is told, and the others are read."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.test_ingest_run import bytes_of, events, failed_login, new_case, read, web

from breachscope.case import Case
from breachscope.ingest import read_raw_line
from breachscope.ingest.archives import find_member, open_archive
from breachscope.ingest.inputs import Input
from breachscope.ingest.streams import Stream

Files = Mapping[str, bytes]
LOGS: Files = {
    "var/log/access.log": "".join(web(n) + "\n" for n in range(300)).encode(),
    "var/log/auth.log": "".join(failed_login(n) + "\n" for n in range(200)).encode(),
    "var/log/access.log.1.gz": gzip.compress("".join(web(n, "203.0.113.7") + "\n" for n in range(100)).encode(), mtime=0),
}


def tar_of(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return held.getvalue()


def zip_of(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return held.getvalue()


KINDS: dict[str, Callable[[Files], bytes]] = {
    "zip": zip_of,
    "zip stored": lambda files: zip_of(files, zipfile.ZIP_STORED),
    "zip bzip2": lambda files: zip_of(files, zipfile.ZIP_BZIP2),
    "zip lzma": lambda files: zip_of(files, zipfile.ZIP_LZMA),
    "tar": tar_of,
    "tar ustar": lambda files: tar_of(files, tarfile.USTAR_FORMAT),
    "tar gnu": lambda files: tar_of(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tar_of(files)),
    "tar.bz2": lambda files: bz2.compress(tar_of(files)),
    "tar.xz": lambda files: lzma.compress(tar_of(files)),
    "tar.zst": lambda files: zstandard.compress(tar_of(files)),
}


def put(path: Path, stored: bytes) -> Path:
    path.write_bytes(stored)
    return path


def told(case: Case) -> dict[str, str | None]:
    return {s.name.partition("!")[2]: s.problem for s in case.sources()}


def contents(path: Path, tmp_path: Path) -> dict[str, bytes]:
    """What the members hold, one after the other."""
    with open_archive(path, new_case(tmp_path / "spool").spooled, None) as archive:
        assert archive is not None
        assert archive.problem is None
        return {m.name: b"".join(Stream(Input(path, m)).content()) for m in archive.members}


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_inputs_of_their_own(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path / "logs", KINDS[kind](LOGS))
    case, plain = new_case(tmp_path / "case"), new_case(tmp_path / "plain")
    result = read(case, path)
    assert result.errors == []
    for name, data in LOGS.items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        put(tmp_path / "unpacked" / name, data)
    read(plain, tmp_path / "unpacked")
    found, expected = ({s.name.rpartition("/")[2]: s for s in c.sources()} for c in (case, plain))
    for name, source in found.items():
        other = expected[name]
        assert (source.path, source.member) == (f"{path}!var/log/{name}", f"var/log/{name}")
        assert (source.sha256, source.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        for same in ("content_sha256", "content_size", "lines", "events", "formats", "compression", "year_assumption", "first_ts", "last_ts"):
            assert getattr(source, same) == getattr(other, same), same
    columns = ("ts", "client_ip", "line", "path")
    assert sorted([e[c] for c in columns] for e in events(case)) == sorted([e[c] for c in columns] for e in events(plain))
    assert case.verify() == []
    for event in [*events(case)[::97], *events(case, "auth")[::67]]:
        line = read_raw_line(case, event["event_id"])
        member = LOGS[line.source.member or ""]
        text = gzip.decompress(member) if member.startswith(b"\x1f\x8b") else member
        assert line.raw == text.splitlines()[event["line"] - 1]
    before = bytes_of(case)
    again = read(case, path)
    assert (again.added, len(again.unchanged)) == ([], 3)
    assert bytes_of(case) == before
    assert not (case.path / "tmp").exists()


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120).filter(lambda n: n not in (".", ".."))


@settings(max_examples=25)
@given(
    files=st.dictionaries(NAMES, st.binary(max_size=1500).map(lambda data: b"-" + data), min_size=1, max_size=5),
    kind=st.sampled_from(["zip", "tar", "tar gnu", "tar.gz"]),
)
def test_what_the_standard_library_writes_is_read_byte_by_byte(tmp_path_factory: pytest.TempPathFactory, files: Files, kind: str) -> None:
    folder = tmp_path_factory.mktemp("archive")
    path = put(folder / "x", KINDS[kind](files))
    assert contents(path, folder) == files
    for name, data in files.items():
        assert b"".join(Stream(find_member(path, name)).content()) == data


SMALL = {"a.log": "".join(web(n) + "\n" for n in range(9)).encode(), "b.log": failed_login(1).encode() + b"\n"}


@settings(max_examples=12)
@given(stored=st.sampled_from([zip_of(SMALL), tar_of(SMALL)]), chance=st.randoms(use_true_random=False))
def test_damage_anywhere_ends_in_no_fault_and_loses_no_line_silently(tmp_path_factory: pytest.TempPathFactory, stored: bytes, chance: Any) -> None:
    folder = tmp_path_factory.mktemp("damage")
    damaged = bytearray(stored)
    for _ in range(chance.randrange(1, 4)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    del damaged[chance.choice([len(damaged), chance.randrange(len(damaged))]) :]
    case = new_case(folder / "case")
    result = read(case, put(folder / "x", bytes(damaged)))
    read_all = sum(s.event_lines for s in result.added) == 10
    assert read_all or result.errors or any(s.rejected for s in result.added)
    for source in result.added:
        source.check_lines()


def members_told(case: Case) -> list[tuple[str | None, int, str | None]]:
    return [(s.member, s.event_lines, s.problem) for s in case.sources()]


def test_a_cut_tar_keeps_what_stands_before_the_cut(tmp_path: Path) -> None:
    whole = tar_of({"a.log": LOGS["var/log/access.log"], "b.log": LOGS["var/log/auth.log"]})
    log = LOGS["var/log/auth.log"]
    kept = 5_000
    cut = whole[: whole.index(log) + kept]
    case = new_case(tmp_path / "case")
    result = read(case, put(tmp_path / "x.tar", cut))
    (a, b, archive) = case.sources()
    assert (a.event_lines, a.problem) == (300, None)
    assert b.problem == f"the archive breaks off within this member, after 5,000 of its {len(log):,} bytes"
    assert (b.event_lines, b.rejected) == (log[:kept].count(b"\n"), 1)
    assert archive.problem == "the tar archive ends without the mark of its end: it was cut, and further members are not known"
    assert {Path(e.path or "").name for e in result.errors} == {"x.tar!b.log", "x.tar"}


def test_a_damaged_header_hides_no_member_before_it(tmp_path: Path) -> None:
    stored = bytearray(tar_of(LOGS, tarfile.USTAR_FORMAT))
    at = stored.index(b"var/log/auth.log")
    stored[at] ^= 1
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.tar", bytes(stored)))
    assert members_told(case) == [
        ("var/log/access.log", 300, None),
        (None, 0, f"the tar archive is cut or damaged after {at:,} bytes; further members are not known"),
    ]


def test_a_cut_stream_around_a_tar_is_told_with_the_archive(tmp_path: Path) -> None:
    noise = hashlib.shake_256(b"x").hexdigest(60_000).encode()
    stored = gzip.compress(tar_of({"a.log": LOGS["var/log/access.log"], "b.log": noise}))
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.tar.gz", stored[: len(stored) // 2]))
    sources = case.sources()
    assert (sources[0].member, sources[0].event_lines, sources[0].problem) == ("a.log", 300, None)
    assert (sources[-1].problem or "").startswith("the gzip stream is cut or damaged after ")


class Pipe(io.BytesIO):
    """What a zip archive is written to that cannot go back: sizes then follow the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def piped_zip_of(files: Files) -> bytes:
    held = Pipe()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.mark.parametrize("make", [zip_of, piped_zip_of, lambda files: zip_of(files, zipfile.ZIP_STORED)])
def test_a_zip_whose_end_is_missing_is_read_by_the_headers_of_its_members(tmp_path: Path, make: Callable[[Files], bytes]) -> None:
    files = {"a.log": LOGS["var/log/access.log"], "var/": b"", "b.log": LOGS["var/log/auth.log"]}
    whole = make(files)
    case = new_case(tmp_path / "case")
    result = read(case, put(tmp_path / "x.zip", whole[:-60]))
    assert ["the zip archive is cut or damaged" in str(e) for e in result.errors] == [True]
    assert [(m, n) for m, n, _ in members_told(case)] == [("a.log", 300), ("b.log", 200), (None, 0)]
    assert case.verify() == []
    for event in [*events(case)[::97], *events(case, "auth")[::67]]:
        line = read_raw_line(case, event["event_id"])
        assert line.raw == files[line.source.member or ""].splitlines()[event["line"] - 1]
    cut = whole[: whole.index(b"b.log") + 700]
    shorter = new_case(tmp_path / "shorter")
    read(shorter, put(tmp_path / "x.zip", cut))
    (a, b, _) = shorter.sources()
    assert (a.event_lines, a.problem) == (300, None)
    assert (b.event_lines > 3, b.rejected, "breaks off" in (b.problem or "")) == (True, 1, True)


def test_a_damaged_and_an_encrypted_member_are_told_and_the_others_read(tmp_path: Path) -> None:
    stored = bytearray(zip_of({"bad.log": LOGS["var/log/auth.log"], "good.log": LOGS["var/log/access.log"], "secret.log": b"x\n", "odd.log": b"y\n"}))
    stored[60] ^= 0xFF  # within the first member's data
    for name, at, value in ((b"secret.log", 8, 1), (b"odd.log", 10, 9)):
        central = stored.rindex(name) - 46
        local = stored.index(name) - 30
        struct.pack_into("<H", stored, central + at, value)
        struct.pack_into("<H", stored, local + at - 2, value)
    case = new_case(tmp_path / "case")
    result = read(case, put(tmp_path / "x.zip", bytes(stored)))
    found = {s.member: s for s in case.sources()}
    assert found["good.log"].event_lines == 300
    assert (found["bad.log"].problem or "").startswith("the member is damaged or cut after ")
    assert found["secret.log"].problem == "is encrypted: unpack it and give what it holds"
    assert found["odd.log"].problem == "is compressed by method 9, which this program does not read: unpack it and give what it holds"
    assert {Path(e.path or "").name for e in result.errors} == {"x.zip!bad.log", "x.zip!secret.log", "x.zip!odd.log"}
    assert read(case, tmp_path / "x.zip").added == []


HOSTILE_NAMES = ["../../../etc/passwd", "/etc/shadow", "..\\..\\x", "a\nb.log", "\x1b[31mred", "con", "x" * 300, "var//log/./x", "-rf", "表示.log", "a!b", "é"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar gnu"])
def test_a_name_only_names(tmp_path: Path, kind: str) -> None:
    files = {name: web(n).encode() + b"\n" for n, name in enumerate(HOSTILE_NAMES)}
    path = put(tmp_path / "x", KINDS[kind](files))
    case = new_case(tmp_path / "case")
    before = sorted(tmp_path.rglob("*"))
    assert read(case, path).errors == []
    assert [s.member for s in case.sources()] == HOSTILE_NAMES
    outside = [p for p in sorted(tmp_path.rglob("*")) if p not in before and case.path not in p.parents]
    assert outside == []
    assert case.verify() == []
    for event in events(case):
        assert read_raw_line(case, event["event_id"]).text == web(int(event["path"].removeprefix("/o/")))


def test_a_member_of_a_zip_without_a_name_hides_no_other(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for n, name in enumerate(["", "aaaaa", "b.log"]):
            archive.writestr(zipfile.ZipInfo(name), web(n) + "\n")
    stored = held.getvalue().replace(b"aaaaa", b"\0.log")  # the standard library ends names at a NUL
    case = new_case(tmp_path / "case")
    assert read(case, put(tmp_path / "x.zip", stored)).errors == []
    assert [e["path"] for e in events(case)] == ["/o/0", "/o/1", "/o/2"]
    assert case.verify() == []


def test_members_of_one_name_are_told_apart(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for n, name in enumerate(["a.log", "a.log", "a.log#2", "a.log"]):
            info = tarfile.TarInfo(name)
            data = web(n).encode() + b"\n"
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.tar", held.getvalue()))
    assert [s.member for s in case.sources()] == ["a.log", "a.log#2", "a.log#2#2", "a.log#3"]
    assert [read_raw_line(case, e["event_id"]).text for e in events(case)] == [web(n) for n in range(4)]


def test_links_folders_and_devices_hold_no_lines_and_a_sparse_file_is_told(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"kind{kind.decode()}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name, headers in (("sparse.log", {"GNU.sparse.major": "1"}), ("a.log", {})):
            info = tarfile.TarInfo(name)
            data = web(1).encode() + b"\n"
            info.size, info.pax_headers = len(data), headers
            archive.addfile(info, io.BytesIO(data))
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.tar", held.getvalue()))
    assert members_told(case) == [
        ("sparse.log", 0, "is stored as a sparse file, which this program does not read: unpack it and give what it holds"),
        ("a.log", 1, None),
    ]


def test_joined_tars_are_read_to_the_last(tmp_path: Path) -> None:
    stored = tar_of({"a.log": web(1).encode() + b"\n"}) + tar_of({"b.log": web(2).encode() + b"\n"})
    case = new_case(tmp_path / "case")
    assert read(case, put(tmp_path / "x.tar", stored)).errors == []
    assert [s.member for s in case.sources()] == ["a.log", "b.log"]


def test_an_archive_in_an_archive_is_told_and_not_read(tmp_path: Path) -> None:
    inner = {"inner.zip": zip_of(LOGS), "inner.tar": tar_of(LOGS), "inner.7z": b"7z\xbc\xaf\x27\x1c" + bytes(2000), "a.log": web(1).encode() + b"\n"}
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.zip", zip_of(inner)))
    found = {s.member: s for s in case.sources()}
    assert found["a.log"].event_lines == 1
    for name, what in (("inner.zip", "zip"), ("inner.tar", "tar"), ("inner.7z", "7-Zip")):
        assert found[name].problem == f"is a {what} archive; nothing was read from it: unpack it and give what it holds", name
        assert found[name].lines == 0


# An archive that changes


def test_a_log_that_was_archived_later_is_counted_once(tmp_path: Path) -> None:
    log = put(tmp_path / "access.log", LOGS["var/log/access.log"])
    case = new_case(tmp_path / "case")
    read(case, log)
    log.unlink()
    put(tmp_path / "old.tar.gz", gzip.compress(tar_of(LOGS)))
    read(case, tmp_path)
    assert {s.member: (s.id, s.event_lines) for s in case.sources()} == {
        "var/log/access.log": (1, 300),
        "var/log/auth.log": (2, 200),
        "var/log/access.log.1.gz": (3, 100),
    }
    assert case.verify() == []


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_that_was_made_again_with_more_adds_what_is_new(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path / "x", KINDS[kind](LOGS))
    case = new_case(tmp_path / "case")
    read(case, path)
    files = {**LOGS, "var/log/access.log": LOGS["var/log/access.log"] + web(999).encode() + b"\n", "new.log": web(1, "198.51.100.1").encode() + b"\n"}
    put(path, KINDS[kind](files))
    read(case, path)
    assert {s.member: (s.id, s.event_lines) for s in case.sources()} == {
        "var/log/access.log": (1, 301),
        "var/log/auth.log": (2, 200),
        "var/log/access.log.1.gz": (3, 100),
        "new.log": (4, 1),
    }
    assert case.verify() == []
    moved = path.rename(tmp_path / "moved")
    again = read(case, moved)
    assert (again.added, len(again.unchanged), len(case.sources())) == ([], 4, 4)


def test_globs_of_sources_toml_fit_members_as_if_the_archive_were_a_folder(tmp_path: Path) -> None:
    path = put(tmp_path / "logs.zip", zip_of(LOGS))
    (tmp_path / "mine.toml").write_text('[[source]]\nmatch = "logs.zip/var/log/auth.log"\ntz = "Asia/Tokyo"\n')
    case = new_case(tmp_path / "case")
    read(case, path, sources_file=tmp_path / "mine.toml")
    assert {s.name.rpartition("/")[2]: s.tz for s in case.sources()} == {"access.log": "UTC", "auth.log": "Asia/Tokyo", "access.log.1.gz": "UTC"}


# Bombs


def test_members_that_share_their_bytes_are_not_read(tmp_path: Path) -> None:
    """Fifield's bomb: many entries of the table of contents over the same data."""
    stored = bytearray(zip_of({"a.log": LOGS["var/log/access.log"], "b.log": web(1).encode() + b"\n"}))
    central = stored.index(b"PK\x01\x02")
    second = stored.index(b"PK\x01\x02", central + 4)
    stored[second:second] = stored[central:second].replace(b"a.log", b"c.log")
    end = stored.rindex(b"PK\x05\x06")
    struct.pack_into("<HHI", stored, end + 8, 3, 3, end - central)
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.zip", bytes(stored)))
    shared = "shares its bytes with other members, as decompression bombs do; nothing was read from it"
    assert members_told(case) == [("a.log", 0, shared), ("c.log", 0, shared), ("b.log", 1, None)]


def as_zip64(stored: bytes) -> bytes:
    """The same archive with the end of one of more than 65,535 members."""
    body, end = stored[:-22], stored[-22:]
    count, size, offset = struct.unpack_from("<10xHII", end)
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(body), 1)
    return body + record + locator + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def with_an_end_in_its_end(stored: bytes) -> bytes:
    return stored[:-14] + b"PK\x05\x06" + stored[-10:]


@pytest.mark.parametrize("written", [bytes, as_zip64, with_an_end_in_its_end])
def test_of_very_many_members_none_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Callable[[bytes], bytes]) -> None:
    """A million members make a table of contents of 59 MB, which Python holds in half a gigabyte."""
    logs = {f"{n}.log": web(n).encode() + b"\n" for n in range(3)}
    path = put(tmp_path / "x.zip", written(zip_of(logs)))
    case = new_case(tmp_path / "read")
    read(case, path)
    assert members_told(case) == [(f"{n}.log", 1, None) for n in range(3)]
    monkeypatch.setattr("breachscope.ingest.archives._MOST_CONTENTS_BYTES", 152)
    case = new_case(tmp_path / "refused")
    result = read(case, path)
    told = "the zip archive has a table of contents of 153 bytes, more than this program holds: unpack it and give what it holds"
    assert members_told(case) == [(None, 0, told)]
    assert [error.text for error in result.errors] == [told]


def test_of_many_members_the_first_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breachscope.ingest.archives._MOST_MEMBERS", 2)
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.zip", zip_of({f"{n}.log": web(n).encode() + b"\n" for n in range(3)})))
    told = "holds more than 2 members; further ones were not read: unpack it and give what it holds"
    assert members_told(case) == [("0.log", 1, None), ("1.log", 1, None), (None, 0, told)]


@pytest.fixture
def low_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound, made small: 100,000 bytes, or twenty times the file."""
    monkeypatch.setattr("breachscope.ingest.compression._LEAST_BOUND_BYTES", 100_000)
    monkeypatch.setattr("breachscope.ingest.compression._MOST_EXPANSION", 20)


BOMB = (web(1).encode() + b"\n") * 20_000


@pytest.mark.usefixtures("low_bound")
@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd", "zip", "tar.gz", "zip gzip"])
def test_a_bomb_is_read_up_to_the_bound_and_told(tmp_path: Path, kind: str) -> None:
    make: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "zstd": zstandard.compress,
        "zip": lambda data: zip_of({"a": data, "b": data}),
        "tar.gz": lambda data: gzip.compress(tar_of({"a": data, "b": data})),
        "zip gzip": lambda data: zip_of({"a": gzip.compress(data), "b": gzip.compress(data)}),
    }
    stored = make[kind](BOMB)
    bound = max(100_000, 20 * len(stored))
    path = put(tmp_path / "bomb", stored)
    case = new_case(tmp_path / "case")
    result = read(case, path, block_bytes=50_000)
    assert "decompression bomb does; what follows was not read: if it is a log, give --unbounded" in str(result.errors)
    assert sum(s.content_size for s in case.sources()) <= bound
    assert 1_000 < sum(s.lines for s in case.sources()) < 20_000
    for source in case.sources():
        source.check_lines()
    assert case.verify() == []
    again = read(case, path)
    assert again.added == []
    lifted = read(case, path, unbounded=True)
    assert [s.problem for s in lifted.added if s.event_lines] in ([None], [None, None])
    assert len(events(case)) == 20_000


@pytest.mark.usefixtures("low_bound")
def test_members_behind_a_bomb_are_told_as_unread_and_not_as_bombs_or_empty(tmp_path: Path) -> None:
    case = new_case(tmp_path / "case")
    stored = zip_of({"a": BOMB, "b": web(2).encode() + b"\n"})
    result = read(case, put(tmp_path / "x.zip", stored))
    told = f"was not read: the members before it reached {20 * len(stored):,} bytes, the bound of the whole archive; if they are logs, give --unbounded"
    assert [(s.member, s.lines, s.problem, s.notes) for s in case.sources()][1:] == [("b", 0, told, ())]
    assert [str(e).rpartition("!")[2] for e in result.errors][1:] == [f"b: {told}"]


def rejects_of(case: Case) -> Sequence[Mapping[str, Any]]:
    return [row for path in case.reject_files() for row in pq.read_table(path).to_pylist()]


@pytest.mark.usefixtures("low_bound")
def test_the_line_at_the_bound_is_no_event(tmp_path: Path) -> None:
    """Cut within its last field it would read as a smaller number of bytes."""
    line = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET / HTTP/1.1" 200 123456789'
    case = new_case(tmp_path / "case")
    read(case, put(tmp_path / "x.gz", gzip.compress((line + "\n").encode() * 40_000)))
    assert {e["bytes_sent"] for e in events(case)} == {123_456_789}
    assert [r["reason"] for r in rejects_of(case)] == ["the input breaks off within this line"]
    source = case.sources()[0]
    assert source.content_size == max(100_000, 20 * source.size)
