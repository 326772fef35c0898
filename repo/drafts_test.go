package repo

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// An objectsDisk notes which files come into being in the folder of objects by being
// written there, and calls placing before one is moved there.
type objectsDisk struct {
	unsyncedDisk
	placing func(to string)

	mu      sync.Mutex
	written []string
}

func (d *objectsDisk) note(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if folder := filepath.Base(filepath.Dir(name)); folder == "pack" {
		d.written = append(d.written, filepath.Base(name))
	}
}

func (d *objectsDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	d.note(name)
	return d.unsyncedDisk.Create(name, mode)
}

func (d *objectsDisk) Append(name string) (diskFile, error) {
	d.note(name)
	return d.unsyncedDisk.Append(name)
}

func (d *objectsDisk) Rename(from, to string) error {
	if d.placing != nil {
		d.placing(to)
	}
	return d.unsyncedDisk.Rename(from, to)
}

// TestPacksComeWhole: whatever is among the packs, at any moment, is what it will be, so
// that git clone can link it: edits, uploads, what is fetched, and what is repacked.
func TestPacksComeWhole(t *testing.T) {
	t.Parallel()
	bare, work := host(t)
	o := options(t.TempDir())
	d := &objectsDisk{}
	o.disk, o.Remote = d, &Remote{URL: bare}
	r := start(t, o)
	fetched(t, r, tipOf(t, work, "HEAD"))
	copied := filepath.Join(t.TempDir(), "copy.git")
	var once sync.Once
	d.placing = func(string) {
		once.Do(func() { git(t, "", "clone", "-q", "--bare", o.Path, copied) })
	}
	put(t, r, "consultations", "parc", "un")
	for _, name := range []string{"img/un.jpg", "img/deux.jpg"} { // twice the same, under two names of packs
		u := upload(t, r, "une photo")
		update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, name), u) })
	}
	if err := repackerOf(t, r, d).repack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(d.written) > 0 {
		t.Errorf("written among the packs: %q", d.written)
	}
	fsck(t, copied)
	if l := leftBehind(copied); len(l) > 1 { // the keep file of the pack that is being placed
		t.Errorf("copied: %v", l)
	}
}

// An otherFileSystem is a disk whose folder of objects is on another one than the rest.
type otherFileSystem struct{ unsyncedDisk }

func (d otherFileSystem) Rename(from, to string) error {
	objects := func(name string) bool { return strings.Contains(name, "/objects/") }
	if objects(from) != objects(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EXDEV}
	}
	return d.unsyncedDisk.Rename(from, to)
}

// TestObjectsOnAnotherFileSystem: drafts are among the packs then.
func TestObjectsOnAnotherFileSystem(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.disk = otherFileSystem{}
	r, stop := run(t, o)
	put(t, r, "consultations", "parc", "un")
	u := upload(t, r, "une photo")
	update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "img/un.jpg"), u) })
	stop() // the repacker is the writer's
	if err := repackFolder(t.Context(), o.disk, r.packFolder()); err == nil {
		t.Error("drafts beside the objects can be moved there")
	}
	if err := r.repacker.repackNow(t.Context()); err != nil {
		t.Error(err)
	}
	if l := leftBehind(o.Path); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	fsck(t, o.Path)
}

// TestDraftFolderIsMadeAgain: somebody has removed it while the service runs.
func TestDraftFolderIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	if err := os.RemoveAll(r.drafts); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one may fail
		_, _ = r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(t, "a"), document("un"))
			return err
		})
	}
	put(t, r, "consultations", "b", "deux")
}
