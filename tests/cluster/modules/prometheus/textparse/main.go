// textparse reads expositions as Prometheus does when it scrapes, and says which it would refuse.
//
//	textparse FILE...
//
// The format is the file name's beginning: `openmetrics.` or `text.`. For each file it prints a line of JSON:
// {"file": its name, "refused": why, or nothing, "samples": how many there are}.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

type answer struct {
	File    string `json:"file"`
	Refused string `json:"refused"`
	Samples int    `json:"samples"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("textparse")
		return
	}
	out := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		body, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer := answer{File: filepath.Base(path)}
		contentType := "text/plain; version=0.0.4; charset=utf-8"
		if strings.HasPrefix(answer.File, "openmetrics.") {
			contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
		}
		answer.Samples, err = read(body, contentType)
		if err != nil {
			answer.Refused = err.Error()
		}
		_ = out.Encode(answer)
	}
}

// read is what scrape/scrape.go does with each entry, as far as it can end a scrape or lose a sample.
func read(body []byte, contentType string) (int, error) {
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return 0, err
	}
	samples := 0
	seen := map[string]bool{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if err != nil {
			return samples, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		parser.Series()
		var series labels.Labels
		parser.Labels(&series)
		if !series.Has(model.MetricNameLabel) {
			return samples, errors.New("a series without a name")
		}
		// The names that every version of Prometheus takes.
		if !series.IsValid(model.LegacyValidation) {
			return samples, fmt.Errorf("a name or value that is not valid: %s", series)
		}
		if name, twice := series.HasDuplicateLabelNames(); twice {
			return samples, fmt.Errorf("label %s twice: %s", name, series)
		}
		if seen[series.String()] {
			return samples, fmt.Errorf("a series twice: %s", series)
		}
		seen[series.String()] = true
		samples++
	}
}
