"""breachscope: exported logs and customer tables in, a defensible answer out."""

import os
from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("breachscope")

# The allocator of Polars reads this once, as it is loaded. Blocks of a log come and go all the time: giving their memory
# back to the system at once, as it does by itself, costs an eighth of the time of reading.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
