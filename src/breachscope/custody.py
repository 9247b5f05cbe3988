"""The custody chain of a case: a record for each command, with the SHA-256 of the results that it wrote.

Each record is chained to the one before, and holds the custody facts asked for by NIST SP 800-61r2 section 3.3.2: who,
where, when, what.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from breachscope import __version__
from breachscope.errors import CaseError

_GENESIS = "0" * 64


class Custody:
    """The chain in one file, a record a line. Whatever reads it raises CaseError where the file is missing or a line was edited into none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, command: str, outputs: Mapping[str, str], parameters: Mapping[str, object]) -> None:
        """Add a record of one command; ``outputs`` is the SHA-256 of each file that it wrote. Raises CaseError when it cannot be written."""
        records = self._records()
        body = {
            "seq": len(records) + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "user": _user(),
            "host": socket.gethostname(),
            "tool": f"breachscope {__version__}",
            "command": command,
            "parameters": dict(parameters),
            "outputs": dict(outputs),
            "previous": records[-1]["hash"] if records else _GENESIS,
        }
        line = canonical_json({**body, "hash": _digest(body)})
        try:
            with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as handle:
                written = handle.read()
                whole, tail = _split_tail(written)
                handle.seek(len(whole))
                handle.truncate()
                handle.write((tail + b"\n" if _is_complete(tail) else b"") + line + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise CaseError(f"cannot be written ({error.strerror or error}); free space, then run again", path=self.path) from error

    def outputs(self) -> dict[str, str]:
        """Every file that a command recorded, with the SHA-256 it had when last recorded."""
        recorded: dict[str, str] = {}
        for record in self._records():
            outputs = record.get("outputs")
            recorded |= outputs if isinstance(outputs, dict) else {}
        return recorded

    def last_settings(self) -> Mapping[str, str] | None:
        """Files of settings that the last ingest read by, each with its SHA-256; None where no ingest was recorded."""
        for record in reversed(self._records()):
            if record.get("command") == "ingest" and isinstance(parameters := record.get("parameters"), dict):
                return {str(path): str(digest) for path, digest in parameters.get("sources", {}).items()}
        return None

    def head(self) -> tuple[int, str]:
        """Number and hash of the last record: noted elsewhere, it shows whether the end of the chain was cut off later."""
        records = self._records()
        return (len(records), str(records[-1]["hash"])) if records else (0, _GENESIS)

    def faults(self) -> list[str]:
        """What shows that the chain was edited or cut off; nothing where it is whole. Raises nothing."""
        try:
            records = self._records()
        except CaseError as error:
            return [error.text]
        previous: object = _GENESIS
        found = []
        for number, record in enumerate(records, 1):
            body = {k: v for k, v in record.items() if k != "hash"}
            if record.get("hash") != _digest(body):
                found.append(f"record {number} was changed after it was written")
            elif record.get("previous") != previous or record.get("seq") != number:
                found.append(f"record {number} does not follow the one before: a record was removed or inserted")
            previous = record.get("hash")
        tail = _split_tail(self.path.read_bytes())[1]
        if tail and not _is_complete(tail):
            found.append(f"record {len(records) + 1} is cut off: the command was killed while it wrote, or the end was removed")
        return found

    def _records(self) -> list[dict[str, object]]:
        """All records; a last line cut by a crash is left out, for it was never completed."""
        if not self.path.is_file():
            raise CaseError("is missing: who did what with this case can no longer be told", path=self.path)
        whole, tail = _split_tail(self.path.read_bytes())
        records = []
        for number, line in enumerate([*whole.splitlines(), *([tail] if _is_complete(tail) else [])], 1):
            record = _json_object(line)
            if record is None:
                raise CaseError("is not a record: the custody chain was edited", path=self.path, line=number)
            records.append(record)
        return records


def canonical_json(data: object, *, indent: int | None = None) -> bytes:
    """Canonical JSON: sorted keys, UTF-8, or escapes throughout where a file name is not UTF-8."""
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators).encode()
    except UnicodeEncodeError:
        return json.dumps(data, ensure_ascii=True, sort_keys=True, indent=indent, separators=separators).encode()


def _split_tail(custody: bytes) -> tuple[bytes, bytes]:
    """The lines that are ended, and what stands behind the last of them."""
    end = custody.rfind(b"\n") + 1
    return custody[:end], custody[end:]


def _is_complete(tail: bytes) -> bool:
    """Whether a last line that lacks its newline is a whole record all the same."""
    record = _json_object(tail)
    return record is not None and record.get("hash") == _digest({k: v for k, v in record.items() if k != "hash"})


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _digest(body: object) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
