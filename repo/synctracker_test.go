package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A syncCounter counts the files in the folder of packs that are synced because
// others may have written them.
type syncCounter struct {
	osDisk
	mu     sync.Mutex
	synced []string
}

func (d *syncCounter) SyncFile(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if filepath.Base(filepath.Dir(name)) == "pack" {
		d.synced = append(d.synced, filepath.Base(name))
	}
	return d.osDisk.SyncFile(name)
}

// A pruner takes away the folder of a loose object as soon as that is synced, as Git does
// that has packed it.
type pruner struct {
	osDisk
	pruned int
}

func (d *pruner) SyncFile(name string) error {
	err := d.osDisk.SyncFile(name)
	if folder := filepath.Dir(name); len(filepath.Base(folder)) == 2 {
		d.pruned++
		return errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// TestFoldersThatArePruned: what goes while it is made durable is no failure, and what
// stays is synced all the same.
func TestFoldersThatArePruned(t *testing.T) {
	t.Parallel()
	objects := t.TempDir()
	for _, name := range []string{"0a/x", "df/y", "df/z", "pack/p.pack"} {
		write(t, objects, name, "x")
	}
	d := new(pruner)
	l := &syncTracker{disk: d, objects: objects, folders: map[string]*syncedFolder{}}
	if err := l.syncNew(); err != nil {
		t.Fatal(err)
	}
	if d.pruned != 2 { // the second object of df is gone by then, which is no failure either
		t.Errorf("%d folders were pruned, want both", d.pruned)
	}
	if !l.folders["pack"].files["p.pack"] {
		t.Error("the pack is not known to be durable")
	}
}

// TestDurablePacksAreRemembered: a start after an orderly stop syncs no pack that the
// last process made or synced, but those that came meanwhile; after a kill, or where
// what it left cannot be read, it syncs all.
func TestDurablePacksAreRemembered(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	for i := range 3 {
		r, stop := run(t, o)
		put(t, r, "consultations", "parc", string(rune('a'+i)))
		stop()
	}
	saved := filepath.Join(o.Path, "objects", "info", syncedFile)
	opened := func() []string {
		t.Helper()
		d := new(syncCounter)
		o.disk = d
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if exists(saved) {
			t.Error("what is known of packs outlives the start of a writer")
		}
		return d.synced
	}
	for range 2 {
		raw, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		if got := opened(); len(got) != 0 {
			t.Errorf("after an orderly stop %q are synced, want none", got)
		}
		if got := opened(); len(got) != 6 { // as after a kill
			t.Errorf("with nothing known %q are synced, want three packs and their indexes", got)
		}
		raw[len(syncedMagic)+8] ^= 1
		if err := os.WriteFile(saved, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		if got := opened(); len(got) != 6 {
			t.Errorf("with what is damaged %q are synced, want three packs and their indexes", got)
		}
		r, stop := run(t, o)
		update(t, r, func(*Tx) error { return nil })
		stop()
	}
	work := clone(t, o.Path)
	write(t, work, "_consultations/dehors.md", "x\n")
	commitAll(t, work, "Dehors")
	push(t, work)
	got := opened()
	if len(got) < 2 || strings.Contains(strings.Join(got, " "), ".keep") {
		t.Errorf("after a push meanwhile %q are synced, want its pack and index", got)
	}
	fsck(t, o.Path)
}
