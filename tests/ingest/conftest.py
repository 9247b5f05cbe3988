"""The ingest tests share ``tests/ingest/reading.py``; on a busy machine a slow example is no fault."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# A third of the usual number of examples: with so many formats they were most of the time that CI takes.
settings.register_profile("unhurried", deadline=None, max_examples=30)
settings.load_profile("unhurried")
