# Waxwing. `make` lists the targets.
SHELL       := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One setting for everything, and for the tools of the tests, so that packages are compiled once; the race detector alone needs cgo. What a debugger would read (DWARF) is a fifth of
# the compiler's time, and neither tests nor stripped programs have a use for it.
export CGO_ENABLED := 0
export GOFLAGS := $(shell go env GOFLAGS) -gcflags=all=-dwarf=false

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := go tool -modfile=tools/go.mod
FUZZTIME ?= 20s
DIST    ?= dist
# Packages with goroutines of their own run once more under the race detector.
RACE    := ./cli/replace/... ./cli/trail/... ./repo/scan/... ./audit/... ./keyring/... ./unseal/... ./controller/... ./agent/...
# But for what is about the memory and the work of one goroutine: it takes minutes there, and has nothing for the detector.
RACE_SKIP := ^(TestASmallPackThatIsLarge|TestChainsThatStandOnTheirHeads|TestChainsOfDeltasEnd|TestAMillionTinyObjects)$$
# The commands that work on many files at a time, too.
RACE_SCRIPTS := TestScripts/(tree_signed|rewrap)$$
SUMMARY := go run ./e2e/tools/testsummary
# The longest first, so that none is left over at the end. Half of the time of the end-to-end tests is waiting, so twice as many packages as there are processors run
# at a time, and four at least; each of these may have a control plane (800 MB at the most).
LONGEST := ./e2e ./e2e/faults ./e2e/docs ./e2e/agent ./e2e/agentsync ./e2e/vault ./e2e/keysources ./e2e/rotation ./e2e/auditfaults ./e2e/chart ./cli ./e2e/hostile ./e2e/harness ./e2e/rights
AT_ONCE ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n > 2 ? 2 * n : 4)))

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the programs into bin/
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: man
man: ## write the manual pages of seal into dist/man
	go run ./cli/mangen dist/man

.PHONY: tools
tools: ## build the test control plane, kubectl, helm, kubeconform, tlogcheck, Vault and Gitea once, into the user's cache
	@go run ./e2e/tools/fetch controlplane kubectl helm helm3 kubeconform tlogcheck vault vault-plugin-auth-kubernetes gitea >/dev/null

# What people have and a bare machine may lack: tmux is the terminal of the tests, ssh-keygen makes keys for docs/sign.md.
.PHONY: prerequisites
prerequisites: ## install tmux and ssh-keygen with apt-get where they are missing
	@missing=; command -v tmux >/dev/null || missing="$$missing tmux"; command -v ssh-keygen >/dev/null || missing="$$missing openssh-client"; \
	  [ -z "$$missing" ] || { echo "== installing$$missing with apt-get"; as=; [ "$$(id -u)" = 0 ] || as=sudo; \
	  { $$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	    || { echo "install$$missing by hand, then run make again"; exit 1; }; }

.PHONY: demo
demo: build tools ## seal, commit, apply, change, tamper and rotate on a real control plane, by hand and by the agent (KEEP=1 leaves it up)
	@./e2e/demo.sh

.PHONY: demo-vault
demo-vault: build tools ## keys from Vault: a keyring on each source, on a real control plane and a real Vault, which is locked and unlocked (KEEP=1 leaves it up)
	@./e2e/demo-vault.sh

# -count=1, because go's cache of results does not know of the programs that the end-to-end tests build and run; -vet=off, because lint has vetted everything.
.PHONY: test
test: lint cross tools prerequisites ## run every test; the first run builds a control plane (about 10 minutes on two cores)
	@echo "== tests (the end-to-end ones start a real control plane)"
	@go test -json -count=1 -vet=off -p $(AT_ONCE) -timeout 40m $(LONGEST) ./... | $(SUMMARY) tests
	@cd e2e/tools/controlplane && go test -json ./internal/pki | (cd ../../.. && $(SUMMARY) controlplane)
	@echo "== tests under the race detector"
	@CGO_ENABLED=1 go test -json -count=1 -vet=off -timeout 20m -race -skip '$(RACE_SKIP)' $(RACE) | $(SUMMARY) race
	@CGO_ENABLED=1 go test -json -count=1 -vet=off -timeout 20m -race -run '$(RACE_SCRIPTS)' ./cli | $(SUMMARY) race-cli

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	@echo "== lint"
	@out=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	@go vet ./...
	@$(TOOL) staticcheck ./...

.PHONY: cross
cross: ## compile what must build elsewhere: seal on macOS and Windows, the format for js/wasm
	@echo "== cross builds"
	@GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/seal
	@GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/seal
	@GOOS=js GOARCH=wasm go build ./crypto/...

.PHONY: manifests
manifests: ## render the chart into plain manifests: dist/crds.yaml and dist/waxwing.yaml
	@helm=$$(go run ./e2e/tools/fetch helm); mkdir -p $(DIST); \
	  render() { "$$helm" template waxwing charts/waxwing --namespace waxwing-system "$$@"; }; \
	  render --show-only templates/crds.yaml >$(DIST)/crds.yaml; \
	  render --set crds.install=false --set image.tag=$(VERSION) >$(DIST)/waxwing.yaml

.PHONY: image
image: ## build the images of controller and agent for amd64 and arm64 into dist/waxwing-*.tar and print their digests
	@cd tools/image && for program in waxwing-controller waxwing-agent; do \
	  digest=$$(go run . --root ../.. --program $$program --version $(VERSION) --revision "$$(git rev-parse HEAD 2>/dev/null || true)" \
	    --name $$program:$(VERSION) --out $(abspath $(DIST))/$$program.tar); echo "$$program $$digest"; done

.PHONY: bench
bench: tools ## print every measured figure as a ratio to a named baseline of the same run
	@go run ./e2e/tools/fetch kubeseal rsabench sops >/dev/null
	@go test -run '^$$' -bench . -benchtime 1x -timeout 90m ./e2e/bench

# Some ten minutes on two cores; another number of kills with KILLS, a seed with WAXWING_AUDIT_SEED.
KILLS ?= 1000
.PHONY: soak
soak: ## kill -9 the audit log's writers KILLS times (default 1000) under load, and fail each of its system calls in each way
	@WAXWING_AUDIT_KILLS=$(KILLS) WAXWING_AUDIT_ALL=1 go test -count=1 -v -timeout 60m ./e2e/auditfaults

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 20s)
	@for pkg in $$(go list ./agent/... ./audit/... ./cli ./cli/trail/... ./controller/wire ./crypto/... ./manifest/... ./repo/... ./unseal); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

.PHONY: pictures
pictures: build prerequisites ## make README's pictures of terminals anew
	@docs/pictures/record.sh

.PHONY: generate
generate: ## regenerate deep copies, and the CRDs of the chart
	@$(TOOL) controller-gen object paths=./crypto/seal paths=./api/...
	@$(TOOL) controller-gen crd paths=./api/... output:crd:dir=charts/waxwing/files/crds

.PHONY: verify
verify: generate ## fail if generated files differ from what is committed
	@git diff --exit-code -- '*zz_generated*' charts/waxwing/files/crds
