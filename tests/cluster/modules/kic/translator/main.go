// Command translator is Kong Ingress Controller's own translator without a cluster, a Kong, or a clock.
//
// It reads worlds from standard input, one JSON document each, and writes a line for each set of flags:
//
//	{"world": "7", "flags": ["ids", "combined,ids"], "controller": "konghq.com/gateway-operator", "gateway": "kong/g1",
//	 "objects": [{"apiVersion": …}, …]}
//	{"world": "7", "translator": "kic-v3.4.0", "flags": "ids",
//	 "services":  {"httproute.a.r.0": {"upstream": "httproute.a.r.0", "backends": ["a/x"]}},
//	 "upstreams": {"httproute.a.r.0": {"targets": {"a/x": 1}, "algorithm": "least-connections"}}}
//
// Objects are as an API server answers them, defaults filled in. Routes of the Gateway API go through the controller's own
// reconcilers, which decide whether one is Kong's and under which host names; "controller" is its flag
// --gateway-api-controller-name (konghq.com/kic-gateway-controller if none), "gateway" its --gateway-to-reconcile.
// Everything else goes into the controller's cache as it is, which filters by class itself. Kinds that this version of the
// controller does not know are passed over.
//
// The translator is internal to the controller's module, so this package is built inside a copy of that (see recipe.rs).
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kong/kubernetes-ingress-controller/v3/internal/annotations"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/controllers/gateway"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/dataplane/translator"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/gatewayapi"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/manager/metadata"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/store"
)

type request struct {
	World      string            `json:"world"`
	Flags      []string          `json:"flags"`
	Controller string            `json:"controller"`
	Gateway    string            `json:"gateway"`
	Objects    []json.RawMessage `json:"objects"`
}

const ownController = "konghq.com/kic-gateway-controller"

func main() {
	if len(os.Args) > 1 {
		fmt.Println("translator", metadata.Release)
		return
	}
	ctrllog.SetLogger(logr.Discard())
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), bufio.NewWriter(os.Stdout)
	for {
		var request request
		if err := in.Decode(&request); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "translator: not a world:", err)
			os.Exit(1)
		}
		for _, flags := range request.Flags {
			line, err := json.Marshal(translated(request, flags))
			if err != nil {
				fmt.Fprintln(os.Stderr, "translator:", err)
				os.Exit(1)
			}
			out.Write(append(line, '\n'))
		}
		if err := out.Flush(); err != nil {
			os.Exit(1)
		}
	}
}

func translated(request request, flags string) (answer answer) {
	// A world that makes the controller panic is an answer, too.
	defer func() {
		if cause := recover(); cause != nil {
			answer.Error = fmt.Sprintf("%v\n%s", cause, debug.Stack())
		}
		answer.World, answer.Translator, answer.Flags = request.World, "kic-"+metadata.Release, flags
	}()
	features, err := features(flags)
	if err != nil {
		return failed(err)
	}
	world, err := read(request.Objects)
	if err != nil {
		return failed(err)
	}
	gateway.SetControllerName(gatewayapi.GatewayController(cmp.Or(request.Controller, ownController)))
	stores := store.NewCacheStores()
	if err := world.reconcile(request.Gateway, stores); err != nil {
		return failed(err)
	}
	storer := store.New(stores, annotations.DefaultIngressClass, logr.Discard())
	kong, err := translator.NewTranslator(logr.Discard(), storer, "", features, nil, "")
	if err != nil {
		return failed(err)
	}
	return describe(kong.BuildKongConfig().KongState, world)
}

func features(flags string) (translator.FeatureFlags, error) {
	features := translator.FeatureFlags{KongServiceFacade: true, EnterpriseEdition: true}
	for _, flag := range strings.Split(flags, ",") {
		switch flag {
		case "ids":
			features.FillIDs = true
		case "combined":
			features.CombinedServicesFromDifferentHTTPRoutes = true
		case "expr":
			features.ExpressionRoutes = true
		default:
			return features, fmt.Errorf("no such flag: %q", flag)
		}
	}
	return features, nil
}
