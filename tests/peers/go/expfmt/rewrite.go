package main

import (
	"bytes"
	"io"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tagalong.dev/tests/peers/harness"
)

var format = expfmt.NewFormat(expfmt.TypeTextPlain)

func rewrite(job *harness.Job) (func(io.Writer) error, error) {
	return func(out io.Writer) error {
		return enrich(bytes.NewReader(job.Input), job.Services, out)
	}, nil
}

func enrich(in io.Reader, services map[string]harness.Service, out io.Writer) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(in)
	if err != nil {
		return err
	}
	for _, family := range families {
		for _, metric := range family.Metric {
			label(metric, services)
		}
	}
	return encode(families, out)
}

// label gives the metric the labels of its Service, if it has one.
func label(metric *dto.Metric, services map[string]harness.Service) {
	for _, kong := range metric.Label {
		if kong.GetName() != "service" {
			continue
		}
		service, ok := services[kong.GetValue()]
		if !ok {
			return
		}
		*kong.Name = "kong_service"
		metric.Label = slices.Concat([]*dto.LabelPair{
			pair("namespace", service.Namespace),
			pair("service", service.Name),
			pair("kubernetes_apiversion", "v1"),
			pair("kubernetes_kind", "service"),
			pair("kubernetes_name", service.Name),
			pair("kubernetes_namespace", service.Namespace),
		}, metric.Label)
		return
	}
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}

func encode(families map[string]*dto.MetricFamily, out io.Writer) error {
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	encoder := expfmt.NewEncoder(out, format)
	for _, name := range names {
		if err := encoder.Encode(families[name]); err != nil {
			return err
		}
	}
	return nil
}
