// Package harness runs one contender of the benchmark in a process of its own: it reads the input, lets the contender
// emit its output once, or times it, and reports what the process used.
package harness

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// Service is the Kubernetes Service that a name of Kong's stands for.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Job is what every contender is given.
type Job struct {
	// Input is Kong's exposition.
	Input []byte
	// Services has the Service of each value of the label `service`.
	Services map[string]Service
	// Rules are the same table as Prometheus' relabelling rules, YAML.
	Rules []byte
	// Copies is how many sources a merge has.
	Copies int
}

// Contender prepares itself for a job, and returns what does the whole work once.
type Contender func(job *Job) (func(out io.Writer) error, error)

type report struct {
	Runs        int               `json:"runs"`
	CPUSeconds  float64           `json:"cpu_seconds"`
	WallSeconds float64           `json:"wall_seconds"`
	PeakBytes   uint64            `json:"peak_bytes"`
	Runtime     string            `json:"runtime"`
	Versions    map[string]string `json:"versions"`
}

// Main runs the contender that the first argument names.
func Main(contenders map[string]Contender) {
	if err := run(contenders); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(contenders map[string]Contender) error {
	flags := flag.NewFlagSet(os.Args[0], flag.ContinueOnError)
	name := flags.String("contender", "", "which contender")
	mode := flags.String("mode", "emit", "emit: print the output; time: print what it takes")
	input := flags.String("input", "", "file with Kong's exposition")
	table := flags.String("table", "", "file with the table, a SNAPSHOT")
	rules := flags.String("rules", "", "file with the relabelling rules")
	copies := flags.Int("copies", 1, "how many sources a merge has")
	seconds := flags.Float64("seconds", 0.3, "CPU seconds to spend at least on the timed runs")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	contender, ok := contenders[*name]
	if !ok {
		return fmt.Errorf("no contender %q", *name)
	}
	job, err := load(*input, *table, *rules, *copies)
	if err != nil {
		return err
	}
	work, err := contender(job)
	if err != nil {
		return err
	}
	if *mode == "emit" {
		out := bufio.NewWriter(os.Stdout)
		if err := work(out); err != nil {
			return err
		}
		return out.Flush()
	}
	return measure(work, *seconds)
}

func load(input, table, rules string, copies int) (*Job, error) {
	job := &Job{Copies: copies}
	var err error
	if job.Input, err = os.ReadFile(input); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return nil, err
	}
	snapshot := struct {
		Services map[string]Service `json:"services"`
	}{}
	if err := json.Unmarshal(text, &snapshot); err != nil {
		return nil, fmt.Errorf("%s: %w", table, err)
	}
	job.Services = snapshot.Services
	job.Rules, err = os.ReadFile(rules)
	return job, err
}

// measure lets the work run once unmeasured, as a process that has been up for a while would have.
func measure(work func(io.Writer) error, seconds float64) error {
	if err := work(io.Discard); err != nil {
		return err
	}
	runs, began, before := 0, time.Now(), cpu()
	for runs == 0 || cpu()-before < seconds {
		if err := work(io.Discard); err != nil {
			return err
		}
		runs++
	}
	return json.NewEncoder(os.Stdout).Encode(report{
		Runs:        runs,
		CPUSeconds:  cpu() - before,
		WallSeconds: time.Since(began).Seconds(),
		PeakBytes:   peak(),
		Runtime:     runtime.Version(),
		Versions:    versions(),
	})
}

func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// peak is VmHWM: getrusage's own figure survives exec, and so would tell the starter's.
func peak() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib uint64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib * 1024
		}
	}
	panic("no VmHWM in /proc/self/status")
}

// versions has the modules whose work is measured.
func versions() map[string]string {
	found := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for _, module := range info.Deps {
		for _, prefix := range []string{"github.com/prometheus/", "github.com/VictoriaMetrics/"} {
			if strings.HasPrefix(module.Path, prefix) {
				found[module.Path] = module.Version
			}
		}
	}
	return found
}
