# The commands of this repository. "make" alone lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME      := 10s
CHAOSFUZZTIME := 60s
WINDOWS       := 5
VERSION       := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PLATFORMS     := linux/amd64 linux/arm64 darwin/arm64

# Packages that do not depend on the Microsoft Graph SDK, not even in their
# tests. Only these run under the race detector and the linters: both compile
# all that a package depends on, and for the SDK that takes minutes and 4 GB.
SDK_FREE = go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | \
	awk '{ name = $$1; sub(/(_test|\.test)$$/, "", name); seen[name] = 1; \
	       if (/github\.com\/microsoftgraph\//) sdk[name] = 1 } \
	     END { for (name in seen) if (!(name in sdk)) print name }' | sort

# Runs tests, and then prints what the fault suite tried in them, whether they failed or not.
reported = report=$$(mktemp); trap 'rm -f "$$report"' EXIT; status=0; TEAMSDLP_REPORT="$$report" $(1) || status=$$?; \
	echo '== fault suite: what was tried, and what was lost'; sort -V "$$report"; \
	awk '/^FAILED/ { failed++; next } /NOT RUN/ { not++; next } /^control:/ { found++; next } { tried++ } \
		END { printf "== %d tried, %d broken products found out, %d failed, %d not run\n", tried, found, failed, not }' "$$report"; \
	if ((status)); then echo '== a test FAILED: see above the list'; fi; exit $$status

.PHONY: help
help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/teamsdlp. The first build compiles the Graph SDK: some minutes.
	go build -ldflags '-X main.version=$(VERSION)' -o bin/teamsdlp ./cmd/teamsdlp

.PHONY: demo
demo: ## Run the whole product on this machine, against a simulated Graph.
	go run ./cmd/teamsdlp demo

.PHONY: test
test: ## Run every check that a change must pass: setup, gofmt, vet, tests with the fault suite, race.
	@echo '== setup';  ./test/setup.sh
	@echo '== gofmt';  $(MAKE) fmt
	@echo '== go vet'; go vet ./...
	@echo '== go test'; $(call reported,go test -timeout 20m ./...)
	@echo '== go test -race'; $(MAKE) race
	@echo '== all checks passed'

# What the fault suite takes seconds for in "make test" goes on for minutes here.
.PHONY: chaos
chaos: ## Run the fault suite at length, then fuzz each target for a minute: three quarters of an hour on two cores.
	@$(call reported,TEAMSDLP_CHAOS=1 go test -count=1 -timeout 90m ./test ./cmd/internal/sqlite ./cmd/internal/redis ./cmd/internal/pipeline ./webhook ./actions ./subscriptions)
	@$(MAKE) fuzz FUZZTIME=$(CHAOSFUZZTIME)

.PHONY: fmt
fmt: ## Fail if a Go file is not formatted, and name it.
	@unformatted=$$(gofmt -l .); \
	if [[ -n $$unformatted ]]; then echo "not formatted (gofmt -w mends it):"; echo "$$unformatted"; exit 1; fi

.PHONY: race
race: ## Run the tests of every package without the Graph SDK under the race detector.
	@packages=$$($(SDK_FREE)); \
	if [[ -z $$packages ]]; then echo 'no packages to run under the race detector'; exit 1; fi; \
	go test -race $$packages

.PHONY: lint
lint: ## Run the linters of .golangci.yml. They are compiled first, once.
	@packages=$$($(SDK_FREE) | sed "s,^$$(go list -m),.,"); \
	if [[ -z $$packages ]]; then echo 'no packages to lint'; exit 1; fi; \
	go run $(GOLANGCI_LINT) run $$packages

# What fuzzing found is kept in testdata/fuzz, and "make test" tries it again, with
# changed forms of each input, as many as take a second or two a target, the same in
# every run (test/trial).
# It does not look for more by chance: that is to be mended, and says nothing of the
# change that is tested. Fuzzing compiles all that a package depends on once more, for
# the SDK in minutes: no target is over it. One target a core runs at a time.
.PHONY: fuzz
fuzz: ## Run each fuzz target for 10 seconds (FUZZTIME=1m for longer).
	@targets=$$(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func / /' | sort); \
	if [[ -z $$targets ]]; then echo 'no fuzz targets'; exit 1; fi; \
	over=$$(comm -23 <(sed 's,/[^/]*$$,,' <<<"$$targets" | sort -u) <(go list -f '{{.Dir}}' $$($(SDK_FREE)) | sed "s,^$(CURDIR),.," | sort -u)); \
	if [[ -n $$over ]]; then echo "fuzz targets over the Graph SDK, in $$over: put what they try into a package without it"; exit 1; fi; \
	export FUZZTIME='$(FUZZTIME)'; \
	xargs -P "$$(getconf _NPROCESSORS_ONLN)" -L 1 bash -c './test/fuzz.sh "$$(dirname "$$1")" "$$2"' fuzz <<<"$$targets"; \
	echo "== $$(wc -l <<<"$$targets") fuzz targets passed"

.PHONY: bench
bench: ## Measure the product against its limits (cmd/internal/bench/README.md), then run every micro-benchmark.
	go test -tags bench -count=1 -timeout 60m -run TestFigures -v ./cmd/internal/bench -args -windows $(WINDOWS) -write "$(CURDIR)/cmd/internal/bench/README.md"
	@packages=$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u); \
	if [[ -z $$packages ]]; then echo 'no benchmarks'; exit 1; fi; \
	go test -run '^$$' -bench . -benchmem $$packages

.PHONY: accuracy
accuracy: ## Measure the detectors on the labelled corpus; fail if they got worse (UPDATE=1 takes it).
	@go run ./test/corpus/accuracy $(if $(UPDATE),-update)
	@$(if $(UPDATE),go test ./policy/detect -run TestPage -update)

.PHONY: release
release: ## Build static binaries of every platform into dist/, with their checksums.
	@rm -rf dist; mkdir -p dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; out=dist/teamsdlp-$(VERSION)-$$os-$$arch; \
		echo "== $$out"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o "$$out" ./cmd/teamsdlp; \
	done
	@cd dist && sha256sum teamsdlp-* | tee SHA256SUMS
