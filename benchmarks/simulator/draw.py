"""Random numbers whose sequence never changes: only the raw stream of PCG64, which NumPy guarantees, and arithmetic."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Draw:
    """One stream of numbers, named so that a change in one part of the simulator leaves the others alone."""

    def __init__(self, seed: int, *names: str | int) -> None:
        self._bits = np.random.PCG64([seed, zlib.crc32("/".join(str(n) for n in names).encode())])

    def uniform(self, count: int) -> Floats:
        """Return ``count`` numbers in [0, 1)."""
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, limit: int, count: int) -> Ints:
        """Return ``count`` integers in [0, limit)."""
        return (self.uniform(count) * limit).astype(np.int64)

    def between(self, low: int, high: int) -> int:
        """Return one integer in [low, high)."""
        return low + int(self.below(high - low, 1)[0])

    def chance(self, probability: float, count: int) -> npt.NDArray[np.bool_]:
        """Return ``count`` claims that hold with ``probability``."""
        return self.uniform(count) < probability

    def weighted(self, weights: Sequence[float], count: int) -> Ints:
        """Return ``count`` positions in ``weights``, drawn in proportion to them."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        return np.minimum(np.searchsorted(edges / edges[-1], self.uniform(count), side="right"), len(weights) - 1).astype(np.int64)

    def exponential(self, mean: float, count: int) -> Floats:
        """Return ``count`` waiting times with the given mean."""
        return -mean * np.log1p(-self.uniform(count))

    def skewed(self, limit: int, count: int, power: float = 2.5) -> Ints:
        """Return ``count`` integers in [0, limit), small ones far more often, as bestsellers are."""
        return (self.uniform(count) ** power * limit).astype(np.int64)

    def hex_ids(self, count: int) -> list[str]:
        """Return ``count`` identifiers of 16 hexadecimal digits."""
        digits = np.asarray(self._bits.random_raw(count), dtype=">u8").tobytes().hex()
        return [digits[i : i + 16] for i in range(0, len(digits), 16)]
