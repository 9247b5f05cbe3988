"""Inputs: what is read as one, and the inputs behind paths, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from breachscope.errors import InputError


class UnreadableError(Exception):
    """What stands in an archive cannot be read any further; the text says why."""


class Readable(Protocol):
    """Bytes one after the other; reading may raise OSError or UnreadableError."""

    def read(self, length: int, /) -> bytes: ...


class Member(Protocol):
    """A file inside an archive."""

    @property
    def name(self) -> str:
        """Its path in the archive, told apart from others of the same name."""

    @property
    def size(self) -> int:
        """Bytes, as far as the archive tells them."""

    def open(self) -> AbstractContextManager[Readable]:
        """Its bytes from the beginning. Raises UnreadableError where they cannot be had."""


@dataclass(frozen=True)
class Input:
    """What is read as one: a file, or a member of an archive."""

    file: Path
    member: Member | None = None

    @property
    def place(self) -> str:
        """Where it stands: the file's path, with the member behind ``!``."""
        return f"{self.file}!{self.member.name}" if self.member else str(self.file)

    @property
    def name(self) -> str:
        return f"{self.file.name}!{self.member.name}" if self.member else self.file.name

    @property
    def unpacked_path(self) -> str:
        """Where it would stand if its archive were a folder."""
        return f"{self.file}/{self.member.name}" if self.member else str(self.file)

    def open(self) -> AbstractContextManager[Readable]:
        """Its bytes as stored. Raises InputError when it cannot be opened."""
        try:
            return self.file.open("rb", buffering=0) if self.member is None else self.member.open()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror}); check the path and its permissions", path=self.place) from error
        except UnreadableError as error:
            raise InputError(str(error), path=self.place) from error


def find_inputs(paths: Sequence[str | Path], without: Path | None = None) -> tuple[list[Path], list[InputError]]:
    """Files behind paths, folders and globs, sorted and each once; and a complaint for every path that leads nowhere.

    Folders are walked without following links to folders, so that loops cannot trap the walk; a link that leads out of all
    that was given is complained of. Nor is the folder ``without`` entered: a case never reads its own files, unless they
    are named one by one.
    """
    found: set[Path] = set()
    missing: list[InputError] = []
    links: list[Path] = []
    for given in paths:
        path = Path(given)
        try:
            if path.is_dir():
                found.update(_walk(path, without, missing, links))
            elif path.is_file():
                found.add(path.absolute())
            elif path.exists():
                missing.append(InputError("is neither a file nor a folder; pipe it in and give - instead", path=path))
            elif matches := [m for m in map(Path, glob.glob(str(given), recursive=True)) if m.is_file()]:  # noqa: PTH207 - patterns may be absolute
                found.update(m.absolute() for m in matches if without is None or not m.resolve().is_relative_to(without.resolve()))
            else:
                missing.append(InputError("does not exist; check the path", path=path))
        except (OSError, ValueError) as error:
            missing.append(InputError(f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions", path=path))
    walked = [Path(given).resolve() for given in paths if Path(given).is_dir()]
    for link in sorted(set(links)):
        target = link.resolve()
        if not any(target.is_relative_to(folder) for folder in walked):
            missing.append(InputError(f"is a link to a folder, which was not followed; give {target} too", path=link))
    return sorted(found), missing


def _walk(folder: Path, without: Path | None, missing: list[InputError], links: list[Path]) -> list[Path]:
    """All files in a folder; what cannot be entered is complained of, and ``links`` to folders are gathered."""
    files: list[Path] = []
    locked: list[InputError] = []

    def complain(error: OSError) -> None:
        locked.append(InputError(f"cannot be read ({error.strerror}); check its permissions", path=error.filename))

    for inner, folders, names in os.walk(folder, onerror=complain):
        if without is not None and Path(inner).resolve() == without.resolve():
            folders.clear()
            continue
        links += [path.absolute() for name in folders if (path := Path(inner) / name).is_symlink()]
        files += [path.absolute() for name in names if (path := Path(inner) / name).is_file()]
    if not files and not locked:
        locked.append(InputError("is an empty folder; there is nothing to ingest", path=folder))
    missing += locked
    return files
