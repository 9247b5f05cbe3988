"""Simulator with ground truth, and the measurements behind ``make bench``; run as ``python -m benchmarks.NAME`` from the checkout."""
