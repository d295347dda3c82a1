# Everything there is to do, by name. `make` alone lists it.
# One profile, release, for the host, its tests and the benchmark: wasmtime is built once. Always the whole
# workspace, since a selection of packages would unify features differently and build wasmtime again.

CARGO ?= cargo
ADDR ?= 127.0.0.1:8787
WASM := wasm32-wasip2
GUESTS := $(patsubst examples/%/Cargo.toml,%,$(wildcard examples/*/Cargo.toml))
GUEST_DIR := target/$(WASM)/guest
BENCH_GUEST := pairway-bench-worker
EXAMPLE ?= chat
AUTOBAHN := tests/autobahn/run.sh
INBOUND := --pairway target/release/pairway --worker $(GUEST_DIR)/echo.wasm
OUTBOUND := --pairway target/release/pairway --worker $(GUEST_DIR)/examples/outbound_echo.wasm
FUZZ_TOOLS := target/fuzz-tools
FUZZ_VERSION := 0.13.2
FUZZ_TARGETS := decode inflate upgrade
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup browser build dist guests echo-guests run test lint docs check protocol autobahn bench bindings fuzz clean

help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: the WebAssembly target.
	@rustup target list --installed | grep -qx $(WASM) || rustup target add $(WASM)

browser: ## Install Chromium for the browser tests, where there is no browser and this is Debian and root.
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	apt-get update && apt-get install -y --no-install-recommends chromium || echo "there is no browser to test with"

build: setup ## Build the host.
	$(CARGO) build --release --locked --workspace --bins

dist: setup ## Build the host to ship, into target/dist: less CPU per message, long to build.
	$(CARGO) build --profile dist --locked --workspace --bins

guests: setup ## Build the examples as components, into target/wasm32-wasip2/guest.
	$(CARGO) build --profile guest --locked --target $(WASM) $(addprefix -p ,$(GUESTS))

run: build guests ## Serve an example (EXAMPLE=chat) on ADDR and print the address to open.
	target/release/pairway serve $(GUEST_DIR)/$(EXAMPLE).wasm --addr $(ADDR) --data-dir target/pairway-data/$(EXAMPLE)

test: setup browser lint docs check protocol ## Everything CI runs: format, lints, docs, all tests.

lint: setup ## Check the format, and the lints natively and for guests.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --profile guest --locked --target $(WASM) -p pairway $(addprefix -p ,$(GUESTS)) -- -D warnings
	$(CARGO) clippy --profile guest --locked --target $(WASM) -p pairway-test-guests --lib --examples -- -D warnings

docs: ## Build the API documentation without warnings.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --document-private-items

check: build ## Run all tests.
	$(CARGO) test --release --locked --workspace

echo-guests: guests
	$(CARGO) build --profile guest --locked --target $(WASM) -p pairway-test-guests --example outbound_echo

protocol: build echo-guests ## Hold a part of the Autobahn suite against the host, as a server and as a client. Two minutes.
	$(AUTOBAHN) inbound $(INBOUND) --subset --jobs 2
	$(AUTOBAHN) outbound $(OUTBOUND) --subset

autobahn: build echo-guests ## Hold all of the Autobahn suite against the host, with and without compression. Twenty minutes.
	printf '[compression]\nenabled = false\n' >target/uncompressed.toml
	$(AUTOBAHN) inbound $(INBOUND) --jobs 2
	$(AUTOBAHN) inbound $(INBOUND) --jobs 2 --uncompressed --config target/uncompressed.toml
	$(AUTOBAHN) outbound $(OUTBOUND)
	$(AUTOBAHN) outbound $(OUTBOUND) --uncompressed --config target/uncompressed.toml

bench: dist guests ## Compare with native servers: CPU per message and delivery, memory, wakes. Six minutes behind a build.
	$(CARGO) build --profile guest --locked --target $(WASM) -p $(BENCH_GUEST)
	target/dist/pairway-bench --pairway target/dist/pairway --worker $(GUEST_DIR)/echo.wasm \
		--objects $(GUEST_DIR)/$(subst -,_,$(BENCH_GUEST)).wasm $(BENCH)

bindings: build ## Check that the toolchains for C, JavaScript and Python accept wit/. Slow; fetches them.
	tests/bindings/run.sh

# Without a sanitizer: the host has no unsafe code of its own, and a sanitizer needs the nightly toolchain. The variable lets
# the stable one take what cargo-fuzz passes to the compiler.
fuzz: ## Fuzz frames, compression, the upgrade and what guests call, a minute each (FUZZ_SECONDS=60).
	@$(FUZZ_TOOLS)/bin/cargo-fuzz --version 2>/dev/null | grep -qx "cargo-fuzz $(FUZZ_VERSION)" || \
	$(CARGO) install cargo-fuzz --version $(FUZZ_VERSION) --locked --root $(FUZZ_TOOLS)
	@for name in $(FUZZ_TARGETS); do mkdir -p target/fuzz/corpus/$$name; \
	RUSTC_BOOTSTRAP=1 $(FUZZ_TOOLS)/bin/cargo-fuzz fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz --sanitizer none $$name \
		target/fuzz/corpus/$$name tests/fuzz/seeds/$$name -- -max_total_time=$(FUZZ_SECONDS) \
		$$(ls tests/fuzz/$$name.dict 2>/dev/null | sed s/^/-dict=/) || exit; done
	PAIRWAY_FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --release --locked --workspace --test conformance -- calls:: --nocapture

clean: ## Remove what was built.
	$(CARGO) clean
