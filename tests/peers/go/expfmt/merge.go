package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tagalong.dev/tests/peers/harness"
)

// merge makes one exposition of as many pods as there are copies: each body decoded, its pod's labels put in front of each
// metric, families of one name put together, and all of it encoded.
func merge(job *harness.Job) (func(io.Writer) error, error) {
	return func(out io.Writer) error {
		merged := map[string]*dto.MetricFamily{}
		for pod := range job.Copies {
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err := parser.TextToMetricFamilies(bytes.NewReader(job.Input))
			if err != nil {
				return err
			}
			labels := []*dto.LabelPair{
				pair("dataplane", "dataplane-kong"),
				pair("dataplane_namespace", "default"),
				pair("dataplane_pod", fmt.Sprintf("dataplane-kong-%d", pod)),
				pair("dataplane_url", fmt.Sprintf("https://10.244.0.%d:8444", pod)),
			}
			for name, family := range families {
				for _, metric := range family.Metric {
					metric.Label = slices.Concat(labels, metric.Label)
				}
				if first, ok := merged[name]; ok {
					first.Metric = append(first.Metric, family.Metric...)
				} else {
					merged[name] = family
				}
			}
		}
		return encode(merged, out)
	}, nil
}
