"""YAML read with the line of every key, unknown types refused and duplicate keys reported.

Only mappings, lists, text, numbers and booleans are read: a detector needs nothing else, and tags, anchors and aliases
in a file of unknown origin are a way to trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from breachscope.errors import DetectorError

Key = str | int
Value = Mapping[str, "Value"] | list["Value"] | str | int | float | bool | None

_SCALARS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"}
_MAX_BYTES = 1 << 20


@dataclass
class YamlFile:
    """A parsed mapping, the line of each of its keys, and what was wrong with it."""

    path: Path
    data: Mapping[str, Value]
    errors: list[DetectorError]
    _lines: dict[tuple[Key, ...], int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> YamlFile:
        """Read ``path``; every fault lands in ``errors``, each with its line, and ``data`` holds what could be read."""
        file = cls(path, {}, [])
        try:
            raw = path.read_bytes()
            if len(raw) > _MAX_BYTES:
                file.errors.append(DetectorError("is larger than 1 MiB; that is no detector description", path=path))
                return file
            root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        except OSError as error:
            file.errors.append(DetectorError(f"cannot be read ({error.strerror})", path=path))
            return file
        except UnicodeDecodeError:
            file.errors.append(DetectorError("is not UTF-8 text; save it as UTF-8", path=path))
            return file
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "unreadable"
            file.errors.append(DetectorError(f"not valid YAML: {problem}", path=path, line=mark.line + 1 if mark else None))
            return file
        except RecursionError:
            file.errors.append(DetectorError("not valid YAML: nested too deeply", path=path))
            return file
        if not isinstance(root, yaml.MappingNode):
            file.errors.append(DetectorError("must be a mapping of keys to values", path=path, line=1))
            return file
        data = file._value(root, (), frozenset())
        file.data = data if isinstance(data, dict) else {}
        return file

    def line_of(self, *keys: Key) -> int:
        """Return the 1-based line of the key reached by ``keys``, or of its nearest ancestor."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._lines:
                return self._lines[keys[:length]]
        return 1

    def complain(self, message: str, *keys: Key) -> None:
        self.errors.append(DetectorError(message, path=self.path, line=self.line_of(*keys)))

    def _value(self, node: yaml.Node, at: tuple[Key, ...], above: frozenset[int]) -> Value:
        self._lines.setdefault(at, node.start_mark.line + 1)
        if id(node) in above:
            self.errors.append(DetectorError("an alias points into itself", path=self.path, line=node.start_mark.line + 1))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at, above | {id(node)})
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*at, index), above | {id(node)}) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            loader = yaml.SafeLoader("")
            try:
                value: Value = loader.construct_object(node)
            except ValueError:
                return str(node.value)
            return value
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode, at: tuple[Key, ...], above: frozenset[int]) -> Value:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in values:
                self.errors.append(DetectorError(f"key {key!r} stands twice; the first is on line {self._lines[(*at, key)]}", path=self.path, line=line))
                continue
            self._lines[(*at, key)] = line
            values[key] = self._value(value_node, (*at, key), above)
        return values
