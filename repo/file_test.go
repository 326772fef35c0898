package repo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"cms/content"
)

func filePath(t testing.TB, s string) content.Path {
	t.Helper()
	p, err := content.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readFile is the content of the file at path, "" when there is none.
func readFile(t testing.TB, s *Snapshot, path string) string {
	t.Helper()
	f, err := s.File(filePath(t, path))
	if errors.Is(err, ErrNotFound) {
		return ""
	} else if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); err != nil || size != int64(len(b)) {
		t.Errorf("size of %s: got %d and error %v, want %d", path, size, err, len(b))
	}
	return string(b)
}

// upload makes text ready to be a file, until the test ends.
func upload(t testing.TB, r *Repo, text string) *Upload {
	t.Helper()
	u, err := r.Upload(t.Context(), int64(len(text)), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Errorf("close upload: %v", err)
		}
	})
	return u
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options(dir))
	put(t, r, "consultations", "parc", "Le parc")
	photo, plan := upload(t, r, "une photo"), upload(t, r, "un plan")
	p := func(s string) content.Path { return filePath(t, s) }
	update(t, r, func(tx *Tx) error {
		return errors.Join(tx.PutFile(p("img/parc.jpg"), photo), tx.PutFile(p("img/plans/parc.pdf"), plan))
	})
	paths := func(folder content.Path) string {
		files, err := r.View().Files(folder)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range files {
			out = append(out, f.Path.String())
		}
		return strings.Join(out, " ")
	}
	if got, want := paths(p("img")), "img/parc.jpg img/plans/parc.pdf"; got != want {
		t.Errorf("files of img: got %s, want %s", got, want)
	}
	if got, want := paths(content.Path{}), "_consultations/parc.md img/parc.jpg img/plans/parc.pdf"; got != want {
		t.Errorf("all files: got %s, want %s", got, want)
	}
	if got := paths(p("im")); got != "" {
		t.Errorf("files of a folder that is not there: %s", got)
	}
	if got := git(t, dir, "cat-file", "-p", "main:img/parc.jpg"); got != "une photo" {
		t.Errorf("git reads %q", got)
	}
	f, err := r.View().File(p("img/parc.jpg"))
	if err != nil || f.Revision != photo.Revision() || f.Updated().Action != Created || f.Updated().Author != ann {
		t.Errorf("file: got %+v, %v and error %v", f, f.Updated(), err)
	}

	// Equal content is no change.
	if res := update(t, r, func(tx *Tx) error { return tx.PutFile(p("img/parc.jpg"), upload(t, r, "une photo")) }); res.Changed {
		t.Error("a file of the same content made a commit")
	}
	update(t, r, func(tx *Tx) error {
		return errors.Join(tx.MoveFile(p("img/parc.jpg"), p("img/2026/parc.jpg")), tx.DeleteFile(p("img/plans/parc.pdf")))
	})
	if got, want := paths(p("img")), "img/2026/parc.jpg"; got != want {
		t.Errorf("after the move: got %s, want %s", got, want)
	}
	if got := readFile(t, r.View(), "img/2026/parc.jpg"); got != "une photo" {
		t.Errorf("moved file: got %q", got)
	}
	list, err := r.History(t.Context(), p("img/2026/parc.jpg"))
	if err != nil || len(list) != 2 || list[0].Action != Moved || list[1].Action != Created {
		t.Errorf("history: got %v and error %v, want moved and created", list, err)
	}
	// In one update: put, move, and delete what was moved.
	update(t, r, func(tx *Tx) error {
		return errors.Join(tx.PutFile(p("a.png"), upload(t, r, "a")), tx.MoveFile(p("a.png"), p("b.png")),
			tx.PutFile(p("c.png"), upload(t, r, "c")), tx.DeleteFile(p("c.png")))
	})
	if got := readFile(t, r.View(), "b.png"); got != "a" {
		t.Errorf("file that was put and moved: got %q", got)
	}
}

func TestFilesRefused(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "Le parc")
	update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "img/a.png"), upload(t, r, "a")) })
	u := upload(t, r, "b")
	p := func(s string) content.Path { return filePath(t, s) }
	for name, c := range map[string]struct {
		fn   func(tx *Tx) error
		want error
	}{
		"put on an entry":      {func(tx *Tx) error { return tx.PutFile(p("_consultations/parc.md"), u) }, ErrConflict},
		"put on a folder":      {func(tx *Tx) error { return tx.PutFile(p("img"), u) }, ErrConflict},
		"put below a file":     {func(tx *Tx) error { return tx.PutFile(p("img/a.png/b"), u) }, ErrConflict},
		"delete an entry":      {func(tx *Tx) error { return tx.DeleteFile(p("_consultations/parc.md")) }, ErrConflict},
		"delete nothing":       {func(tx *Tx) error { return tx.DeleteFile(p("img/c.png")) }, ErrNotFound},
		"delete a folder":      {func(tx *Tx) error { return tx.DeleteFile(p("img")) }, ErrNotFound},
		"move nothing":         {func(tx *Tx) error { return tx.MoveFile(p("img/c.png"), p("img/d.png")) }, ErrNotFound},
		"move onto an entry":   {func(tx *Tx) error { return tx.MoveFile(p("img/a.png"), p("_consultations/parc.md")) }, ErrConflict},
		"move onto itself":     {func(tx *Tx) error { return tx.MoveFile(p("img/a.png"), p("img/a.png")) }, ErrExists},
		"move an entry":        {func(tx *Tx) error { return tx.MoveFile(p("_consultations/parc.md"), p("x.png")) }, ErrConflict},
		"file that is no more": {func(tx *Tx) error { return errors.Join(tx.DeleteFile(p("img/a.png")), tx.DeleteFile(p("img/a.png"))) }, ErrNotFound},
	} {
		if _, err := r.Update(t.Context(), Meta{Author: ann}, c.fn); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
}

// TestUploadRefused: nothing is left of what did not arrive, nor of what no
// update took.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	gone := errors.New("the line is dead")
	for name, c := range map[string]struct {
		content io.Reader
		want    error
	}{
		"shorter":      {strings.NewReader("12"), ErrSize},
		"longer":       {strings.NewReader("1234"), ErrSize},
		"broken":       {io.MultiReader(strings.NewReader("1"), iotest.ErrReader(gone)), gone},
		"with its end": {iotest.DataErrReader(strings.NewReader("123")), nil},
	} {
		u, err := r.Upload(t.Context(), 3, c.content)
		if !errors.Is(err, c.want) || errors.Is(err, ErrStorage) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
		if u != nil {
			u.Close()
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Upload(ended, 3, strings.NewReader("123")); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: got error %v", err)
	}
	if l, _ := filepath.Glob(filepath.Join(r.packFolder(), "*")); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// noise is n bytes that cannot be compressed, the same ones each time.
func noise(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), n) }

// TestLargeFile: a file of 64 MB, or of 32 where CMS_CRASH_ROUNDS is not set, goes in, and
// comes out, in parts and as a whole, while a fraction of it is ever allocated.
func TestLargeFile(t *testing.T) {
	atLength(t)
	long(t)
	size := int64(scaled(64, 32, 32)) << 20
	most := uint64(size) / 4
	r := start(t, options(t.TempDir()))
	put(t, r, "consultations", "parc", "Le parc")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	u, err := r.Upload(t.Context(), size, noise(size))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "img/film.mp4"), u) })
	if err := repackFolder(t.Context(), osDisk{}, r.packFolder()); err != nil {
		t.Fatal(err)
	}
	f, err := r.View().File(filePath(t, "img/film.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Size(); n != size || err != nil {
		t.Errorf("size: got %d and error %v, want %d", n, err, size)
	}
	in, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	got, want := sha1.New(), sha1.New()
	if _, err := io.Copy(got, in); err != nil {
		t.Fatal(err)
	}
	io.Copy(want, noise(size))
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("the file is not what was put")
	}
	for _, at := range []int64{size - 100, 1 << 20, 1<<20 + 10, 0} {
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		part, expected := make([]byte, 100), make([]byte, 100)
		_, err := io.ReadFull(in, part)
		rest := noise(size)
		io.CopyN(io.Discard, rest, at)
		io.ReadFull(rest, expected)
		if err != nil || !bytes.Equal(part, expected) {
			t.Errorf("at %d: got other bytes, and error %v", at, err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("%d MB were allocated, want at most %d", n>>20, most>>20)
	}
}

// TestFileSeek reads a small file in the ways that net/http does.
func TestFileSeek(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	update(t, r, func(tx *Tx) error { return tx.PutFile(filePath(t, "a.txt"), upload(t, r, "0123456789")) })
	f, err := r.View().File(filePath(t, "a.txt"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, c := range []struct {
		offset int64
		whence int
		at     int64
		want   string
	}{
		{0, io.SeekEnd, 10, ""},
		{0, io.SeekStart, 0, "012"},
		{2, io.SeekCurrent, 5, "567"},
		{-4, io.SeekEnd, 6, "678"},
		{1, io.SeekStart, 1, "123"},
		{99, io.SeekStart, 99, ""},
	} {
		at, err := in.Seek(c.offset, c.whence)
		b := make([]byte, 3)
		n, _ := io.ReadFull(in, b)
		if err != nil || at != c.at || string(b[:n]) != c.want {
			t.Errorf("seek %d, %d: got %d, %q and error %v, want %d and %q", c.offset, c.whence, at, b[:n], err, c.at, c.want)
		}
	}
	if _, err := in.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek to before the beginning was allowed")
	}
	if err := iotest.TestReader(mustOpen(t, f), []byte("0123456789")); err != nil {
		t.Error(err)
	}
}

func mustOpen(t *testing.T, f File) io.ReadSeekCloser {
	t.Helper()
	in, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

// TestUploadsAtOnce: the same content twice, and other ones, in one group.
func TestUploadsAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	errs := make(chan error)
	for i := range 8 {
		u := upload(t, r, fmt.Sprint("photo ", i/2))
		go func() {
			_, err := r.Update(context.Background(), Meta{Author: ann}, func(tx *Tx) error {
				return tx.PutFile(filePath(t, fmt.Sprint("img/", i, ".jpg")), u)
			})
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for i := range 8 {
		if got, want := readFile(t, r.View(), fmt.Sprint("img/", i, ".jpg")), fmt.Sprint("photo ", i/2); got != want {
			t.Errorf("file %d: got %q, want %q", i, got, want)
		}
	}
}
