"""Text in EUC-JP: recognised only where that is sure, and read as the codecs read its characters."""

from __future__ import annotations

from datetime import date
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.ingest import IngestOptions, ingest, load_formats, new_format, read_raw_line, try_file
from breachscope.ingest.encoding import decode_euc_jp, decode_line, detect_encoding, encoding_doubt, first_fit
from breachscope.ingest.lines import split_lines
from breachscope.ingest.streams import Block
from breachscope.progress import Silent
from breachscope.timestamps import Zone

FEW = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
HALF_WIDTH = "｡｢｣､･ｦｧｰｱﾀﾞﾊﾟﾝﾟ"
KANJI = "表予能十田中佐藤鈴木山高成功失敗操作日時社員番号件数氏名顧客参照出力堯槇遙瑤凜熙"
KANA = "あいうえがぱんアイウエガパンヴー"
SIGNS = "、。・「」！０９ＡｚαЯ─"
JIS_X_0212 = "丂丄侊嚞"
MAY_BE = "may be EUC-JP, but cannot surely be told from other encodings"


def stray(raw: bytes) -> bool:
    return bool(decode_euc_jp(raw, np.array([0, len(raw)]))[1][0])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xa5\xed\xa5\xb0\xa5\xa4\xa5\xf3", "ログイン"),
        (b"user=\xc5\xc4\xc3\xe6 ok", "user=田中 ok"),
        (b"\x8e\xbe\x8e\xb2\x8e\xba\x8e\xb3", "ｾｲｺｳ"),
        (b"\x8f\xb0\xa1\xb0\xa1", "丂亜"),
        (b"\xad\xa1\xad\xea", "①㈱"),
        (b"\xfc\xe2\xb6\xb6", "髙橋"),
        (b"\x8f\xf4\xfb", "髙"),
        (b"\x8f\xf3\xf3\x8f\xf4\xac", "ⅰ№"),
        (b"\xa1\xc1\xa1\xdd\xa1\xc2", "～－∥"),
        (b"", ""),
    ],
)
def test_characters_of_every_code_set(raw: bytes, text: str) -> None:
    assert not stray(raw)
    assert decode_line(raw, "euc_jp") == text


@pytest.mark.parametrize(
    "raw", [b"\xa4", b"a\x8fz", b"\x8f", b"\x8e\xe0", b"\x80", b"\xff\xff", b"\xa0\xa1", b"\xb4\x8f\xa1\xa1", b"\x8f\x8f\xb0\xa1", b"\xa9\xa1", b"\xf5\xa1"]
)
def test_what_is_no_character_is_not_read(raw: bytes) -> None:
    assert stray(raw)
    assert first_fit(raw, "euc_jp")[1] != "euc_jp"


def decoded(code: bytes, codec: str) -> str | None:
    try:
        return code.decode(codec)
    except UnicodeDecodeError:
        return None


def test_every_character_is_the_one_of_the_codecs() -> None:
    """Of two bytes the one of CP932 in the same row and cell, where Python's EUC-JP has none or another; of three Python's. IBM's are glibc's EUC-JP-MS."""
    for prefix in (b"", b"\x8f"):
        codes = [prefix + bytes([a, b]) for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]
        text, is_stray = decode_euc_jp(b"\n".join(codes) + b"\n", np.arange(0, len(codes) * (len(prefix) + 3) + 1, len(prefix) + 3))
        for code, told, is_none in zip(codes, text.split("\n"), is_stray.tolist(), strict=False):
            row, cell = (byte - 0xA0 for byte in code[-2:])
            first = list(range(0x81, 0xA0)) + list(range(0xE0, 0xF0))
            second = [b for b in range(0x40, 0xFD) if b != 0x7F]
            expected = decoded(code, "euc_jp") if prefix else decoded(bytes([first[(row - 1) // 2], second[(row - 1) % 2 * 94 + cell - 1]]), "cp932")
            if prefix and (row, cell) >= (83, 83) and row <= 84:
                assert not is_none
            else:
                assert (None if is_none else told) == expected, code


written = st.text(st.sampled_from(HALF_WIDTH + KANJI + KANA + SIGNS + JIS_X_0212 + 'aZ09 ,"|\\~'), max_size=12)


@FEW
@given(
    lines=st.lists(st.one_of(written.map(lambda t: t.encode("euc_jp")), written.map(str.encode), st.binary(max_size=8)), min_size=1, max_size=8),
    piece=st.sampled_from([64, 1 << 20]),
)
def test_lines_are_those_of_pythons_codec_one_by_one(monkeypatch: pytest.MonkeyPatch, lines: list[bytes], piece: int) -> None:
    monkeypatch.setattr("breachscope.ingest.encoding._PIECE_BYTES", piece)
    raws = [line.translate(None, b"\r\n\0") for line in lines]
    data = b"".join(raw + b"\n" for raw in raws)
    text, is_stray = decode_euc_jp(data, np.array([0, *accumulate(len(raw) + 1 for raw in raws)]))
    for raw, told, is_none in zip(raws, text.split("\n"), is_stray.tolist(), strict=False):
        expected = decoded(raw, "euc_jp")
        if expected is not None:
            assert not is_none
            assert told == expected.replace("〜", "～").replace("−", "－").replace("‖", "∥").replace("¢", "￠").replace("£", "￡").replace("¬", "￢")
        assert first_fit(raw, "euc_jp")[0] == (first_fit(raw)[0] if is_none else told)
    found = split_lines(Block(1, 0, data), "euc_jp", b"\n")
    assert found.frame["text"].to_list() == [decode_line(raw, "euc_jp") for raw in raws]
    assert found.strays == is_stray.sum()
    assert found.raw(np.arange(1, len(raws) + 1), 1 << 20)[0].to_list() == raws


words = st.text(st.sampled_from(HALF_WIDTH), min_size=1, max_size=9) | st.text(st.sampled_from(KANJI + KANA + SIGNS), min_size=1, max_size=9)
logs = st.lists(words, min_size=1, max_size=30).map(lambda found: "".join(f"2026/09/01 09:05:01,u1,{word},ok\r\n" for word in found))


@FEW
@given(text=logs)
def test_japanese_in_other_encodings_is_not_taken_for_it(text: str) -> None:
    assert detect_encoding(text.encode()) == ("utf-8", 0)
    assert detect_encoding(text.encode("cp932"))[0] != "euc_jp"
    assert detect_encoding(("é" + text).encode("cp1252", "ignore") + b"d\xe9j\xe0 vu, gr\xf6\xdfer, cr\xe9\xe9e, \xa5\xa4\xa3 100\n")[0] != "euc_jp"


@FEW
@given(text=logs, kana=st.sampled_from(["ログイン", "エラー", "さくら"]))
def test_text_with_kana_is_recognised(text: str, kana: str) -> None:
    head = f"{text}{kana}\n".encode("euc_jp")
    assert detect_encoding(head) == ("euc_jp", 0)
    assert detect_encoding(head + b"GET /caf\xe9\n" if text.count("\n") > 10 else head)[0] == "euc_jp", "one stray in many lines"
    assert encoding_doubt(head, "euc_jp") is None


@pytest.mark.parametrize(
    ("text", "doubt"),
    [("田中", False), ("成功\n失敗\n田中\n", True), ("者", False), ("ｾｲｺｳ", True), ("さん", False), ("田中さん,成功", True)],
)
def test_few_words_without_kana_are_left_as_they_are(text: str, doubt: bool) -> None:
    """They could be half-width katakana, Chinese or Korean."""
    head = text.encode("euc_jp")
    encoding, _ = detect_encoding(head)
    assert encoding != "euc_jp"
    assert (encoding_doubt(head, encoding) or "").startswith(MAY_BE) == doubt
    assert encoding_doubt(text.encode("cp932"), "cp932") is None


@pytest.mark.parametrize(
    "head", ["로그인 성공\n실패 사용자 관리자\n".encode("euc_kr"), "登录成功\n用户失败,管理员\n".encode("gb2312"), "пользователь вошёл\n".encode("koi8_r")]
)
def test_other_languages_are_not_taken_for_it(head: bytes) -> None:
    assert detect_encoding(head)[0] != "euc_jp"


def test_iso_2022_jp_is_told() -> None:
    told = "holds texts in ISO-2022-JP, which is not read: they are garbled; convert it first (iconv -f ISO-2022-JP -t UTF-8)"
    assert encoding_doubt("日時,ユーザー\n2026,表\n".encode("iso2022_jp"), "utf-8") == told
    assert encoding_doubt(b"\x1b[31mred\x1b[0m \x1b$ cost \x1b$B", "utf-8") is None


ROWS = [
    "日時,ユーザーID,接続元IPアドレス,操作,対象テーブル,件数",
    *(f"2026/09/01 09:05:{n:02},田中①,192.0.2.{n},参照,顧客,{n}" for n in range(10, 40)),
    "ここは読めない㈱髙",
]
EXPORT = "".join(f"{row}\r\n" for row in ROWS).encode("euc_jis_2004", "replace").replace(b"?", b"\xfc\xe2") + b"2026/09/01 09:06:00,caf\xe9,192.0.2.9,x,y,1\r\n"


def test_a_table_in_euc_jp_is_read_traced_and_tried(tmp_path: Path) -> None:
    log = tmp_path / "操作.csv"
    log.write_bytes(EXPORT)
    case = Case.create_or_open(tmp_path / "case")
    progress = Silent()
    with case.lock():
        (source,) = ingest(case, [log], IngestOptions(reference_date=date(2026, 11, 21), tz="Asia/Tokyo"), progress).added
    assert (source.encoding, source.lines, source.event_lines, source.rejected) == ("euc_jp", 33, 31, 1)
    assert "1 line is not EUC-JP; it was read as UTF-8, CP932 or Latin-1" in source.notes
    (file,) = case.event_files("data_access")
    rows = pq.read_table(file).to_pylist()
    assert [(r["user"], r["row_count"], r["action"]) for r in rows[:30]] == [("田中①", n, "read") for n in range(10, 40)]
    assert rows[30]["user"] == "café"
    raw = read_raw_line(case, rows[0]["event_id"])
    assert raw.raw == EXPORT.split(b"\n")[1]
    assert raw.text == ROWS[1]
    (rejected,) = (r for name in case.reject_files() for r in pq.read_table(name).to_pylist())
    assert (rejected["raw"], rejected["raw_bytes"]) == (EXPORT.split(b"\n")[31], len(EXPORT.split(b"\n")[31]))
    ((_, trial),) = try_file(log, load_formats(()), Zone.named("Asia/Tokyo"))
    assert (trial.encoding, trial.events[0]["user"], trial.notes) == ("euc_jp", "田中①", source.notes)
    new_format(log, tmp_path / "export.toml")
    drafted = load_formats([tmp_path])["export"]
    assert drafted.samples[0].header == ROWS[0]
    again = Case.create_or_open(tmp_path / "again")
    with again.lock():
        (source,) = ingest(again, [log], IngestOptions(formats_dirs=(tmp_path,), only_format="export", reference_date=date(2026, 11, 21)), progress).added
    assert source.event_lines == 31


def test_what_may_be_euc_jp_is_told_and_no_format_drafted_of_it(tmp_path: Path) -> None:
    log = tmp_path / "x.csv"
    log.write_bytes("日時,氏名,操作\n2026/09/01 09:05:00,田中,成功\n".encode("euc_jp"))
    with pytest.raises(UsageError, match=MAY_BE):
        new_format(log, tmp_path / "x.toml")
    ((_, trial),) = try_file(log, load_formats(()))
    assert any(note.startswith(MAY_BE) for note in trial.notes)


WIDE = "2026-03-02T10:15:04Z srv1 sshd[8]: Failed password for 田中 from 192.0.2.9 port 51512 ssh2\r\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wide_characters_are_read_with_a_mark_or_without(tmp_path: Path, encoding: str, mark: str) -> None:
    raw = (mark + WIDE * 2 + "表 junk\n").encode(encoding)
    assert detect_encoding(raw) == (encoding, len(mark.encode(encoding)))
    (tmp_path / "auth.log").write_bytes(raw)
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "auth.log"], IngestOptions(), Silent()).added[0]
    events = pq.read_table(case.event_files("auth")[0]).to_pylist()
    assert ([e["user"] for e in events], source.encoding, source.lines) == (["田中", "田中"], encoding, 3)
    assert read_raw_line(case, events[1]["event_id"]).text == WIDE.strip()
    assert [r["raw"].decode(encoding) for r in pq.read_table(case.reject_files()[0]).to_pylist()] == ["表 junk"]


@pytest.mark.parametrize("encoding", ["<u4", ">u4", "<i4"])
def test_numbers_of_four_bytes_are_no_text(encoding: str) -> None:
    assert detect_encoding(np.arange(1, 2000).astype(encoding).tobytes())[0] not in ("utf-32-le", "utf-32-be")
    assert detect_encoding(bytes(4096))[0] not in ("utf-32-le", "utf-32-be")


@pytest.mark.parametrize(("name", "encoding"), [("EUC-JP", "euc_jp"), ("Shift_JIS", "cp932"), ("UTF-16LE", "utf-16-le")])
def test_an_encoding_that_content_does_not_tell_is_taken_from_the_settings(tmp_path: Path, name: str, encoding: str) -> None:
    line = "2026-03-02T10:15:04Z srv1 sshd[8]: Failed password for {} from 192.0.2.9 port 51512 ssh2\n"
    raw = (line.format("田中") + line.format("佐藤")).encode(encoding)
    (tmp_path / "auth.log").write_bytes(raw)
    case = Case.create_or_open(tmp_path / "case")
    (case.path / "sources.toml").write_text(f'[[source]]\nmatch = "auth.log"\nencoding = "{name}"\n')
    source = ingest(case, [tmp_path / "auth.log"], IngestOptions(), Silent()).added[0]
    events = pq.read_table(case.event_files("auth")[0]).to_pylist()
    assert ([e["user"] for e in events], source.encoding) == (["田中", "佐藤"], encoding)
    assert not any("EUC-JP" in note for note in source.notes)
    assert "佐藤" in read_raw_line(case, events[1]["event_id"]).text
