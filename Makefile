# A convenience over `go run ./internal/build TARGET`, which works without make. `make` alone lists the targets.
GO ?= go

.PHONY: help demo test check doctor wasm web bin dist bench bars soak fmt gen

help:
	@$(GO) run ./internal/build

# ARGS are passed on: make demo ARGS="--help", make bench ARGS="-n 1000". So are ONLY and PEERS: make bench ONLY=set-write PEERS=folder.
demo test check doctor wasm web bin dist bench bars soak fmt gen:
	@command -v $(GO) >/dev/null || { echo "Go 1.26 or newer is needed: https://go.dev/dl/ (on Debian 13 or newer: apt-get install golang-go)" >&2; exit 1; }
	@$(GO) run ./internal/build $@ $(ARGS)
