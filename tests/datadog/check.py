"""Runs Datadog's OpenMetrics check once on the instance given as JSON on standard input; prints what it would send."""

import json
import sys

from datadog_checks.base import OpenMetricsBaseCheckV2
from datadog_checks.base.stubs import aggregator

said = OpenMetricsBaseCheckV2("openmetrics", {}, [json.load(sys.stdin)]).run()
if said:
    sys.exit(said)
json.dump(
    [
        {"name": name, "value": metric.value, "tags": metric.tags}
        for name in aggregator.metric_names
        for metric in aggregator.metrics(name)
    ],
    sys.stdout,
)
