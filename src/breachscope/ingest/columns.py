"""From matched text to typed columns: numbers, addresses, request lines."""

from __future__ import annotations

import ipaddress
import json
import re
from functools import lru_cache

import polars as pl

from breachscope.ingest.encoding import first_fit

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


def texts_of_bytes(texts: pl.Series) -> pl.Series:
    """Texts in place of JSON arrays of bytes, which is how the journal writes what is no plain text (systemd.journal-fields); others are kept.

    >>> texts_of_bytes(pl.Series(["[72, 105]", "[142,82]", "[300]", "Hi", None])).to_list()
    ['Hi', '山', '[300]', 'Hi', None]
    """
    in_brackets = texts.filter(texts.str.starts_with("[")).unique()  # hardly any message
    arrays = in_brackets.filter(in_brackets.str.contains(r"^\[[0-9]{1,3}(?:, ?[0-9]{1,3})*\]$")).to_list()
    numbers = {text: [int(number) for number in text[1:-1].split(",")] for text in arrays}
    told = {text: first_fit(bytes(of))[0] for text, of in numbers.items() if max(of) < 256}
    return texts.replace(told) if told else texts


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
