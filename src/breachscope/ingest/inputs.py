"""Inputs: what is read as one, and the inputs behind paths, folders and globs."""

from __future__ import annotations

import errno
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
    that was given is complained of, and so is whatever is neither a file nor a folder. Nor is the folder ``without``
    entered: a case never reads its own files, unless they are named one by one.
    """
    found = _Found(without.resolve() if without else None)
    for given in paths:
        if found.add(Path(given)):
            continue
        pattern = str(given)
        matches = [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - patterns may be absolute
        for match in matches:
            # Beside the folders that ** matches stand the files that they hold.
            if not (found.is_own(match) or ("**" in pattern and match.is_dir())):
                found.add(match)
        if not matches:
            fault = "matches nothing; check the pattern" if glob.has_magic(pattern) else "does not exist; check the path"
            found.missing.append(InputError(fault, path=given))
    found.complain_of_links()
    return sorted(found.files), found.missing


class _Found:
    """Files found so far, and complaints of what is none."""

    def __init__(self, without: Path | None) -> None:
        self.files: set[Path] = set()
        self.missing: list[InputError] = []
        self._without = without
        self._walked: list[Path] = []
        self._links: set[Path] = set()
        """To folders."""

    def is_own(self, path: Path) -> bool:
        """Whether it stands in the folder that is left out."""
        return self._without is not None and path.resolve().is_relative_to(self._without)

    def add(self, path: Path) -> bool:
        """Add what stands there, all files of a folder; whether anything does."""
        try:
            if path.is_dir():
                self._walk(path)
            elif path.is_file():
                self.files.add(_absolute(path))
            elif os.path.lexists(path):
                self.missing.append(_no_file(path))
            else:
                return False
        except (OSError, ValueError) as error:
            self.missing.append(InputError(f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions", path=path))
        return True

    def _walk(self, folder: Path) -> None:
        """Add all files in a folder; what cannot be entered or is no file is complained of."""
        self._walked.append(folder.resolve())
        complaints: list[InputError] = []
        is_empty = True

        def complain(error: OSError) -> None:
            complaints.append(InputError(f"cannot be read ({error.strerror}); check its permissions", path=error.filename))

        for inner, folders, names in os.walk(folder, onerror=complain):
            if self._without is not None and Path(inner).resolve() == self._without:
                folders.clear()
                is_empty = False
                continue
            self._links.update(path.absolute() for name in folders if (path := Path(inner) / name).is_symlink())
            for path in (Path(inner) / name for name in sorted(names)):
                is_empty = False
                if path.is_file():
                    self.files.add(_absolute(path))
                else:
                    complaints.append(_no_file(path))
        if is_empty and not complaints:
            complaints.append(InputError("is an empty folder; there is nothing to ingest", path=folder))
        self.missing += complaints

    def complain_of_links(self) -> None:
        """Links to folders were not followed; those are complained of that lead to a folder that was not given."""
        for link in sorted(self._links):
            target = link.resolve()
            if not any(target.is_relative_to(folder) for folder in self._walked):
                self.missing.append(InputError(f"is a link to a folder, which was not followed; give {target} too", path=link))


def _absolute(path: Path) -> Path:
    """Where a file stands, told without dots wherever they lead to the same file: behind a link to a folder they need not."""
    plain = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are
    return plain if plain.is_file() and plain.samefile(path) else path.absolute()


def _no_file(path: Path) -> InputError:
    """The complaint about what stands there and is neither a file nor a folder."""
    try:
        path.stat()
    except OSError as error:
        if path.is_symlink():
            leads = "in a circle" if error.errno == errno.ELOOP else f"to {path.readlink()}, which is not there"
            return InputError(f"is a link that leads {leads}; nothing was read through it", path=path)
        raise
    return InputError("is neither a file nor a folder; pipe it in and give - instead", path=path)
