package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-logr/logr"
	"github.com/samber/mo"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kong/kubernetes-ingress-controller/v3/internal/controllers"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/controllers/gateway"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/gatewayapi"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/manager/scheme"
	"github.com/kong/kubernetes-ingress-controller/v3/internal/store"
)

// world is the part of an API server that the reconcilers of routes ask.
type world struct {
	client.Client
	objects map[string]client.Object
	order   []string
}

var known = func() *runtime.Scheme {
	known, err := scheme.Get()
	if err != nil {
		panic(err)
	}
	return known
}()

func read(objects []json.RawMessage) (*world, error) {
	world := &world{objects: map[string]client.Object{}}
	for _, raw := range objects {
		var kind struct{ APIVersion, Kind string }
		if err := json.Unmarshal(raw, &kind); err != nil {
			return nil, err
		}
		typed, err := known.New(schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind))
		if runtime.IsNotRegisteredError(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		object, ok := typed.(client.Object)
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, object); err != nil {
			return nil, fmt.Errorf("%s: %w", kind.Kind, err)
		}
		if gateway, ok := object.(*gatewayapi.Gateway); ok {
			supportKinds(gateway)
		}
		key := key(object, client.ObjectKeyFromObject(object))
		if _, twice := world.objects[key]; twice {
			return nil, fmt.Errorf("%s stands twice", key)
		}
		world.objects[key], world.order = object, append(world.order, key)
	}
	return world, nil
}

func key(object client.Object, name types.NamespacedName) string {
	return fmt.Sprintf("%T %s", object, name)
}

// supportKinds lets a listener take routes of any kind, as far as its protocol does, where its status does not say which.
func supportKinds(gateway *gatewayapi.Gateway) {
	group := gatewayapi.Group("gateway.networking.k8s.io")
	for i := range gateway.Status.Listeners {
		if listener := &gateway.Status.Listeners[i]; len(listener.SupportedKinds) == 0 {
			for _, kind := range []gatewayapi.Kind{"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"} {
				listener.SupportedKinds = append(listener.SupportedKinds, gatewayapi.RouteGroupKind{Group: &group, Kind: kind})
			}
		}
	}
}

func (w *world) Get(_ context.Context, name types.NamespacedName, into client.Object, _ ...client.GetOption) error {
	found, ok := w.objects[key(into, name)]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, name.Name)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
	return nil
}

// List is asked for grants only, for the sake of a condition that is not looked at here.
func (w *world) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func (w *world) Status() client.SubResourceWriter { return status{world: w} }

type status struct {
	client.SubResourceWriter
	world *world
}

func (s status) Update(_ context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	s.world.objects[key(object, client.ObjectKeyFromObject(object))] = object
	return nil
}

// kept is what the reconcilers hand on to be translated.
type kept struct {
	controllers.DataPlane
	stores store.CacheStores
	err    error
}

func (k *kept) UpdateObject(object client.Object) error {
	k.err = k.stores.Add(object.DeepCopyObject())
	return k.err
}

func (k *kept) DeleteObject(client.Object) error { return nil }

func (k *kept) AreKubernetesObjectReportsEnabled() bool { return false }

// rounds is how often a reconciler may come back because it has written a status.
const rounds = 3

// reconcile fills the stores with what the controller would have in them.
func (w *world) reconcile(only string, stores store.CacheStores) error {
	gatewayNN := controllers.OptionalNamespacedName{}
	if namespace, name, ok := strings.Cut(only, "/"); ok {
		gatewayNN.Option = mo.Some(types.NamespacedName{Namespace: namespace, Name: name})
	}
	kept := &kept{stores: stores}
	for _, key := range w.order {
		object := w.objects[key]
		reconciler := w.reconciler(object, kept, gatewayNN)
		if reconciler == nil {
			if err := stores.Add(object); err != nil && !strings.Contains(err.Error(), "unsupported kind") {
				return err
			}
			continue
		}
		request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}
		for range rounds {
			if _, err := reconciler.Reconcile(context.Background(), request); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if kept.err != nil {
			return kept.err
		}
	}
	return nil
}

type reconciler interface {
	Reconcile(context.Context, ctrl.Request) (ctrl.Result, error)
}

func (w *world) reconciler(object client.Object, kept *kept, only controllers.OptionalNamespacedName) reconciler {
	log := logr.Discard()
	switch object.(type) {
	case *gatewayapi.HTTPRoute:
		return &gateway.HTTPRouteReconciler{Client: w, Log: log, DataplaneClient: kept, GatewayNN: only}
	case *gatewayapi.GRPCRoute:
		return &gateway.GRPCRouteReconciler{Client: w, Log: log, DataplaneClient: kept, GatewayNN: only}
	case *gatewayapi.TCPRoute:
		return &gateway.TCPRouteReconciler{Client: w, Log: log, DataplaneClient: kept, GatewayNN: only}
	case *gatewayapi.TLSRoute:
		return &gateway.TLSRouteReconciler{Client: w, Log: log, DataplaneClient: kept, GatewayNN: only}
	case *gatewayapi.UDPRoute:
		return &gateway.UDPRouteReconciler{Client: w, Log: log, DataplaneClient: kept, GatewayNN: only}
	default:
		return nil
	}
}
