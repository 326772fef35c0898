package site

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"cms/auth"
	"cms/content"
	"cms/lfs"
	"cms/repo"
	"cms/say"
)

// checkStored refuses a write that would put into the repository at path what Git LFS
// keeps elsewhere: where .gitattributes has it keep files, there are pointers, which are
// not made of entries, and nowhere else. Git would take other content there for a change by
// whoever checks it out, and not store it where it belongs.
func checkStored(tx *repo.Tx, path content.Path, pointer bool) error {
	tracked, err := tx.Tracked(path)
	switch {
	case err != nil || tracked == pointer:
		return err
	case pointer:
		return &Error{Code: Tracked, Detail: say.New("The file is a Git LFS pointer, and Git LFS does not keep files at the new path, by .gitattributes. Choose another path, or move it with Git.")}
	}
	return errTracked(path)
}

func errTracked(path content.Path) error {
	return &Error{Code: Tracked, Detail: say.New("Git LFS keeps files at this path, by .gitattributes, and cannot be written to here. Nothing was saved. Choose another path, or save the file with Git."),
		Problems: []content.Problem{{Rule: string(Tracked), Detail: say.New("Git LFS keeps %s: .gitattributes gives it filter=lfs.", path.String())}}}
}

// isPointer says whether a file of a collection is a pointer of Git LFS.
func isPointer(doc *content.Document) bool {
	_, is := lfs.ParsePointer(doc.Source())
	return is
}

// errPointer refuses to give what is not in the repository.
func errPointer() error {
	return &Error{Code: Pointer, Detail: say.New("The content is kept by Git LFS, and not in this repository, which has a pointer to it. Get the file with Git.")}
}

// stored says whether an upload to path becomes an object of Git LFS, and a pointer to it.
func (s *Site) stored(tx *repo.Tx, path content.Path) (bool, error) {
	tracked, err := tx.Tracked(path)
	if tracked && s.objects == nil {
		err = errTracked(path)
	}
	return tracked, err
}

// received is a file that arrived, and is ready to be put.
type received struct {
	*repo.Upload
	size    int64        // of what the repository will have
	tracked bool         // Git LFS keeps the content
	pointer *lfs.Pointer // to it then; nil for an empty file, which has none
	object  *os.File     // the content
}

// Close gives back what it takes.
func (r *received) Close() error {
	var err error
	if r.Upload != nil {
		err = r.Upload.Close()
	}
	if r.object != nil {
		err = errors.Join(err, r.object.Close())
	}
	return err
}

// asWasKept refuses what was received for another way of keeping it than the branch has by now.
func (r *received) asWasKept(tracked bool) error {
	if tracked == r.tracked {
		return nil
	}
	return &Error{Code: Unavailable, Detail: say.New("While the file arrived .gitattributes changed. Nothing was saved. Send it again.")}
}

// keep stores the object of a file, before the pointer to it is committed.
func (s *Site) keep(ctx context.Context, r *received) error {
	if r.pointer == nil {
		return nil
	}
	if _, err := r.object.Seek(0, io.SeekStart); err != nil {
		return uploadError(err)
	}
	return s.putObject(ctx, *r.pointer, r.object)
}

// putObject stores an object of Git LFS. An error of content comes back as it is.
func (s *Site) putObject(ctx context.Context, p lfs.Pointer, content io.Reader) error {
	in := &bodyReader{Reader: content}
	err := s.objects.Put(ctx, p, in)
	remote := (*lfs.RemoteError)(nil)
	switch {
	case err == nil:
		return nil
	case in.err != nil:
		return in.err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, lfs.ErrTooLarge):
		return &Error{Code: TooLarge, Detail: say.New("The file is larger than the %d bytes that Git LFS takes here.", s.objects.Max())}
	case errors.Is(err, lfs.ErrNoRoom):
		return noRoom()
	case errors.Is(err, lfs.ErrMismatch):
		return &Error{Code: Invalid, Detail: say.New("The content does not have the announced size or hash.")}
	case errors.As(err, &remote):
		s.log.WarnContext(ctx, "an object was not stored at the Git host", "object", p.OID, "error", err)
		return &Error{Code: Unavailable, Detail: say.New("The Git host does not take the file now, which Git LFS keeps there. Nothing was saved. Try again later."), Retry: remote.After, Err: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return uploadError(err)
	}
	s.log.ErrorContext(ctx, "an object was not stored", "object", p.OID, "error", err)
	return uploadError(err)
}

// openObject opens an object of Git LFS, which may come from the Git host.
func (s *Site) openObject(ctx context.Context, p lfs.Pointer) (*os.File, error) {
	f, err := s.objects.Open(ctx, p)
	remote := (*lfs.RemoteError)(nil)
	switch {
	case err == nil:
		return f, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, lfs.ErrMissing):
		return nil, &Error{Code: Pointer, Detail: say.New("Git LFS keeps the content, and neither this service nor its Git host has it. Whoever committed the pointer can bring it: git lfs push --all.")}
	case errors.Is(err, lfs.ErrTooLarge):
		return nil, &Error{Code: Pointer, Detail: say.New("Git LFS keeps the content, and it is larger than the %d bytes that are fetched from the Git host. Get the file with Git.", s.objects.Max())}
	case errors.As(err, &remote):
		s.log.WarnContext(ctx, "an object was not fetched from the Git host", "object", p.OID, "error", err)
		return nil, &Error{Code: Unavailable, Detail: say.New("The Git host does not give the file now, which Git LFS keeps there. Try again later."), Retry: remote.After, Err: err}
	}
	s.log.ErrorContext(ctx, "an object cannot be read", "object", p.OID, "error", err)
	return nil, &Error{Code: Unavailable, Detail: say.New("The file cannot be read now. Try again later."), Err: err}
}

// KeepsObjects says whether files of Git LFS are served and stored here.
func (s *Site) KeepsObjects() bool { return s.objects != nil }

func noRoom() error {
	return &Error{Code: Full, Detail: say.New("There is no room for the file beside those that Git LFS keeps here. Whoever runs the service can give it more: repository.lfs.store_bytes.")}
}

// RoomForObject refuses an object of so many bytes for which there is no room here.
func (s *Site) RoomForObject(size int64) error {
	room, err := s.objects.Room(size)
	if err != nil {
		return uploadError(err)
	} else if !room {
		return noRoom()
	}
	return nil
}

// StoredObjects is how many bytes the files of Git LFS have that are kept here alone.
func (s *Site) StoredObjects() (int64, error) {
	if s.objects == nil {
		return 0, nil
	}
	return s.objects.Stored()
}

// MaxObject is how many bytes a file of Git LFS may have.
func (s *Site) MaxObject() int64 { return s.objects.Max() }

// Object opens a file of Git LFS for who may fetch.
func (s *Site) Object(ctx context.Context, pr *auth.Principal, p lfs.Pointer) (*os.File, error) {
	if err := s.MayFetch(pr); err != nil {
		return nil, err
	}
	return s.openObject(ctx, p)
}

// PutObject stores a file of Git LFS for who may push.
func (s *Site) PutObject(ctx context.Context, pr *auth.Principal, p lfs.Pointer, content io.Reader) error {
	if err := s.MayPush(pr); err != nil {
		return err
	}
	return s.putObject(ctx, p, content)
}

// HaveObjects says for each pointer whether its file is here or at the Git host, to who may
// fetch.
func (s *Site) HaveObjects(ctx context.Context, pr *auth.Principal, all []lfs.Pointer) ([]bool, error) {
	if err := s.MayFetch(pr); err != nil {
		return nil, err
	}
	have, err := s.objects.Have(ctx, all)
	remote := (*lfs.RemoteError)(nil)
	switch {
	case err == nil:
		return have, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &remote):
		s.log.WarnContext(ctx, "the Git host was asked for objects in vain", "error", err)
		return nil, &Error{Code: Unavailable, Detail: say.New("The Git host does not say now which files of Git LFS it has. Try again later."), Retry: remote.After, Err: err}
	}
	s.log.ErrorContext(ctx, "objects cannot be looked for", "error", err)
	return nil, &Error{Code: Unavailable, Detail: say.New("The file cannot be read now. Try again later."), Err: err}
}
