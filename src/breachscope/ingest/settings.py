r"""How each source is read: what the command line says of all inputs, and what ``sources.toml`` says of some.

::

    [[source]]                               # the inputs whose path fits; of several entries the first that has a setting counts
    match = "proxy/*.log"                    # a glob over the end of the path, or over all of it where it begins with "/"
    tz = "Asia/Tokyo"                        # zone of times that carry none
    year = 2026                              # year of the last line, where lines carry none
    format = "combined"                      # read as this format and no other
    encoding = "EUC-JP"                      # of its text, where the content does not tell it: UTF-8, Shift_JIS, EUC-JP, UTF-16LE, UTF-32LE, …
    skew = 93.5                              # seconds that the source's clock is ahead; taken off its times
    trusted_proxies = ["10.0.0.0/8"]         # whose X-Forwarded-For is believed

The file stands in the case folder or is named with ``--sources``; what it does not set is as the command line has it, or
for proxies, where that says nothing, as ``breachscope.toml`` does::

    [ingest]
    trusted_proxies = ["10.0.0.0/8"]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface, ip_network
from pathlib import Path, PurePath
from typing import Any

from breachscope.errors import BreachscopeError, ContentErrors, SourcesError, UsageError, did_you_mean
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.clients import Network
from breachscope.ingest.encoding import ENCODING_NAMES, Encoding, encoding_named
from breachscope.timestamps import Zone
from breachscope.toml_file import TomlFile

YEARS = range(1970, 2200)
"""Years that a log can be of."""
_MOST_SKEW = 1 << 32
"""Seconds: a clock that began again in 1970 is half as far behind."""


@dataclass(frozen=True)
class SourceSettings:
    """How one input is read."""

    tz: Zone = field(default_factory=Zone)
    """Zone of times that carry none."""
    year: int | None = None
    format: str | None = None
    """Read as this format and no other."""
    encoding: Encoding | None = None
    """Of its text, whatever the content shows."""
    skew: float = 0.0
    """Seconds that the source's clock is ahead."""
    trusted_proxies: tuple[Network, ...] = ()

    def as_json(self) -> Mapping[str, object]:
        """All of it, for the digest of how a source was read."""
        proxies = [str(n) for n in self.trusted_proxies]
        told = {"tz": self.tz.name if self.tz.is_given else None, "year": self.year, "format": self.format, "skew": self.skew, "trusted_proxies": proxies}
        return told if self.encoding is None else {**told, "encoding": self.encoding}


@dataclass(frozen=True)
class _Entry:
    """One ``[[source]]``: which inputs, and the settings that it has."""

    match: str
    line: int
    settings: Mapping[str, Any]

    def fits(self, path: str) -> bool:
        return PurePath(path).match(self.match)


@dataclass(frozen=True)
class SourcesFile:
    """What ``sources.toml`` says; without a path there is none."""

    path: Path | None = None
    entries: tuple[_Entry, ...] = ()

    def settings_of(self, path: str, otherwise: SourceSettings) -> SourceSettings:
        """How the input at ``path`` is read."""
        told: dict[str, Any] = {}
        for entry in self.entries:
            if entry.fits(path):
                told = {**entry.settings, **told}
        return replace(otherwise, **told)

    def idle(self, paths: Iterable[str]) -> list[str]:
        """A sentence for each entry that fits none of the inputs: most likely its glob is misspelt."""
        known = list(paths)
        return [f"{self.path}:{e.line}: match {e.match!r} fits none of the inputs; nothing is set by it" for e in self.entries if not any(map(e.fits, known))]


def read_sources(path: Path, catalog: FormatCatalog) -> SourcesFile:
    """Read ``sources.toml``. Raises ContentErrors with every mistake, each with file and line."""
    document = TomlFile.load(path, SourcesError)

    def parse_format(value: object) -> str:
        if not isinstance(value, str):
            raise UsageError("format is the id of a format; see 'breachscope formats list'")
        return catalog[value].id

    parsers: Mapping[str, Callable[[object], Any]] = {
        "tz": _parse_zone, "year": _parse_year, "format": parse_format, "encoding": _parse_encoding, "skew": _parse_skew, "trusted_proxies": parse_networks,
    }  # fmt: skip
    errors: list[BreachscopeError] = [
        document.complain(f"{key!r} is not a setting of sources.toml{did_you_mean(key, ['source'])}; it holds [[source]] entries", key)
        for key in document.data
        if key != "source"
    ]
    given = document.data.get("source", [])
    entries: list[_Entry] = []
    if not isinstance(given, list) or not all(isinstance(e, Mapping) for e in given):
        errors.append(document.complain("'source' is written as [[source]]: there may be several", "source"))
        given = []
    for number, entry in enumerate(given):
        settings: dict[str, Any] = {}
        for key, value in entry.items():
            if key == "match":
                continue
            if key not in parsers:
                near = did_you_mean(key, ["match", *parsers]) or f"; it has match, {', '.join(parsers)}"
                errors.append(document.complain(f"{key!r} is not a setting of a source{near}", "source", number, key))
                continue
            try:
                settings[key] = parsers[key](value)
            except UsageError as error:
                errors.append(document.complain(error.text, "source", number, key))
        errors += [document.complain(fault, "source", number, "match") for fault in _faults_of_glob(entry.get("match"))]
        if not entry.keys() - {"match"}:
            errors.append(document.complain(f"sets nothing; a source has {', '.join(parsers)}", "source", number))
        entries.append(_Entry(str(entry.get("match")), document.line_of("source", number), settings))
    if errors:
        raise ContentErrors(errors)
    return SourcesFile(path, tuple(entries))


def read_trusted_proxies(path: Path) -> tuple[str, ...]:
    """The proxies that ``[ingest]`` of ``breachscope.toml`` names. Raises ContentErrors with every mistake of that section."""
    document = TomlFile.load(path, SourcesError)
    section = document.data.get("ingest", {})
    if not isinstance(section, Mapping):
        raise document.complain("ingest must be a table of settings, such as trusted_proxies", "ingest")
    known = ("trusted_proxies",)
    errors = [document.complain(f"{key!r} is not a setting of [ingest]{did_you_mean(key, known)}", "ingest", key) for key in section if key not in known]
    try:
        parse_networks(section.get("trusted_proxies", []))
    except UsageError as error:
        errors.append(document.complain(error.text, "ingest", "trusted_proxies"))
    if errors:
        raise ContentErrors(errors)
    return tuple(section.get("trusted_proxies", []))


def _faults_of_glob(glob: object) -> list[str]:
    if not isinstance(glob, str) or not glob.strip("/"):
        return ['a source needs match = "…", a glob over the paths of its inputs']
    if "**" in glob:
        return ["'**' has no meaning here: a glob that does not begin with '/' fits the end of a path, however deep it lies"]
    return []


def parse_networks(texts: object) -> tuple[Network, ...]:
    """Addresses and networks of proxies. Raises UsageError for what is none."""
    if not isinstance(texts, Sequence) or isinstance(texts, str) or not all(isinstance(t, str) for t in texts):
        raise UsageError('trusted_proxies is a list of addresses and networks, such as ["10.0.0.8", "2001:db8::/32"]')
    return tuple(map(_parse_network, texts))


def _parse_network(text: str) -> Network:
    wanted = "a trusted proxy is an address or a network, such as 10.0.0.0/8"
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"{wanted}: {error}") from error
    if ip_interface(text).ip != network.network_address:
        raise UsageError(f"{wanted}: {text} has host bits set; write {network} for all of that network")
    return network


def _parse_zone(value: object) -> Zone:
    if not isinstance(value, str):
        raise UsageError('tz is the name of a zone, such as "Asia/Tokyo"')
    return Zone.named(value)


def _parse_year(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in YEARS:
        raise UsageError(f"year is a whole number from {YEARS[0]} to {YEARS[-1]}")
    return value


def _parse_encoding(value: object) -> Encoding:
    known = encoding_named(value) if isinstance(value, str) else None
    if known is None:
        raise UsageError(f"encoding is one of {', '.join(ENCODING_NAMES)}")
    return known


def _parse_skew(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or abs(value) > _MOST_SKEW:
        raise UsageError("skew is a number of seconds that the source's clock is ahead (behind: negative)")
    return float(value)
