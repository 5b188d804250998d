module tagalong.dev/tests/cluster/modules/crds

go 1.26.0

require (
	github.com/kong/kubernetes-configuration v1.4.0
	sigs.k8s.io/gateway-api v1.3.0
)
