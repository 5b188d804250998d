"""Reads the expositions in the files FORMAT.*, of format `text` or `openmetrics`, with Prometheus' strictest parsers.

Prints a JSON object: for each file what is refused of it, or its families' types and how many samples there are."""

import json
import pathlib
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

PARSERS = {
    "text": parser.text_string_to_metric_families,
    "openmetrics": openmetrics_parser.text_string_to_metric_families,
}


def read(path):
    try:
        families = list(PARSERS[path.name.split(".")[0]](path.read_bytes().decode()))
    except ValueError as error:
        return {"refused": str(error)}
    return {
        "types": {family.name: family.type for family in families},
        "samples": sum(len(family.samples) for family in families),
    }


json.dump({path.name: read(path) for path in map(pathlib.Path, sys.argv[1:])}, sys.stdout)
