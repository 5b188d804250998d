// Parses an exposition with Prometheus' own parser, adds the labels with its labels.Builder, and prints it.
package main

import (
	"errors"
	"io"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"tagalong.dev/tests/peers/harness"
)

func main() {
	harness.Main(map[string]harness.Contender{"textparse": rewrite})
}

func rewrite(job *harness.Job) (func(io.Writer) error, error) {
	text := &harness.Text{}
	builder := labels.NewBuilder(labels.EmptyLabels())
	// A scrape loop keeps its symbols from one scrape to the next.
	symbols := labels.NewSymbolTable()
	return func(out io.Writer) error {
		parser, err := textparse.New(job.Input, "text/plain; version=0.0.4", symbols, textparse.ParserOptions{})
		if err != nil {
			return err
		}
		text.Reset(out)
		var sample labels.Labels
		for {
			switch entry, err := parser.Next(); {
			case errors.Is(err, io.EOF):
				return text.Flush()
			case err != nil:
				return err
			case entry == textparse.EntryHelp:
				name, help := parser.Help()
				text.Raw("# HELP ", string(name), " ", string(help), "\n")
			case entry == textparse.EntryType:
				name, kind := parser.Type()
				text.Raw("# TYPE ", string(name), " ", string(kind), "\n")
			case entry == textparse.EntrySeries:
				_, _, value := parser.Series()
				parser.Labels(&sample)
				if err := printSample(text, builder, sample, value, job.Services); err != nil {
					return err
				}
			}
		}
	}, nil
}

func printSample(text *harness.Text, builder *labels.Builder, sample labels.Labels, value float64, services map[string]harness.Service) error {
	builder.Reset(sample)
	kong := sample.Get("service")
	if service, ok := services[kong]; ok {
		builder.Set("namespace", service.Namespace)
		builder.Set("service", service.Name)
		builder.Set("kubernetes_apiversion", "v1")
		builder.Set("kubernetes_kind", "service")
		builder.Set("kubernetes_name", service.Name)
		builder.Set("kubernetes_namespace", service.Namespace)
		builder.Set("kong_service", kong)
	}
	text.Name(sample.Get(labels.MetricName))
	builder.Range(func(label labels.Label) {
		switch label.Name {
		case labels.MetricName:
		case labels.BucketLabel:
			// This parser writes `1` as `1.0`, which Kong does not.
			text.Label(label.Name, strings.TrimSuffix(label.Value, ".0"))
		default:
			text.Label(label.Name, label.Value)
		}
	})
	return text.Value(value)
}
