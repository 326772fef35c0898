package repo

import (
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// An Upload is the content of a file to be, on disk already and durable, but not
// in the repository yet: a pack of its own, under a draft's name. The update
// that makes a file of it puts the pack in place. It is good for one update, because
// Git's maintenance may drop what an update has put in place and not committed.
type Upload struct {
	blob  Hash
	disk  disk
	draft string // path of the drafts, without their endings
	sum   Hash   // of the pack
	index []byte // of the pack
	size  int64  // of the blob

	// Owned by the writer while an update has the upload.
	group   *group   // that has placed it, or tried
	request *request // that it was placed for, which may run again while the pack is kept
	placed  bool
	name    string // of the pack once it is placed, with its folder, without extension
}

// Upload reads size bytes of content, which it never holds in memory, and makes
// them ready for [Tx.PutFile]. Whoever calls it must Close what it returns once
// the update is over. ErrSize when content has not that many bytes; an error of
// content is returned as it is.
func (r *Repo) Upload(ctx context.Context, size int64, content io.Reader) (_ *Upload, err error) {
	if r.lock == nil {
		return nil, errors.New("repository was opened to read only")
	}
	u := &Upload{disk: r.disk, draft: filepath.Join(r.drafts, fmt.Sprint(uploadDraft, r.uploads.Add(1)))}
	if err := u.write(ctx, size, content); err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// Revision is the id that the blob will have.
func (u *Upload) Revision() Hash { return u.blob }

// Close removes what no update has put in place. It must not be called while an
// update uses u.
func (u *Upload) Close() error {
	if u.placed {
		return nil
	}
	return storageError(errors.Join(removeIfExists(u.disk, u.draft+"_pack"), removeIfExists(u.disk, u.draft+"_idx")))
}

// write makes the drafts of the pack and its index.
func (u *Upload) write(ctx context.Context, size int64, content io.Reader) error {
	u.size = size
	f, err := u.disk.Create(u.draft+"_pack", 0o444)
	if err != nil {
		return storageError(fmt.Errorf("write upload: %w", err))
	}
	w := newPackWriter(f, 1)
	object, err := w.blob(size, &sizedReader{ctx: ctx, Reader: content, left: size})
	var sum Hash
	if err == nil {
		sum, err = w.finish()
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	var index []byte
	if err == nil {
		index, err = encodePackIndex([]packedObject{object}, sum)
	}
	if err == nil {
		err = writeFile(u.disk, u.draft+"_idx", index, 0o444)
	}
	if failed := (*sourceError)(nil); errors.As(err, &failed) {
		return failed.error
	} else if err != nil {
		return storageError(fmt.Errorf("write upload: %w", err))
	}
	u.blob, u.sum, u.index = object.hash, sum, index
	return nil
}

// content is what was uploaded, if that is not longer than most.
func (u *Upload) content(most int64) ([]byte, bool) {
	if u.size > most {
		return nil, false
	}
	f, err := os.Open(u.draft + "_pack")
	if err != nil {
		return nil, false
	}
	defer f.Close()
	start := int64(packHeader + len(objectHeader(plumbing.BlobObject, u.size)))
	z, err := zlib.NewReader(io.NewSectionReader(f, start, math.MaxInt64-start))
	if err != nil {
		return nil, false
	}
	raw, err := readExactly(z, u.size, most)
	return raw, err == nil
}

// blob appends a blob of that size.
func (p *packWriter) blob(size int64, content io.Reader) (packedObject, error) {
	o, err := p.begin(plumbing.BlobObject, size, nil)
	if err != nil {
		return o, err
	}
	name := newHasher(plumbing.BlobObject, size)
	z, err := zlib.NewWriterLevel(p, zlib.BestSpeed)
	if err != nil {
		return o, err
	}
	if _, err := io.Copy(z, io.TeeReader(content, name)); err != nil {
		return o, err
	}
	err = z.Close()
	name.Sum(o.hash[:0])
	return p.end(o), err
}

// A sizedReader reads content that must have so many bytes left. Its errors are told
// from those of the disk.
type sizedReader struct {
	io.Reader
	ctx  context.Context
	left int64
}

type sourceError struct{ error }

func (s *sizedReader) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, &sourceError{err}
	}
	n, err := s.Reader.Read(b)
	s.left -= int64(n)
	switch {
	case s.left < 0, errors.Is(err, io.EOF) && s.left > 0:
		return n, &sourceError{ErrSize}
	case err != nil && !errors.Is(err, io.EOF):
		return n, &sourceError{fmt.Errorf("read content: %w", err)}
	}
	return n, err
}

// isKept says whether what an earlier attempt has put in place, if any has, is kept until now.
func (u *Upload) isKept(by *keepFiles) bool {
	return !u.placed || slices.Contains(by.names, u.name)
}

// place makes the pack one of the repository, where it is kept until the group g is
// over. It is durable once the folder is synced.
func (u *Upload) place(g *group, q *request) error {
	if u.group == g {
		return nil // it is two files of the group
	}
	if u.group, u.request = g, q; u.placed {
		return nil // by a group whose push the remote did not take
	}
	name, taken, err := g.repo.keepFiles.reserve(u.sum)
	for taken { // the same content was uploaded before
		index, sum, failed := changeDraftChecksum(u.disk, u.draft)
		if failed != nil {
			return fmt.Errorf("write upload again: %w", failed)
		}
		u.index, u.sum = index, sum
		name, taken, err = g.repo.keepFiles.reserve(u.sum)
	}
	if err == nil {
		err = u.disk.Rename(u.draft+"_pack", name+".pack")
	}
	if err == nil {
		err = u.disk.Rename(u.draft+"_idx", name+".idx")
	}
	if err != nil {
		return fmt.Errorf("place upload: %w", err)
	}
	u.placed, u.name = true, name
	g.repo.store.addPack(name, u.index)
	return nil
}
