package repo

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// onLog is a logger that calls do when the message is told first, before anything goes on.
func onLog(message string, do func()) *slog.Logger {
	return slog.New(&logHook{message: message, do: sync.OnceFunc(do)})
}

type logHook struct {
	slog.Handler
	message string
	do      func()
}

func (h *logHook) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHook) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.do()
	}
	return nil
}

// hostAt makes a bare repository with one commit on a branch, and gives the tip.
func hostAt(t *testing.T, bare, branch string) string {
	t.Helper()
	git(t, "", "init", "-q", "--bare", "-b", branch, bare)
	work := clone(t, bare)
	write(t, work, "_consultations/parc.md", "---\ntitle: Le parc\n---\n")
	commitAll(t, work, "Écrire")
	git(t, work, "push", "-q", "origin", "HEAD:"+branch)
	return tipOf(t, work, "HEAD")
}

// TestClone: a first start has the host's own branch and history, also when the host is
// not there yet.
func TestClone(t *testing.T) {
	t.Parallel()
	bare := filepath.Join(t.TempDir(), "host.git")
	var tip string
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: bare}
	o.Logger = onLog("the repository cannot be cloned yet", func() { tip = hostAt(t, bare, "master") })
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if tip == "" {
		t.Error("cloned before there was a host")
	}
	r := start(t, o)
	if got := r.View().Commit().String(); got != tip || r.Branch() != "master" {
		t.Errorf("cloned: at %s of %s, want %s of master", got, r.Branch(), tip)
	}
	if head, err := os.ReadFile(filepath.Join(o.Path, "HEAD")); err != nil || string(head) != "ref: refs/heads/master\n" {
		t.Errorf("HEAD: got %q, %v", head, err)
	}
	put(t, r, "consultations", "bus", "Le bus") // nothing is missing for a write
	if err := Clone(t.Context(), o); !errors.Is(err, ErrInUse) {
		t.Errorf("clone beside the service: got %v, want ErrInUse", err)
	}
}

// TestCloneEnds: who gives up is not kept, and there is no root of one's own.
func TestCloneEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: filepath.Join(t.TempDir(), "none.git")}
	o.Logger = onLog("the repository cannot be cloned yet", cancel)
	if err := Clone(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("clone: got %v, want the end of its context", err)
	}
	if tip, err := tryGit(o.Path, "rev-parse", "-q", "--verify", "HEAD"); err == nil {
		t.Errorf("there is a commit: %s", tip)
	}
}

// TestNoWriteBeforeContact: what is written before the remote was ever reached could share
// no history with it, so it is refused.
func TestNoWriteBeforeContact(t *testing.T) {
	t.Parallel()
	bare := filepath.Join(t.TempDir(), "host.git")
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: bare}
	r := start(t, o)
	if r.Ready() == nil {
		t.Error("ready at the start, before contact")
	}
	write := func() error {
		_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "bus"), document("Le bus"))
			return err
		})
		return err
	}
	if err := r.Fetch(t.Context()); err == nil {
		t.Error("fetched from nowhere")
	}
	if err := write(); !errors.Is(err, ErrNoContact) || !errors.Is(err, ErrStorage) {
		t.Errorf("write before contact: got %v, want ErrNoContact", err)
	}
	if err := r.Ready(); !errors.Is(err, ErrNoContact) {
		t.Errorf("ready before contact: got %v, want ErrNoContact", err)
	}
	tip := hostAt(t, bare, "main")
	fetched(t, r, tip)
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(git(t, r.path, "rev-parse", "main~1")); got != tip {
		t.Errorf("the edit follows upon %s, want %s", got, tip)
	}
	if err := r.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
}

// TestEmptyHost: an empty host was reached, too; a branch that it has not is told.
func TestEmptyHost(t *testing.T) {
	t.Parallel()
	bare := filepath.Join(t.TempDir(), "host.git")
	git(t, "", "init", "-q", "--bare", "-b", "main", bare)
	o := options(filepath.Join(t.TempDir(), "site.git"))
	o.Remote = &Remote{URL: bare}
	if err := Clone(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r := start(t, o)
	if err := r.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, r, "consultations", "bus", "Le bus")

	other := filepath.Join(t.TempDir(), "other.git")
	hostAt(t, other, "master")
	o = options(filepath.Join(t.TempDir(), "site.git"))
	o.Branch, o.Remote = "live", &Remote{URL: other}
	if err := start(t, o).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "has no branch live") {
		t.Errorf("a branch that is not there: got %v", err)
	}
}
