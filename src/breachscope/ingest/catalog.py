"""All known formats: which of them may be wanted, without reading the files of those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

import polars as pl

from breachscope.errors import BreachscopeError, ContentErrors, FormatError, UsageError, did_you_mean
from breachscope.ingest.formats import Format, build, load_format
from breachscope.ingest.fragments import spelt_out
from breachscope.ingest.marks import occurring
from breachscope.toml_file import TomlFile

_SAMPLES = re.compile(r"^\[\[(?:sample|refuse)\]\]$", re.MULTILINE)
_LONGEST_ASKED = 10_000
"""Characters of an expression: compiled, a much longer one is none that runs fast."""


@dataclass(frozen=True)
class FormatEntry:
    """One format of the catalog: what tells whether it is wanted, and its file, which is read when it is."""

    id: str
    path: Path
    kind: str
    order: int
    programs: tuple[str, ...] = ()
    splits: bool = False
    """Whether its programs split messages before they hand them to syslog."""
    continues: bool = False
    """Whether lines of it may continue those above."""

    @cached_property
    def format(self) -> Format:
        """The format as its file has it; the built-in files were checked by this program's tests, not again by every run.

        Half of each file are samples, behind all else: they are left out.
        """
        settings = _SAMPLES.split(self.path.read_text(encoding="utf-8"), 1)[0]
        return build(spelt_out(TomlFile.parse(settings, self.path, FormatError).data), self.path)


@dataclass(frozen=True)
class FormatCatalog:
    """Every known format, by order. Reading all their files takes longer than reading a small log, so each is read when it is tried."""

    entries: tuple[FormatEntry, ...]

    @property
    def formats(self) -> tuple[Format, ...]:
        """All formats, read and checked."""
        return tuple(e.format for e in self.entries)

    def __getitem__(self, identifier: str) -> Format:
        for known in self.entries:
            if known.id == identifier:
                return known.format
        raise UsageError(f"no format is called {identifier!r}{did_you_mean(identifier, [e.id for e in self.entries])}; see 'breachscope formats list'")

    @property
    def whole_lines(self) -> Iterator[Format]:
        """Formats that read a line by themselves."""
        return (e.format for e in self.entries if e.kind != "syslog")

    @property
    def of_entries(self) -> Iterator[Format]:
        """Formats of which several lines may be one text."""
        return (e.format for e in self.entries if e.kind == "regex" and e.continues)

    def likely(self, left: Callable[[], pl.Series]) -> Iterator[Format]:
        """Formats that may read some lines by themselves, by order, and those that need a header; ``left`` tells which lines are still to be read."""
        for formats in _asked_together(self.whole_lines):
            texts = left()
            if not len(texts):
                return
            present = occurring(texts, frozenset().union(*(fmt.marks for fmt in formats)))
            asked = [fmt for fmt in formats if fmt.needs_header or fmt.may_read(present)]
            likenesses = [fmt.likeness for fmt in asked if not fmt.needs_header]
            # Most will be none: to ask for some together takes less time.
            may_read = len(likenesses) == 1 or (len(likenesses) > 1 and bool(texts.str.contains("|".join(f"(?:{of})" for of in likenesses)).any()))
            for fmt in asked:
                if fmt.needs_header or (may_read and bool(texts.str.contains(fmt.likeness).any())):
                    yield fmt

    def messages_of(self, programs: Collection[str]) -> Iterator[Format]:
        """Formats that read messages of these programs behind a syslog header."""
        return (e.format for e in self.entries if not {"*", *programs}.isdisjoint(e.programs))

    @cached_property
    def programs(self) -> frozenset[str]:
        """Programs whose messages some format claims."""
        return frozenset(p for e in self.entries for p in e.programs if p != "*")


def _asked_together(formats: Iterable[Format]) -> Iterator[list[Format]]:
    """Formats in groups, whose expressions together are not too long."""
    together: list[Format] = []
    for fmt in formats:
        if together and sum(len(f.likeness) for f in (*together, fmt)) > _LONGEST_ASKED:
            yield together
            together = []
        together.append(fmt)
    yield together


def load_formats(directories: Sequence[Path] = ()) -> FormatCatalog:
    """Find the built-in formats and load the user's, from folders or single files; one of theirs replaces a built-in one of its id.

    Raises ContentErrors with every mistake.
    """
    errors: list[BreachscopeError] = []
    entries: dict[str, FormatEntry] = {}
    builtin = Path(str(files("breachscope") / "formats"))
    for directory in (builtin, *directories):
        paths = sorted(directory.glob("*.toml")) if directory.is_dir() else [directory] if directory.is_file() and directory.suffix == ".toml" else []
        if not paths:
            fault = "holds no *.toml" if directory.is_dir() else "is not a folder"
            errors.append(UsageError(f"{fault}; --formats wants a folder of format files, or one of them", path=directory))
        for path in paths:
            try:
                entries[path.stem] = _glance(path) if directory is builtin else entry_of(load_format(path))
            except ContentErrors as found:
                errors += found.errors
            except FormatError as error:
                errors.append(error)
    by_order: dict[int, FormatEntry] = {}
    for known in entries.values():
        if other := by_order.get(known.order):
            line = TomlFile.load(known.path, FormatError).line_of("order")
            errors.append(FormatError(f"order {known.order} is taken by {other.id}; give another number", path=known.path, line=line))
        by_order[known.order] = known
    if errors:
        raise ContentErrors(errors)
    return FormatCatalog(tuple(by_order[n] for n in sorted(by_order)))


@cache
def _glance(path: Path) -> FormatEntry:
    """What the top of a built-in format's file says of it, without reading the rest as TOML."""
    top = path.read_text(encoding="utf-8").partition("\n[")[0]
    kind, order = re.search(r'^kind = "(\w+)"$', top, re.MULTILINE), re.search(r"^order = (\d+)$", top, re.MULTILINE)
    if not (kind and order):
        return entry_of(load_format(path))
    programs = re.search(r"^programs = (\[[^\]]*\])$", top, re.MULTILINE)
    named = tuple(re.findall(r'"([^"]+)"', programs[1])) if programs else ()
    return FormatEntry(path.stem, path, kind[1], int(order[1]), named, splits="\nparts = " in top, continues="\ncontinues = " in top)


def entry_of(fmt: Format) -> FormatEntry:
    """The catalog's entry of a format that was read already."""
    entry = FormatEntry(fmt.id, fmt.path, fmt.kind, fmt.order, fmt.programs, fmt.parts is not None, fmt.continues is not None)
    entry.__dict__["format"] = fmt
    return entry
