# What people type. `make check` is what a change must pass; .ci/run does the
# same on a machine that has nothing.

.PHONY: build test race lint deployed fuzz bench soak chaos sync crashes faithful host replicas browser microbench screenshots release check

# A number of inputs, not a time: at the end of a time the fuzzer may be caught
# in the middle of something and call it a failure.
FUZZTIME ?= 20000x
CHAOS ?= 10m

build:
	CGO_ENABLED=0 go build -trimpath -o cms ./cmd/cms

test:
	go test ./...

race:
	go test -race ./...

lint:
	go vet ./...
	golangci-lint run

# What deploy/ has and releases are made of, against the schema of Compose files and the
# types of Kubernetes' API and of goreleaser: a module of its own, with what that takes.
deployed:
	go -C .ci/deploy test ./...

# What guides the fuzzer: our own code, and what reads formats for it. The rest is
# compiled as for everything else.
FUZZED = cms/... go.yaml.in/yaml/v3/... github.com/pelletier/go-toml/v2/... github.com/yuin/goldmark/... \
	github.com/golang-jwt/jwt/v5/... golang.org/x/image/...

# Each fuzz target, one after the other; a package is linked once.
fuzz:
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		go test -c $(FUZZED:%=-gcflags=%=-d=libfuzzer) -o "$$work/fuzz.test" "$$dir"; \
		for target in $$("$$work/fuzz.test" -test.list '^Fuzz'); do \
			echo "$$dir $$target"; \
			(cd "$$dir" && "$$work/fuzz.test" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzzcachedir "$$work/$$target" \
				-test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 100x); \
		done; \
	done

# Whole processes over HTTP, beside plain Git, and on a PostgreSQL of its own
# where that is installed: about a quarter of an hour. "go run ./bench -only pushes"
# measures a part, -million a site of 1,000,000 entries too.
bench:
	$$(ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && echo .ci/postgres run) go run ./bench >docs/benchmarks.md.new
	mv docs/benchmarks.md.new docs/benchmarks.md

# The service under load for ten minutes: memory, files and packs stay bounded,
# and no edit is lost. Then five minutes beside all that reads the repository itself.
soak:
	go run ./bench -soak 10m
	go run ./bench -readers 5m

# The service killed, its disk full, its clock wrong, beside pushes and all of Git's
# upkeep, for ten minutes: everything is as clients were told.
chaos:
	go run ./bench -chaos $(CHAOS)

# What two sides of a Git host wrote, in 5,000 random steps.
sync:
	CMS_SYNC_STEPS=5000 go test ./repo -run SyncModel -timeout 60m

# The storage killed at 50 random moments, and failing at each operation: what .ci/run does
# with half as many kills.
crashes:
	CMS_CRASH_ROUNDS=50 go test ./repo -count=1 -skip '^TestSyncModel$$|MaintenanceOfGit' -timeout 30m

# What writers can save, read by Jekyll: 10,000 files, where .ci/run has 4,000.
faithful:
	CMS_FAITHFUL_FILES=10000 go test ./site -count=1 -v -run JekyllReads -timeout 30m

# Everything that editors do with the pages, in Chromium, in both languages: half an hour.
browser:
	CMS_BROWSER=all go test ./cmd/cms ./editor -run 'InBrowser|Tasks|Live|Attacks|PagesAreLight|Typing|Dragged|Passkey' -timeout 90m

# Three services on one Git host and one PostgreSQL, killed in turn, for a minute and
# until it can be said that nobody starves.
replicas:
	CMS_REPLICA_TIME=1m .ci/postgres run go test ./cmd/cms -count=1 -v -run '^TestReplicas$$'

# What the service bears as a Git host: a clone of 300 MB, and eight who push beside eight
# who edit.
host:
	CMS_CLONE_MB=300 go test ./cmd/cms -count=1 -v -run CloneOfLargeRepository
	CMS_PUSHERS=8 go test ./githttp -count=1 -run 'Together$$'

microbench:
	go test -run '^$$' -bench . -benchmem ./...

# The pictures of docs/, from the demo's site, with Chromium, in the font that the machine
# has for system-ui: those that stand there are in Inter.
screenshots:
	CMS_SCREENSHOTS=$(CURDIR)/docs go test -count=1 -run '^TestScreenshots$$' ./cmd/cms

# A release of what stands here, as .goreleaser.yaml has it, in dist/: binaries, deb and
# rpm, checksums and, where syft is, SBOMs. Nothing is published. It needs goreleaser 2.
release:
	goreleaser release --snapshot --clean $$(command -v syft >/dev/null || echo --skip=sbom)

check: test lint race
