"""Which encoding bytes are in: of a whole stream, and of one line."""

from __future__ import annotations

import codecs
from itertools import filterfalse
from typing import Literal

import numpy as np

Encoding = Literal["utf-8", "cp932", "utf-16-le", "utf-16-be"]

_LINE_ENCODINGS = ("utf-8", "cp932", "latin-1")
"""Tried in this order, line by line. Text in another encoding hardly ever happens to be UTF-8; any bytes are Latin-1."""
_NOT_SHIFT_JIS = frozenset("\x80\uf8f0\uf8f1\uf8f2\uf8f3")
"""What Python's codec makes of the bytes 80, A0, FD, FE and FF, which Shift_JIS does not have."""
_BOM = "\ufeff"
_USUAL_EUC = np.array([0x8E, 0xA1, 0xA3, 0xA4, 0xA5, *range(0xB0, 0xD0)], np.uint8)
"""First bytes of half-width katakana, signs, letters, kana and kanji of level 1 (JIS X 0208, rows 1, 3 to 5 and 16 to 47)."""
_LEAST_EUC_BYTES = 8
_NEARLY_ALL = 0.9
EUC_JP_TOLD = "looks like EUC-JP, which is not read: its Japanese texts are garbled; convert it first (iconv -f EUC-JP -t UTF-8)"


def detect_encoding(head: bytes) -> tuple[Encoding, int]:
    """Encoding of a stream from its beginning, and the length of its UTF-16 byte order mark.

    UTF-8 wins whenever it fits, CP932 (Shift_JIS as Windows writes it) comes next; lines that fit neither are dealt with
    one by one later. UTF-16 without a mark shows as NUL in every other byte.
    """
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    sample = head[:4096]
    if len(sample) >= 4:
        even, odd = sample[0::2], sample[1::2]
        if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
            return "utf-16-le", 0
        if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
            return "utf-16-be", 0
    if _decodes(head, "utf-8"):
        return "utf-8", 0
    return ("cp932", 0) if _decodes(head, "cp932") else ("utf-8", 0)


def looks_euc_jp(head: bytes) -> bool:
    """Whether text is most likely EUC-JP, which no line is read as: nearly all of its characters would be kana, signs or kanji of JIS level 1.

    Text of Shift_JIS is hardly ever EUC-JP, too: full-width characters begin with other bytes, and of half-width katakana
    half of the words have an odd length.

    >>> looks_euc_jp("田中さん,成功".encode("euc_jp")), looks_euc_jp("田中さん,成功 ｾｲｺｳ".encode("cp932")), looks_euc_jp("é, œuvre".encode("cp1252"))
    (True, False, False)
    """
    whole = head[: head.rfind(b"\n") + 1] or head
    if whole.isascii() or _decodes(whole, "utf-8"):
        return False
    try:
        text = whole.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    wide = "".join(filterfalse(str.isascii, text)).encode("euc_jp")
    firsts = np.frombuffer(wide, np.uint8)[::2] if len(wide) % 2 == 0 else np.zeros(1, np.uint8)
    return len(wide) >= _LEAST_EUC_BYTES and bool(np.isin(firsts, _USUAL_EUC).mean() > _NEARLY_ALL)


def _decodes(head: bytes, encoding: Encoding) -> bool:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return encoding != "cp932" or _is_shift_jis(text)


def decode_line(raw: bytes) -> str:
    """One line as ingest decodes it.

    >>> decode_line("表".encode("cp932")), decode_line(bytes([0xE9]))
    ('表', 'é')
    """
    return first_fit(raw)[0].strip("\0").removeprefix(_BOM).rstrip("\r\0")


def _is_shift_jis(text: str) -> bool:
    """Whether bytes that Python's CP932 codec reads as ``text`` are Shift_JIS: it takes a few single bytes that are not."""
    return _NOT_SHIFT_JIS.isdisjoint(text)


def first_fit(raw: bytes) -> tuple[str, str]:
    """A line's text, and the encoding that it was read in."""
    for encoding in _LINE_ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp932" or _is_shift_jis(text):
            return text, encoding
    raise AssertionError("any bytes are Latin-1")
