"""What a case is made of: every input with its digests, its counts and how it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

from breachscope import __version__
from breachscope.errors import CaseError

MANIFEST_SCHEMA = "breachscope/manifest/1"


@dataclass(frozen=True)
class Source:
    """One input as the manifest knows it; ``lines = event_lines + sum(skipped) + rejected`` always holds."""

    id: int
    path: str
    """Where it was read, as given by the user and made absolute."""
    name: str
    """File name, with the member after ``!`` for one of an archive."""
    sha256: str
    """Of the bytes as stored; for a member, those of its archive."""
    content_sha256: str
    """Of the decompressed bytes: two inputs with the same content are counted once."""
    size: int
    """Bytes as stored."""
    mtime: str
    """Only told: nothing is ever dated or recognised by it."""
    compression: str
    encoding: str
    newline: str
    """LF (also for CRLF) or CR; of an input of records, what it is."""
    formats: Mapping[str, int] = field(default_factory=dict)
    """Format id → lines that became events."""
    confidence: float = 0.0
    """Share of the sampled lines that the chosen format reads."""
    tz: str = "UTC"
    tz_assumed: bool = False
    """True when the log carries no zone, and none was given."""
    year_assumption: str | None = None
    first_ts: str | None = None
    last_ts: str | None = None
    lines: int = 0
    event_lines: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Case file → its SHA-256."""
    problem: str | None = None
    duplicate_of: int | None = None
    """Another source with the same content; this one then has no events of its own."""
    notes: tuple[str, ...] = ()
    content_size: int = 0
    """Bytes after decompression."""
    reference_date: str | None = None
    """The day that no event of it is later than: the one given, else the day on which its content was first read."""
    nul_runs: tuple[tuple[int, int, int], ...] = ()
    """(first line, last line, bytes) where NUL bytes stand behind the beginning of the content: what was written there is lost."""
    skew: float = 0.0
    """Seconds that its clock was ahead, as the user set it: its events' times are as written, less this."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For was believed."""
    reading: str = ""
    """Digest of the options and formats it was read with: other ones make the next ingest read it again."""
    member: str | None = None
    """Its path in its archive, which stands behind ``!`` in ``path``."""
    members: int | None = None
    """How many inputs its archive is, one for what could not be read of the archive itself included."""

    @property
    def file(self) -> Path:
        """The file that was read: for a member, its archive."""
        return Path(self.path if self.member is None else self.path.removesuffix(f"!{self.member}"))

    @property
    def unpacked_path(self) -> str:
        """Where it would stand if its archive were a folder: what a glob of sources.toml fits."""
        return self.path if self.member is None else f"{self.file}/{self.member}"

    def check_lines(self) -> None:
        """Raise CaseError when a line of this input has no fate: that is a fault of breachscope itself."""
        accounted = self.event_lines + sum(self.skipped.values()) + self.rejected
        if accounted != self.lines:
            raise CaseError(f"{self.lines} lines read but {accounted} accounted for; please report this as a fault of breachscope", path=self.path)


def distinct_names(sources: Sequence[Source]) -> dict[int, str]:
    """By id the name of each source, with as many of its folders as tell it from the others; never the whole path of the analyst's machine.

    >>> from types import SimpleNamespace as S
    >>> distinct_names([S(id=n, name="access.log", path=p, file=Path(p)) for n, p in ((1, "/x/web1/access.log"), (2, "/x/web2/access.log"))])
    {1: 'web1/access.log', 2: 'web2/access.log'}
    """
    names = {s.id: s.name for s in sources}
    alike = list(sources)
    depth = 0
    while alike:
        depth += 1
        holders = Counter(name for name, _ in {(names[s.id], s.path) for s in alike})
        alike = [s for s in alike if holders[names[s.id]] > 1 and depth <= len(s.file.parts) - 2]
        for source in alike:
            names[source.id] = "/".join([*source.file.parts[-1 - depth : -1], source.name])
    return names


@dataclass(frozen=True)
class Manifest:
    """What the case is made of. ``reference_date`` is that of the first ingest; each source has its own."""

    reference_date: date
    sources: tuple[Source, ...] = ()

    @property
    def next_id(self) -> int:
        return max((s.id for s in self.sources), default=0) + 1

    def with_source(self, source: Source) -> Manifest:
        if not self.sources or source.id > self.sources[-1].id:
            return replace(self, sources=(*self.sources, source))
        others = [s for s in self.sources if s.id != source.id]
        return replace(self, sources=tuple(sorted([*others, source], key=lambda s: s.id)))

    def as_json(self) -> dict[str, object]:
        return {
            "schema": MANIFEST_SCHEMA,
            "tool": f"breachscope {__version__}",
            "reference_date": self.reference_date.isoformat(),
            "sources": [asdict(s) for s in self.sources],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` made. Raises ValueError, KeyError or TypeError for anything else."""
        return cls(date.fromisoformat(data["reference_date"]), tuple(_source_from_json(s) for s in data["sources"]))


def _source_from_json(data: dict[str, Any]) -> Source:
    known = {f.name for f in fields(Source)}
    values: dict[str, Any] = {k: v for k, v in data.items() if k in known}
    values |= {name: tuple(data.get(name, ())) for name in ("notes", "trusted_proxies")}
    values |= {"nul_runs": tuple((a, b, n) for a, b, n in data.get("nul_runs", ()))}
    return Source(**values)
