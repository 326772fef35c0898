package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"cms/auth"
	"cms/content"
	"cms/lfs"
	"cms/media"
	"cms/repo"
	"cms/say"
)

// MediaOptions are the images and documents beside the entries. Without a folder
// there are none.
type MediaOptions struct {
	Folder   content.Path // of the repository
	MaxBytes int64        // of a file
	Rules    media.Rules
	Scratch  string // a folder for files on their way; "" is the system's
}

// MediaFile is a file of the media folder.
type MediaFile struct {
	Path     string // below the media folder
	Revision string // the Git blob's id, in hexadecimal
	Type     string // the media type that its extension stands for
	Inline   bool   // a browser may show it within a page
	Size     int64
	Updated  Change
	Pointer  *lfs.Pointer // where Git LFS keeps the content; nil for a file that is what it seems

	site *Site
	file repo.File
}

// Open opens the content. What Git LFS keeps may have to come from the Git host first.
func (f *MediaFile) Open(ctx context.Context) (io.ReadSeekCloser, error) {
	switch {
	case f.Pointer == nil:
		return f.file.Open()
	case f.site.objects == nil:
		return nil, errPointer()
	}
	file, err := f.site.openObject(ctx, *f.Pointer)
	if err != nil {
		return nil, err // not file: a nil *os.File is no nil io.ReadSeekCloser
	}
	return file, nil
}

// Served says whether the content can be opened here, if nothing fails.
func (f *MediaFile) Served() bool { return f.Pointer == nil || f.site.objects != nil }

// maxUploads is how many files are looked at, stripped and packed at once, which takes
// some megabytes for each. Others wait.
const maxUploads = 8

// MediaTypes are the media types of the files that are accepted.
func (s *Site) MediaTypes() []string { return s.media.Rules.Accepted() }

// MediaLimit is how many bytes a file may have.
func (s *Site) MediaLimit() int64 { return s.media.MaxBytes }

// MediaPage is a part of the list of files.
type MediaPage struct {
	Items []*MediaFile
	Total int
	Next  string // the path to go on after; "" at the end
}

// MediaList lists the files that pr may read and whose paths begin with prefix,
// in the order of their paths, at most limit of them after the path after.
func (s *Site) MediaList(ctx context.Context, pr *auth.Principal, prefix, after string, limit int) (*MediaPage, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	if limit < 1 || limit > MaxLimit {
		return nil, &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxLimit)}
	}
	files, done, err := s.readableMedia(ctx, pr, prefix)
	if err != nil {
		return nil, err
	}
	defer done()
	page := &MediaPage{Total: len(files)}
	page.Items, page.Next, err = s.mediaPage(files, after, limit)
	return page, err
}

// readableMedia are the files that pr may read and whose paths below the media folder
// begin with prefix, in the order of their paths. The slot that this takes is theirs until
// done is called.
func (s *Site) readableMedia(ctx context.Context, pr *auth.Principal, prefix string) (files []repo.File, done func(), err error) {
	if !s.policy.Knows(pr) {
		return nil, nil, errNoRole()
	}
	if s.media.Folder.IsZero() || !s.policy.Can(pr, auth.Read, auth.Media) {
		return nil, nil, errNoMedia()
	}
	budget := s.budget(ctx, pr, scanBudget)
	if err := budget.acquireSlot(); err != nil { // to list a folder takes reading it
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			budget.release()
		}
	}()
	if files, err = s.repo.View().Files(s.media.Folder); err != nil {
		return nil, nil, asError(err)
	}
	readable := map[string]bool{} // by folder, as roles are for folders
	may := func(name string) bool {
		folder := name[:strings.LastIndexByte(name, '/')+1]
		ok, known := readable[folder]
		if !known {
			ok = s.policy.CanMedia(pr, auth.Read, name)
			readable[folder] = ok
		}
		return ok
	}
	var ended error
	files = slices.DeleteFunc(files, func(f repo.File) bool {
		name := s.nameOf(f)
		if ended == nil {
			ended = budget.spend(len(name))
		}
		if ended != nil || !strings.HasPrefix(name, prefix) {
			return true
		}
		_, err := content.ParseSlug(name) // hidden files are none
		return err != nil || s.owned(f.Path) || !may(name)
	})
	if ended != nil {
		return nil, nil, ended
	}
	slices.SortFunc(files, func(a, b repo.File) int { return strings.Compare(s.nameOf(a), s.nameOf(b)) })
	return files, budget.release, nil
}

// mediaPage is a part of files, which are in the order of their paths.
func (s *Site) mediaPage(files []repo.File, after string, limit int) (items []*MediaFile, next string, err error) {
	items = []*MediaFile{}
	for _, f := range files {
		name := s.nameOf(f)
		if after != "" && name <= after {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Path, nil
		}
		file, err := s.mediaFile(name, f)
		if err != nil {
			return nil, "", asError(mustExist(err))
		}
		items = append(items, file)
	}
	return items, "", nil
}

func (s *Site) mediaFile(name string, f repo.File) (*MediaFile, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	file := s.mediaOf(name, f, size)
	file.Updated = change(f.Updated())
	pointer, is, err := f.Pointer(size)
	if is {
		file.Pointer = &pointer
	}
	return file, err
}

// mediaOf is a file of a size, without its last change.
func (s *Site) mediaOf(name string, f repo.File, size int64) *MediaFile {
	rules := &s.media.Rules
	return &MediaFile{Path: name, Revision: f.Revision.String(), Type: rules.Type(name), Inline: rules.Inline(name), Size: size, site: s, file: f}
}

// MediaFolder is the folder of the repository that files are in; "" for none.
func (s *Site) MediaFolder() string { return s.media.Folder.String() }

// Media is the file at a path below the media folder.
func (s *Site) Media(pr *auth.Principal, name string) (*MediaFile, error) {
	path, err := s.mediaPath(pr, name, auth.Read)
	if err != nil {
		return nil, err
	}
	f, err := s.repo.View().File(path)
	if errors.Is(err, repo.ErrNotFound) {
		return nil, errNoMedia()
	} else if err != nil {
		return nil, asError(err)
	}
	file, err := s.mediaFile(name, f)
	return file, asError(mustExist(err))
}

// MediaAt is the file at a path below the media folder as it was at a revision
// of its history, also when it is gone. What it was elsewhere, before it was
// moved, is of that other path.
func (s *Site) MediaAt(ctx context.Context, pr *auth.Principal, name, revision string) (*MediaFile, error) {
	path, err := s.mediaPath(pr, name, auth.Read)
	if err != nil {
		return nil, err
	}
	changes, err := s.repo.History(ctx, path)
	if err != nil {
		return nil, asError(err)
	}
	i := slices.IndexFunc(changes, func(c repo.Change) bool { return c.Path == path && hexOrEmpty(c.Revision) == revision })
	if i < 0 || revision == "" {
		return nil, &Error{Code: NotFound, Detail: say.New("The file never had that revision. Ask for it without a revision.")}
	}
	file, err := s.mediaFile(name, s.repo.FileAt(path, changes[i].Revision))
	return file, asError(err)
}

// mediaPath is where the file of that name stands in the repository, if pr may
// do what is asked. A file that pr may do nothing with does not exist.
func (s *Site) mediaPath(pr *auth.Principal, name string, action auth.Action) (content.Path, error) {
	if !s.policy.Knows(pr) {
		return content.Path{}, errNoRole()
	}
	may := func(a auth.Action) bool { return s.policy.CanMedia(pr, a, name) }
	if s.media.Folder.IsZero() || !slices.ContainsFunc(auth.Actions(), may) {
		return content.Path{}, errNoMedia()
	}
	slug, err := content.ParseSlug(name)
	if err != nil {
		return content.Path{}, &Error{Code: Malformed, Detail: say.New("The path is not a valid path of a media file: no segment may be empty, begin with a dot, or lead outside.")}
	}
	if !may(action) {
		return content.Path{}, &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s this file.", action)}
	}
	path, err := content.ParsePath(s.media.Folder.String() + "/" + slug.String())
	if err != nil {
		if action != auth.Create {
			return content.Path{}, errNoMedia() // nor can there be one
		}
		return content.Path{}, &Error{Code: Invalid, Detail: say.New("The path is too long. It may have 1,024 bytes, including the media folder, and each segment 240.")}
	}
	if s.owned(path) {
		if action == auth.Create || action == auth.Update {
			return content.Path{}, errMediaConflict(nil)
		}
		return content.Path{}, errNoMedia()
	}
	return path, nil
}

// Overlaps says, in a sentence for each, which collections have files in the media
// folder.
func (s *Site) Overlaps() []string {
	var told []string
	folder := s.media.Folder.String() + "/"
	for _, c := range s.collections {
		own := c.Folder + "/"
		inside := c.Folder == "" || strings.HasPrefix(own, folder) || strings.HasPrefix(folder, own)
		if !s.media.Folder.IsZero() && inside {
			told = append(told, fmt.Sprintf("the media folder %s and the collection %s overlap: the %s files of %q are entries, and no media",
				s.media.Folder, c.Name, c.Extension, c.Folder))
		}
	}
	return told
}

// owned says whether a file is a collection's, and so no media whoever asks: it
// is an entry, or would be one if its extension were written as the others'.
func (s *Site) owned(path content.Path) bool {
	return slices.ContainsFunc(s.collections, func(c *content.Collection) bool { return c.Resembles(path) })
}

func errNoMedia() error { return &Error{Code: NotFound, Detail: say.New("There is no such file.")} }

// MediaOutcome is what a write of a file led to, whatever other writes did to the
// file since.
type MediaOutcome struct {
	File    *MediaFile // as the write left it; nil after a deletion and a dry run
	Created bool
	Changed bool   // or would be
	Commit  string // in hexadecimal; "" when the content was the same, or nothing was to be saved, so that there is none
}

// PutMedia makes what content holds the file of that name. To replace one asks
// for a precondition; to create one for Absent. The content goes through a
// scratch file, where it is looked at and stripped before it is stored.
func (s *Site) PutMedia(ctx context.Context, pr *auth.Principal, name string, body io.Reader, w Write) (*MediaOutcome, error) {
	action := auth.Update
	if w.Absent {
		action = auth.Create
	}
	path, err := s.mediaPath(pr, name, action)
	if err != nil {
		return nil, err
	}
	t := &transaction{site: s, principal: pr, write: w}
	meta, err := t.meta()
	if err != nil {
		return nil, err
	}
	var (
		now     repo.File // where the upload goes
		tracked bool      // by Git LFS
	)
	out := &MediaOutcome{}
	check := func(tx *repo.Tx) (err error) {
		now, out.Created, tracked, err = s.replaced(tx, path, name, w.Precondition)
		return err
	}
	// What can be refused before the body is read is refused here.
	if err := s.repo.DryRun(s.repo.View(), true, check); err != nil {
		return nil, asMediaError(err)
	}
	upload, err := s.receive(ctx, name, body, tracked)
	if err != nil {
		return nil, err
	}
	defer upload.Close()
	put := func(tx *repo.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		if err := upload.asWasKept(tracked); err != nil {
			return err
		}
		out.Changed = out.Created || now.Revision != upload.Revision()
		return tx.PutFile(path, upload.Upload)
	}
	if w.DryRun {
		return out, asMediaError(s.repo.DryRun(s.repo.View(), true, put))
	}
	if err := s.keep(ctx, upload); err != nil {
		return nil, err
	}
	res, err := s.commit(ctx, meta, put)
	if err != nil {
		return nil, asMediaError(err)
	}
	// From here on nothing may fail: the file is saved.
	left := s.repo.FileAt(path, upload.Revision())
	updated := left.Updated()
	if res.Changed {
		out.Commit = hexOrEmpty(res.Commit)
		changes, _ := s.repo.History(context.WithoutCancel(ctx), path)
		if i := slices.IndexFunc(changes, func(c repo.Change) bool { return c.Commit == res.Commit }); i >= 0 {
			updated = changes[i]
		}
	}
	out.File = s.mediaOf(name, left, upload.size)
	out.File.Updated, out.File.Pointer = change(updated), upload.pointer
	return out, nil
}

// asMediaError is [asError] for media files.
func asMediaError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, repo.ErrNotFound):
		return errNoMedia()
	case errors.Is(err, repo.ErrConflict):
		return errMediaConflict(err)
	}
	return asError(err)
}

func errMediaConflict(err error) error {
	return &Error{Code: Conflict, Detail: say.New("An entry, a folder, a link or a submodule is in the place of the file. Choose another path."), Err: err}
}

// holdsFile compares the precondition with the file that is there.
func (p Precondition) holdsFile(now repo.File) error {
	return p.holds(now.Revision.String())
}

// checkNewMedia refuses names that could not be checked out everywhere, by
// themselves or beside those that are there.
func (s *Site) checkNewMedia(tx *repo.Tx, name string) error {
	slug, err := content.ParseSlug(name)
	if err == nil {
		err = slug.Portable()
	}
	if err != nil {
		return &Error{Code: Malformed, Detail: say.New("The path cannot be checked out on every system: it must be in the Unicode normal form C, without invisible characters and : ? * \" < > |, and no segment may end with a dot or a space.")}
	}
	folder := s.media.Folder
	for segment := range strings.SplitSeq(name, "/") {
		names, err := tx.Names(folder)
		if err != nil {
			return err
		}
		for other := range names {
			if caseConflict(other, segment) {
				return &Error{Code: Conflict, Detail: say.New("There is a file or a folder whose name differs only in case or in the Unicode form of its accents. Choose another path.")}
			}
		}
		if folder, err = content.ParsePath(folder.String() + "/" + segment); err != nil {
			return err
		}
	}
	return nil
}

// caseConflict says whether two names differ, but are the same on some system.
func caseConflict(a, b string) bool {
	return a != b && (strings.EqualFold(a, b) || !(isASCII(a) && isASCII(b)) && caseFold(a) == caseFold(b))
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// receive takes the content of a file, checks it, and makes it ready to be put; as a pointer
// where Git LFS keeps it.
func (s *Site) receive(ctx context.Context, name string, body io.Reader, tracked bool) (*received, error) {
	in, ok := body.(*spooled)
	if !ok {
		var err error
		if in, err = s.spool(body); err != nil {
			return nil, err
		}
	}
	r := &received{object: in.File, tracked: tracked}
	if err := s.receiveInto(ctx, r, name, in.size); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (s *Site) receiveInto(ctx context.Context, r *received, name string, n int64) error {
	file := r.object
	select { // only now: a body that comes slowly is in nobody's way
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return &Error{Code: Unavailable, Detail: say.New("Too many files are being saved. Nothing was saved. Try again in a moment."), Err: ctx.Err()}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return uploadError(err)
	}
	if n < lfs.MaxPointer {
		if b, err := io.ReadAll(file); err != nil {
			return uploadError(err)
		} else if _, pointer := lfs.ParsePointer(b); pointer {
			return &Error{Code: Invalid, Detail: say.New("The content is a Git LFS pointer. Send the file that it stands for.")}
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return uploadError(err)
		}
	}
	if err := s.media.Rules.Check(name, file); err != nil {
		return mediaError(err)
	}
	stripped, err := s.scratch()
	if err != nil {
		return err
	}
	defer func() { _ = stripped.Close() }() // or the one in whose place it is
	if done, err := s.media.Rules.Strip(stripped, name, file); err != nil {
		return mediaError(err)
	} else if done {
		file, r.object, stripped = stripped, stripped, file
	}
	var put io.Reader = file
	r.size, err = file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil && r.tracked && r.size > 0 { // an empty file is its own pointer
		var p lfs.Pointer
		p, err = lfs.PointerOf(file)
		r.pointer, r.size, put = &p, int64(len(p.Text())), strings.NewReader(p.Text())
	}
	if err != nil {
		return uploadError(err)
	}
	r.Upload, err = s.repo.Upload(ctx, r.size, put)
	return asError(err)
}

// Spool takes in a file that pr may do action with, before it is put, for who has to know
// what it holds: the sum is of that. The file is gone when it is closed, or was put by PutMedia.
func (s *Site) Spool(pr *auth.Principal, name string, action auth.Action, body io.Reader) (file io.ReadCloser, sum string, err error) {
	if _, err := s.mediaPath(pr, name, action); err != nil {
		return nil, "", err
	}
	h := sha256.New()
	f, err := s.spool(io.TeeReader(body, h))
	if err != nil {
		return nil, "", err
	}
	return f, hex.EncodeToString(h.Sum(nil)), nil
}

// A spooled file is one that was taken in, in a scratch file.
type spooled struct {
	*os.File
	size int64
}

// spool takes in a body, if it is no larger than a file may be.
func (s *Site) spool(body io.Reader) (*spooled, error) {
	f, err := s.scratch()
	if err != nil {
		return nil, err
	}
	in := &bodyReader{Reader: body}
	n, err := io.Copy(f, io.LimitReader(in, s.media.MaxBytes+1))
	switch {
	case err != nil && in.err == nil:
		err = uploadError(fmt.Errorf("receive file: %w", err))
	case err != nil:
		err = fmt.Errorf("receive file: %w", err)
	case n > s.media.MaxBytes:
		err = &Error{Code: TooLarge, Detail: say.New("The file is larger than %d bytes.", s.media.MaxBytes)}
	}
	if err == nil {
		if _, err = f.Seek(0, io.SeekStart); err != nil {
			err = uploadError(err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &spooled{f, n}, nil
}

func mediaError(err error) error {
	if refused := (*media.RefusedError)(nil); errors.As(err, &refused) {
		return &Error{Code: Invalid, Detail: refused.Detail, Err: err}
	}
	return uploadError(err)
}

// bodyReader notes that its reader failed.
type bodyReader struct {
	io.Reader
	err error
}

func (h *bodyReader) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}

// scratch is an empty file that is gone when it is closed.
func (s *Site) scratch() (*os.File, error) {
	f, err := os.CreateTemp(s.media.Scratch, ".cms-upload-*")
	if err != nil {
		return nil, uploadError(fmt.Errorf("receive file: %w", err))
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, uploadError(errors.Join(err, f.Close()))
	}
	return f, nil
}

// DeleteMedia removes a file.
func (s *Site) DeleteMedia(ctx context.Context, pr *auth.Principal, name string, w Write) (*MediaOutcome, error) {
	path, err := s.mediaPath(pr, name, auth.Delete)
	if err != nil {
		return nil, err
	}
	t := &transaction{site: s, principal: pr, write: w}
	meta, err := t.meta()
	if err != nil {
		return nil, err
	}
	remove := func(tx *repo.Tx) error {
		now, err := tx.File(path)
		if err != nil {
			return err
		}
		if err := w.holdsFile(now); err != nil {
			return err
		}
		return tx.DeleteFile(path)
	}
	out := &MediaOutcome{Changed: true}
	if w.DryRun {
		return out, asMediaError(s.repo.DryRun(s.repo.View(), true, remove))
	}
	res, err := s.commit(ctx, meta, remove)
	out.Commit = hexOrEmpty(res.Commit)
	return out, asMediaError(err)
}
