package repo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cms/content"
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
		t.Run("async"+name, func(t *testing.T) { t.Parallel(); testSyncModel(t, false, linear) })
		t.Run("sync"+name, func(t *testing.T) { t.Parallel(); testSyncModel(t, true, linear) })
	}
}

func testSyncModel(t *testing.T, synchronous, linear bool) {
	t.Helper()
	steps, seed := 40, rand.Uint64()
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
			m.settle()
		}
		if t.Failed() {
			t.Fatalf("after %d steps", n+1)
		}
	}
	m.stop()
}

func newSyncModel(t *testing.T, seed uint64, synchronous, linear bool) *syncModel {
	t.Helper()
	m := &syncModel{t: t, random: rand.New(rand.NewPCG(seed, 1)), bare: filepath.Join(t.TempDir(), "host.git")}
	git(t, "", "init", "-q", "--bare", "-b", "main", m.bare)
	m.work = clone(t, m.bare)
	for e := range syncEntries {
		text := "---\n"
		for f := range syncFields {
			text += fmt.Sprintf("f%d: zero\n", f)
		}
		write(t, m.work, fmt.Sprintf("_consultations/e%d.md", e), text+"---\n")
	}
	git(t, m.work, "add", ".")
	git(t, m.work, "commit", "-q", "-m", "Commencer")
	git(t, m.work, "push", "-q", "origin", "HEAD:main")
	m.o = options(filepath.Join(t.TempDir(), "site.git"))
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
		m.followers[n-20].follow(m.t, m.r, n-19)
	case n < 9:
		m.edit()
	case n < 12:
		m.pushOutside(func() {})
	case n < 13: // the last two commits of the host become one
		m.pushOutside(func() {
			if _, err := tryGit(m.work, "rev-parse", "-q", "--verify", "HEAD~2"); err == nil {
				git(m.t, m.work, "reset", "-q", "--soft", "HEAD~2")
				git(m.t, m.work, "commit", "-q", "--allow-empty", "-m", "Ensemble")
			}
		})
	case n < 14: // the last one is made again, but for the first of all: that is another history
		m.pushOutside(func() {
			if _, err := tryGit(m.work, "rev-parse", "-q", "--verify", "HEAD~1"); err == nil {
				git(m.t, m.work, "commit", "-q", "--allow-empty", "--amend", "-m", "Autrement")
			}
		})
	case n < 16:
		m.inTouch("push", m.r.push)
	case n < 18:
		m.inTouch("fetch", m.r.Fetch)
	case n < 19:
		m.outage(!m.down)
	default:
		m.stop()
		m.r, m.stop = run(m.t, m.o)
	}
}

// inTouch has this side meet the host, which is there or not.
func (m *syncModel) inTouch(how string, meet func(context.Context) error) {
	m.t.Helper()
	if err := meet(m.t.Context()); err != nil && !m.down { // down, there may be nothing to ask for
		m.t.Errorf("%s: %v", how, err)
	}
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
	git(m.t, m.work, "fetch", "-q", "origin")
	git(m.t, m.work, "reset", "-q", "--hard", "origin/main")
	rewrite()
	w := m.next(false)
	name := filepath.Join(m.work, "_consultations", w.entry+".md")
	text, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	write(m.t, m.work, "_consultations/"+w.entry+".md", w.with(string(text)))
	git(m.t, m.work, "commit", "-q", "-a", "-m", "Pousser "+w.value)
	git(m.t, m.work, "push", "-q", "-f", "origin", "HEAD:main")
}

// settle brings both sides in step, and holds them against what was written.
func (m *syncModel) settle() {
	m.t.Helper()
	m.outage(false)
	if err := m.r.Fetch(m.t.Context()); err != nil {
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
	verify(m.t, m.r)
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
