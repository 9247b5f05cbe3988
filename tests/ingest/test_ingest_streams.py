"""Inputs as they come: compressed, cut, in several encodings, with any line ends; no line is lost or moved."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import random
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from breachscope.errors import InputError
from breachscope.ingest.encoding import Encoding, decode_line, first_fit
from breachscope.ingest.inputs import Input, find_inputs
from breachscope.ingest.lines import Lines, split_lines
from breachscope.ingest.native import not_utf_8
from breachscope.ingest.streams import Block, Stream, content_digests, read_lines_at

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
TEXT = b"".join(b"line %d %s\n" % (n, hashlib.sha256(b"%d" % n).hexdigest().encode()) for n in range(40_000))
LOST_BEFORE_DAMAGE_BYTES = {"gzip": 300_000, "bzip2": 1_800_000, "xz": 300_000, "zstd": 300_000}
"""How far before the damage the last readable byte may lie; bzip2 cannot read any of a block that it does not have whole."""


@cache
def compressed(name: str) -> bytes:
    return COMPRESSORS[name](TEXT)


def stream_of(tmp_path: Path, stored: bytes, **settings: int) -> tuple[Stream, list[Block]]:
    path = tmp_path / "x.log"
    path.write_bytes(stored)
    stream = Stream(Input(path), **settings)  # type: ignore[arg-type] # sizes only
    return stream, list(stream.blocks())


def content(blocks: list[Block]) -> bytes:
    return b"".join(b.data for b in blocks)


def texts_of(stream: Stream, blocks: list[Block]) -> list[str]:
    return [t for b in blocks for t in split_lines(b, stream.encoding, stream.newline).frame["text"].to_list()]


@pytest.mark.parametrize("name", COMPRESSORS)
def test_whole_stream_is_read(tmp_path: Path, name: str) -> None:
    stored = compressed(name)
    stream, blocks = stream_of(tmp_path, stored)
    assert content(blocks) == TEXT
    assert (stream.compression, stream.problem) == (name, None)
    assert (stream.size, stream.content_size) == (len(stored), len(TEXT))
    assert (stream.stored_digest, stream.content_digest) == (hashlib.sha256(stored).hexdigest(), hashlib.sha256(TEXT).hexdigest())


@pytest.mark.parametrize("name", COMPRESSORS)
def test_several_members_are_read_as_one(tmp_path: Path, name: str) -> None:
    parts = [TEXT[:1000], b"", TEXT[1000:]]
    stream, blocks = stream_of(tmp_path, b"".join(COMPRESSORS[name](p) for p in parts))
    assert (content(blocks), stream.problem) == (TEXT, None)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_zeros_behind_the_stream_are_padding(tmp_path: Path, name: str) -> None:
    stream, blocks = stream_of(tmp_path, compressed(name) + bytes(200_000))
    assert (content(blocks), stream.problem) == (TEXT, None)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressed_nothing_is_empty_and_sound(tmp_path: Path, name: str) -> None:
    stream, blocks = stream_of(tmp_path, COMPRESSORS[name](b""))
    assert (content(blocks), stream.problem) == (b"", None)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_cut_stream_keeps_what_stands_before_the_cut_and_says_where(tmp_path: Path, name: str, share: float) -> None:
    stored = compressed(name)
    kept = stored[: int(len(stored) * share)]
    stream, blocks = stream_of(tmp_path, kept)
    found = content(blocks)
    assert TEXT.startswith(found)
    assert len(found) > share * len(TEXT) - LOST_BEFORE_DAMAGE_BYTES[name]
    assert stream.problem == f"the {name} stream is cut or damaged after {len(found):,} bytes of content; what follows is not known"
    assert (stream.size, stream.stored_digest) == (len(kept), hashlib.sha256(kept).hexdigest())


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_stream_that_lacks_only_its_last_byte_is_reported(tmp_path: Path, name: str) -> None:
    stream, _ = stream_of(tmp_path, compressed(name)[:-1])
    assert stream.problem is not None


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_damaged_byte_is_noticed(tmp_path: Path, name: str) -> None:
    stored = bytearray(compressed(name))
    stored[len(stored) // 2] ^= 0xFF
    stream, blocks = stream_of(tmp_path, bytes(stored))
    assert stream.problem is not None
    assert "is cut or damaged after" in stream.problem
    found = content(blocks)
    sound = next((n for n, (read, written) in enumerate(zip(found, TEXT, strict=False)) if read != written), len(found))
    assert sound > len(TEXT) // 2 - LOST_BEFORE_DAMAGE_BYTES[name]
    assert stream.stored_digest == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("name", COMPRESSORS)
def test_other_data_behind_the_stream_are_reported(tmp_path: Path, name: str) -> None:
    stream, blocks = stream_of(tmp_path, compressed(name) + b"this is no compressed member at all, but text")
    assert content(blocks) == TEXT
    assert stream.problem == f"other data follow the {name} stream, after {len(TEXT):,} bytes of content; they were not read"


def test_a_name_does_not_make_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(b"plain\n")
    stream = Stream(Input(path))
    assert content(list(stream.blocks())) == b"plain\n"
    assert (stream.compression, stream.problem) == ("none", None)


def test_a_small_bomb_is_read_piece_by_piece(tmp_path: Path) -> None:
    """A hundred megabytes of newlines in a few kilobytes: no block is larger than asked for, nor, behind the first, has more lines than are aimed at."""
    part = zstandard.compress(b"\n" * (64 << 20))
    stream = Stream(Input(tmp_path / "x"), block_bytes=1 << 20)
    stream.input.file.write_bytes(part * 2)
    first, *others = [len(b.data) for b in stream.blocks()]
    assert (first, set(others)) == (1 << 20, {1 << 18})


@pytest.mark.parametrize("line", [b"", b"abc"])
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_no_block_holds_more_lines_than_memory_bears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, ending: bytes) -> None:
    monkeypatch.setattr("breachscope.ingest.streams._MOST_LINES", 7)
    stored = (line + b"\n") * 100 + b"last" + ending
    stream, blocks = stream_of(tmp_path, stored, block_bytes=50)
    assert content(blocks) == stored
    counts = [len(split_lines(b, "utf-8", b"\n")) for b in blocks]
    assert max(counts) <= 8  # the last may hold one that is not ended
    assert [b.first_line for b in blocks] == [1 + sum(counts[:n]) for n in range(len(counts))]
    assert stream.index == [(b.first_line, b.offset) for b in blocks]
    assert [b.offset for b in blocks] == [sum(len(b.data) for b in blocks[:n]) for n in range(len(blocks))]


def test_a_line_within_which_a_stream_breaks_off_stands_alone(tmp_path: Path) -> None:
    stored = gzip.compress(TEXT)[:-400_000]
    stream, blocks = stream_of(tmp_path, stored, block_bytes=100_000)
    assert [b.fault for b in blocks] == [None] * (len(blocks) - 1) + ["the input breaks off within this line"]
    whole = content(blocks[:-1])
    assert whole.endswith(b"\n")
    assert TEXT.startswith(whole + blocks[-1].data)
    assert blocks[-1].first_line == whole.count(b"\n") + 1
    assert stream.lacks_final_newline


PARTS = [TEXT[:600_000], TEXT[600_000:1_200_000], TEXT[1_200_000:]]
assert not any(p.endswith(b"\n") for p in PARTS[:2])


@pytest.mark.parametrize("block_bytes", [10_000, 24 << 20])
@pytest.mark.parametrize("at", [0, 3, 10, 0.1, 0.6, -6, None])
def test_members_behind_a_damaged_one_are_read_and_the_gap_is_told(tmp_path: Path, at: float | None, block_bytes: int) -> None:
    """The damage is in the second of three members; none of them ends with a line."""
    members = [gzip.compress(p, mtime=0) for p in PARTS]
    damaged = bytearray(members[1])
    if at is None:
        damaged = damaged[: len(damaged) // 2]  # the end is lost
    else:
        place = int(at * len(damaged)) if isinstance(at, float) else at
        damaged[place : place + 20 if at == 0.1 else place + 1] = b"\xff" * (20 if at == 0.1 else 1)
    stored = members[0] + bytes(damaged) + members[2]
    stream, blocks = stream_of(tmp_path, stored, block_bytes=block_bytes)
    found = content(blocks)
    assert found.startswith(PARTS[0])
    assert found.endswith(PARTS[2])
    begin, resumed = len(members[0]), len(members[0]) + len(damaged)
    before = len(found) - len(PARTS[2])
    assert stream.problem == (
        f"the gzip stream that begins at byte {begin:,} is damaged: what it gave, bytes 600,000 to {before:,} of the content, may be wrong in "
        f"places; reading went on with the stream at byte {resumed:,}, and what stood between is not known"
    )
    # The line before the gap and the one behind it stand alone; all others are whole lines, and each has its number.
    faults = [b for b in blocks if b.fault]
    behind = faults[-1]
    assert behind.data == PARTS[2].partition(b"\n")[0] + b"\n"
    assert (behind.fault, behind.offset) == ("what stands before this line is lost: it may be the end of another", before)
    assert [b.fault for b in faults[:-1]] == ["the input breaks off within this line"] * (not found[:before].endswith(b"\n"))
    for n, block in enumerate(blocks):
        assert block.first_line == 1 + sum(max(b.data.count(b"\n"), 1) for b in blocks[:n])
        assert block.offset == sum(len(b.data) for b in blocks[:n])
    last = blocks[-1].first_line + blocks[-1].data.count(b"\n") - 1
    for line, text in ((1, b"line 0 "), (behind.first_line, behind.data[:-1]), (behind.first_line + 1, PARTS[2].split(b"\n")[1]), (last, b"line 39999 ")):
        assert (read_lines_at(stream, stream.index, line) or b"").startswith(text)
    assert stream.stored_digest == hashlib.sha256(stored).hexdigest()
    assert (stream.content_size, stream.content_digest) == (len(found), hashlib.sha256(found).hexdigest())


def test_what_only_begins_like_a_member_is_none(tmp_path: Path) -> None:
    rng = random.Random(7)
    junk = b"".join(b"\x1f\x8b\x08" + rng.randbytes(rng.randrange(400)) for _ in range(300))
    stream, blocks = stream_of(tmp_path, gzip.compress(TEXT[:1000]) + junk)
    assert (content(blocks), stream.problem) == (TEXT[:1000], "other data follow the gzip stream, after 1,000 bytes of content; they were not read")
    stream, blocks = stream_of(tmp_path, gzip.compress(TEXT[:1000]) + junk + gzip.compress(b"x\ny\n"))
    assert content(blocks) == TEXT[:1000] + b"x\ny\n"
    assert [b.fault for b in blocks if b.data == b"x\n"] == ["what stands before this line is lost: it may be the end of another"]


def test_of_a_document_nothing_behind_a_gap_is_read(tmp_path: Path) -> None:
    records = b"[" + b",".join(b'{"n":%d,"x":"%s"}' % (n, hashlib.sha256(b"%d" % n).hexdigest().encode()) for n in range(20_000)) + b"]"
    members = [bytearray(gzip.compress(part)) for part in (records[:500_000], records[500_000:1_000_000], records[1_000_000:])]
    members[1][5000] ^= 0xFF
    stream, blocks = stream_of(tmp_path, b"".join(members))
    read = content(blocks)
    assert b'"n":0,' in read
    assert b'"n":19999,' not in read
    assert stream.problem is not None
    assert stream.problem.startswith("the gzip stream is cut or damaged after ")


@pytest.mark.parametrize("compress", [bytes, lambda data: gzip.compress(data)[:-9]], ids=["plain", "gzip that is still written"])
def test_what_is_written_after_the_end_was_read_is_left_to_the_next_run(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Were its bytes counted as read, the next run would take the log for known, and its lines would never be read."""
    stored = compress(b"one\ntwo\n")
    path = tmp_path / "x.log"
    path.write_bytes(stored)
    stream = Stream(Input(path))
    for _ in stream.blocks():
        with path.open("ab") as log:
            log.write(b"three\n")
    assert (stream.size, stream.stored_digest) == (len(stored), hashlib.sha256(stored).hexdigest())
    if stream.compression == "none":
        assert (stream.content_size, stream.content_digest) == (stream.size, stream.stored_digest)


def test_digests_of_beginnings_are_those_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(TEXT))
    sizes = [1, 5, 131_072, 131_073, len(TEXT), len(TEXT) + 1]
    assert content_digests(Input(path), sizes) == {n: hashlib.sha256(TEXT[:n]).hexdigest() for n in sizes[:-1]}


# Encodings

JAPANESE = ["表示 ソース 一覧", "ア|イ|ウ\\エ", "plain", "予約 能力 十", "ﾃｽﾄ 半角"]


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        ("\n".join(JAPANESE).encode(), "utf-8"),
        (b"\xef\xbb\xbf" + "\n".join(JAPANESE).encode(), "utf-8"),
        ("\n".join(JAPANESE).encode("cp932"), "cp932"),
        (b"\xff\xfe" + "\n".join(JAPANESE).encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + "\n".join(JAPANESE).encode("utf-16-be"), "utf-16-be"),
        (b"\xff\xfe" + "\r\n".join(JAPANESE).encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_japanese_text_in_every_encoding(tmp_path: Path, stored: bytes, encoding: str) -> None:
    stream, blocks = stream_of(tmp_path, stored)
    assert stream.encoding == encoding
    assert texts_of(stream, blocks) == JAPANESE


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_shows_by_its_nul_bytes(tmp_path: Path, encoding: str) -> None:
    lines = [f"192.0.2.{n} GET /o/{n} 表" for n in range(200)]
    stream, blocks = stream_of(tmp_path, "\n".join(lines).encode(encoding))
    assert (stream.encoding, texts_of(stream, blocks)) == (encoding, lines)


def test_cp932_second_bytes_that_look_like_separators_survive(tmp_path: Path) -> None:
    assert "表".encode("cp932")[1:] == b"\\"
    assert "ポ".encode("cp932")[1:] == b"|"
    stream, blocks = stream_of(tmp_path, "表|ポ\\".encode("cp932") + b"\n")
    assert texts_of(stream, blocks) == ["表|ポ\\"]


def raw_of(lines: Lines) -> list[bytes]:
    raw, sizes = lines.raw(lines.frame["line"].to_numpy(), 1 << 20)
    held: list[bytes] = raw.to_list()
    assert sizes.tolist() == list(map(len, held))
    return held


def test_each_line_keeps_its_own_encoding(tmp_path: Path) -> None:
    """A file joined from several tools: UTF-8 first, then CP932, then Latin-1."""
    for first in ("utf-8", "cp932"):
        second = {"utf-8": "cp932", "cp932": "utf-8"}[first]
        lines = ["表示".encode(first), b"plain", "予約 能力".encode(second), "é ".encode("latin-1"), b"\xff\xfe\xfd"]
        stream, blocks = stream_of(tmp_path, b"\n".join(lines) + b"\n")
        assert texts_of(stream, blocks) == ["表示", "plain", "予約 能力", "é ", "\xff\xfe\xfd"]
        found = split_lines(blocks[0], stream.encoding, stream.newline)
        assert raw_of(found) == lines
        assert found.strays == 2 + (stream.encoding == "utf-8")


def test_marks_inside_a_file_joined_from_several_are_dropped(tmp_path: Path) -> None:
    stream, blocks = stream_of(tmp_path, b"\xef\xbb\xbfa\n\xef\xbb\xbfb\nc\xef\xbb\xbf\n")
    assert texts_of(stream, blocks) == ["a", "b", "c\ufeff"]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12), st.text(max_size=6).map(lambda t: t.encode("utf-8", "replace")), st.sampled_from([w.encode("cp932") for w in JAPANESE])
        ),
        min_size=1,
        max_size=8,
    )
)
@example([b"\xe3\x81", b"\x82"])
@example(["表".encode("cp932")[:1], "表".encode("cp932"), b"\xa0", b"\x80\x81", "ｱ".encode("cp932")])
def test_a_line_is_decoded_by_itself_alone(raws: list[bytes]) -> None:
    lines = [r.replace(b"\n", b"").replace(b"\r", b"") for r in raws]
    for newline, stream, own in ((b"\n", "utf-8", {"utf-8"}), (b"\r", "cp932", {"utf-8", "cp932"})):
        for ending in (newline, b""):
            encoding: Encoding = "cp932" if stream == "cp932" else "utf-8"
            held = lines if ending or lines[-1] else lines[:-1]
            if not held:
                continue  # no block is empty
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("breachscope.ingest.encoding._TRIED_BYTES", 4 if ending else 1 << 16)
                found = split_lines(Block(1, 0, newline.join(lines) + ending), encoding, newline)
            assert found.frame["text"].to_list() == [decode_line(line) for line in held]
            assert found.strays == sum(first_fit(line)[1] not in own for line in held)
            assert raw_of(found) == held
            kept, sizes = found.raw(np.arange(1, len(held) + 1, 2), 3)
            assert (kept.to_list(), sizes.tolist()) == ([line[:3] for line in held[::2]], [len(line) for line in held[::2]])


EDGES = [
    b"",
    *(bytes([n]) for n in (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF)),
]


@given(st.lists(st.lists(st.sampled_from([*EDGES, b"plain text", "表".encode(), "😀".encode()]), max_size=7).map(b"".join), min_size=1, max_size=20))
@pytest.mark.parametrize("is_native", [False, True])
def test_what_is_utf_8_is_told_line_by_line(is_native: bool, lines: list[bytes]) -> None:
    def is_other(line: bytes) -> bool:
        try:
            line.decode()
        except UnicodeDecodeError:
            return True
        return False

    starts = np.array([0, *accumulate(len(line) + 1 for line in lines)])
    with pytest.MonkeyPatch.context() as patched:
        if not is_native:
            patched.setattr("breachscope.ingest.native.is_built", lambda: False)
        rows = not_utf_8(b"".join(line + b"\n" for line in lines), starts)
    assert rows.tolist() == [n for n, line in enumerate(lines) if is_other(line)]


# Line ends


@pytest.mark.parametrize(
    ("stored", "newline", "lines"),
    [
        (b"", b"\n", []),
        (b"\n", b"\n", [""]),
        (b"a", b"\n", ["a"]),
        (b"a\nb", b"\n", ["a", "b"]),
        (b"a\r\nb\r\n", b"\n", ["a", "b"]),
        (b"a\rb\r", b"\r", ["a", "b"]),
        (b"a\rb", b"\r", ["a", "b"]),
        (b"a\n\nb\n", b"\n", ["a", "", "b"]),
        (b"a\rb\n", b"\n", ["a\rb"]),
        (b"\0\0\0a\n\0\n\0b\0\n", b"\n", ["a", "", "b"]),
        (b"a\0b\r\0\n", b"\n", ["a\0b"]),
    ],
)
def test_line_ends(tmp_path: Path, stored: bytes, newline: bytes, lines: list[str]) -> None:
    stream, blocks = stream_of(tmp_path, stored)
    assert (stream.newline, texts_of(stream, blocks)) == (newline, lines)
    assert stream.lacks_final_newline == (not stored.endswith(newline) and stored != b"")


def test_a_run_of_nuls_left_by_truncation_is_one_blank_beginning(tmp_path: Path) -> None:
    stream, blocks = stream_of(tmp_path, bytes(3 << 20) + b"a\nb\n")
    assert texts_of(stream, blocks) == ["a", "b"]


def test_a_line_of_megabytes_is_one_line(tmp_path: Path) -> None:
    long = b"x" * (20 << 20)
    stream, blocks = stream_of(tmp_path, b"a\n" + long + b"\nb\n", block_bytes=1 << 20)
    assert [len(t) for t in texts_of(stream, blocks)] == [1, 20 << 20, 1]


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_line_beyond_the_limit_keeps_its_beginning_and_the_lines_after_it(tmp_path: Path, ending: bytes) -> None:
    long = b"abc" + b"x" * 5_000_000
    stored = b"a\nb\n" + long + (b"\nc\nd\n" if ending else b"")
    stream, blocks = stream_of(tmp_path, stored, block_bytes=1 << 16, max_line_bytes=1 << 20)
    overlong = [b for b in blocks if b.overlong_bytes is not None]
    assert [(b.first_line, b.overlong_bytes) for b in overlong] == [(3, len(long))]
    assert long.startswith(overlong[0].data)
    assert len(overlong[0].data) == 64 << 10
    others = [t for b in blocks if b.overlong_bytes is None for t in split_lines(b, "utf-8", b"\n").frame.rows()]
    assert others == [(1, "a"), (2, "b"), *([(4, "c"), (5, "d")] if ending else [])]
    assert stream.lacks_final_newline == (not ending)
    assert (stream.size, stream.content_digest) == (len(stored), hashlib.sha256(stored).hexdigest())


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_of_a_line_beyond_the_limit_the_beginning_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr("breachscope.ingest.streams.MAX_LINE_BYTES", 2 << 20)
    long, endless = b"y" * (1 << 20), b"x" * (9 << 20)
    lines = [b"a", long, b"", endless, b"b"]
    (tmp_path / "x.log").write_bytes(compress(b"\n".join(lines)))
    stream = Stream(Input(tmp_path / "x.log"), max_line_bytes=2 << 20, block_bytes=1 << 16)
    list(stream.blocks())
    for index in ([(1, 0)], stream.index):
        shown = [read_lines_at(replace(stream, index=[]), index, n) for n in range(1, 6)]
        assert shown == [b"a", long, b"", endless[: 64 << 10] if compress is bytes else shown[3], b"b"]
        assert shown[3] is not None
        assert endless.startswith(shown[3])


LINES = st.lists(st.one_of(st.binary(max_size=30), st.just(b"x" * 300)), max_size=30).map(
    lambda raws: [r.replace(b"\n", b"").replace(b"\r", b"") for r in raws]
)


@given(lines=LINES, block_bytes=st.integers(1, 400), is_ended=st.booleans())
def test_cuts_change_no_line(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], block_bytes: int, is_ended: bool) -> None:
    stored = b"\n".join(lines) + (b"\n" if is_ended and lines else b"")
    stream, blocks = stream_of(tmp_path_factory.getbasetemp(), stored, block_bytes=block_bytes)
    if stream.compression != "none" or stream.encoding.startswith("utf-16"):
        return  # the bytes happened to be a magic number
    assert content(blocks) == stored
    assert [b.offset for b in blocks] == [stored.find(b.data, b.offset) for b in blocks]
    assert stream.index == [(b.first_line, b.offset) for b in blocks]
    expected = stored.split(b"\n")
    for block in blocks:
        found = split_lines(block, stream.encoding, stream.newline)
        assert raw_of(found) == expected[block.first_line - 1 :][: len(found)]
    assert sum(len(split_lines(b, stream.encoding, stream.newline).frame) for b in blocks) == len(expected) - (expected[-1] == b"")


@given(lines=LINES, block_bytes=st.integers(1, 400))
def test_cuts_depend_on_the_content_alone(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], block_bytes: int) -> None:
    """A file is read a block at a time, what is decompressed comes in pieces."""
    stored = b"# a plain text\n" + b"\n".join(lines)
    plain, _ = stream_of(tmp_path_factory.getbasetemp(), stored, block_bytes=block_bytes)
    packed, _ = stream_of(tmp_path_factory.getbasetemp(), gzip.compress(stored, mtime=0), block_bytes=block_bytes)
    assert plain.index == packed.index
    assert plain.stored_digest == plain.content_digest == packed.content_digest


@pytest.mark.parametrize("name", sorted(COMPRESSORS))
@pytest.mark.parametrize("block_bytes", [60_000, 1_300_000, 3 << 20])
def test_what_is_decompressed_in_many_pieces_is_cut_and_hashed_as_a_file(tmp_path: Path, name: str, block_bytes: int) -> None:
    chance = random.Random(block_bytes)
    lines = [b"%d " % n + bytes(chance.choices(b"abc ", k=chance.choice((0, 3, 90)))) for n in range(60_000)]
    lines[chance.randrange(20_000, 60_000)] = b"x" * 2_500_000
    stored = b"\n".join(lines)
    plain, expected = stream_of(tmp_path, stored, block_bytes=block_bytes)
    packed, blocks = stream_of(tmp_path, COMPRESSORS[name](stored), block_bytes=block_bytes)
    assert [(b.first_line, b.offset, b.data) for b in blocks] == [(b.first_line, b.offset, b.data) for b in expected]
    assert content(blocks) == stored
    assert hashlib.sha256(stored).hexdigest() == plain.content_digest == plain.stored_digest == packed.content_digest


def test_a_file_that_changes_between_two_looks_is_cut_at_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.pread", lambda _descriptor, count, _offset: b"x" * (count - 1) + b"\n")
    stored = b"".join(b"%d\n" % (n**3) for n in range(200_000))
    stream, blocks = stream_of(tmp_path, stored, block_bytes=100_000)
    assert content(blocks) == stored
    assert len(blocks) > 10
    assert all(b.data.endswith(b"\n") for b in blocks)
    assert stream.index == [(b.first_line, b.offset) for b in blocks]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_blocks_hold_as_many_lines_as_are_aimed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]) -> None:
    """The first is as large as asked for; each other one by how long the lines of the one before it are."""
    monkeypatch.setattr("breachscope.ingest.streams._AIMED_LINES", 100)
    _, blocks = stream_of(tmp_path, compress(b"123456789\n" * 1_000 + b"1234567890123456789\n" * 500), block_bytes=4_000)
    counts = [b.data.count(b"\n") for b in blocks]
    assert counts == [400, *[100] * 6, 50, 100, 100, 100, 100, 50]


# Finding inputs


def names(paths: list[Path], root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in paths]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in ("b.log", "a.log", "web/x.log.gz", "web/deep/y.log", "new\nline.log", " leading", "-dash", "[glob].log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    return tmp_path


ALL = [" leading", "-dash", "[glob].log", "a.log", "b.log", "new\nline.log", "web/deep/y.log", "web/x.log.gz"]


def test_a_folder_is_walked_whole_in_a_fixed_order(logs: Path) -> None:
    found, missing = find_inputs([logs])
    assert (names(found, logs), missing) == (ALL, [])


def test_each_file_once_however_often_it_is_named(logs: Path) -> None:
    found, _ = find_inputs([logs / "a.log", logs, logs / "web", str(logs / "*.log")])
    assert names(found, logs) == ALL


def test_globs_are_expanded_and_a_file_named_like_a_glob_is_found(logs: Path) -> None:
    assert names(find_inputs([str(logs / "**" / "*.log")])[0], logs) == ["[glob].log", "a.log", "b.log", "new\nline.log", "web/deep/y.log"]
    assert names(find_inputs([str(logs / "[glob].log")])[0], logs) == ["[glob].log"]


def test_names_that_are_no_utf_8_are_found(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.log"))
    path.write_text("x\n")
    assert find_inputs([tmp_path])[0] == [path]


def test_symlink_loops_end(logs: Path) -> None:
    (logs / "web" / "loop").symlink_to(logs)
    (logs / "self").symlink_to(logs / "self")
    assert names(find_inputs([logs])[0], logs) == ALL


def test_a_link_out_of_the_folder_is_told_unless_its_target_is_given_too(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "z.log").write_text("x\n")
    (logs / "web" / "more").symlink_to(other)
    (logs / "z.log").symlink_to(other / "z.log")
    found, missing = find_inputs([logs])
    assert names(found, logs) == [*ALL, "z.log"], "a link to a file is that file"
    assert [str(m) for m in missing] == [f"{logs}/web/more: is a link to a folder, which was not followed; give {other} too"]
    found, missing = find_inputs([logs, other])
    assert (found[-1] == other / "z.log" or found[0] == other / "z.log", missing) == (True, [])


def test_what_is_no_file_is_not_opened(logs: Path) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(logs / "pipe.log")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(logs / "socket.log"))
        (logs / "zero.log").symlink_to("/dev/zero")
        told = "is neither a file nor a folder; pipe it in and give - instead"
        found, missing = find_inputs([logs])
        assert (names(found, logs), [str(m) for m in missing]) == (ALL, [f"{logs / name}: {told}" for name in ("pipe.log", "socket.log", "zero.log")])
        for name in ("pipe.log", "socket.log", "zero.log"):
            assert [m.text for m in find_inputs([logs / name])[1]] == [told]


def test_links_in_a_folder_that_lead_nowhere_are_told_each_with_its_place(logs: Path) -> None:
    (logs / "web" / "1.log").symlink_to("2.log")
    (logs / "web" / "2.log").symlink_to("1.log")
    (logs / "web" / "old.log").symlink_to("rotated\x1b.log")
    found, missing = find_inputs([logs])
    assert names(found, logs) == ALL
    assert [str(m) for m in missing] == [
        f"{logs}/web/1.log: is a link that leads in a circle; nothing was read through it",
        f"{logs}/web/2.log: is a link that leads in a circle; nothing was read through it",
        f"{logs}/web/old.log: is a link that leads to rotated\x1b.log, which is not there; nothing was read through it",
    ]


def test_a_glob_reads_what_a_shell_would_give_in_its_place(logs: Path) -> None:
    (logs / "web" / "gone.log").symlink_to("nowhere")
    given = sorted(str(p) for p in logs.glob("w*"))
    assert find_inputs([str(logs / "w*")])[0] == find_inputs(given)[0] == [logs / "web/deep/y.log", logs / "web/x.log.gz"]
    for pattern in ("web/*.log", "**/gone*"):
        assert [str(m.path) for m in find_inputs([str(logs / pattern)])[1]] == [f"{logs}/web/gone.log"]


def test_dots_in_a_path_are_left_out_where_they_lead_to_the_same_file(logs: Path) -> None:
    found, missing = find_inputs([logs / "web" / ".." / "a.log", logs / "web/deep/../../web/deep", logs / "." / "b.log", logs / "a.log"])
    assert (names(found, logs), missing) == (["a.log", "b.log", "web/deep/y.log"], [])
    (logs / "deep").symlink_to(logs / "web" / "deep")
    (logs / "web" / "a.log").write_text("another\n")
    (other,) = find_inputs([logs / "deep" / ".." / "a.log"])[0]
    assert other == logs / "deep" / ".." / "a.log", "without its dots it would be the a.log above"
    assert other.read_text() == "another\n"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("absent.log", "does not exist; check the path"),
        ("*.nothing", "matches nothing; check the pattern"),
        ("self", "is a link that leads in a circle; nothing was read through it"),
        ("lost", "is a link that leads to gone.log, which is not there; nothing was read through it"),
        ("empty", "is an empty folder; there is nothing to ingest"),
        ("pipe", "is neither a file nor a folder; pipe it in and give - instead"),
        ("nul\0byte", "does not exist; check the path"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_and_the_others_are_found(logs: Path, name: str, complaint: str) -> None:
    (logs / "self").symlink_to(logs / "self")
    (logs / "lost").symlink_to("gone.log")
    (logs / "empty").mkdir()
    os.mkfifo(logs / "pipe")
    found, missing = find_inputs([logs / name, logs / "a.log"])
    assert names(found, logs) == ["a.log"]
    assert [m.text for m in missing] == [complaint]


def test_a_case_inside_the_folder_is_not_its_own_input(logs: Path) -> None:
    assert names(find_inputs([logs], without=logs / "web")[0], logs) == ALL[:-2]
    assert names(find_inputs([str(logs / "**")], without=logs / "web")[0], logs) == ALL[:-2]
    for paths in ([str(logs / "*")], sorted(map(str, logs.iterdir()))):
        found, missing = find_inputs(paths, without=logs / "web")
        assert (names(found, logs), missing) == (ALL[:-2], [])


def test_a_folder_cannot_be_opened_as_a_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(Stream(Input(tmp_path)).blocks())
