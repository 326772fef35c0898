package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cms/race"
)

// wantHostAtTip wants the host to have what is here.
func wantHostAtTip(t *testing.T, bare string, r *Repo) {
	t.Helper()
	if got := onHost(t, bare); got != r.View().Commit().String() {
		t.Errorf("the host is at %s, want %s", got, r.View().Commit())
	}
}

// synchronous opens a clone of the host whose updates are done when the host has them.
func synchronous(t *testing.T, m *Remote) *Repo {
	t.Helper()
	m.Sync = true
	return upstreamed(t, m)
}

// onHost says where the host's branch is.
func onHost(t *testing.T, bare string) string {
	t.Helper()
	return tipOf(t, bare, "main")
}

// tryPut is put, which may fail.
func tryPut(ctx context.Context, t *testing.T, r *Repo, m Meta, name, title string) (Result, error) {
	t.Helper()
	m.Author = ann
	return r.Update(ctx, m, func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, name), document(title))
		return err
	})
}

// comesBack writes once the host is there again: the writer leaves it alone for a moment.
func comesBack(t *testing.T, r *Repo, name, title string) {
	t.Helper()
	comes(t, "the host", func() bool {
		_, err := tryPut(t.Context(), t, r, Meta{}, name, title)
		if err != nil && !errors.As(err, new(*RemoteError)) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// TestSync: what is acknowledged is on the host, before anybody sees it here; what others
// pushed first is met by the same function again; and a host that is down takes nothing.
func TestSync(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	r := synchronous(t, &Remote{URL: bare})
	is := func(commit Hash) {
		t.Helper()
		if got := onHost(t, bare); got != commit.String() || r.View().Commit() != commit || r.contact.followed() != commit {
			t.Errorf("the host is at %s, the view at %s, tracking at %s; want %s", got, r.View().Commit(), r.contact.followed(), commit)
		}
	}
	is(put(t, r, "consultations", "bus", "Le bus").Commit)
	is(put(t, r, "news", "un", "Une nouvelle").Commit)

	up := upload(t, r, "image")
	is(update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "img/a.png"), up) }).Commit)
	if got := git(t, bare, "show", "main:img/a.png"); got != "image" {
		t.Errorf("the host has the image %q", got)
	}

	// Somebody was there first.
	pull(t, work)
	theirs := pushed(t, work, "_consultations/parc.md", "---\ntitle: Leur parc\n---\n")
	met := errors.New("there is another title")
	_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
		e, _ := tx.Entry("consultations", slug(t, "parc"))
		if src, err := e.Source(); err != nil || strings.Contains(string(src), "Leur parc") {
			return errors.Join(met, err)
		}
		_, err := tx.Put("consultations", slug(t, "parc"), document("Notre parc"))
		return err
	})
	if !errors.Is(err, met) || onHost(t, bare) != theirs {
		t.Errorf("a stale edit: got %v, with the host at %s; want the refusal of its function", err, onHost(t, bare))
	}
	pushed(t, work, "_consultations/la.md", "---\ntitle: Là\n---\n")
	is(put(t, r, "consultations", "ici", "Ici").Commit)
	if got := strings.TrimSpace(git(t, bare, "rev-list", "--merges", "--count", "main")); got != "0" {
		t.Errorf("%s merge commits, want none", got)
	}

	// Somebody pushed here, and not to the host.
	outside := clone(t, r.path)
	pushed(t, outside, "_consultations/dehors.md", "---\ntitle: Dehors\n---\n")
	is(put(t, r, "consultations", "ici", "Ici aussi").Commit)

	// The host is down, and up again.
	before := r.View().Commit()
	if err := os.Rename(bare, bare+".down"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := tryPut(t.Context(), t, r, Meta{}, "bus", "En panne")
		remote := (*RemoteError)(nil)
		if !errors.As(err, &remote) || !errors.Is(err, ErrStorage) || errors.Is(err, ErrUnsure) || remote.Retry <= 0 {
			t.Errorf("down: got %v, want a RemoteError that says when to try again", err)
		}
	}
	if r.View().Commit() != before || r.Ready() != nil {
		t.Errorf("down: the view moved to %s, ready: %v", r.View().Commit(), r.Ready())
	}
	if err := os.Rename(bare+".down", bare); err != nil {
		t.Fatal(err)
	}
	comesBack(t, r, "bus", "De retour")
	is(r.View().Commit())
	fsck(t, bare)
}

// TestSyncGroups: all that waits goes in one push.
func TestSyncGroups(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	gate := h.hold()
	var writers sync.WaitGroup
	write := func(n int) {
		writers.Go(func() {
			if _, err := tryPut(t.Context(), t, r, Meta{}, fmt.Sprintf("e%d", n), "Texte"); err != nil {
				t.Error(err)
			}
		})
	}
	write(0)
	comes(t, "the first push", func() bool { return h.posts.Load() == 2 })
	for n := range 10 {
		write(1 + n)
	}
	comes(t, "those who wait", func() bool { return r.queue.size() == 10 })
	close(gate)
	writers.Wait()
	if got := h.posts.Load(); got != 3 {
		t.Errorf("%d pushes for eleven edits and one before, want 3", got)
	}
	wantHostAtTip(t, bare, r)
}

// TestSyncUnknown: whether a push without an answer was taken is told by the next contact,
// and by the key; nobody sees it here before.
func TestSyncUnknown(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	since := put(t, r, "consultations", "bus", "Le bus").Commit
	h.cut.Store(true)
	_, err := tryPut(t.Context(), t, r, Meta{Key: "clé-1"}, "bus", "Le bus 2")
	if !errors.Is(err, ErrUnsure) || errors.Is(err, ErrStorage) {
		t.Errorf("cut: got %v, want ErrUnsure", err)
	}
	if r.View().Commit() != since {
		t.Error("what may be saved is seen before it is known")
	}
	h.cut.Store(false)
	made, err := r.FindKey(t.Context(), since, "clé-1")
	if err != nil || made.String() != onHost(t, bare) || r.View().Commit() != made {
		t.Errorf("the key: got %s, %v; want %s, where the host is", made, err, onHost(t, bare))
	}
	put(t, r, "consultations", "bus", "Le bus 3")

	// An edit of the same key comes again before it is known: it is not made twice.
	h.cut.Store(true)
	_, err = tryPut(t.Context(), t, r, Meta{Key: "clé-2"}, "velo", "Le vélo")
	h.cut.Store(false)
	if !errors.Is(err, ErrUnsure) {
		t.Errorf("cut: got %v, want ErrUnsure", err)
	}
	if _, err := tryPut(t.Context(), t, r, Meta{Key: "clé-2"}, "velo", "Le vélo encore"); !errors.Is(err, ErrUnsure) {
		t.Errorf("the same key again: got %v, want ErrUnsure", err)
	}
	if got := strings.Count(git(t, bare, "log", "--format=%B", "main"), "Idempotency-Key: clé-2"); got != 1 {
		t.Errorf("%d commits of one key", got)
	}
	fsck(t, bare)
}

// TestRepackEndsAfterUnknownPush: what a push without an answer was made of lies about until
// the next contact. A repack of Git's that began before drops it as it ends, and the branch
// is whole all the same.
func TestRepackEndsAfterUnknownPush(t *testing.T) {
	t.Parallel()
	race.Sequential(t)
	for name, change := range map[string]func(*testing.T, *Repo) error{
		"edit": func(t *testing.T, r *Repo) error {
			_, err := tryPut(t.Context(), t, r, Meta{}, "bus", "Le bus 2")
			return err
		},
		"push": func(t *testing.T, r *Repo) error {
			work := clone(t, r.path)
			write(t, work, "_consultations/bus.md", "---\ntitle: Le bus 2\n---\n")
			commitAll(t, work, "Le bus 2")
			return landHere(t, r, work)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bare, _ := host(t)
			h := serveHost(t, bare)
			r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
			put(t, r, "consultations", "bus", "Le bus")
			h.cut.Store(true)
			if err := change(t, r); !errors.Is(err, ErrUnsure) {
				t.Fatalf("cut: got %v, want ErrUnsure", err)
			}
			h.cut.Store(false)
			if err := r.requestUpdate(t.Context(), &refUpdate{}); err != nil { // the writer has let go of the packs by then
				t.Fatal(err)
			}
			besideRepack(t, r, func() {
				if err := r.Fetch(t.Context()); err != nil {
					t.Error(err)
				}
			})
			wantHostAtTip(t, bare, r)
			fsck(t, r.path)
			put(t, r, "consultations", "velo", "Le vélo")
			fsck(t, r.path)
		})
	}
}

// TestSyncLeaves: who has no more time is told that the edit may be saved, and is not waited
// for by others.
func TestSyncLeaves(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	gate := h.hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := tryPut(ctx, t, r, Meta{}, "velo", "Le vélo")
		done <- err
	}()
	comes(t, "the push", func() bool { return h.posts.Load() == 2 })
	cancel()
	if err := <-done; !errors.Is(err, ErrUnsure) {
		t.Errorf("left: got %v, want ErrUnsure", err)
	}
	close(gate)
	put(t, r, "consultations", "tram", "Le tram")
	if _, ok := r.View().Entry("consultations", slug(t, "velo")); !ok {
		t.Error("the edit that was left is missing, though the host took it")
	}
}

// TestSyncRefused: of several edits in one push the host refuses one, and takes the others.
func TestSyncRefused(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	hook := "#!/bin/sh\nread old new ref\nif git log -p $old..$new | grep -q INTERDIT; then echo 'Ce mot est interdit.' >&2; exit 1; fi\n"
	if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	gate := h.hold()
	var writers sync.WaitGroup
	errs := make([]error, 6)
	for n := range errs {
		writers.Go(func() {
			title := "Texte"
			if n == 3 {
				title = "INTERDIT"
			}
			_, errs[n] = tryPut(t.Context(), t, r, Meta{}, fmt.Sprintf("e%d", n), title)
		})
		comes(t, "the edit", func() bool { return h.posts.Load() == 2 && r.queue.size() == n })
	}
	close(gate)
	writers.Wait()
	for n, err := range errs {
		remote := (*RemoteError)(nil)
		switch refused := errors.As(err, &remote); {
		case n == 3 && (!refused || !remote.Refused || !strings.Contains(err.Error(), "Ce mot est interdit.")):
			t.Errorf("the edit that is refused: got %v, want the host's words", err)
		case n != 3 && err != nil:
			t.Errorf("edit %d: %v", n, err)
		}
	}
	if _, ok := r.View().Entry("consultations", slug(t, "e3")); ok {
		t.Error("what the host refused is seen")
	}
	wantHostAtTip(t, bare, r)

	// It asks to be left alone: it is, until then.
	h.status.Store(http.StatusTooManyRequests)
	_, err := tryPut(t.Context(), t, r, Meta{}, "bus", "Trop")
	remote := (*RemoteError)(nil)
	if !errors.As(err, &remote) || remote.Retry.Seconds() != 77 {
		t.Errorf("429: got %v, want to be told to wait for 77 seconds", err)
	}
	h.status.Store(0)
	posts := h.posts.Load()
	if _, err := tryPut(t.Context(), t, r, Meta{}, "bus", "Encore"); !errors.As(err, &remote) || remote.Retry.Seconds() < 1 || h.posts.Load() != posts {
		t.Errorf("before its time: got %v, want to be told to wait", err)
	}
}

// TestSyncUploadAgain: a file that was uploaded is put once more when its group is tried again,
// since others pushed first or the host refused what another edit of the group did.
func TestSyncUploadAgain(t *testing.T) {
	t.Parallel()
	put := func(t *testing.T, r *Repo, name string) func() error {
		up, p := upload(t, r, name), filePath(t, "img/"+name)
		return func() error {
			_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error { return tx.PutFile(p, up) })
			return err
		}
	}
	t.Run("moved", func(t *testing.T) {
		t.Parallel()
		bare, work := host(t)
		r := synchronous(t, &Remote{URL: bare})
		first, second := put(t, r, "a.png"), put(t, r, "b.png")
		if err := first(); err != nil {
			t.Fatal(err)
		}
		pull(t, work)
		pushed(t, work, "_consultations/la.md", "---\ntitle: Là\n---\n")
		if err := second(); err != nil {
			t.Errorf("others pushed first: %v", err)
		}
		if err := second(); !errors.Is(err, ErrClosed) {
			t.Errorf("another update with the same upload: got %v, want ErrClosed", err)
		}
		if got := git(t, bare, "show", "main:img/b.png"); got != "b.png" {
			t.Errorf("the host has the file %q", got)
		}
		wantHostAtTip(t, bare, r)
		fsck(t, bare)
		fsck(t, r.path)
	})
	t.Run("refused beside", func(t *testing.T) {
		t.Parallel()
		bare, _ := host(t)
		h := serveHost(t, bare)
		r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
		hook := "#!/bin/sh\nread old new ref\nif git diff --name-only $old $new | grep -q interdit; then exit 1; fi\n"
		if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
			t.Fatal(err)
		}
		puts := []func() error{put(t, r, "a.png"), put(t, r, "interdit.png"), put(t, r, "b.png"), put(t, r, "c.png")}
		errs := make([]error, len(puts))
		gate := h.hold()
		var writers sync.WaitGroup
		for n, put := range puts {
			writers.Go(func() { errs[n] = put() })
			comes(t, "the upload", func() bool { return h.posts.Load() == 1 && r.queue.size() == n })
		}
		close(gate)
		writers.Wait()
		for n, err := range errs {
			if remote := (*RemoteError)(nil); n == 1 != errors.As(err, &remote) || n != 1 && err != nil {
				t.Errorf("upload %d: got %v; want the second one alone to be refused", n, err)
			}
		}
		if got := git(t, bare, "ls-tree", "--name-only", "main", "img/"); got != "img/a.png\nimg/b.png\nimg/c.png\n" {
			t.Errorf("the host has %q", got)
		}
		wantHostAtTip(t, bare, r)
		fsck(t, bare)
		fsck(t, r.path)
	})
}

// TestSyncUploadNoLongerKept: the disk fails between two attempts at a group, and what it had put
// in place is kept no more. Maintenance of others may drop that, so no commit leads to it.
func TestSyncUploadNoLongerKept(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	h := serveHost(t, bare)
	var failing atomic.Bool
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: h.URL, Token: "jeton-secret", Push: true, Sync: true}
	o.BeforeSync = func(folder string) error {
		if strings.HasSuffix(folder, "objects/pack") && failing.CompareAndSwap(true, false) {
			return syscall.EIO
		}
		return nil
	}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r := start(t, o)
	hook := "#!/bin/sh\nread old new ref\nif git diff --name-only $old $new | grep -q interdit; then exit 1; fi\n"
	if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"held.png", "a.png", "interdit.png", "b.png"}
	runs, errs := make([]int, len(names)), make([]error, len(names))
	gate := h.hold()
	var writers sync.WaitGroup
	for n, name := range names {
		up, p := upload(t, r, name), filePath(t, "img/"+name)
		writers.Go(func() {
			_, errs[n] = r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
				switch runs[n]++; {
				case name == "a.png" && runs[n] == 2: // by itself, after the group was refused
					failing.Store(true)
				case name == "b.png":
					git(t, r.path, "repack", "-adq")
				}
				return tx.PutFile(p, up)
			})
		})
		comes(t, "the upload", func() bool { return h.posts.Load() == 1 && r.queue.size() == n })
	}
	close(gate)
	writers.Wait()
	if errs[0] != nil || !errors.Is(errs[1], ErrStorage) || !errors.Is(errs[2], ErrStorage) || !errors.Is(errs[3], ErrStorage) {
		t.Errorf("got errors %v", errs)
	}
	wantHostAtTip(t, bare, r)
	fsck(t, bare)
	fsck(t, r.path)
}

// TestSyncTogether: several services on one host, and somebody with Git; nothing is lost.
func TestSyncTogether(t *testing.T) {
	t.Parallel()
	atLength(t)
	bare, work := host(t)
	const services = 2
	writers, edits := loaded(3, 2, 2), loaded(4, 2, 2)
	var all sync.WaitGroup
	for s := range services {
		r := synchronous(t, &Remote{URL: bare})
		for w := range writers {
			all.Go(func() {
				for e := range edits {
					comesBack(t, r, fmt.Sprintf("s%dw%d", s, w), fmt.Sprint(e))
				}
			})
		}
	}
	all.Go(func() {
		for n := range edits {
			write(t, work, fmt.Sprintf("_consultations/git%d.md", n), "---\ntitle: Git\n---\n")
			commitAll(t, work, "Pousser")
			comes(t, "a push", func() bool {
				pull(t, work)
				_, err := tryGit(work, "push", "-q", "origin", "HEAD:main")
				return err == nil
			})
		}
	})
	all.Wait()
	for s := range services {
		for w := range writers {
			name := fmt.Sprintf("_consultations/s%dw%d.md", s, w)
			if got := strings.TrimSpace(git(t, bare, "rev-list", "--count", "main", "--", name)); got != fmt.Sprint(edits) {
				t.Errorf("%s has %s commits, want %d", name, got, edits)
			}
		}
	}
	fsck(t, bare)
}

// TestSyncLate: where the disk fails late as what others pushed is taken in, nothing is
// known of that; the update that had to wait for it was not saved.
func TestSyncLate(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	d := &lateDisk{}
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: bare, Push: true, Sync: true}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.disk = d
	r := start(t, o)
	put(t, r, "consultations", "bus", "Le bus")
	pull(t, work)
	pushed(t, work, "_consultations/velo.md", "---\ntitle: Le vélo\n---\n")
	d.syncs.Store(2)
	if _, err := tryPut(t.Context(), t, r, Meta{}, "tram", "Le tram"); !errors.Is(err, ErrStorage) || errors.Is(err, ErrUnsure) {
		t.Errorf("got %v, want ErrStorage alone", err)
	}
	if d.syncs.Load() != 0 {
		t.Fatal("no sync has failed")
	}
	comesBack(t, r, "tram", "Le tram")
	for _, name := range []string{"bus", "velo", "tram"} {
		if _, ok := r.View().Entry("consultations", slug(t, name)); !ok {
			t.Errorf("%s is missing", name)
		}
	}
	fsck(t, bare)
}

// TestSyncRefusedHere: a push that is not taken here says nothing of the host.
func TestSyncRefusedHere(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	refused := errors.New("nothing of it can be placed")
	err := r.requestUpdate(t.Context(), &refUpdate{from: r.View().commit, to: Hash{1}, before: func() error { return refused }, landing: true})
	if !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if r.contact.pushFailed() {
		t.Error("the host is said not to take pushes")
	}
}

// TestSyncTurn: who pushes does so in its turn, with all that came to wait meanwhile, upon
// what others pushed in theirs; and also where turns cannot be had.
func TestSyncTurn(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	h := serveHost(t, bare)
	type answer struct {
		others bool
		err    error
	}
	asked, answers := make(chan struct{}), make(chan answer)
	var held atomic.Int32
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret", Turn: func(context.Context) (func(), bool, error) {
		asked <- struct{}{}
		a := <-answers
		if a.err != nil {
			return nil, false, a.err
		}
		held.Add(1)
		return func() { held.Add(-1) }, a.others, nil
	}})
	var writers sync.WaitGroup
	write := func(name string) {
		writers.Go(func() {
			if _, err := tryPut(t.Context(), t, r, Meta{}, name, "Texte"); err != nil {
				t.Error(err)
			}
		})
	}
	write("un")
	<-asked
	write("deux")
	comes(t, "those who wait", func() bool { return r.queue.size() == 2 })
	theirs := pushed(t, work, "_consultations/trois.md", "---\ntitle: Trois\n---\n")
	if err := r.Fetch(t.Context()); err != nil || r.View().Commit().String() != theirs {
		t.Errorf("a fetch while the turn is waited for: %v, the view is at %s", err, r.View().Commit())
	}
	theirs = pushed(t, work, "_consultations/quatre.md", "---\ntitle: Quatre\n---\n")
	gate := h.hold()
	answers <- answer{others: true}
	comes(t, "the push", func() bool { return h.posts.Load() == 1 })
	if got := held.Load(); got != 1 {
		t.Errorf("%d turns during a push, want 1", got)
	}
	close(gate)
	writers.Wait()
	if posts, gets := h.posts.Load(), h.gets.Load(); posts != 1 || gets != 1 {
		t.Errorf("%d pushes in %d contacts, want one for both edits", posts, gets)
	}
	if got := strings.TrimSpace(git(t, bare, "rev-parse", "main~2")); got != theirs || onHost(t, bare) != r.View().Commit().String() {
		t.Errorf("the edits are upon %s, want %s", got, theirs)
	}

	write("cinq")
	<-asked
	comes(t, "the end of the turn", func() bool { return held.Load() == 0 })
	answers <- answer{err: errors.New("no database")}
	writers.Wait()
	if onHost(t, bare) != r.View().Commit().String() {
		t.Errorf("without a turn the host is at %s, want %s", onHost(t, bare), r.View().Commit())
	}
}

// TestSyncShared: who comes back after a push shares the next one with those who waited
// meanwhile, also where the remote is looked at before; who writes alone waits for nobody.
func TestSyncShared(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret", minWait: time.Minute})
	for _, name := range []string{"seul", "encore"} {
		put(t, r, "consultations", name, "Texte")
	}
	var others sync.WaitGroup
	write := func(name string) {
		if _, err := tryPut(t.Context(), t, r, Meta{}, name, "Texte"); err != nil {
			t.Error(err)
		}
	}
	gate, before := h.hold(), h.posts.Load()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		write("un")
	}()
	comes(t, "the push", func() bool { return h.posts.Load() == before+1 })
	for _, name := range []string{"deux", "trois"} {
		others.Go(func() { write(name) })
	}
	comes(t, "those who wait", func() bool { return r.queue.size() == 2 })
	close(gate)
	<-answered
	theirs := pushed(t, clone(t, bare), "_consultations/dehors.md", "---\ntitle: Dehors\n---\n")
	fetched(t, r, theirs)
	write("quatre")
	others.Wait()
	if got := h.posts.Load() - before; got != 2 {
		t.Errorf("%d pushes, want one for the first and one for all who waited or came back", got)
	}
	wantHostAtTip(t, bare, r)
}

// TestSyncTurnKept: who is refused because others had pushed before this service's turn, and
// reads and writes again at once, is in the same turn; with others' edits the turn ends.
func TestSyncTurnKept(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	bare, work := host(t)
	h := serveHost(t, bare)
	asked, given := make(chan struct{}), make(chan bool)
	var turns, held atomic.Int32
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret", minWait: time.Minute, Turn: func(context.Context) (func(), bool, error) {
		asked <- struct{}{}
		others := <-given
		turns.Add(1)
		held.Add(1)
		return func() { held.Add(-1) }, others, nil
	}})
	parc := slug(t, "parc")
	stale := errors.New("it was changed since it was read")
	read := func() Hash { e, _ := r.View().Entry("consultations", parc); return e.Revision }
	edit := func(upon Hash, title string) error {
		_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
			if e, _ := tx.Entry("consultations", parc); e.Revision != upon {
				return stale
			}
			_, err := tx.Put("consultations", parc, document(title))
			return err
		})
		return err
	}
	results := make(chan error)
	go func() { results <- edit(read(), "Le parc 1") }()
	<-asked
	given <- false
	if err := <-results; err != nil {
		t.Fatal(err)
	}

	go func() { results <- edit(read(), "Le parc 2") }()
	<-asked
	pull(t, work)
	theirs := pushed(t, work, "_consultations/parc.md", "---\ntitle: Leur parc\n---\n")
	given <- true
	if err := <-results; !errors.Is(err, stale) {
		t.Fatalf("an edit of what others changed: got %v, want that it is stale", err)
	}
	if got := held.Load(); got != 1 {
		t.Errorf("%d turns while the client reads again, want 1", got)
	}
	if err := edit(read(), "Le parc 3"); err != nil { // it would wait for a turn that nobody gives
		t.Error(err)
	}
	comes(t, "the end of the turn", func() bool { return held.Load() == 0 })
	if got := turns.Load(); got != 2 {
		t.Errorf("%d turns, want one for each round of edits", got)
	}
	if got := strings.TrimSpace(git(t, bare, "rev-parse", "main~1")); got != theirs || onHost(t, bare) != r.View().Commit().String() {
		t.Errorf("the edit is upon %s, want %s", got, theirs)
	}

	// What is refused for another reason keeps no turn.
	go func() { results <- edit(Hash{}, "Le parc 4") }()
	<-asked
	given <- false
	if err := <-results; !errors.Is(err, stale) {
		t.Errorf("an edit of what nobody changed: got %v", err)
	}
	comes(t, "the end of the turn", func() bool { return held.Load() == 0 })
}

// TestAnsweredUponWhatIsNot: where the host takes no group, an update that failed upon an
// earlier one of it is not told what would be so only if that were saved.
func TestAnsweredUponWhatIsNot(t *testing.T) {
	t.Parallel()
	bare, _ := host(t)
	h := serveHost(t, bare)
	r := synchronous(t, &Remote{URL: h.URL, Token: "jeton-secret"})
	put(t, r, "consultations", "bus", "Le bus")
	release := hold(t, r)
	update := func(f func(tx *Tx) error) <-chan error {
		queued, answer := r.queue.size(), make(chan error, 1)
		go func() {
			_, err := r.Update(t.Context(), Meta{Author: ann}, f)
			answer <- err
		}()
		waiting(r, queued+1)
		return answer
	}
	missing := update(func(tx *Tx) error { return tx.Delete("consultations", slug(t, "nulle-part")) })
	deleted := update(func(tx *Tx) error { return tx.Delete("consultations", slug(t, "bus")) })
	again := update(func(tx *Tx) error { return tx.Delete("consultations", slug(t, "bus")) })
	h.status.Store(http.StatusServiceUnavailable)
	release()
	if err := <-missing; !errors.Is(err, ErrNotFound) {
		t.Errorf("what is not there in any case: got %v", err)
	}
	if err := <-deleted; !errors.As(err, new(*RemoteError)) {
		t.Errorf("what the host did not take: got %v", err)
	}
	if err := <-again; !errors.As(err, new(*RemoteError)) {
		t.Errorf("what was refused upon that: got %v", err)
	}
	if _, there := r.View().Entry("consultations", slug(t, "bus")); !there {
		t.Error("the entry is gone")
	}
	h.status.Store(0)
}
