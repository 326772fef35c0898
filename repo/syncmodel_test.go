package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/idxfile"

	"cms/content"
	"cms/race"
	"cms/repo/repotest"
)

// A syncModel is a site at a Git host, edited here and there, and what was written.
type syncModel struct {
	t      *testing.T
	random *rand.Rand
	bare   string    // at the host
	work   string    // of somebody who pushes there
	host   *httpHost // nil where the host is reached by its path
	o      Options
	r      *Repo
	stop   func()
	down   bool
	writes []syncWrite

	followers [3]follower // who read the changes now and then

	took  map[string]time.Duration // by kind of step, since it was told last
	often map[string]int
}

// A syncWrite is a value that a field was given, in the order of time.
type syncWrite struct {
	entry, field, value string
	here                bool // and not by a push
}

const (
	syncEntries = 4
	syncFields  = 3
)

// TestSyncModel: whatever happens here and at the host, in any order, each edit that was
// acknowledged is on the branch, superseded by a later one of its field, or set aside;
// what was pushed is on the branch unless it was superseded; who reads the changes is told
// of each once; and both sides are the same in the end. CMS_SYNC_STEPS is how many steps there are, CMS_SYNC_SEED what decides them.
func TestSyncModel(t *testing.T) {
	t.Parallel()
	for _, linear := range []bool{false, true} {
		name := ""
		if linear {
			name = " linear"
		}
		for kind, synchronous := range map[string]bool{"async": false, "sync": true} {
			if synchronous == linear && !race.Enabled && os.Getenv("CMS_SYNC_STEPS") == "" {
				t.Logf("%s%s: where CMS_SYNC_STEPS is set", kind, name)
				continue
			}
			t.Run(kind+name, func(t *testing.T) { t.Parallel(); testSyncModel(t, synchronous, linear) })
		}
	}
}

func testSyncModel(t *testing.T, synchronous, linear bool) {
	t.Helper()
	steps, seed := 16, rand.Uint64()
	switch {
	case race.Enabled:
		steps = 40
	case testing.Short():
		steps = 6
	}
	if s := os.Getenv("CMS_SYNC_STEPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		steps = n
	}
	if s := os.Getenv("CMS_SYNC_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("CMS_SYNC_SEED=%d", seed)
	m := newSyncModel(t, seed, synchronous, linear)
	for n := range steps {
		m.step()
		if n%500 == 499 || n == steps-1 {
			m.timed("settle", m.settle)
			m.tellTimes(n + 1)
		}
		if t.Failed() {
			t.Fatalf("after %d steps", n+1)
		}
	}
	m.stop()
}

// timed does something, and notes how long that takes.
func (m *syncModel) timed(kind string, do func()) {
	began := time.Now()
	do()
	m.took[kind] += time.Since(began)
	m.often[kind]++
}

// tellTimes says what the last steps took, so that a kind that takes more and more is seen.
func (m *syncModel) tellTimes(steps int) {
	m.t.Helper()
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(m.took)) {
		list = append(list, fmt.Sprintf("%s %d × %v", kind, m.often[kind], (m.took[kind]/time.Duration(m.often[kind])).Round(100*time.Microsecond)))
	}
	m.t.Logf("%d steps: %s", steps, strings.Join(list, ", "))
	clear(m.took)
	clear(m.often)
}

func newSyncModel(t *testing.T, seed uint64, synchronous, linear bool) *syncModel {
	t.Helper()
	m := &syncModel{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), bare: filepath.Join(t.TempDir(), "host.git"),
		took: make(map[string]time.Duration), often: make(map[string]int),
	}
	git(t, "", "init", "-q", "--bare", "-b", "main", m.bare)
	m.work = clone(t, m.bare)
	for _, dir := range []string{m.bare, m.work} { // it has steps of its own, and is asked for at each of the others
		git(t, dir, "config", "maintenance.auto", "false")
		git(t, dir, "config", "receive.autogc", "false")
	}
	for e := range syncEntries {
		text := "---\n"
		for f := range syncFields {
			text += fmt.Sprintf("f%d: zero\n", f)
		}
		write(t, m.work, fmt.Sprintf("_consultations/e%d.md", e), text+"---\n")
	}
	commitAll(t, m.work, "Commencer")
	push(t, m.work)
	m.o = options(filepath.Join(t.TempDir(), "site.git"))
	m.o.KeepPacks = 50 * time.Millisecond // so that they go under the hands of who reads here
	m.o.Remote = &Remote{URL: m.bare, Push: true}
	if synchronous {
		m.host = serveHost(t, m.bare)
		m.o.Remote = &Remote{URL: m.host.URL, Token: "jeton-secret", Push: true, Sync: true}
	}
	m.o.Remote.Linear = linear
	if err := Clone(t.Context(), m.o); err != nil {
		t.Fatal(err)
	}
	m.r, m.stop = run(t, m.o)
	return m
}

// step does one thing by chance.
func (m *syncModel) step() {
	m.t.Helper()
	switch n := m.random.IntN(23); {
	case n >= 20:
		m.timed("follow", func() { m.followers[n-20].follow(m.t, m.r, n-19) })
	case n < 9:
		m.timed("edit", m.edit)
	case n < 12:
		m.timed("push outside", func() { m.pushOutside(func() {}) })
	case n < 13:
		m.timed("squash outside", func() { m.pushOutside(m.squash) })
	case n < 14:
		if m.random.IntN(2) == 0 {
			m.timed("amend outside", func() { m.pushOutside(m.amend) })
		} else {
			m.timed("rebase outside", func() { m.pushOutside(m.rebase) })
		}
	case n < 16:
		m.timed("push", func() { m.inTouch("push", m.r.push) })
	case n < 18:
		m.timed("fetch", func() { m.inTouch("fetch", m.r.Fetch) })
	case n < 19 && m.random.IntN(8) == 0:
		m.timed("upkeep outside", m.upkeep)
	case n < 19:
		m.outage(!m.down)
	default:
		m.timed("restart", func() {
			m.stop()
			m.r, m.stop = run(m.t, m.o)
		})
	}
}

// squash makes the last two commits of the host one.
func (m *syncModel) squash() {
	if _, err := tryGit(m.work, "rev-parse", "-q", "--verify", "HEAD~2"); err == nil {
		git(m.t, m.work, "reset", "-q", "--soft", "HEAD~2")
		git(m.t, m.work, "commit", "-q", "--allow-empty", "-m", "Ensemble")
	}
}

// amend makes the last commit of the host again, but for the first of all: that would be
// another history.
func (m *syncModel) amend() {
	if _, err := tryGit(m.work, "rev-parse", "-q", "--verify", "HEAD~1"); err == nil {
		git(m.t, m.work, "commit", "-q", "--allow-empty", "--amend", "-m", "Autrement")
	}
}

// rebase makes the last two commits of the host again, one by one, unless one is a merge:
// which of its sides came first nobody could tell.
func (m *syncModel) rebase() {
	if merges, err := tryGit(m.work, "rev-list", "--merges", "HEAD~2..HEAD"); err == nil && merges == "" {
		git(m.t, m.work, "rebase", "-q", "--force-rebase", "HEAD~2")
	}
}

// upkeep packs what the host has, and lets go what nothing leads to there.
func (m *syncModel) upkeep() {
	if !m.down {
		git(m.t, m.bare, "gc", "-q", "--prune=now")
	}
}

// inTouch has this side meet the host, which is there or not.
func (m *syncModel) inTouch(how string, meet func(context.Context) error) {
	m.t.Helper()
	if err := meet(m.t.Context()); err != nil && !m.down { // down, there may be nothing to ask for
		m.t.Errorf("%s: %v", how, err)
		m.tell(err)
	}
}

// tell says what both sides know of the objects that an error names, and where they are.
func (m *syncModel) tell(err error) {
	m.t.Helper()
	for _, dir := range []string{m.r.path, m.bare} {
		if m.down && dir == m.bare {
			dir += ".down"
		}
		for _, h := range regexp.MustCompile(`\b[0-9a-f]{40}\b`).FindAllString(err.Error(), -1) {
			kind, missing := tryGit(dir, "cat-file", "-t", h)
			m.t.Logf("%s: %s is a %s (%v), in %q", filepath.Base(dir), h, strings.TrimSpace(kind), missing, packsWith(m.t, dir, h))
		}
		refs, failed := tryGit(dir, "for-each-ref")
		m.t.Logf("%s: references (%v):\n%s", filepath.Base(dir), failed, refs)
		found, failed := tryGit(dir, repotest.FsckArgs(dir)...)
		m.t.Logf("%s: fsck (%v): %s", filepath.Base(dir), failed, found)
	}
}

// packsWith are the packs of a repository that hold an object.
func packsWith(t *testing.T, dir, h string) (names []string) {
	t.Helper()
	packs, err := listPacks(filepath.Join(dir, "objects", "pack"))
	if err != nil {
		t.Log(err)
	}
	for _, p := range packs {
		index, err := readIndex(p.name + ".idx")
		if err != nil {
			t.Log(err)
		}
		if slices.ContainsFunc(index, func(e idxfile.Entry) bool { return e.Hash.String() == h }) {
			names = append(names, filepath.Base(p.name))
		}
	}
	return names
}

// outage takes the host away, or gives it back.
func (m *syncModel) outage(down bool) {
	m.t.Helper()
	if down == m.down {
		return
	}
	from, to := m.bare, m.bare+".down"
	if !down {
		from, to = to, from
	}
	if err := os.Rename(from, to); err != nil {
		m.t.Fatal(err)
	}
	m.down = down
}

// next is a field of an entry, and a value that nobody gave it before.
func (m *syncModel) next(here bool) syncWrite {
	w := syncWrite{
		entry: fmt.Sprintf("e%d", m.random.IntN(syncEntries)), field: fmt.Sprintf("f%d", m.random.IntN(syncFields)),
		value: fmt.Sprintf("v%d", len(m.writes)), here: here,
	}
	m.writes = append(m.writes, w)
	return w
}

// with is a text with another value of a field.
func (w syncWrite) with(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, w.field+": ") {
			line = w.field + ": " + w.value + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// edit sets a field here. Where that waits for the host, its answer is lost now and then,
// and then maybe this side is killed before it asks again; while the host is down, nothing
// is edited.
func (m *syncModel) edit() {
	m.t.Helper()
	if m.host == nil {
		m.set(m.next(true))
		return
	}
	lost := m.random.IntN(4) == 0
	killed := lost && m.random.IntN(2) == 0
	w := m.next(true)
	if m.down {
		m.writes = m.writes[:len(m.writes)-1]
		if err := m.trySet(w); !errors.As(err, new(*RemoteError)) {
			m.t.Errorf("an edit while the host is down: got %v, want a RemoteError", err)
		}
		return
	}
	m.inStep() // so that it is the edit whose answer is lost
	m.host.cut.Store(lost)
	err := m.trySet(w)
	m.host.cut.Store(false)
	if lost != errors.Is(err, ErrUnsure) || !lost && err != nil {
		m.t.Errorf("an edit whose answer is lost, or not (%v): got %v", lost, err)
	}
	if killed {
		m.stop()
		m.r, m.stop = run(m.t, m.o)
	}
}

// inStep has the writer be in step with the host, which it leaves alone for a while after an
// outage.
func (m *syncModel) inStep() {
	m.t.Helper()
	comes(m.t, "the host", func() bool {
		_, err := m.r.Update(m.t.Context(), Meta{Author: ann}, func(*Tx) error { return nil })
		if err != nil && !errors.As(err, new(*RemoteError)) {
			m.t.Fatal(err)
		}
		return err == nil
	})
}

func (m *syncModel) set(w syncWrite) {
	m.t.Helper()
	if err := m.trySet(w); err != nil {
		m.t.Fatalf("edit number %d, of %s: %v", len(m.writes), w.entry, err)
	}
}

func (m *syncModel) trySet(w syncWrite) error {
	m.t.Helper()
	_, err := m.r.Update(m.t.Context(), Meta{Author: ann}, func(tx *Tx) error {
		e, _ := tx.Entry("consultations", slug(m.t, w.entry))
		src, err := e.Source()
		if err != nil {
			return err
		}
		_, err = tx.Put("consultations", slug(m.t, w.entry), content.Parse([]byte(w.with(string(src)))))
		return err
	})
	return err
}

// pushOutside sets a field by a push, upon what rewrite makes of the host's history.
func (m *syncModel) pushOutside(rewrite func()) {
	m.t.Helper()
	if m.down {
		return
	}
	follow(m.t, m.work)
	rewrite()
	w := m.next(false)
	name := filepath.Join(m.work, "_consultations", w.entry+".md")
	text, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	write(m.t, m.work, "_consultations/"+w.entry+".md", w.with(string(text)))
	commitAll(m.t, m.work, "Pousser "+w.value)
	push(m.t, m.work, "-f")
}

// settle brings both sides in step, and holds them against what was written.
func (m *syncModel) settle() {
	m.t.Helper()
	m.outage(false)
	if err := m.r.Fetch(m.t.Context()); err != nil {
		m.tell(err)
		m.t.Fatalf("fetch after %d edits: %v", len(m.writes), err)
	}
	inStep(m.t, m.r, m.bare)
	aside := make(map[string][]string) // the texts, by entry
	list, err := m.r.Conflicts(m.t.Context())
	if err != nil {
		m.t.Fatalf("conflicts after %d edits: %v", len(m.writes), err)
	}
	for _, c := range list {
		src, err := m.r.Blob(m.t.Context(), c.Ours)
		if err != nil {
			m.t.Fatalf("what was set aside of %s: %v", c.Slug, err)
		}
		aside[c.Slug.String()] = append(aside[c.Slug.String()], string(src))
	}
	for e := range syncEntries {
		for f := range syncFields {
			m.check(fmt.Sprintf("e%d", e), fmt.Sprintf("f%d", f), aside[fmt.Sprintf("e%d", e)])
		}
	}
	for i := range m.followers {
		m.followers[i].follow(m.t, m.r, 0)
	}
	if m.o.Remote.Linear {
		if got := git(m.t, m.bare, "log", "--merges", "--format=%H", "main"); got != "" {
			m.t.Errorf("merges: %s", got)
		}
	}
	m.stop() // as fsck needs the packs to stay that it has listed
	verify(m.t, m.r)
	m.r, m.stop = run(m.t, m.o)
}

// check holds the value of a field against what was written.
func (m *syncModel) check(entry, field string, aside []string) {
	m.t.Helper()
	text := sourceOf(m.t, m.r, "consultations", entry)
	at, here, there := map[string]int{"zero": 0}, 0, 0 // when each value was written, and the last ones
	for i, w := range m.writes {
		if w.entry != entry || w.field != field {
			continue
		}
		if at[w.value] = i + 1; w.here {
			here = i + 1
		} else {
			there = i + 1
		}
	}
	_, rest, _ := strings.Cut(text, field+": ")
	value, _, _ := strings.Cut(rest, "\n")
	now, written := at[value]
	if !written {
		m.t.Errorf("%s.%s is %q, which nobody wrote", entry, field, value)
	}
	if now < there {
		m.t.Errorf("%s.%s is %q: what was pushed later, %q, is lost", entry, field, value, m.writes[there-1].value)
	}
	if now >= here {
		return
	}
	for _, a := range aside {
		if strings.Contains(a, field+": "+m.writes[here-1].value+"\n") {
			return
		}
	}
	m.t.Errorf("%s.%s is %q: the edit %q is neither there nor set aside, in %q", entry, field, value, m.writes[here-1].value, aside)
}
