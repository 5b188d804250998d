package main

import (
	"fmt"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	incubatorv1alpha1 "github.com/kong/kubernetes-configuration/api/incubator/v1alpha1"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/dataplane/kongstate"
)

type answer struct {
	World      string              `json:"world"`
	Translator string              `json:"translator"`
	Flags      string              `json:"flags"`
	Services   map[string]service  `json:"services"`
	Upstreams  map[string]upstream `json:"upstreams"`
	// Why the controller makes nothing of this world.
	Error string `json:"error,omitempty"`
}

// service is one of Kong's, with the Kubernetes Services that it is made of.
type service struct {
	Upstream string   `json:"upstream"`
	Backends []string `json:"backends"`
}

// upstream has the greatest weight of each Service's addresses.
type upstream struct {
	Targets   map[string]int `json:"targets"`
	Algorithm string         `json:"algorithm,omitempty"`
}

func failed(err error) answer { return answer{Error: err.Error()} }

func describe(kong *kongstate.KongState, world *world) answer {
	answer := answer{Services: map[string]service{}, Upstreams: map[string]upstream{}}
	for _, made := range kong.Services {
		if _, twice := answer.Services[*made.Name]; twice {
			return failed(fmt.Errorf("the service %s was made twice", *made.Name))
		}
		answer.Services[*made.Name] = service{Upstream: *made.Host, Backends: world.backends(made.Backends)}
	}
	owners := world.owners()
	for _, made := range kong.Upstreams {
		upstream := upstream{Targets: map[string]int{}}
		if made.Algorithm != nil {
			upstream.Algorithm = *made.Algorithm
		}
		for _, target := range made.Targets {
			host, _, err := net.SplitHostPort(*target.Target.Target)
			if err != nil {
				return failed(err)
			}
			owner, ok := owners[host]
			if !ok {
				return failed(fmt.Errorf("whose is the target %s?", *target.Target.Target))
			}
			weight := defaultWeight
			if target.Weight != nil {
				weight = *target.Weight
			}
			upstream.Targets[owner] = max(weight, upstream.Targets[owner])
		}
		answer.Upstreams[*made.Upstream.Name] = upstream
	}
	return answer
}

// backends are the Services behind these references, whether they exist or not. A facade that does not exist has none.
func (w *world) backends(backends []kongstate.ServiceBackend) []string {
	names := []string{}
	for _, backend := range backends {
		name := types.NamespacedName{Namespace: backend.Namespace(), Name: backend.Name()}
		if backend.IsServiceFacade() {
			facade, ok := w.objects[key(&incubatorv1alpha1.KongServiceFacade{}, name)].(*incubatorv1alpha1.KongServiceFacade)
			if !ok {
				continue
			}
			name.Name = facade.Spec.Backend.Name
		}
		names = append(names, name.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// defaultWeight is Kong's, where a target has none.
const defaultWeight = 100

// owners tells the Service by the host of a target: no two Services of a world share an address.
func (w *world) owners() map[string]string {
	owners := map[string]string{}
	for _, object := range w.objects {
		switch object := object.(type) {
		case *corev1.Service:
			name := object.Namespace + "/" + object.Name
			owners[object.Name+"."+object.Namespace+".svc"] = name
			if object.Spec.ExternalName != "" {
				owners[object.Spec.ExternalName] = name
			}
		case *discoveryv1.EndpointSlice:
			name := object.Namespace + "/" + object.Labels[discoveryv1.LabelServiceName]
			for _, endpoint := range object.Endpoints {
				for _, address := range endpoint.Addresses {
					owners[address] = name
				}
			}
		}
	}
	return owners
}
