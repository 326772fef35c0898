package repo

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A disk is what the path of a write asks of the operating system. Names are
// those of the os package. Nothing is durable before it was synced: the bytes
// of a file by its Sync, its name by SyncDir of the folder that holds it.
type disk interface {
	// Create makes a new file for writing; fs.ErrExist when there is one.
	Create(name string, mode os.FileMode) (diskFile, error)
	// Append opens a file for writing at its end; fs.ErrNotExist when there is none.
	Append(name string) (diskFile, error)
	// Overwrite writes the first bytes of a file, which it makes if there is none, in place.
	// What follows them stays.
	Overwrite(name string, b []byte) error
	// Link makes newname another name of oldname; fs.ErrExist when it is taken.
	Link(oldname, newname string) error
	// Rename moves a file, over another one if need be, in one step.
	Rename(oldname, newname string) error
	Remove(name string) error
	// Mkdir makes a folder and those above it that are missing.
	Mkdir(name string) error
	SyncDir(name string) error
	// SyncFile makes the bytes of a file durable that others wrote.
	SyncFile(name string) error
}

type diskFile interface {
	io.WriteCloser
	Sync() error
}

// osDisk is the real disk.
type osDisk struct{}

func (osDisk) Create(name string, mode os.FileMode) (diskFile, error) {
	return open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

func (osDisk) Append(name string) (diskFile, error) { return open(name, os.O_WRONLY|os.O_APPEND, 0) }

func (osDisk) Overwrite(name string, b []byte) error {
	f, err := open(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func open(name string, flags int, mode os.FileMode) (diskFile, error) {
	f, err := os.OpenFile(name, flags, mode)
	if err != nil {
		return nil, err // not f: a nil *os.File is no nil diskFile
	}
	return f, nil
}

func (osDisk) Link(oldname, newname string) error   { return os.Link(oldname, newname) }
func (osDisk) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }
func (osDisk) Remove(name string) error             { return os.Remove(name) }
func (osDisk) Mkdir(name string) error              { return os.MkdirAll(name, 0o777) }

func (osDisk) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osDisk) SyncFile(name string) error { return osDisk{}.SyncDir(name) }

// A syncHookDisk asks before it syncs a folder.
type syncHookDisk struct {
	disk
	beforeSync func(folder string) error
}

func (d syncHookDisk) SyncDir(name string) error {
	if err := d.beforeSync(name); err != nil {
		return err
	}
	return d.disk.SyncDir(name)
}

// writeFile makes the file name with content b. Its bytes are durable when
// writeFile returns nil, its name is not yet. On failure the file is removed.
func writeFile(d disk, name string, b []byte, mode os.FileMode) error {
	f, err := d.Create(name, mode)
	if err != nil {
		return err
	}
	if err := writeSync(f, b); err != nil {
		return errors.Join(err, d.Remove(name))
	}
	return nil
}

// appendFile adds b to the file name. Its bytes are durable when appendFile returns
// nil; on failure, some of b may be there.
func appendFile(d disk, name string, b []byte) error {
	f, err := d.Append(name)
	if err != nil {
		return err
	}
	return writeSync(f, b)
}

// writeSync writes b to f, durably, and closes it.
func writeSync(f diskFile, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func removeIfExists(d disk, name string) error {
	if err := d.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
