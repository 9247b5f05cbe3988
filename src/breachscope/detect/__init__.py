"""Detectors over the events of a case: findings, incidents, and the events that belong to them."""

from breachscope.detect.allow import AllowList
from breachscope.detect.catalog import Catalog, Detector, load_catalog, load_folder
from breachscope.detect.incidents import Actor, Incident, LinkOptions
from breachscope.detect.run import OUTPUTS, Detection, DetectorRun, run_detectors

__all__ = [
    "OUTPUTS",
    "Actor",
    "AllowList",
    "Catalog",
    "Detection",
    "Detector",
    "DetectorRun",
    "Incident",
    "LinkOptions",
    "load_catalog",
    "load_folder",
    "run_detectors",
]
