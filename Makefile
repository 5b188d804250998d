# Everything a person or a machine does with this tree. `make help` lists it.
.DEFAULT_GOAL := help

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: fmt clippy ## Everything that must hold, as continuous integration runs it
	cargo test --workspace --locked

fmt: ## Formatting is rustfmt's
	cargo fmt --all --check

clippy: ## No warning anywhere
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: help test fmt clippy
