"""Which encoding bytes are in: of a whole stream, and of one line."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import filterfalse, product
from typing import Literal

import numpy as np
import numpy.typing as npt

from breachscope.ingest.views import pieces

Encoding = Literal["utf-8", "cp932", "euc_jp", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]

ENCODING_NAMES: Mapping[str, Encoding] = {
    "UTF-8": "utf-8", "Shift_JIS": "cp932", "CP932": "cp932", "EUC-JP": "euc_jp",
    "UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be", "UTF-32LE": "utf-32-le", "UTF-32BE": "utf-32-be",
}  # fmt: skip
"""As people call them."""
_MARKS: tuple[tuple[Encoding, bytes], ...] = (
    ("utf-32-le", codecs.BOM_UTF32_LE), ("utf-32-be", codecs.BOM_UTF32_BE), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE),
)  # fmt: skip
"""Byte order marks; that of UTF-32 begins as UTF-16's does."""
_PADDING: tuple[tuple[Encoding, tuple[int, int]], ...] = (("utf-32-le", (2, 3)), ("utf-32-be", (0, 1)))
"""Which two bytes of four are NUL, in all characters up to U+FFFF."""

_LINE_ENCODINGS = ("utf-8", "cp932", "latin-1")
"""Tried in this order, line by line. Text in another encoding hardly ever happens to be UTF-8; any bytes are Latin-1.

Of an input in EUC-JP that goes first: a few short words in it happen to be UTF-8.
"""
_NOT_SHIFT_JIS = "\x80\uf8f0\uf8f1\uf8f2\uf8f3"
"""What Python's codec makes of the bytes 80, A0, FD, FE and FF, which Shift_JIS does not have."""
_BOM = "\ufeff"
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
_KANA_TOGETHER = re.compile("[ぁ-んァ-ヶー]{2,}")
_LEAST_KANA = 3
"""Different ones: エラー has as many."""
_USUAL_EUC = np.array([0x8E, 0xA1, 0xA3, 0xA4, 0xA5, *range(0xB0, 0xD0)], np.uint8)
"""First bytes of half-width katakana, signs, letters, kana and kanji of level 1 (JIS X 0208, rows 1, 3 to 5 and 16 to 47)."""
_LEAST_EUC_BYTES = 8
_NEARLY_ALL = 0.9
_MAY_BE_EUC_JP = (
    "may be EUC-JP, but cannot surely be told from other encodings, and was not read as that: "
    'where its Japanese texts are garbled set encoding = "EUC-JP" for it in sources.toml, or convert it first (iconv -f EUC-JP -t UTF-8)'
)
_NO_ASCII, _HALF_WIDTH, _CODE_SET_3 = 0x80, 0x8E, 0x8F
"""The first byte that is none; what stands before half-width katakana, and before the two bytes of a kanji of JIS X 0212."""
_PIECE_BYTES = 1 << 20
"""Decoded at a time, so that what is made on the way stays small."""
_TRIED_BYTES = 64 << 10
"""Of lines in CP932: where one of them is not in it, all are tried one by one."""
_ISO_2022_JP = re.compile(rb"\x1b\$[@B](?:[\x21-\x7e]{2})+\x1b\([BJ]")
_HOLDS_ISO_2022_JP = "holds texts in ISO-2022-JP, which is not read: they are garbled; convert it first (iconv -f ISO-2022-JP -t UTF-8)"


def encoding_named(name: str) -> Encoding | None:
    """The encoding that is called so, by whichever of its names.

    >>> encoding_named("EUC_JP"), encoding_named("sjis"), encoding_named("utf-16-le"), encoding_named("UTF-16"), encoding_named("latin-1")
    ('euc_jp', 'cp932', 'utf-16-le', None, None)
    """
    try:
        meant = codecs.lookup(name)
    except LookupError:
        return None
    return next((known for called, known in ENCODING_NAMES.items() if codecs.lookup(called).name == meant.name), None)


def is_wide(encoding: Encoding) -> bool:
    """Whether every character has two bytes or more, so that a stream has to become UTF-8 before its lines can be found."""
    return encoding.startswith(("utf-16", "utf-32"))


def detect_encoding(head: bytes, asked: Encoding | None = None) -> tuple[Encoding, int]:
    """Encoding of a stream from its beginning, unless one is ``asked`` for, and the length of the byte order mark of UTF-16 or UTF-32.

    UTF-8 wins whenever it fits, EUC-JP where that is sure, CP932 (Shift_JIS as Windows writes it) comes next; lines that fit
    none are dealt with one by one later. UTF-16 without a mark shows as NUL in every other byte, UTF-32 in two of four.
    """
    for encoding, mark in _MARKS:
        if asked in (encoding, None) and head.startswith(mark):
            return encoding, len(mark)
    if asked is not None:
        return asked, 0
    sample = head[:4096]
    if len(sample) >= 4:
        for encoding, places in _PADDING:
            if all(sample[n::4].count(0) > _NEARLY_ALL * len(sample[n::4]) for n in places) and _is_text(sample, encoding):
                return encoding, 0
        even, odd = sample[0::2], sample[1::2]
        if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
            return "utf-16-le", 0
        if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
            return "utf-16-be", 0
    if _decodes(head, "utf-8"):
        return "utf-8", 0
    if _is_surely_euc_jp(head):
        return "euc_jp", 0
    return ("cp932", 0) if _decodes(head, "cp932") else ("utf-8", 0)


def encoding_doubt(head: bytes, encoding: Encoding) -> str | None:
    """What is to be told of a text that begins so, and is read in that encoding, where it is most likely in another one; else None.

    >>> encoding_doubt("田中,成功,失敗".encode("euc_jp"), "cp932")[:13], encoding_doubt("表".encode("iso2022_jp"), "utf-8")[:26]
    ('may be EUC-JP', 'holds texts in ISO-2022-JP')
    """
    if encoding in ("utf-8", "cp932") and _looks_euc_jp(head):
        return _MAY_BE_EUC_JP
    return _HOLDS_ISO_2022_JP if b"\x1b$" in head and _ISO_2022_JP.search(head) else None


def _whole_lines(head: bytes) -> bytes:
    """The beginning of a text without its last line, which may be cut within a character; of one line all."""
    return head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head


def _is_surely_euc_jp(head: bytes) -> bool:
    """Whether nearly all words of a text that are not ASCII are EUC-JP, with several kana among them, of which some stand side by side.

    It is the kana that make it sure. In Shift_JIS their first bytes are a half-width comma and dot, which hardly stand at
    every other place. Kanji alone may be half-width katakana of Shift_JIS as well, or Korean or Chinese.
    """
    words = Counter(_NOT_ASCII.findall(_whole_lines(head)))
    ends = np.cumsum([len(word) + 1 for word in words])
    text, is_stray = decode_euc_jp(b"".join(word + b"\n" for word in words), np.append(0, ends))
    texts = [t for t, is_other in zip(text.split("\n"), is_stray.tolist(), strict=False) if not is_other]
    kana = {character for found in _KANA_TOGETHER.findall("\n".join(texts)) for character in found}
    return len(kana) >= _LEAST_KANA and int(np.array(list(words.values()))[~is_stray].sum()) > _NEARLY_ALL * words.total()


def _looks_euc_jp(head: bytes) -> bool:
    """Whether text is most likely EUC-JP: nearly all of its characters would be kana, signs or kanji of JIS level 1.

    Text of Shift_JIS is hardly ever EUC-JP, too: full-width characters begin with other bytes, and of half-width katakana
    half of the words have an odd length.
    """
    whole = _whole_lines(head)
    if whole.isascii() or _decodes(whole, "utf-8"):
        return False
    try:
        text = whole.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    wide = "".join(filterfalse(str.isascii, text)).encode("euc_jp")
    firsts = np.frombuffer(wide, np.uint8)[::2] if len(wide) % 2 == 0 else np.zeros(1, np.uint8)
    return len(wide) >= _LEAST_EUC_BYTES and bool(np.isin(firsts, _USUAL_EUC).mean() > _NEARLY_ALL)


def _is_text(head: bytes, encoding: Encoding) -> bool:
    """Whether nothing in these bytes is a control character that no text has, or no character: numbers of four bytes mostly are such."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character in "\t\r\n\x1b" or unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs") for character in text)


def _decodes(head: bytes, encoding: Encoding) -> bool:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return encoding != "cp932" or _is_shift_jis(text)


def decode_line(raw: bytes, encoding: Encoding = "utf-8") -> str:
    """One line of an input in that encoding as ingest decodes it.

    >>> decode_line("表".encode("cp932")), decode_line(bytes([0xE9])), decode_line("①表".encode("euc_jis_2004"), "euc_jp")
    ('表', 'é', '①表')
    """
    return first_fit(raw, encoding)[0].strip("\0").removeprefix(_BOM).rstrip("\r\0")


def _is_shift_jis(text: str) -> bool:
    """Whether bytes that Python's CP932 codec reads as ``text`` are Shift_JIS: it takes a few single bytes that are not."""
    return not any(character in text for character in _NOT_SHIFT_JIS)


def first_fit(raw: bytes, encoding: Encoding = "utf-8") -> tuple[str, str]:
    """The text of a line of an input in that encoding, and the encoding that it was read in."""
    if encoding == "euc_jp":
        text, is_stray = decode_euc_jp(raw, np.array([0, len(raw)]))
        if not is_stray[0]:
            return text, encoding
    for tried in _LINE_ENCODINGS:
        try:
            text = raw.decode(tried)
        except UnicodeDecodeError:
            continue
        if tried != "cp932" or _is_shift_jis(text):
            return text, tried
    raise AssertionError("any bytes are Latin-1")


def decode_cp932(data: bytes, starts: npt.NDArray[np.int64], newline: str) -> tuple[str, npt.NDArray[np.bool_]]:
    """Lines in CP932 as one text of as many lines, and which of them are not Shift_JIS: what the text has for those means nothing.

    ``starts`` are the offsets of the lines, and the end of the last one. No line end is part of a character.
    """
    is_stray = np.zeros(len(starts) - 1, bool)
    texts = []
    for first, last in pieces(starts, _TRIED_BYTES):
        piece = _shift_jis(data[starts[first] : starts[last]])
        if piece is None:
            lines = [_shift_jis(data[starts[n] : starts[n + 1]]) for n in range(first, last)]
            is_stray[first:last] = [line is None for line in lines]
            piece = "".join(newline if line is None else line for line in lines)
        texts.append(piece)
    return "".join(texts), is_stray


def _shift_jis(data: bytes) -> str | None:
    """Text of bytes, None where they are not Shift_JIS."""
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return None
    return text if _is_shift_jis(text) else None


def decode_euc_jp(data: bytes, starts: npt.NDArray[np.int64]) -> tuple[str, npt.NDArray[np.bool_]]:
    """Lines in EUC-JP as one text of as many lines, and which of them are not EUC-JP: what the text has for those means nothing.

    ``starts`` are the offsets of the lines, and the end of the last one. Characters of vendors, ① and 髙, are read wherever
    CP51932 or eucJP-ms has them; those of the standard have the code points that CP932 gives them.
    """
    held = np.frombuffer(data, np.uint8)
    is_stray = np.zeros(len(starts) - 1, bool)
    texts = []
    begin = 0
    while begin < len(held):
        piece = held[begin : begin + _PIECE_BYTES]
        if begin + len(piece) < len(held):
            ends = np.flatnonzero(piece < _NO_ASCII)
            piece = piece[: int(ends[-1]) + 1] if len(ends) else piece
        text, faults = _decode_piece(piece)
        texts.append(text)
        is_stray[np.searchsorted(starts, faults + begin, side="right") - 1] = True
        begin += len(piece)
    return "".join(texts), is_stray


def _decode_piece(held: npt.NDArray[np.uint8]) -> tuple[str, npt.NDArray[np.int64]]:
    """Text of bytes in EUC-JP that begin and end with a character, and where bytes stand that are no character."""
    at = np.flatnonzero(held >= _NO_ASCII)
    run_of = np.cumsum(np.diff(at, prepend=-2) != 1)
    is_mark = held[at] == _CODE_SET_3
    marks, at, run_of = at[is_mark], at[~is_mark], run_of[~is_mark]
    numbers = np.arange(len(at))
    is_first = (numbers - np.maximum.accumulate(np.where(np.diff(run_of, prepend=0) != 0, numbers, 0))) % 2 == 0
    firsts = np.flatnonzero(is_first)
    has_second = np.append(~is_first, False)[firsts + 1]
    begins = at[firsts]
    seconds = np.where(has_second, held[np.append(at, 0)[firsts + 1]], 0)
    is_marked = held[np.maximum(begins - 1, 0)] == _CODE_SET_3
    points = _code_points()[is_marked.astype(np.uint8), held[begins], seconds]
    is_begin = np.zeros(len(held) + 1, bool)
    is_begin[begins] = True
    faults = np.concatenate([begins[points == 0], marks[~is_begin[marks + 1]]])
    told = held.astype("<u2")
    told[begins] = points
    is_kept = np.ones(len(held), bool)
    is_kept[marks] = is_kept[at[~is_first]] = False
    return told[is_kept].tobytes().decode("utf-16-le"), faults


@cache
def _code_points() -> npt.NDArray[np.uint16]:
    """Code point by code set, 3 or another, first and second byte; 0 where there is no such character.

    Vendors' characters were never part of what Python calls ``euc_jp``, and its ``euc_jis_2004`` has other kanji in their
    places. Sources: Microsoft's code page 51932, which is 932 in another form; the eucJP-ms of TOG/JVC.
    """
    points = np.zeros((2, 256, 256), np.uint16)
    points[0, _HALF_WIDTH, 0xA1:0xE0] = np.arange(0xFF61, 0xFFA0)
    for row, cell in product(range(1, 95), repeat=2):
        trail = cell + (0x3F + (cell > 63) if row % 2 else 0x9E)
        written = bytes([(row - 1) // 2 + (0x81 if row <= 62 else 0xC1), trail]), bytes([_CODE_SET_3, 0xA0 + row, 0xA0 + cell])
        for code_set, (code, codec) in enumerate(zip(written, ("cp932", "euc_jp"), strict=True)):
            with suppress(UnicodeDecodeError):
                points[code_set, 0xA0 + row, 0xA0 + cell] = ord(code.decode(codec))
    ibm = bytes(n for lead in (0xFA, 0xFB, 0xFC) for trail in (*range(0x40, 0x7F), *range(0x80, 0xFD)) if (lead, trail) < (0xFC, 0x4C) for n in (lead, trail))
    lacking = [c for c in ibm.decode("cp932") if c == "№" or not (c in "￢￤" or c.encode("euc_jp", "ignore"))]
    points[1, 0xF3, 0xF3:0xFF], points[1, 0xF4, 0xA1:0xFF] = np.split(np.array(list(map(ord, lacking)), np.uint16), [12])
    return points
