"""Which inputs are known from earlier ingests, have grown, were rotated or renamed: decided by content, never by name or time alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from breachscope.case import sha256_file
from breachscope.errors import InputError
from breachscope.ingest.inputs import Input
from breachscope.ingest.streams import content_digests
from breachscope.manifest import Source


class KnownSources:
    """The sources of earlier ingests, each of which one input of this ingest can be at most."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._sizes = {s.size for s in sources}
        self._claimed: set[int] = set()
        self._displaced: list[Source] | None = None
        self._at_path: dict[str, list[Source]] = {}
        """By where they stand; the members of an archive, by where that stands, too."""
        for source in sources:
            for place in {source.path, str(source.file)}:
                self._at_path.setdefault(place, []).append(source)

    def digest_of(self, path: Path, size: int) -> str | None:
        """SHA-256 of a file of ``size`` bytes that may be known; None of one that surely is not."""
        return sha256_file(path) if size in self._sizes or self._of_file(path) else None

    def members_of(self, path: Path, digest: str | None) -> list[Source]:
        """The members of an archive with this digest; none where not all of them are known."""
        members = [s for s in self._of_file(path) if s.sha256 == digest and s.members is not None]
        return members if members and len(members) == members[0].members else []

    def claim(self, given: Input, digest: str | None) -> tuple[Source | None, bool]:
        """The source whose content an input has or begins with, and whether it has no more; no further input is given that source.

        Raises OSError when the input cannot be read.
        """
        at_path = [s for s in self._at_path.get(given.place, ()) if s.path == given.place and s.id not in self._claimed]
        same = next((s for s in at_path if s.sha256 == digest), None)
        grown = None
        if same is None and given.member is None:
            size = given.file.stat().st_size
            grown = next((s for s in at_path if s.size < size and s.members is None and sha256_file(given.file, s.size) == s.sha256), None)
        if not (same or grown):
            free = [s for s in self._displaced_now() if s.id not in self._claimed]
            member = given.member.name if given.member else None
            same = next((s for s in free if s.sha256 == digest and s.member == member), None)
            grown = None if same else _displaced_beginning(given, free)
        known = same or grown
        if known:
            self._claimed.add(known.id)
        return known, same is not None

    def add_displaced(self, source: Source) -> None:
        """Note that what was read in this ingest no longer stands where it was read."""
        self._displaced_now().append(source)

    def _of_file(self, path: Path) -> list[Source]:
        return [s for s in self._at_path.get(str(path), ()) if s.file == path]

    def _displaced_now(self) -> list[Source]:
        """Sources whose content no longer stands where it was read before this ingest."""
        if self._displaced is None:
            self._displaced = [s for s in self._sources if s.id not in self._claimed and _was_displaced(s)]
        return self._displaced


def _was_displaced(source: Source) -> bool:
    """Whether a source's content no longer stands where it was read: its file was rotated, renamed, replaced or removed."""
    try:
        size = source.file.stat().st_size
        is_there = size >= source.size if source.members is None else size == source.size
        return not is_there or sha256_file(source.file, source.size) != source.sha256
    except OSError:
        return True


def _displaced_beginning(given: Input, displaced: Sequence[Source]) -> Source | None:
    """The source whose content this input begins with: the same log after rotation, grown or compressed in between."""
    candidates = [s for s in displaced if s.content_size > 0 and s.duplicate_of is None]
    if not candidates:
        return None
    try:
        found = content_digests(given, {s.content_size for s in candidates})
    except InputError:
        return None  # told when it is read
    return next((s for s in candidates if found.get(s.content_size) == s.content_sha256), None)
