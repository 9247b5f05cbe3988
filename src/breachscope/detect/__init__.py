"""Detectors over the events of a case: findings, incidents, and the events that belong to them."""

from breachscope.detect.allow import AllowList
from breachscope.detect.attribution import Actor
from breachscope.detect.catalog import Catalog, load_catalog, load_folder
from breachscope.detect.detector import Detector
from breachscope.detect.incidents import Incident, LinkOptions
from breachscope.detect.run import OUTPUTS, Detection, DetectorRun, run_detectors
from breachscope.detect.settings import DetectOptions, Settings, merge_parameters, read_settings
from breachscope.detect.workshop import DetectorRow, LogTest, check_detector, find_detector, list_detectors, new_detector, show_detector

__all__ = [
    "OUTPUTS",
    "Actor",
    "AllowList",
    "Catalog",
    "DetectOptions",
    "Detection",
    "Detector",
    "DetectorRow",
    "DetectorRun",
    "Incident",
    "LinkOptions",
    "LogTest",
    "Settings",
    "check_detector",
    "find_detector",
    "list_detectors",
    "load_catalog",
    "load_folder",
    "merge_parameters",
    "new_detector",
    "read_settings",
    "run_detectors",
    "show_detector",
]
