package repo

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watchedRepository is a repository that is watched, what is noted of it, and the end of that.
func watchedRepository(t *testing.T) (dir string, seen <-chan time.Time, ended <-chan struct{}) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site.git")
	git(t, t.TempDir(), "init", "-q", "--bare", dir)
	notes, end := make(chan time.Time, 1000), make(chan struct{})
	go func() {
		defer close(end)
		watchOpens(t.Context(), dir, func(at time.Time) { notes <- at })
	}()
	select {
	case <-end:
		t.Skip("this machine has no inotify to spare")
	case at := <-notes:
		if !at.IsZero() {
			t.Fatalf("the first note is of %s, want that somebody watches", at)
		}
	}
	return dir, notes, end
}

// Whoever looks at the repository with Git is seen.
func TestGitIsSeen(t *testing.T) {
	dir, seen, _ := watchedRepository(t)
	git(t, t.TempDir(), "ls-remote", dir)
	if at := <-seen; time.Since(at) > time.Hour {
		t.Errorf("Git was seen at %s", at)
	}
}

// Nobody watches a folder that was moved away.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	dir, _, ended := watchedRepository(t)
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// Events that were lost may have been of anybody.
func TestLostEvents(t *testing.T) {
	t.Parallel()
	event := func(mask uint32, name string) []byte {
		b := make([]byte, unix.SizeofInotifyEvent, unix.SizeofInotifyEvent+16)
		binary.NativeEndian.PutUint32(b[4:], mask)
		if name != "" {
			binary.NativeEndian.PutUint32(b[12:], 16)
			b = append(b, append([]byte(name), make([]byte, 16-len(name))...)...)
		}
		return b
	}
	for name, c := range map[string]struct {
		events        [][]byte
		opened, ended bool
	}{
		"another file": {[][]byte{event(unix.IN_OPEN, "HEAD"), event(unix.IN_OPEN|unix.IN_ISDIR, "")}, false, false},
		"the file":     {[][]byte{event(unix.IN_OPEN, "HEAD"), event(unix.IN_OPEN, "config"), event(unix.IN_OPEN, "refs")}, true, false},
		"lost events":  {[][]byte{event(unix.IN_Q_OVERFLOW, "")}, true, false},
		"moved away":   {[][]byte{event(unix.IN_OPEN, "config"), event(unix.IN_MOVE_SELF, "")}, true, true},
		"removed":      {[][]byte{event(unix.IN_IGNORED, "")}, false, true},
	} {
		var all []byte
		for _, e := range c.events {
			all = append(all, e...)
		}
		if opened, ended := readEvents(all); opened != c.opened || ended != c.ended {
			t.Errorf("%s: opened %t, ended %t; want %t, %t", name, opened, ended, c.opened, c.ended)
		}
	}
}

// Who reads a repository is known to whoever removes packs from it.
func TestReadersAreSeen(t *testing.T) {
	t.Parallel()
	watchedRepository(t) // or skip
	r := start(t, durable(t.TempDir()))
	put(t, r, "consultations", "parc", "1")
	comes(t, "somebody who watches", func() bool { _, watching := r.opens.last(); return watching })
	before := time.Now()
	git(t, r.path, "log", "-1")
	comes(t, "Git", func() bool { return r.repacker.lastOpen().After(before) })
}
