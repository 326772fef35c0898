// Package archive is the form of a backup: one stream of files that says itself whether it
// is whole.
//
// It is a tar. Its last file, SHA256SUMS, has the sums of all others, as sha256sum writes
// and checks them. With keys the whole is encrypted by age (age-encryption.org/v1), whose
// chunks say where the last one is. Neither is held in memory.
package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
	"time"

	"filippo.io/age"
)

// Errors of Read.
var (
	ErrDamaged   = errors.New("the archive is damaged, or cut short")
	ErrEncrypted = errors.New("the archive is encrypted: name the identity, or the passphrase, that opens it")
	ErrPlain     = errors.New("the archive is not encrypted, though a key was given: anybody may have made it")
	ErrKey       = errors.New("the archive is encrypted for another key")
)

const (
	sums     = "SHA256SUMS"
	ageIntro = "age-encryption.org/"
)

// A File is one of an archive. Name is a slash-separated path that [fs.ValidPath] accepts.
type File struct {
	Name    string
	Mode    fs.FileMode
	Size    int64
	Content io.Reader
}

// A Writer writes an archive, which is whole once it was closed without an error.
type Writer struct {
	sealed io.WriteCloser // nil for none
	tar    *tar.Writer
	at     time.Time
	sums   bytes.Buffer
}

// NewWriter begins an archive that was made at a time, for those who have the keys, or
// for everybody.
func NewWriter(w io.Writer, at time.Time, keys []Recipient) (*Writer, error) {
	a := &Writer{at: at.Truncate(time.Second)}
	if len(keys) > 0 {
		var err error
		if a.sealed, err = age.Encrypt(w, keys...); err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		w = a.sealed
	}
	a.tar = tar.NewWriter(w)
	return a, nil
}

// Add writes a file, of which there must be as many bytes as were announced.
func (a *Writer) Add(f File) error {
	if !fs.ValidPath(f.Name) || f.Name == sums || strings.ContainsAny(f.Name, "\n\\") {
		return fmt.Errorf("%q cannot be in an archive", f.Name)
	}
	sum := sha256.New()
	f.Content = io.TeeReader(f.Content, sum)
	if err := a.add(f); err != nil {
		return err
	}
	fmt.Fprintf(&a.sums, "%x  %s\n", sum.Sum(nil), f.Name)
	return nil
}

func (a *Writer) add(f File) error {
	err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: int64(f.Mode.Perm()), Size: f.Size, ModTime: a.at})
	if err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	n, err := io.Copy(a.tar, f.Content)
	if err == nil && n < f.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	return nil
}

// Close ends the archive, and not what it is written to.
func (a *Writer) Close() error {
	err := a.add(File{sums, 0o600, int64(a.sums.Len()), &a.sums})
	if err == nil {
		err = a.tar.Close()
	}
	if err == nil && a.sealed != nil {
		err = a.sealed.Close()
	}
	return err
}

// Read hands over each file in turn, with one of the keys where it is encrypted. Only when
// it returns nil was all as it was written: what was made of the files before is to be
// undone otherwise. The errors of each come back as they are.
func Read(r io.Reader, keys []Identity, each func(File) error) error {
	in := bufio.NewReader(r)
	intro, err := in.Peek(len(ageIntro))
	encrypted := err == nil && string(intro) == ageIntro
	switch {
	case encrypted && len(keys) == 0:
		return ErrEncrypted
	case !encrypted && len(keys) > 0:
		return ErrPlain
	}
	stream := io.Reader(in)
	if encrypted {
		stream, err = age.Decrypt(in, keys...)
		if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
			return ErrKey
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if err := readTar(stream, each); err != nil {
		return err
	}
	// The end of the tar is not yet that of the stream, which alone says that nothing is missing.
	if n, err := io.Copy(io.Discard, onlyZeros{stream}); err != nil {
		return fmt.Errorf("%w: %w, %d bytes behind its end", ErrDamaged, err, n)
	}
	return nil
}

// maxSums bounds the list of sums: those of a million files.
const maxSums = 256 << 20

func readTar(stream io.Reader, each func(File) error) error {
	in := tar.NewReader(stream)
	found := sha256.New() // of the list of sums, as it should be
	for {
		h, err := in.Next()
		if err != nil { // also an end before the list
			return fmt.Errorf("%w: %w", ErrDamaged, unexpected(err))
		}
		if h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) || strings.ContainsAny(h.Name, "\n\\") {
			return fmt.Errorf("%w: %q is no file of it", ErrDamaged, h.Name)
		}
		if h.Name == sums {
			return checkSums(in, h.Size, found)
		}
		sum := sha256.New()
		content := &wholeReader{in: io.TeeReader(in, sum)}
		err = each(File{h.Name, fs.FileMode(h.Mode).Perm(), h.Size, content})
		if content.err != nil {
			return fmt.Errorf("%s: %w: %w", h.Name, ErrDamaged, content.err)
		}
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return fmt.Errorf("%s: %w: %w", h.Name, ErrDamaged, err)
		}
		fmt.Fprintf(found, "%x  %s\n", sum.Sum(nil), h.Name)
	}
}

// checkSums holds the list of sums against that of what was read.
func checkSums(in *tar.Reader, size int64, found hash.Hash) error {
	if size > maxSums {
		return ErrDamaged
	}
	listed := sha256.New()
	if _, err := io.Copy(listed, in); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !bytes.Equal(listed.Sum(nil), found.Sum(nil)) {
		return fmt.Errorf("%w: its files are not those of its sums", ErrDamaged)
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it goes on behind its sums", ErrDamaged)
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A wholeReader keeps the error of a file that could not be read, whatever its reader
// makes of it.
type wholeReader struct {
	in  io.Reader
	err error
}

func (r *wholeReader) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// onlyZeros refuses all but the padding of a tar.
type onlyZeros struct{ io.Reader }

func (z onlyZeros) Read(b []byte) (int, error) {
	n, err := z.Reader.Read(b)
	if len(bytes.Trim(b[:n], "\x00")) > 0 {
		return n, errors.New("there is more")
	}
	return n, err
}
