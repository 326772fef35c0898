package site

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/say"
)

// Files of the media folder are written by operations, too, so that an image and the entry
// that shows it can be one commit. What they are about is named as an entry of the
// collection [auth.Media], which no collection can be called.

// fileResult is what an edit did to a file.
type fileResult struct {
	path     content.Path
	revision repo.Hash // zero after a deletion
	size     int64     // of what was uploaded
	moved    string    // what it was called
	changed  bool
	deleted  bool
}

// PuttingMedia makes content the file of that name, as [Site.PutMedia] does.
func PuttingMedia(name string, content []byte, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, _ *budget) (*edit, error) {
		action := auth.Update
		if p.Absent {
			action = auth.Create
		}
		e, path, err := s.editMedia(pr, name, p, action)
		if err != nil {
			return nil, err
		}
		var tracked bool
		err = s.repo.DryRun(s.repo.View(), false, func(tx *repo.Tx) (err error) {
			tracked, err = s.stored(tx, path)
			return err
		})
		if err != nil {
			return nil, err
		}
		upload, err := s.receive(ctx, name, bytes.NewReader(content), tracked)
		if err != nil {
			return nil, err
		}
		e.close = upload.Close
		e.prepare = func(ctx context.Context) error { return s.keep(ctx, upload) }
		e.do = func(tx *repo.Tx) error {
			now, created, tracked, err := s.replaced(tx, path, name, p)
			if err == nil {
				err = upload.asWasKept(tracked)
			}
			if err != nil {
				return asMediaError(err)
			}
			e.verb, e.created = say.New("Update"), created
			if created {
				e.verb = say.New("Create")
			}
			e.file = fileResult{path: path, revision: upload.Revision(), size: upload.size, changed: created || now.Revision != upload.Revision()}
			return asMediaError(tx.PutFile(path, upload.Upload))
		}
		return e, nil
	}
}

// DeletingMedia removes a file.
func DeletingMedia(name string, how References, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, path, err := s.editMedia(pr, name, p, auth.Delete)
		if err != nil {
			return nil, err
		}
		remove := func(tx *repo.Tx) error {
			now, err := tx.File(path)
			if err == nil {
				err = p.holdsFile(now)
			}
			if err == nil {
				err = tx.DeleteFile(path)
			}
			e.verb, e.file = say.New("Delete"), fileResult{path: path, changed: true, deleted: true}
			return asMediaError(err)
		}
		return e, e.followUses(ctx, budget, name, "", how, remove)
	}
}

// MovingMedia gives a file another name: it has to be one that may be deleted, and created
// there. How says what becomes of the entries that use it.
func MovingMedia(name, to string, how References, p Precondition) Operation {
	return func(ctx context.Context, s *Site, pr *auth.Principal, budget *budget) (*edit, error) {
		e, from, err := s.editMedia(pr, name, p, auth.Delete)
		if err != nil {
			return nil, err
		}
		target, err := s.mediaPath(pr, to, auth.Create)
		if err != nil {
			return nil, err
		}
		if !s.sameKind(name, to) {
			return nil, &Error{Code: Invalid, Detail: say.New("The extension says what the file is: the new path must have one of the same type.")}
		}
		ref := e.ref
		move := func(tx *repo.Tx) error {
			e.ref, e.verb = ref, say.New("Move")
			now, err := tx.File(from)
			if err == nil {
				err = p.holdsFile(now)
			}
			e.file = fileResult{path: from, revision: now.Revision}
			if err != nil || from == target {
				return asMediaError(err)
			}
			if err := tx.MoveFile(from, target); errors.Is(err, repo.ErrExists) {
				return &Error{Code: Conflict, Detail: say.New("There is a file at the new path. Choose another path."), Err: err}
			} else if err != nil {
				return asMediaError(err)
			}
			e.ref.Slug, _ = content.ParseSlug(to) // as mediaPath has
			e.file = fileResult{path: target, revision: now.Revision, moved: name, changed: true}
			return asMediaError(s.checkMovedMedia(tx, now, target, to))
		}
		return e, e.followUses(ctx, budget, name, to, how, move)
	}
}

// checkMovedMedia refuses to have a file at a new path, where another is in the way of it
// or Git LFS keeps files of another kind.
func (s *Site) checkMovedMedia(tx *repo.Tx, f repo.File, target content.Path, name string) error {
	if err := s.checkNewMedia(tx, name); err != nil {
		return err
	}
	size, err := f.Size()
	if errors.Is(err, repo.ErrNotFound) { // put by the same update: a pointer cannot be
		return checkStored(tx, target, false)
	} else if err != nil {
		return err
	}
	_, pointer, err := f.Pointer(size)
	if err != nil {
		return err
	}
	return checkStored(tx, target, pointer)
}

// sameKind says whether two names are of files of the same type.
func (s *Site) sameKind(a, b string) bool {
	rules := &s.media.Rules
	return strings.EqualFold(path.Ext(a), path.Ext(b)) || rules.Type(a) == rules.Type(b) && rules.Type(a) != rules.Type("")
}

// editMedia begins an edit of the file of that name, if pr may.
func (s *Site) editMedia(pr *auth.Principal, name string, p Precondition, action auth.Action) (*edit, content.Path, error) {
	at, err := s.mediaPath(pr, name, action)
	if err != nil {
		return nil, at, err
	}
	slug, err := content.ParseSlug(name)
	return &edit{site: s, principal: pr, ref: Ref{auth.Media, slug}, pre: p}, at, err
}

// followUses has e do what do does, and then what how says with the entries that use the
// file, which is called to from then on.
func (e *edit) followUses(ctx context.Context, budget *budget, name, to string, how References, do func(*repo.Tx) error) error {
	if e.do = do; how == KeepReferences {
		return nil
	}
	e.budget = budget
	sought, uses := e.site.usesOf(ctx, name)
	if err := e.site.awaitRead(ctx, sought.collections); err != nil {
		return err
	}
	if err := budget.acquireSlot(); err != nil {
		return err
	}
	e.do = func(tx *repo.Tx) error {
		if err := do(tx); err != nil || !e.file.changed {
			return err
		}
		return e.followAll(ctx, tx, sought, how, func(ref Ref, d *content.Document, schema *content.Schema) (*content.Document, error) {
			at, err := e.site.byName[ref.Collection].Path(ref.Slug)
			if err != nil {
				return nil, err
			}
			return uses.moved(tx, at, d, schema, to)
		})
	}
	return nil
}

// replaced is the file that a write puts another one in the place of, whether there is none,
// and whether Git LFS keeps what comes there.
func (s *Site) replaced(tx *repo.Tx, at content.Path, name string, p Precondition) (now repo.File, created, tracked bool, err error) {
	now, err = tx.File(at)
	created = errors.Is(err, repo.ErrNotFound)
	switch {
	case created && p.Absent:
		err = s.checkNewMedia(tx, name)
	case created:
		return now, true, false, &Error{Code: NotFound, Detail: say.New("There is no such file. To create it, send If-None-Match: * instead.")}
	case err == nil:
		err = p.holdsFile(now)
	}
	if err == nil {
		tracked, err = s.stored(tx, at)
	}
	return now, created, tracked, err
}

// fileOutcome is the outcome of an edit of a file, without what all have.
func (e *edit) fileOutcome(dryRun bool) *Outcome {
	out := &Outcome{}
	if dryRun {
		out.Diff = &content.DocumentDiff{Changed: []content.FieldChange{}, BodyChanged: e.file.changed}
		return out
	}
	if e.file.deleted {
		return out
	}
	name := e.ref.Slug.String()
	f := e.site.repo.FileAt(e.file.path, e.file.revision)
	size := e.file.size
	if size == 0 {
		size, _ = f.Size() // what was saved cannot fail
	}
	out.Media = e.site.mediaOf(name, f, size)
	out.Media.Updated = change(f.Updated())
	if pointer, is, _ := f.Pointer(size); is {
		out.Media.Pointer = &pointer
	}
	return out
}

// recordFile is [edit.record] of an edit of a file.
func (e *edit) recordFile() Made {
	m := Made{Collection: auth.Media, Slug: e.ref.Slug.String(), From: e.file.moved, Created: e.created, Changed: e.file.changed, Deleted: e.file.deleted}
	if !e.file.deleted {
		m.Blob = e.file.revision.String()
	}
	return m
}

// replayMedia is [Site.replay] of what was done to a file.
func (s *Site) replayMedia(pr *auth.Principal, commit string, m Made, several bool) (*Outcome, error) {
	slug, err := content.ParseSlug(m.Slug)
	if err != nil {
		return nil, err
	}
	if m.From != "" {
		if err := s.MayMedia(pr, m.From, auth.Delete); err != nil {
			return nil, err
		}
	}
	again, err := s.MediaAgain(pr, commit, MediaMade{Path: m.Slug, Blob: m.Blob, Created: m.Created || m.From != "", Changed: m.Changed})
	switch {
	case errors.Is(err, repo.ErrNotFound) && several:
		again.File = &MediaFile{Path: m.Slug, Revision: m.Blob}
	case err != nil:
		return nil, err
	}
	return &Outcome{Ref: Ref{auth.Media, slug}, Media: again.File, Created: m.Created, Changed: m.Changed, Commit: commit, Made: m}, nil
}
