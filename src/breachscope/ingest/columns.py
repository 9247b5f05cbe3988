"""From matched text to typed columns: numbers, addresses, escapes, request lines."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.encoding import decode_noting
from breachscope.ingest.views import as_series

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NULL_TEXTS = ("-", "", "(null)", '""')
"""What logs write for a missing value: CLF, W3C, printf, and Apache for an empty user."""

PLAIN_IPV4 = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
"""An IPv4 address in its canonical spelling."""
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*\.[^:\[\]]*)(?=:))(?::([0-9]{0,5}))?", re.ASCII)
"""An address in brackets, or one with dots and a port behind it."""
_HIGHEST_PORT = 65535
_LONGEST_ADDRESS = 128
"""Bytes, with brackets, zone and port; what is longer is no address."""
_BACKSLASH, _LOWER_X = 0x5C, 0x78
_HEX_VALUE = np.full(256, 255, np.uint8)
_HEX_VALUE[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_HEX_VALUE[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)
SERVERS_ESCAPES = "ntrvb\"\\'x"
"""What web servers write behind a backslash; ``x`` is followed by two hexadecimal digits."""
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "b": "\b"}


def canonical_addresses(texts: pl.Series) -> pl.Series:
    """Addresses in the one spelling that joins hold on: port, brackets and zone stripped, v4-mapped as IPv4, IPv6 as RFC 5952.

    A text that is no address (a host name where the log resolves names, ``010.1.2.3``, which is octal to some) is kept as it is.
    """
    is_odd = ~pl.col("a").str.contains(f"^{PLAIN_IPV4}$") & (pl.col("a").str.len_bytes() <= _LONGEST_ADDRESS)
    odd = texts.unique().to_frame("a").select_seq(pl.col("a").filter(is_odd))["a"].to_list()
    respelt = {text: canonical for text in odd if (canonical := _canonical_address(text)) != text}
    return texts.replace(respelt) if respelt else texts


@lru_cache(maxsize=1 << 16)
def _canonical_address(text: str) -> str:
    """Canonical spelling of one address.

    >>> _canonical_address("[2001:DB8::9]:443"), _canonical_address("::ffff:192.0.2.9"), _canonical_address("fe80::1%eth0")
    ('2001:db8::9', '192.0.2.9', 'fe80::1')
    """
    parsed = parse_address(text)
    return text if parsed is None else str(parsed[0])


def parse_address(text: str) -> tuple[Address, int | None] | None:
    """Address and port of one text; None where it is no address.

    >>> parse_address("192.0.2.9:51512"), parse_address("[::FFFF:192.0.2.9]"), parse_address("192.0.2.9:ssh")
    ((IPv4Address('192.0.2.9'), 51512), (IPv4Address('192.0.2.9'), None), None)
    """
    bare, port = text.strip(), None
    if found := _WITH_PORT.fullmatch(bare):
        bare, port = found[1] if found[1] is not None else found[2], found[3]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address, int(port) if port and int(port) <= _HIGHEST_PORT else None


def joined_texts(texts: pl.Series) -> pl.Series:
    """Texts in place of JSON arrays of texts, with commas between; what is no such array is kept.

    >>> joined_texts(pl.Series(['["203.0.113.1, x","192.0.2.9"]', "192.0.2.9", '[1]', None])).to_list()
    ['203.0.113.1, x, 192.0.2.9', '192.0.2.9', '[1]', None]
    """
    arrays = texts.filter(texts.str.starts_with("[")).unique().to_list()
    joined = {text: ", ".join(items) for text in arrays if (items := _texts_of_array(text)) is not None}
    return texts.replace(joined) if joined else texts


def _texts_of_array(text: str) -> list[str] | None:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return items if isinstance(items, list) and all(isinstance(i, str) for i in items) else None


@lru_cache
def _meanings(escapes: str) -> npt.NDArray[np.uint8]:
    """Byte behind a backslash → the byte that the two stand for; 0 where they stand for themselves."""
    meanings = np.zeros(256, np.uint8)
    for character in escapes.replace("x", ""):
        meanings[ord(character)] = ord(_CONTROLS.get(character, character))
    return meanings


def unescape(texts: pl.Series, escapes: str = SERVERS_ESCAPES) -> pl.Series:
    r"""Undo C-style escapes, by default as Apache and nginx write them: ``\"``, ``\\``, ``\n``, ``\xHH``; those that are not in ``escapes`` stay.

    The bytes are rebuilt column-wise. A value whose bytes would not be UTF-8 keeps its escapes, so that nothing is lost.

    >>> unescape(pl.Series(['a\\x22b', 'c\\\\x41', '\\xE3\\x81\\x82', 'bad\\xff']) ).to_list()
    ['a"b', 'c\\x41', 'あ', 'bad\\xff']
    """
    escaped = texts.to_frame("t").select_seq(pl.col("t").str.contains("\\", literal=True).fill_null(value=False))["t"]
    if not escaped.any():
        return texts
    array = texts.filter(escaped).to_arrow()
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    rebuilt, new_offsets = _unescaped_bytes(data, offsets - offsets[0], escapes)
    is_text = _utf8_values(rebuilt, new_offsets)
    readable = np.where(np.repeat(is_text, np.diff(new_offsets)), rebuilt, ord("?")).astype(np.uint8)
    plain = pa.LargeStringArray.from_buffers(len(array), pa.py_buffer(new_offsets), pa.py_buffer(readable))
    kept = as_series(texts.name, plain).zip_with(pl.Series(is_text), texts.filter(escaped))
    return texts.clone().scatter(escaped.arg_true(), kept)


def unescape_rows(columns: Sequence[pl.Series], rows: pl.Series, escapes: str) -> list[pl.Series]:
    """Columns of texts with the escapes undone in some rows: those that have any."""
    written = pl.DataFrame(columns)[rows].get_columns()
    is_escaped = pl.concat(c.rename("") for c in written).str.contains("\\", literal=True).fill_null(value=False).to_numpy()
    has_some = np.any(is_escaped.reshape(len(columns), -1), axis=1).tolist()
    return [c.clone().scatter(rows, unescape(w, escapes)) if has else c for c, w, has in zip(columns, written, has_some, strict=True)]


def _unescaped_bytes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], escapes: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:  # fmt: skip
    size = len(data)
    is_backslash = data == _BACKSLASH
    positions = np.flatnonzero(is_backslash)
    # Within a run of backslashes every second one is escaped by the one before it; runs do not reach across values.
    value_of = np.searchsorted(offsets, positions, side="right")
    run_starts = np.flatnonzero((np.diff(positions, prepend=-2) != 1) | (np.diff(value_of, prepend=-1) != 0))
    run_index = np.arange(len(positions)) - np.repeat(run_starts, np.diff(np.append(run_starts, len(positions))))
    leaders = positions[run_index % 2 == 0]
    ends = offsets[np.searchsorted(offsets, leaders, side="right")]
    following = np.where(leaders + 1 < ends, data[np.minimum(leaders + 1, size - 1)], 0)
    high = _HEX_VALUE[data[np.minimum(leaders + 2, size - 1)]]
    low = _HEX_VALUE[data[np.minimum(leaders + 3, size - 1)]]
    is_hex = ("x" in escapes) & (following == _LOWER_X) & (leaders + 3 < ends) & (high < 16) & (low < 16)
    meanings = _meanings(escapes)
    is_simple = ~is_hex & (meanings[following] > 0)
    out = data.copy()
    keep = np.ones(size, bool)
    hexes, simples = leaders[is_hex], leaders[is_simple]
    out[hexes] = high[is_hex] * 16 + low[is_hex]
    for step in (1, 2, 3):
        keep[hexes + step] = False
    out[simples] = meanings[following[is_simple]]
    keep[simples + 1] = False
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    return out[keep], kept_before[offsets].astype(np.int64)


def _utf8_values(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the values in ``data`` are UTF-8, each by itself."""
    valid = np.ones(len(offsets) - 1, bool)
    starts = offsets[:-1][np.diff(offsets) > 0]
    cut_into = starts[(data[starts] & 0xC0) == 0x80]
    # A value that begins in the middle of a character must not complete the one before it.
    marked = data.copy()
    marked[cut_into] = 0xFF
    _, faults = decode_noting(marked.tobytes(), "utf-8")
    valid[np.searchsorted(offsets, faults, side="right") - 1] = False
    return valid


def split_request(request: pl.Series) -> pl.DataFrame:
    """Method, path, query and protocol of request lines (RFC 9112 section 3).

    What is no request line (TLS bytes sent to a plain port, a lone ``-``) is kept whole as path, with the rest null. Where
    the protocol is missing (HTTP/0.9), only a method and an absolute path make a request line.
    """
    whole = request.alias("request").to_frame()
    parts = whole.select(pl.col("request").str.extract_groups(r"(?s)^([A-Za-z][A-Za-z_-]*) +([^? ][^?]*?)(?:\?(.*?))?(?: +([A-Z]{2,8}/[0-9.]+))?$")).unnest(
        "request"
    )
    parts.columns = ["method", "path", "query", "protocol"]
    parts = parts.with_columns(whole["request"])
    is_request = pl.col("path").is_not_null() & (pl.col("protocol").is_not_null() | pl.col("path").str.starts_with("/"))
    return parts.select(
        pl.when(is_request).then("method").alias("method"),
        pl.when(is_request).then("path").otherwise("request").alias("path"),
        pl.when(is_request).then("query").alias("query"),
        pl.when(is_request).then("protocol").alias("protocol"),
    )
