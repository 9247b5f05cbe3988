"""Keys that are wanted of JSON objects or of key=value pairs, as tables that :mod:`breachscope.ingest.native` looks them up in.

What is written as everybody writes it is read there; odd spellings are left to readers that know them all
(:mod:`breachscope.ingest.json_values`, :mod:`breachscope.ingest.pairs`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_MOST_NODES, _MOST_SLOTS = 512, 512
"""``native.c`` has room for as many."""
_LAST = -1
_STEP = re.compile(r"""\.(?:"([^"\\]+)"|([^."\[\]*]+))|\[(\d+|\#-1)\]""")
_SPACES = b" \t\n\v\f\r"
SPACED_KEY = re.compile(r"[A-Za-z0-9_.\[\]-]+")
"""A key of pairs whose values hold spaces."""


@dataclass(frozen=True)
class Keys:
    """A tree of keys; node 0 is the text as a whole. Of a node without a child or a sibling that is 0."""

    are_paths: bool
    """Whether they are paths in JSON objects; else keys of pairs."""
    slot_of: Mapping[str, int]
    """Key or path → the slot where its value's begin is noted; its end is in the next one."""
    names: npt.NDArray[np.uint8]
    begins: npt.NDArray[np.int32]
    """Node → where its name begins in ``names``; -1 for an element of an array."""
    lengths: npt.NDArray[np.int32]
    """Node → the length of its name, or which element it is; -1 for the last one."""
    children: npt.NDArray[np.int32]
    siblings: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]
    gaps: npt.NDArray[np.uint8]
    """Byte → whether it sets pairs apart."""
    without: int
    """A byte that no text of pairs may hold; -1 for none."""
    are_spaced: bool
    """Whether values of pairs hold spaces, know no quotes, and end where the next key stands."""

    @property
    def slot_count(self) -> int:
        return 2 * len(self.slot_of)


@lru_cache(maxsize=256)
def paths_as_keys(paths: frozenset[str]) -> Keys | None:
    r"""Tables for paths such as ``$.a."b.c"[0]``; None where one is of another kind.

    >>> paths_as_keys(frozenset(["$.a", '$.b."c d"', "$.e[#-1]"])).slot_of, paths_as_keys(frozenset(["$.a[*]"]))
    ({'$.a': 0, '$.b."c d"': 2, '$.e[#-1]': 4}, None)
    """
    steps = {}
    for path in sorted(paths):
        found = list(_STEP.finditer(path, 1))
        if not path.startswith("$") or not found or "".join(f[0] for f in found) != path[1:]:
            return None
        steps[path] = [f[1] or f[2] or int(f[3].replace("#", "")) for f in found]
    return _as_tables(steps, are_paths=True)


@lru_cache(maxsize=256)
def pairs_as_keys(names: frozenset[str], separators: str, without: str = "", *, spaced: bool = False) -> Keys | None:
    """Tables for keys of pairs that are set apart by white space and ``separators``, in texts that hold no character ``without``.

    Where values are ``spaced``, the next key alone ends one. None where these are more than machine code knows.
    """
    is_known = all(SPACED_KEY.fullmatch(name) if spaced else name.isascii() and "=" not in name for name in names)
    if not is_known or not separators.isascii():
        return None
    gaps = _SPACES if spaced else _SPACES + separators.encode()
    return _as_tables({n: [n] for n in sorted(names)}, are_paths=False, gaps=gaps, without=ord(without) if without else -1, are_spaced=spaced)


def _as_tables(
    steps: Mapping[str, Collection[str | int]], *, are_paths: bool, gaps: bytes = b"", without: int = -1, are_spaced: bool = False
) -> Keys | None:  # fmt: skip
    nodes: dict[tuple[str | int, ...], int] = {(): 0}
    begins, lengths, children, siblings, slots = ([0], [0], [0], [0], [-1])
    names = b""
    slot_of = {path: 2 * n for n, path in enumerate(steps)}
    for path, parts in steps.items():
        way: tuple[str | int, ...] = ()
        for part in parts:
            parent, way = nodes[way], (*way, part)
            if way in nodes:
                continue
            nodes[way] = len(nodes)
            name = b"" if isinstance(part, int) else part.encode()
            begins.append(-1 if isinstance(part, int) else len(names))
            lengths.append(part if isinstance(part, int) else len(name))
            names += name
            siblings.append(children[parent])
            children[parent] = nodes[way]
            children.append(0)
            slots.append(-1)
        slots[nodes[way]] = slot_of[path]
    elements = [way for way in nodes if way and isinstance(way[-1], int)]
    is_twofold = any(way[-1] == _LAST and (children[nodes[way]] or sum(w[:-1] == way[:-1] for w in elements) > 1) for way in elements)
    if is_twofold or len(nodes) > _MOST_NODES or 2 * len(slot_of) > _MOST_SLOTS:
        return None
    places, sizes, firsts, nexts, held = (np.array(t, np.int32) for t in (begins, lengths, children, siblings, slots))
    is_gap = np.zeros(256, np.uint8)
    is_gap[list(gaps)] = 1
    return Keys(are_paths, slot_of, np.frombuffer(names or b"\0", np.uint8), places, sizes, firsts, nexts, held, is_gap, without, are_spaced)
