"""Runs Datadog's OpenMetrics check once on each instance of the JSON list on standard input.

Prints a JSON list: for each instance what the check refuses, or what it would send."""

import json
import sys

from datadog_checks.base import OpenMetricsBaseCheckV2
from datadog_checks.base.stubs import aggregator


def run(instance):
    aggregator.reset()
    said = OpenMetricsBaseCheckV2("openmetrics", {}, [instance]).run()
    return {
        "refused": said,
        "sent": [
            {"name": name, "value": metric.value, "tags": metric.tags}
            for name in aggregator.metric_names
            for metric in aggregator.metrics(name)
        ],
    }


json.dump([run(instance) for instance in json.load(sys.stdin)], sys.stdout)
