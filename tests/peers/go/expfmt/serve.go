package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"tagalong.dev/tests/peers/harness"
)

// serve answers each scrape by scraping upstream, until its standard input ends. It prints where it listens.
func serve(upstream, table string) error {
	text, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	snapshot := struct {
		Services map[string]harness.Service `json:"services"`
	}{}
	if err := json.Unmarshal(text, &snapshot); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r, upstream, snapshot.Services); err != nil {
			fmt.Fprintln(os.Stderr, err)
			panic(http.ErrAbortHandler)
		}
	}))
}

func answer(w http.ResponseWriter, r *http.Request, upstream string, services map[string]harness.Service) error {
	body, err := http.Get(upstream)
	if err != nil {
		return err
	}
	defer body.Body.Close()
	w.Header().Set("Content-Type", string(format))
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		out := bufio.NewWriterSize(w, 64*1024)
		if err := enrich(body.Body, services, out); err != nil {
			return err
		}
		return out.Flush()
	}
	w.Header().Set("Content-Encoding", "gzip")
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := enrich(body.Body, services, zipped); err != nil {
		return err
	}
	return zipped.Close()
}
