# Everything a person or a machine does with this tree. `make help` lists it.
.DEFAULT_GOAL := help
CARGO ?= cargo
FUZZ_SECONDS ?= 300
# Stories on the test bed at a time.
STORIES ?= 8
SOAK_SECONDS ?= 600
# Random clusters to hold the names to Kong's translator.
WORLDS ?= 100000
# Where `make images` puts them.
IMAGES ?= images
# The binaries that are released; they tell the commit that they are built from.
RELEASED = TAGALONG_COMMIT="$$(git describe --always --dirty --abbrev=12 --exclude="*" 2>/dev/null)" \
	$(CARGO) build --locked --release -p tagalong-sidecar -p tagalong-operator -p tagalong-webhook
BENCHES := rewrite merge sidecar index signals operator webhook collect

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## The main job on this machine, no cluster; Ctrl-C ends it, DEMO_ONESHOT=1 checks itself and ends
	@$(CARGO) build --locked --workspace --bin tagalong-sidecar --bin tagalong-operator --bin tagalong-demo
	@$(CARGO) run --locked --quiet -p tagalong-demo --bin tagalong-demo

# What it takes, in the order in which it fails soonest. Each is a job of continuous integration (a test holds that).
STEPS := lint unit fuzz-check chart-tests cluster-tests

test: ## Everything that must hold, as continuous integration runs it; says at the end what took how long
	@MAKE="$(MAKE)" tests/timed $(STEPS)

quick: fmt clippy doc unit ## What needs neither Go nor root: three minutes once all is built

lint: fmt clippy doc deny workflows ## What is seen without running anything

fmt: ## Formatting is rustfmt's
	$(CARGO) fmt --all --check

clippy: ## No warning anywhere
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: ## The pages of all crates, without a link that leads nowhere
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps --locked

deny: ## Licences, sources, duplicate crates
	$$(tests/tool cargo-deny) check licenses bans sources

advisories: ## Known holes in what we use: each night, and when Cargo.lock changes
	$$(tests/tool cargo-deny) check advisories

workflows: ## GitHub's workflow files
	$$(tests/tool actionlint) -shellcheck= -pyflakes=

fuzz-check: ## A few seconds of each fuzz target
	tests/fuzz.sh 10

fuzz: ## FUZZ_SECONDS (300) of each fuzz target
	tests/fuzz.sh $(FUZZ_SECONDS)

unit: ## All tests that need nothing but Rust and a C compiler, the demo among them
	TAGALONG_BUILT=1 $(CARGO) test --workspace --locked -- --skip on_bed::

# Most of a story on a cluster is waiting: there may be more of them at a time than cores. How many clusters of their own
# they may have meanwhile depends on the memory (tests/cluster/src/slots.rs). The first run builds the programs with Go.
ON_BED = TAGALONG_BUILT=1 RUST_TEST_THREADS=$(STORIES) $(CARGO) test --workspace --locked --test it
# The chart, the guides and what is held against tools of others. The same crates are built for all, with the same features.
OF_CHART := $(addprefix on_bed::,checks:: clients:: install:: render:: schema:: guides:: kic:: per_backend:: promtool strict_parsers:: textparse:: translator::)

chart-tests: ## The chart, the guides and what is held against tools of others
	$(ON_BED) -- $(OF_CHART)

cluster-tests: ## Stories on clusters and nodes; as root, nothing is left out
	$(ON_BED) -- on_bed:: $(addprefix --skip ,$(OF_CHART))

soak: ## The long stories: SOAK_SECONDS (600) of a real Prometheus, ten minutes of an unchanged world, two beside Kong's operator, WORLDS (100000)
	TAGALONG_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --locked -p tagalong-operator --test it -- on_bed::prometheus:: --nocapture
	TAGALONG_UNCHANGED_SECONDS=610 $(CARGO) test --locked -p tagalong-operator --test it -- on_bed::permissions:: --nocapture
	TAGALONG_QUIET_SECONDS=120 $(CARGO) test --locked -p tagalong-webhook --test it -- on_bed::gateway_operator:: --nocapture
	TAGALONG_WORLDS=$(WORLDS) $(CARGO) test --locked -p tagalong-tests --test it -- on_bed::translator:: --nocapture

bench: ## The promised figures as JSON lines; fails where a floor is missed
	@$(CARGO) build --locked --workspace --profile bench --bins
	@status=0; for bench in $(BENCHES); do target/release/$$bench || status=1; done; \
	TAGALONG_SCALE=2000 $(CARGO) test --locked --quiet --profile bench -p tagalong-operator --test it -- on_bed::scale:: --nocapture \
		> target/scale.log || status=1; grep '^{' target/scale.log; exit $$status

bench-peers: ## Side by side with the peers: raw results, page and promised figures (35 minutes)
	@$(CARGO) build --locked --profile bench -p tagalong-sidecar -p tagalong-bench -p tagalong-peers --bins
	@for part in in-process over-http agents page merge floors; do target/release/tagalong-peers $$part || exit 1; done

bench-page: ## Only the page docs/benchmarks.md, from the raw results
	@$(CARGO) run --locked --quiet -p tagalong-peers -- page

cluster: ## A Kubernetes to look at; prints the KUBECONFIG line, Ctrl-C ends it. CLUSTER_FLAGS=--without-node needs no root
	$(CARGO) run --quiet --locked -p tagalong-cluster -- up --crds $(CLUSTER_FLAGS)

cluster-clean: ## What a killed cluster left, and the built binaries (some 1 GB, 10 minutes to build again)
	$(CARGO) run --quiet --locked -p tagalong-cluster -- clean --cache

e2e: ## The whole road on a real node with the released images, from helm install to pods scaled on latency (5 minutes, root)
	$(RELEASED)
	TAGALONG_E2E_BINARIES=$(CURDIR)/target/release $(CARGO) test --locked -p tagalong-e2e --test it -- on_bed::road:: --nocapture

e2e-faults: ## What breaks on that road, requests flowing all the time, and who is away: for the night (45 minutes, root)
	$(CARGO) test --locked -p tagalong-e2e --test it -- on_bed::faults:: --ignored --nocapture
	$(CARGO) test --locked -p tagalong-e2e --test it -- on_bed::away:: --ignored --nocapture

images: ## The three release images as archives in images/, for docker load, ctr and kind load
	$(RELEASED)
	$(CARGO) run --quiet --locked -p tagalong-cluster -- images --out $(IMAGES)

chart: ## The Helm chart, packaged in dist/
	mkdir -p dist
	$(CARGO) run --quiet --locked -p tagalong-chart -- helm package charts/tagalong --destination dist

chart-readme: ## The chart's README, made anew from the comments of its values
	$(CARGO) run --quiet --locked -p tagalong-chart -- readme

sbom: ## Bills of materials (CycloneDX) of the binaries, and the licences of what is in them, in dist/
	$(CARGO) run --quiet --locked -p tagalong-release -- dist

release: ## All that a release consists of, in dist/, with checksums
	rm -rf dist
	$(MAKE) --no-print-directory images IMAGES=dist
	$(MAKE) --no-print-directory chart sbom
	cd dist && sha256sum -- * > SHA256SUMS

.PHONY: help demo test quick lint fmt clippy doc deny advisories workflows fuzz-check fuzz unit chart-tests cluster-tests soak bench bench-peers bench-page cluster cluster-clean images chart chart-readme sbom release e2e e2e-faults
