"""breachscope: exported logs and customer tables in, a defensible answer out."""

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# The allocator of Polars reads this once, as it is loaded. Blocks of a log come and go all the time: giving their memory
# back to the system at once, as it does by itself, costs an eighth of the time of reading.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts threads for matrices, of which there are none here
