package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What a run of chaos is made of.
const (
	chaosWriters, chaosPushers = 16, 2
	chaosReaders, chaosListers = 4, 2

	startMark = "start" // of the entries that are there before the first write
)

// troubles can each be left out, to see which one it takes to break something.
var troubles = []string{"kill", "stop", "disk", "files", "clock", "upkeep", "force", "dates", "pushes", "fsck", "backups", "contention"}

const chaosConfiguration = `
server: {listen: "%s", debug_listen: "%s"}
repository: {path: "%s"}
state: {url: "sqlite:%s.state.db"}
media: {folder: media, extensions: [pdf]}
collections:
  - name: consultations
    folder: _consultations
    fields:
      - {name: title, type: string, required: true}
      - {name: date, type: datetime, required: true}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete], media: [read, create, update, delete]}}
log: {level: warn}
`

// chaos is a run in which clients write, developers push, Git does its upkeep and
// the service is killed, and everyone is held to what they were told.
type chaos struct {
	*bench
	dir, repository string
	without         []string
	ledger          *ledger
	writers         []*writer
	pushers         []*pusher
	observer        *http.Client
	initial         map[string]bool // the commits that were there before
	pushedPacks     bool            // as docs/operate.md has it: a push stays the pack that it came as
	cancel          context.CancelFunc

	gate      sync.RWMutex // held by each write, and alone by whoever needs a moment without
	process   sync.Mutex   // held while the service is disturbed, and by whoever wants it not to be
	repacking sync.Mutex   // held while Git does its upkeep, likewise
	receiving sync.RWMutex // held by each push, and alone while Git drops what nothing leads to, or is asked for what is missing

	service atomic.Pointer[service]
	epoch   atomic.Int64 // odd while the service is disturbed

	// Of quiet moments, under gate.
	dropped                    map[string]bool
	oldTips                    []string
	rewrites, starts           int
	slowest                    time.Duration
	branch, packs, descriptors int

	mu      sync.Mutex
	checked string // the tip at the last quiet moment
	counts  map[string]int
	notes   map[string]error  // the last failure of each kind that is nobody's fault
	toldTo  map[string]string // commits that readers were told of since the last check
	wrong   []error
}

// chaos breaks what can be broken for d. The error says what was not as promised;
// the folder then stays.
func (b *bench) chaos(ctx context.Context, d time.Duration, without string) error {
	c := &chaos{
		bench: b, dir: b.dir, repository: filepath.Join(b.dir, "site.git"), ledger: newLedger(),
		without:  strings.FieldsFunc(without, func(r rune) bool { return r == ',' }),
		observer: &http.Client{Timeout: answerTime, Transport: &http.Transport{DisableKeepAlives: true}},
		dropped:  make(map[string]bool), counts: make(map[string]int), notes: make(map[string]error), toldTo: make(map[string]string),
	}
	for _, name := range c.without {
		if !slices.Contains(troubles, name) {
			return fmt.Errorf("there is no trouble %q; there are %s", name, strings.Join(troubles, ", "))
		}
	}
	os.Setenv(clockEnv, filepath.Join(b.dir, "clock"))
	err := c.prepare(ctx)
	if err == nil {
		c.load(ctx, d)
		err = c.end(ctx)
	}
	if svc := c.service.Load(); svc != nil {
		svc.kill()
	}
	c.summary(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err = errors.Join(append(c.wrong, err)...); err != nil {
		return fmt.Errorf("%w\neverything is kept in %s", err, b.dir)
	}
	return nil
}

// with says whether a trouble takes part.
func (c *chaos) with(name string) bool { return !slices.Contains(c.without, name) }

func (c *chaos) among(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !c.with(name) })
}

// prepare makes the site, with the entries that all share, and starts the service.
func (c *chaos) prepare(ctx context.Context) error {
	if err := c.setClock(0); err != nil {
		return err
	}
	if _, err := command(ctx, "", "git", "init", "-q", "--bare", "-b", "main", c.repository); err != nil {
		return err
	}
	// Git's upkeep is begun here alone, so that none goes on where fsck looks.
	settings := []string{"receive.autogc=false"}
	if c.pushedPacks = roll(2) == 0; c.pushedPacks {
		settings = append(settings, "receive.unpackLimit=1")
	}
	for _, each := range settings {
		key, value, _ := strings.Cut(each, "=")
		if _, err := c.git(ctx, "config", key, value); err != nil {
			return err
		}
	}
	err := stream(ctx, c.repository, func(w *bufio.Writer) error {
		fmt.Fprint(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 6\nImport\n")
		for i := range sharedOnes {
			src := source(fmt.Sprintf("shared-s%d", i), startMark, "none")
			fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", sharedEntry(i), len(src), src)
		}
		return nil
	})
	if err != nil {
		return err
	}
	before, err := c.log(ctx, "main")
	if err != nil {
		return err
	}
	c.initial = map[string]bool{before[0].commit: true}
	c.setChecked(before[0].commit)
	for i := range chaosWriters {
		c.writers = append(c.writers, c.newWriter(i))
	}
	for i := range chaosPushers {
		p, err := c.newPusher(ctx, i)
		if err != nil {
			return err
		}
		c.pushers = append(c.pushers, p)
	}
	return c.startService(ctx)
}

// load lets everyone loose for d, or until something is not as promised.
func (c *chaos) load(ctx context.Context, d time.Duration) {
	ctx, c.cancel = context.WithTimeout(ctx, d)
	defer c.cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	run := func(trouble string, what func(context.Context)) {
		if trouble == "" || c.with(trouble) {
			wg.Go(func() { what(ctx) })
		}
	}
	for _, w := range c.writers {
		run("", w.run)
	}
	for _, p := range c.pushers {
		run("pushes", p.run)
	}
	for range chaosReaders {
		run("", c.read)
	}
	for range chaosListers {
		run("", c.list)
	}
	run("", c.injectFaults)
	run("clock", c.moveClock)
	run("upkeep", c.maintain)
	run("fsck", c.fsckBeside)
	for n := 1; ctx.Err() == nil; n++ {
		rest(ctx, 8*time.Second)
		do := c.check
		if n%3 == 0 && c.with("force") {
			do = c.rewrite
		}
		if err := do(context.WithoutCancel(ctx)); err != nil {
			c.fail(err)
		}
	}
}

// end looks once more, then stops the service, starts it again and looks at all
// that it tells.
func (c *chaos) end(ctx context.Context) error {
	if err := c.check(ctx); err != nil {
		return err
	}
	if err := c.disturb("stop", func() error { return errors.Join(c.stopService(syscall.SIGTERM), c.startService(ctx)) }); err != nil {
		return err
	}
	c.setChecked("")
	if err := c.check(ctx); err != nil {
		return fmt.Errorf("after a last start: %w", err)
	}
	if !c.with("backups") {
		return nil
	}
	return errors.Join(c.backups(ctx)...)
}

// fail notes what is not as promised. The first ends the run.
func (c *chaos) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) < 20 {
		c.wrong = append(c.wrong, fmt.Errorf("%s: %w", time.Now().Format("15:04:05.000"), err))
	}
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *chaos) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

// note counts a failure that is nobody's fault, and keeps the last one.
func (c *chaos) note(what string, err error) {
	c.count(what)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes[what] = err
}

func (c *chaos) checkedAt() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checked
}

func (c *chaos) setChecked(tip string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = tip
}

func (c *chaos) summary(d time.Duration) {
	told, dropped := c.ledger.counts()
	c.printf("Chaos for %s, with pushes that are %s.\n", d, map[bool]string{true: "kept as packs", false: "unpacked"}[c.pushedPacks])
	c.printf("Writes: %d acknowledged, %d told as not saved, %d that may be saved; force pushes dropped %d acknowledged ones.\n", told[acked], told[refused], told[unknown], dropped)
	c.printf("The branch has %d commits. Starts: %d, the slowest took %.1f s. At most %d packs and %d descriptors at a check; %d files beside packs and their indexes at the end.\n", c.branch, c.starts, c.slowest.Seconds(), c.packs, c.descriptors, c.foreignFiles())
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		c.printf("%8d  %s\n", c.counts[what], what)
	}
	for _, what := range slices.Sorted(maps.Keys(c.notes)) {
		c.printf("the last %q: %s\n", what, strings.TrimSpace(c.notes[what].Error()))
	}
}

// runChaos makes a run of chaos in a folder of its own, which stays if something was
// not as promised.
func runChaos(ctx context.Context, dir string, d time.Duration, without string, out io.Writer) error {
	dir, err := os.MkdirTemp(dir, "cms-chaos")
	if err != nil {
		return err
	}
	b := &bench{dir: dir, binary: filepath.Join(dir, "cms"), out: out}
	if _, err := command(ctx, "", "go", "build", "-tags", "chaos", "-o", b.binary, "./cmd/cms"); err != nil {
		return err
	}
	if err := b.chaos(ctx, d, without); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// roll is a number below n, and upTo a time below d, for what anyone may guess.
func roll(n int) int                     { return rand.IntN(n) }                         //nolint:gosec // see above
func upTo(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d))) } //nolint:gosec // see above
