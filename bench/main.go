// Command bench measures the service from outside, as a whole process over
// HTTP, and writes a report in Markdown. What the numbers are worth on another
// machine stands beside them: the same work done by plain Git in the same run.
//
//	go run ./bench > docs/benchmarks.md
//
// With -only it measures some sections; webhooks on PostgreSQL too where the
// variable CMS_POSTGRES_URL names a server.
//
//	.ci/postgres run go run ./bench -only hooks
//
// With -million it measures a site of 1,000,000 entries too, which takes some GB of
// memory and disk.
//
//	go run ./bench -only million
//
// With -against it measures another binary of the service and this code in turn.
//
//	go run ./bench -against ./cms.before
//
// With -soak it keeps the service under load for a time, and fails if the service
// takes ever more memory, files or packs, or has lost an edit.
//
//	go run ./bench -soak 10m
//
// With -readers others read the repository itself meanwhile, by Git's commands, go-git and
// libgit2. It fails if one of them meets an error.
//
//	go run ./bench -readers 5m
//
// With -chaos it breaks what can be broken meanwhile: the service is killed, its disk
// full, its clock wrong, Git does its upkeep and developers push. It fails if anything
// is not as clients were told.
//
//	go run ./bench -chaos 10m
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

func main() {
	var names []string
	for _, s := range (&bench{}).sections() {
		names = append(names, s.name)
	}
	quick := flag.Bool("quick", false, "small sites and short runs, to see that it works")
	dir := flag.String("dir", "", "where to work, on the disk to be measured (default: a temporary folder)")
	soak := flag.Duration("soak", 0, "keep one site under load for so `long`, instead of measuring")
	readers := flag.Duration("readers", 0, "have Git, go-git and libgit2 read the repository beside edits for so `long`, instead of measuring")
	chaos := flag.Duration("chaos", 0, "break what can be broken for so `long`, instead of measuring")
	without := flag.String("without", "", "`troubles` to leave out of -chaos, with commas: "+strings.Join(troubles, ", "))
	only := flag.String("only", "", "the `sections` to measure, with commas: "+strings.Join(names, ", ")+" (default: all but million)")
	other := flag.String("against", "", "measure another `binary` of the service and this code in turn")
	million := flag.Bool("million", false, "measure 1,000,000 entries too")
	bare := flag.Bool("bare", false, "be the handler that reads are compared with: for this program itself")
	flag.Parse()
	debug.SetGCPercent(800) // the clients share the cores with the service
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	if *bare {
		log.Fatal(serveBare(ctx, os.Stdin, os.Stdout))
	}
	var err error
	if *chaos > 0 {
		err = runChaos(ctx, *dir, *chaos, *without, os.Stdout)
	} else {
		err = run(ctx, *dir, *quick, *million, *soak, *readers, *only, *other, os.Stdout)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// A shape is the form of a site.
type shape struct {
	name             string
	entries, folders int // folders 0: all in one
}

// plan is what is measured, and for how long.
type plan struct {
	shapes   []shape
	duration time.Duration // of each load
	history  int           // commits of the repository whose history is asked for

	deliveries int // of webhooks, to be made at once
	takenBack  int // commits of the repository of which one is taken back
	long       int // commits of the one whose changes are asked for
	objects    int // of the repository in which what was just committed is read
	backlog    int // deliveries that wait
	million    shape
}

func run(ctx context.Context, dir string, quick, million bool, soak, readers time.Duration, only, other string, out io.Writer) error {
	p := plan{
		shapes:   []shape{{"1,000 flat", 1000, 0}, {"10,000 flat", 10000, 0}, {"100,000 in 200 folders", 100000, 200}},
		duration: 10 * time.Second, history: 25000, deliveries: 10000,
		takenBack: 30_000, long: 100_000, objects: 300_000, backlog: 100_000, million: shape{"1,000,000 in 2,000 folders", 1_000_000, 2000},
	}
	if quick {
		p = plan{shapes: []shape{{"200 flat", 200, 0}, {"1,000 in 10 folders", 1000, 10}}, duration: time.Second, history: 500, deliveries: 500,
			takenBack: 500, long: 2000, objects: 5000, backlog: 2000, million: shape{"10,000 in 20 folders", 10_000, 20}}
	}
	// Nothing is removed before the end: some file systems are slow to make a file
	// where many were removed lately, which would count against what comes later.
	dir, err := os.MkdirTemp(dir, "cms-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "cms")
	if _, err := command(ctx, "", "go", "build", "-o", binary, "./cmd/cms"); err != nil {
		return err
	}
	b := &bench{dir: dir, binary: binary, plan: p, out: out}
	if soak > 0 {
		return b.soak(ctx, soak)
	}
	if readers > 0 {
		return b.beside(ctx, readers)
	}
	if other != "" {
		return b.against(ctx, other)
	}
	if err := b.head(ctx); err != nil {
		return err
	}
	sections := b.sections()
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q", name)
		}
	}
	for _, s := range sections {
		if named := slices.Contains(wanted, s.name); !named && (len(wanted) > 0 || s.name == "million" && !million) {
			continue
		}
		if err := s.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// section is a part of the report.
type section struct {
	name    string
	measure func(context.Context) error
}

// sections are the parts of the report, in its order.
func (b *bench) sections() []section {
	return []section{
		{"edits", b.edits}, {"history", b.histories}, {"long", b.long}, {"fresh", b.fresh}, {"reads", b.reads}, {"lists", b.lists},
		{"pages", b.pages}, {"typing", b.typing},
		{"pushes", b.pushes}, {"remote", b.remotes}, {"hooks", b.hooks}, {"deliveries", b.deliveries}, {"attacks", b.attacks}, {"million", b.million},
	}
}

// edits measures each site under edits.
func (b *bench) edits(ctx context.Context) error {
	for _, s := range b.plan.shapes {
		if err := b.shape(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// bench is a run in the making.
type bench struct {
	dir, binary string
	plan        plan
	out         io.Writer
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

func (b *bench) head(ctx context.Context) error {
	version, err := command(ctx, "", "git", "--version")
	if err != nil {
		return err
	}
	b.printf(`# Benchmarks

Made by %s on %s: %d cores, %s, %s. Machines differ and are
noisy; the ratios to plain Git, which did the same work in the same run on the
same disk, say more than the rates.

An edit is a PATCH of one field under If-Match, over HTTP, in a closed loop: a
client sends the next one when it has the answer to the last. Each is a commit
of its own, on disk before it is answered. Service and clients share the cores.
Beside it, for the same site and the same edits:

- *git commit*: a file is written in a worktree, git commit -q -a
- *git fast-import*: one process, all edits in one stream, no checkpoint
- *append and fsync*: what one commit adds to the repository, written to one
  file and fsynced each time: what the disk allows to one writer
`, "`make bench`", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpu(), strings.TrimSpace(strings.Replace(version, "version ", "", 1)))
	return nil
}

// cpu is the processor's name, where the system tells it.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			}
		}
	}
	return runtime.GOARCH
}

// shape measures one site.
func (b *bench) shape(ctx context.Context, s shape) error {
	fmt.Fprintf(os.Stderr, "%s: making the site\n", s.name)
	work := filepath.Join(b.dir, fmt.Sprintf("site-%d-%d", s.entries, s.folders))
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	repository := filepath.Join(work, "site.git")
	size, err := makeSite(ctx, repository, s)
	if err != nil {
		return err
	}

	fmt.Fprintf(os.Stderr, "%s: plain Git\n", s.name)
	commits, err := gitCommits(ctx, work, repository, s, b.plan.duration)
	if err != nil {
		return err
	}
	imports, err := fastImport(ctx, work, repository, s, b.plan.duration)
	if err != nil {
		return err
	}
	appends, err := appendSync(work, imports.bytesPerCommit, b.plan.duration/5)
	if err != nil {
		return err
	}

	b.printf("\n## %s entries (%d MB)\n\n", s.name, size>>20)
	b.printf("| | edits/s | median | 99th percentile | × git commit | × git fast-import |\n|---|---|---|---|---|---|\n")
	row := func(name string, r result) {
		latency := func(d time.Duration) string {
			if d == 0 {
				return "–"
			}
			return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
		}
		b.printf("| %s | %.0f | %s | %s | %.1f | %.2f |\n", name, r.rate, latency(r.median), latency(r.p99), r.rate/commits.rate, r.rate/imports.rate)
	}
	row("git commit", commits)
	row("git fast-import", imports.result)
	row("append and fsync", appends)

	svc, cold, err := b.start(ctx, work, repository)
	if err != nil {
		return err
	}
	for _, clients := range []int{1, 16, 64} {
		fmt.Fprintf(os.Stderr, "%s: %d clients\n", s.name, clients)
		r, err := svc.edit(ctx, s, clients, b.plan.duration)
		if err != nil {
			svc.kill()
			return err
		}
		row(fmt.Sprintf("**cms**, %d clients", clients), r)
	}
	peak := svc.peakMemory()
	if err := svc.stop(); err != nil {
		return err
	}
	if fsck, err := command(ctx, "", "git", "--git-dir", repository, "fsck", "--strict", "--no-dangling"); err != nil || fsck != "" {
		return fmt.Errorf("git fsck: %s %w", fsck, err)
	}

	svc, warm, err := b.start(ctx, work, repository)
	if err != nil {
		return err
	}
	live, err := svc.live(ctx)
	if err = errors.Join(err, svc.stop()); err != nil {
		return err
	}
	b.printf("\nStart to ready: %.2f s from nothing, %.2f s with the saved index. Memory: %.0f MB live with every entry parsed and indexed; the process took %d MB at most under load.\n",
		cold.Seconds(), warm.Seconds(), live/(1<<20), peak>>20)
	return nil
}

// command runs a program and gives what it prints.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// environment keeps the settings of whoever runs this out of it.
func environment() []string {
	return append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=CMS", "GIT_COMMITTER_EMAIL=cms@example.org")
}
