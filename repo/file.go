package repo

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"cms/content"
)

// A File is a regular file of the branch, entry or not, as it was at one commit.
// Its content is read as a stream, so that it may be large.
type File struct {
	Path     content.Path
	Revision Hash              // the blob's id
	Mode     filemode.FileMode // Regular or Executable

	repo *Repo
}

// File is the file at p. ErrNotFound when there is none, or when a folder, a
// symbolic link or a submodule is there.
func (s *Snapshot) File(p content.Path) (File, error) {
	tree := s.tree
	segments := strings.Split(p.String(), "/")
	for i, name := range segments {
		raw, err := s.repo.store.tree(tree)
		if err != nil {
			return File{}, err
		}
		last := i == len(segments)-1
		item, err := itemOf(raw, name, !last)
		if err != nil {
			return File{}, fmt.Errorf("tree %s: %w", tree, err)
		}
		if item == nil {
			break
		}
		if !last {
			tree = item.hash()
		} else if f := item.file(); f.regular() {
			return File{p, f.hash, f.mode, s.repo}, nil
		}
	}
	return File{}, fmt.Errorf("file %s: %w", p, ErrNotFound)
}

// Files lists the files below a folder, however deep, in order of their paths as
// Git sorts them. The zero folder is the root. Of a folder that is not there,
// the list is empty.
func (s *Snapshot) Files(folder content.Path) ([]File, error) {
	d := treeDiff{tree: s.repo.store.tree, budget: newStepBudget(s.repo.history.maxSteps)}
	below := folder.String() + "/"
	if folder.IsZero() {
		below = ""
	} else {
		d.want = func(at string) bool { return strings.HasPrefix(at, below) || strings.HasPrefix(below, at) }
	}
	if err := d.diff(Hash{}, s.tree, ""); err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	var files []File
	for _, c := range d.out {
		p, err := content.ParsePath(c.path)
		if err != nil || !c.after.regular() || !strings.HasPrefix(c.path, below) {
			continue
		}
		files = append(files, File{p, c.after.hash, c.after.mode, s.repo})
	}
	return files, nil
}

// FileAt is the file at p as it was when its blob was the one that revision names.
func (r *Repo) FileAt(p content.Path, revision Hash) File {
	return File{p, revision, filemode.Regular, r}
}

// Size is how many bytes the file has. ErrStorage when that cannot be read.
func (f File) Size() (int64, error) { return f.repo.streams.size(f.Revision) }

// Updated is the last change of the file.
func (f File) Updated() Change { return f.repo.history.last(f.Path.String(), f.Revision) }

// Open opens the content. To seek costs as much as to read from the beginning
// to there.
func (f File) Open() (io.ReadSeekCloser, error) {
	r := &fileReader{store: f.repo.streams, blob: f.Revision}
	return r, r.open()
}

// A fileReader reads a blob, whose compressed content can only be read on. It
// begins again where need be, and moves only when it is read.
type fileReader struct {
	store *store
	blob  Hash
	size  int64
	want  int64 // where the next Read is to begin
	at    int64 // where stream is
	next  io.ReadCloser
}

func (r *fileReader) open() (err error) {
	r.at = 0
	r.next, r.size, err = r.store.stream(plumbing.BlobObject, r.blob)
	return err
}

func (r *fileReader) Read(b []byte) (int, error) {
	if r.want >= r.size {
		return 0, io.EOF
	}
	if r.want < r.at {
		if err := r.next.Close(); err != nil {
			return 0, err
		}
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	skipped, err := io.CopyN(io.Discard, r.next, r.want-r.at)
	r.at += skipped
	if err != nil {
		return 0, fmt.Errorf("read blob %s: %w", r.blob, err)
	}
	n, err := r.next.Read(b)
	r.at += int64(n)
	r.want = r.at
	if errors.Is(err, io.EOF) && r.at < r.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *fileReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.want
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek to before the beginning")
	}
	r.want = offset
	return offset, nil
}

func (r *fileReader) Close() error { return r.next.Close() }
