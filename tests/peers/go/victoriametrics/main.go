// Parses an exposition with VictoriaMetrics' parser, adds the labels with its promrelabel or from the table, and prints it.
package main

import (
	"bytes"
	"fmt"
	"io"
	"unsafe"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promrelabel"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/prometheus"

	"tagalong.dev/tests/peers/harness"
)

// block is as much as the library's own stream parser reads at once.
const block = 64 * 1024

// relabel changes one sample's labels.
type relabel func(labels []prompb.Label) []prompb.Label

func main() {
	harness.Main(map[string]harness.Contender{"victoriametrics": byRules, "victoriametrics-table": byTable})
}

func byRules(job *harness.Job) (func(io.Writer) error, error) {
	rules, err := promrelabel.ParseRelabelConfigsData(job.Rules)
	if err != nil {
		return nil, err
	}
	return rewrite(job.Input, func(labels []prompb.Label) []prompb.Label { return rules.Apply(labels, 0) }), nil
}

func byTable(job *harness.Job) (func(io.Writer) error, error) {
	return rewrite(job.Input, func(labels []prompb.Label) []prompb.Label {
		for i := range labels {
			if labels[i].Name != "service" {
				continue
			}
			service, ok := job.Services[labels[i].Value]
			if !ok {
				return labels
			}
			labels[i].Name = "kong_service"
			return append(labels,
				prompb.Label{Name: "namespace", Value: service.Namespace},
				prompb.Label{Name: "service", Value: service.Name},
				prompb.Label{Name: "kubernetes_apiversion", Value: "v1"},
				prompb.Label{Name: "kubernetes_kind", Value: "service"},
				prompb.Label{Name: "kubernetes_name", Value: service.Name},
				prompb.Label{Name: "kubernetes_namespace", Value: service.Namespace},
			)
		}
		return labels
	}), nil
}

func rewrite(input []byte, relabel relabel) func(io.Writer) error {
	var (
		rows   prometheus.Rows
		labels []prompb.Label
		text   harness.Text
	)
	return func(out io.Writer) error {
		text.Reset(out)
		var refused error
		for rest := input; len(rest) > 0; {
			lines := whole(rest)
			rest = rest[len(lines):]
			rows.UnmarshalWithErrLogger(unsafe.String(unsafe.SliceData(lines), len(lines)), func(message string) {
				refused = fmt.Errorf("%s", message)
			})
			if refused != nil {
				return refused
			}
			for i := range rows.Rows {
				row := &rows.Rows[i]
				labels = append(labels[:0], prompb.Label{Name: "__name__", Value: row.Metric})
				for _, tag := range row.Tags {
					labels = append(labels, prompb.Label{Name: tag.Key, Value: tag.Value})
				}
				labels = relabel(labels)
				text.Name(labels[0].Value)
				for _, label := range labels[1:] {
					text.Label(label.Name, label.Value)
				}
				if err := text.Value(row.Value); err != nil {
					return err
				}
			}
		}
		return text.Flush()
	}
}

// whole cuts off some lines, about a block.
func whole(rest []byte) []byte {
	if len(rest) <= block {
		return rest
	}
	if end := bytes.LastIndexByte(rest[:block], '\n'); end >= 0 {
		return rest[:end+1]
	}
	return rest
}
