// Decodes an exposition with Go's expfmt, adds the labels, and encodes it again: what exporter-merger and its like do,
// and how Kong Operator reads Kong's metrics.
package main

import (
	"fmt"
	"os"

	"tagalong.dev/tests/peers/harness"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		if err := serve(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	harness.Main(map[string]harness.Contender{"expfmt": rewrite, "expfmt-merge": merge})
}
