"""breachscope: exported logs and customer tables in, a defensible answer out."""

import ctypes
import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# Blocks of a log come and go all the time: giving their memory back to the system at once, as both allocators do by
# themselves, costs an eighth of the time of reading. That of Polars reads its settings once, as it is loaded; that of
# glibc is told here to keep what is freed, pieces of up to 32 MB (M_MMAP_THRESHOLD) and half a gigabyte (M_TRIM_THRESHOLD).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts threads for matrices, of which there are none here
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
if hasattr(_libc := ctypes.CDLL(None), "mallopt"):
    _libc.mallopt(-3, 32 << 20)
    _libc.mallopt(-1, 512 << 20)
