package repo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"cms/content"
	"cms/race"
)

// front are front matters of every kind of value and problem.
var front = []string{
	"", "Sans rien.\n", "---\n---\n", "---\ntitle: jamais fermé\n", "---\n- liste\n---\n", "---\na: [\n---\n",
	"---\na: 1\na: 2\nb: &x [1, 2]\nc: *x\n---\n",
	"---\nvide:\ntexte: été\nvrai: true\nfaux: no\nnombre: 1.50\ngrand: 123456789012345678901234567890\nlong: \"" + "é\\n" + "\"\n---\n",
	"---\njour: 2026-02-30\ndate: 2026-02-28\ninstant: 2026-02-28 10:11:12.123456789 +0530\nutc: 2026-02-28T10:11:12Z\nvieux: 0001-01-01\nloin: 9999-12-31\n---\n",
	"---\nliste: []\nobjet: {}\nprofond: [[], {a: [1, {b: }]}]\n\"\": clef vide\n---\n",
	"+++\na = 1\nb = 2026-02-28T10:11:12-03:00\n[c]\nd = [1, \"x\"]\n+++\n",
	"{\"a\": null, \"b\": [1, {\"c\": \"d\"}]}\nCorps.\n",
	"---\ntitle: x\n---\n\xff\xfe",
}

// same says whether two values are the same in kind, text and zone.
func same(a, b content.Value) bool {
	switch x := a.(type) {
	case content.Time:
		y, ok := b.(content.Time)
		_, zoneX := x.Zone()
		_, zoneY := y.Zone()
		return ok && x.Equal(y.Time) && x.DateOnly == y.DateOnly && zoneX == zoneY && x.String() == y.String()
	case []content.Value:
		y, ok := b.([]content.Value)
		if !ok || len(x) != len(y) || (x == nil) != (y == nil) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	case *content.Object:
		y, ok := b.(*content.Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Members {
			if x.Members[i].Key != y.Members[i].Key || !same(x.Members[i].Value, y.Members[i].Value) {
				return false
			}
		}
		return true
	}
	return a == b
}

func sameReading(t *testing.T, got, want *parsed) {
	t.Helper()
	if !same(got.fields, want.fields) {
		t.Errorf("fields: got %v, want %v", got.fields, want.fields)
	}
	if len(got.problems) != len(want.problems) || len(want.problems) > 0 && !reflect.DeepEqual(got.problems, want.problems) {
		t.Errorf("problems: got %v, want %v", got.problems, want.problems)
	}
}

// FuzzParsed: what is kept of a file is what parsing it gave, as a whole and by
// key, and whatever else is decoded is an error or a parse result, not a crash.
func FuzzParsed(f *testing.F) {
	for _, src := range front {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		_, _ = decodeParsed(string(src))
		_, _, _ = decodeMember(src, "a")
		d := content.Parse(bytes.Clone(src))
		want := &parsed{d.Fields(), d.Problems()}
		b, ok := encodeParsed(want)
		if !ok {
			return
		}
		got, err := decodeParsed(string(b))
		if err != nil {
			t.Fatal(err)
		}
		sameReading(t, got, want)
		for _, m := range want.fields.Members {
			if v, ok, err := decodeMember(b, m.Key); err != nil || !ok || !same(v, m.Value) {
				t.Errorf("%q: got %v, %v, %v, want %v", m.Key, v, ok, err, m.Value)
			}
		}
		if v, ok, err := decodeMember(b, "nulle part"); ok != (v != nil) || err != nil {
			t.Errorf("a key that is not there: %v, %v", v, err)
		}
		if n := len(b); n > 0 {
			if _, err := decodeParsed(string(b[:n-1])); err == nil {
				t.Error("a reading that is cut short was taken")
			}
		}
	})
}

// many makes a repository of n entries in 20 folders, by one commit of Git's.
func many(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site.git")
	git(t, filepath.Dir(dir), "init", "-q", "--bare", "-b", "trunk", dir)
	in := new(bytes.Buffer)
	in.WriteString("commit refs/heads/trunk\ncommitter A <a@b.example> 1700000000 +0000\ndata 2\nUn\n")
	for i := range n {
		src := fmt.Sprintf("---\ntitle: Le parc %d\nstatus: %s\nlieu:\n  commune: c%d\n---\nDonnez votre avis.\n", i, []string{"draft", "published"}[i%2], i%7)
		fmt.Fprintf(in, "M 100644 inline _consultations/f%02d/e%05d.md\ndata %d\n%s\n", i%20, i, len(src), src)
	}
	importStream(t, dir, in)
	return dir
}

// warmed opens a repository of many entries and lets its writer run until the index
// has all parse results.
func warmed(t *testing.T, o Options) {
	t.Helper()
	r, stop := run(t, o)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	lacks := func(x *cachedBlob) bool { return x.pos.Load() == nil }
	for slices.ContainsFunc(slices.Collect(r.View().blobs()), lacks) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal("the index has not got all readings")
		}
	}
}

// TestParseResultsAreKept: a start with the index reads no blob and parses none, and
// neither does what asks for fields; a page beyond the budget costs a page.
func TestParseResultsAreKept(t *testing.T) {
	t.Parallel()
	const n = 2 * warmThreshold
	dir := many(t, n)
	o := options(dir)
	o.Memory = 1 << 10 // next to nothing
	warmed(t, o)
	r := start(t, o)
	entries := r.View().Entries("consultations")
	if len(entries) != n {
		t.Fatalf("%d entries, want %d", len(entries), n)
	}
	if read, parsed, taken := r.budget.read.Load(), r.budget.parsed.Load(), r.budget.fromIndex.Load(); read+parsed+taken > 0 {
		t.Errorf("the start read %d blobs, parsed %d and took %d readings; want none", read, parsed, taken)
	}
	for range 2 {
		before := r.budget.fromIndex.Load()
		for _, e := range entries[100:150] {
			if v, _ := e.Fields().Get("status"); v != "draft" && v != "published" {
				t.Errorf("%s: status %v", e.Slug, v)
			}
		}
		if taken := r.budget.fromIndex.Load() - before; taken > 50 {
			t.Errorf("a page of 50 took %d readings", taken)
		}
	}
	for _, e := range entries {
		if v, ok := valueOf(e, "title"); !ok || v == "" {
			t.Errorf("%s: title %v", e.Slug, v)
		}
	}
	if read, parsed := r.budget.read.Load(), r.budget.parsed.Load(); read+parsed > 0 {
		t.Errorf("fields were asked for: %d blobs read, %d parsed; want none", read, parsed)
	}
	if used := r.budget.used.Load(); used > o.Memory {
		t.Errorf("%d bytes are kept, want %d at most", used, o.Memory)
	}
}

// TestReadingsOfEdits: the index gets the parse results of what was edited, moved and
// pushed since, and keeps the others.
func TestReadingsOfEdits(t *testing.T) {
	t.Parallel()
	dir := many(t, warmThreshold)
	o := options(dir)
	warmed(t, o)
	r, stop := run(t, o)
	put(t, r, "consultations", "f00/e00000", "Neuf")
	put(t, r, "news", "un", "Une")
	update(t, r, func(tx *Tx) error {
		return tx.Move("consultations", slug(t, "f01/e00001"), "consultations", slug(t, "ailleurs"))
	})
	work := clone(t, dir)
	write(t, work, "_consultations/dehors.md", "---\ntitle: Dehors\n---\n")
	commitAll(t, work, "Dehors")
	push(t, work)
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, ok := r.View().Entry("consultations", slug(t, "dehors"))
	if !ok || e.Fields().Len() != 1 {
		t.Fatalf("what was pushed is not there: %v", ok)
	}
	stop()
	r = start(t, o)
	for _, s := range []string{"f00/e00000", "ailleurs", "dehors", "f02/e00002"} {
		if e, ok := r.View().Entry("consultations", slug(t, s)); !ok || e.Fields().Len() == 0 {
			t.Errorf("%s: %v", s, ok)
		}
	}
	if read, parsed := r.budget.read.Load(), r.budget.parsed.Load(); read+parsed > 0 {
		t.Errorf("%d blobs were read and %d parsed; want none", read, parsed)
	}
}

// TestReadingsDamaged: what is wrong on the mapping, now or later, is parsed.
func TestReadingsDamaged(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	for name, harm := range map[string]func(name string, size int64) error{
		"written over": func(name string, size int64) error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, size), 0)
			return errors.Join(err, f.Close())
		},
		"cut short": func(name string, _ int64) error { return os.Truncate(name, 16) },
		"removed":   func(name string, _ int64) error { return os.Remove(name) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := many(t, warmThreshold)
			o := options(dir)
			warmed(t, o)
			r := start(t, o)
			file := filepath.Join(dir, indexFile)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := harm(file, info.Size()); err != nil {
				t.Fatal(err)
			}
			for i, e := range r.View().Entries("consultations") {
				if v, _ := valueOf(e, "title"); i%2 == 0 && v == nil {
					t.Errorf("%s has no title", e.Slug)
				}
				if v, _ := e.Fields().Get("title"); v == nil {
					t.Errorf("%s has no title among its fields", e.Slug)
				}
			}
			if err := removeIfExists(osDisk{}, file); err != nil { // which nobody would do to a file that is in use
				t.Fatal(err)
			}
		})
	}
}

// TestReadingsOutdated: those of another version are not taken, and made again.
func TestReadingsOutdated(t *testing.T) {
	t.Parallel()
	dir := many(t, warmThreshold)
	o := options(dir)
	warmed(t, o)
	file := filepath.Join(dir, indexFile)
	raw := readIndexFile(t, dir)
	out := []byte(indexMagic)
	bodies, _ := decodeSections(raw[len(indexMagic):])
	for _, body := range bodies {
		history, readings, err := splitSection(body)
		if err != nil {
			t.Fatal(err)
		}
		e := make(encoder, 8)
		e.number(len(history))
		e = append(e, history...)
		e.number(content.ParseVersion + 1)
		_, version := binary.Varint(readings)
		e = append(e, readings[version:]...)
		out = append(out, encodeSection(e)...)
	}
	if err := os.WriteFile(file, out, 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if known := r.View().Entries("consultations")[0].blob.isCached(); known || !r.outdated {
		t.Error("readings of another version were taken")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	warmed(t, o)
	_, at, _, err := decodeIndexFile(&mapping{readIndexFile(t, dir)})
	if err != nil || at.outdated || len(at.of) != warmThreshold {
		t.Errorf("they were not made again: %d of %d, %v", len(at.of), warmThreshold, err)
	}
}

// TestMemoryOfEntries bounds what an entry takes beside the budget, and what the first
// reading of many takes beside them.
func TestMemoryOfEntries(t *testing.T) {
	atLength(t)
	if testing.Short() {
		t.Skip("makes thousands of entries")
	}
	n := int64(scaled(20_000, 5000, 0))
	const most, mostFirst = 700, 24 << 20
	dir := many(t, int(n))
	o := options(dir)
	o.Memory = 1 << 10
	peak, kept := firstStart(t, o)
	if peak > mostFirst || kept > mostFirst/4 {
		t.Errorf("the first reading took %d KB, and keeps %d KB; want %d and %d at most", peak>>10, kept>>10, mostFirst>>10, mostFirst>>12)
	}
	before := liveHeap()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.View().Entries("consultations") {
		e.Fields()
	}
	_ = r.store.Close() // what it keeps of packs is not an entry's
	if each := (liveHeap() - before) / n; each > most {
		t.Errorf("an entry takes %d bytes, want %d at most", each, most)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// firstStart has all entries read and saved, as Run does it, and gives what that took of
// memory at most, and what it keeps.
func firstStart(t *testing.T, o Options) (peak, kept int64) {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	before := liveHeap()
	warm := make(chan struct{})
	go func() { defer close(warm); r.warm(t.Context()) }()
	for done := false; !done; {
		select {
		case found := <-r.parsedBatches:
			peak = max(peak, liveHeap()-before)
			if err := r.saveIndex(false, found...); err != nil {
				t.Error(err)
			}
		case <-warm:
			done = true
		}
	}
	if r.View().unread("consultations", 0) {
		t.Error("not all entries were read")
	}
	kept = liveHeap() - before
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return peak, kept
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what cleanups left
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAwaitReadings: whoever needs the fields of many entries that are read for the first
// time waits for that, or is told how far it has come when their time is over.
func TestAwaitReadings(t *testing.T) {
	t.Parallel()
	const n = warmThreshold + 1
	r, err := Open(t.Context(), options(many(t, n)))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.store.Close()
	gate := make(chan struct{})
	r.store.set().openFile = func(name string) (*os.File, error) {
		<-gate
		return os.Open(name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	over, end := context.WithCancel(t.Context())
	end()
	comes(t, "the reading", func() bool { return r.Warming("consultations") })
	comes(t, "its extent", func() bool { return r.warming.Load().total.Load() == n })
	var told *WarmingError
	if err := r.AwaitWarm(over, "consultations"); !errors.As(err, &told) || told.Done != 0 || told.Total != n {
		t.Errorf("got %v, want 0 of %d", err, n)
	}
	if err := r.AwaitWarm(over, "news"); err != nil {
		t.Errorf("a collection without entries: %v", err)
	}
	close(gate)
	if err := r.AwaitWarm(t.Context(), "consultations"); err != nil || r.Warming("consultations") {
		t.Errorf("afterwards: %v", err)
	}
	comes(t, "the end", func() bool { return r.warming.Load() == nil }) // a few entries are not waited for
	for _, e := range r.View().Entries("consultations") {
		if g, ok := e.CachedFields(); !ok || !e.Cached() {
			t.Fatalf("%s is not known", e.Slug)
		} else if v, ok := g.Get("title"); !ok || v == "" {
			t.Fatalf("%s has the title %v", e.Slug, v)
		}
	}
	cancel()
	if err := errors.Join(<-done, r.Close()); err != nil {
		t.Error(err)
	}
}

// TestGlimpses: what is looked at of entries beyond the budget is taken from the index,
// and neither read, parsed nor kept; with room it is kept.
func TestGlimpses(t *testing.T) {
	t.Parallel()
	o := options(many(t, warmThreshold))
	warmed(t, o)
	for memory, kept := range map[int64]bool{1 << 10: false, 1 << 30: true} {
		o.Memory = memory
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		r.budget.used.Add(memory / 10 * 9 * map[bool]int64{false: 1}[kept])
		before := r.budget.used.Load()
		for _, e := range r.View().Entries("consultations") {
			g, ok := e.CachedFields()
			v, found := g.Get("lieu")
			want, _ := e.Fields().Get("lieu")
			if _, none := g.Get("absent"); !ok || !found || none || !content.Equal(v, want) {
				t.Fatalf("%s: got %v, want %v", e.Slug, v, want)
			}
		}
		if read, parsed := r.budget.read.Load(), r.budget.parsed.Load(); read+parsed > 0 {
			t.Errorf("%d blobs were read and %d parsed, want none", read, parsed)
		}
		if got := r.budget.used.Load() > before; got != kept {
			t.Errorf("of %d bytes of room something is kept: %t, want %t", memory, got, kept)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPassing: whoever looks at all entries once has nothing kept, and what it took of one
// stays as it is when the next is looked at.
func TestPassing(t *testing.T) {
	t.Parallel()
	o := options(many(t, warmThreshold))
	warmed(t, o)
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := r.budget.used.Load()
	entries := r.View().Entries("consultations")
	var (
		p      Passing
		titles []content.Value
	)
	for _, e := range entries {
		g, ok := p.Fields(e)
		title, found := g.Get("title")
		if _, none := g.Get("absent"); !ok || !found || none {
			t.Fatalf("%s: got %v, %t, %t", e.Slug, title, ok, none)
		}
		titles = append(titles, title)
	}
	if read, parsed, used := r.budget.read.Load(), r.budget.parsed.Load(), r.budget.used.Load(); read+parsed > 0 || used != before {
		t.Errorf("%d blobs were read and %d parsed, %d bytes were kept, want none", read, parsed, used-before)
	}
	room := cap(p.record)
	for _, e := range entries {
		_, _ = p.Fields(e)
	}
	if room == 0 || cap(p.record) != room {
		t.Errorf("the room for a record went from %d bytes to %d, want the same", room, cap(p.record))
	}
	for i, e := range entries {
		if want, _ := e.Fields().Get("title"); !content.Equal(titles[i], want) {
			t.Fatalf("%s: got %v, want %v", e.Slug, titles[i], want)
		}
		if g, ok := p.Fields(e); !ok { // that is in memory now
			t.Fatalf("%s is not known any more", e.Slug)
		} else if v, _ := g.Get("title"); !content.Equal(titles[i], v) {
			t.Fatalf("%s: got %v, want %v", e.Slug, v, titles[i])
		}
	}
}

// TestWarmEnds: it stops with its context, wherever it is.
func TestWarmEnds(t *testing.T) {
	t.Parallel()
	r, err := Open(t.Context(), options(many(t, warmThreshold)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.warm(ctx)
	if parsed := r.budget.parsed.Load(); parsed > 0 {
		t.Errorf("%d were parsed", parsed)
	}
}

// TestPackOrder: what is read in one go is read as it lies in its pack.
func TestPackOrder(t *testing.T) {
	t.Parallel()
	dir := many(t, 200)
	git(t, dir, "repack", "-qad")
	r, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var texts []*cachedBlob
	for x := range r.View().blobs() {
		texts = append(texts, x)
	}
	packs, err := listPacks(r.packFolder())
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	entries, err := readIndex(packs[0].name + ".idx")
	if err != nil {
		t.Fatal(err)
	}
	at := map[Hash]uint64{}
	for _, e := range entries {
		at[e.Hash] = e.Offset
	}
	ordered := r.store.inPackOrder(texts)
	for i, x := range ordered {
		if i > 0 && at[x.hash] <= at[ordered[i-1].hash] {
			t.Fatalf("text %d lies before the one ahead of it", i)
		}
	}
	if len(ordered) != 200 {
		t.Errorf("%d texts, want 200", len(ordered))
	}
}

// valueOf is the value of a field of an entry, as lists get it.
func valueOf(e *Entry, key string) (content.Value, bool) {
	if g, ok := e.CachedFields(); ok {
		return g.Get(key)
	}
	return e.Fields().Get(key)
}
