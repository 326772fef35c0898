package editor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"path"

	"cms/auth"
	"cms/site"
)

// fileMoveView is the page to rename or to delete a file on.
type fileMoveView struct {
	File       *site.MediaFile
	Name       string
	Folder     string
	Parents    []folderView
	To         string
	Revision   string
	Keep       bool // what uses the file is to stay as it is
	Key        string
	References []site.Reference
	More       bool // there are more references
	Fault      string
}

// movingFile reads what such a page shows, for who may do both.
func (e *Editor) movingFile(v *visit) (*fileMoveView, error) {
	name := v.r.PathValue("path")
	if err := e.site.MayMedia(v.caller, name, auth.Delete); err != nil {
		return nil, err
	}
	f, err := e.site.Media(v.caller, name)
	if err != nil {
		return nil, err
	}
	m := &fileMoveView{File: f, Name: path.Base(name), Folder: folderOf(name), To: name, Revision: f.Revision, Key: rand.Text()}
	m.Parents = parents(m.Folder, func(at string) string { return mediaPath("media", at) })
	refs, err := e.site.MediaReferences(v.r.Context(), v.caller, name, "", pageSize)
	if err != nil {
		return nil, err
	}
	m.References, m.More = refs.Items, refs.Next != ""
	return m, nil
}

func (e *Editor) moveFilePage(v *visit) error {
	m, err := e.movingFile(v)
	if err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "file-move", v.T("media.move"), "media", m)
}

// moveFile gives a file another name or folder.
func (e *Editor) moveFile(v *visit) error {
	return e.changeFile(v, "file-move", v.T("media.move"), site.UpdateReferences, func(m *fileMoveView, how site.References, p site.Precondition) (site.Operation, string) {
		return site.MovingMedia(m.File.Path, m.To, how, p), mediaPath("media", m.To) + "?saved=1"
	})
}

func (e *Editor) deleteFilePage(v *visit) error {
	m, err := e.movingFile(v)
	if err != nil {
		return err
	}
	return e.show(v, http.StatusOK, "file-delete", v.T("media.delete"), "media", m)
}

// deleteFile removes a file.
func (e *Editor) deleteFile(v *visit) error {
	return e.changeFile(v, "file-delete", v.T("media.delete"), site.ClearReferences, func(m *fileMoveView, how site.References, p site.Precondition) (site.Operation, string) {
		return site.DeletingMedia(m.File.Path, how, p), mediaPath("media", m.Folder) + "?deleted=1"
	})
}

// changeFile does what a form about a file asks for, and shows it again where that is
// refused. What uses the file follows, unless the form says that it is to stay.
func (e *Editor) changeFile(v *visit, page, title string, follow site.References, operation func(*fileMoveView, site.References, site.Precondition) (op site.Operation, to string)) error {
	posted, err := e.form(v)
	if err != nil {
		return err
	}
	var m *fileMoveView
	made := func(all []site.FileChange) string {
		name := v.r.PathValue("path")
		for _, c := range all {
			if c.Media != "" && c.Media != name && c.Action != "deleted" {
				return mediaPath("media", c.Media) + "?saved=1"
			}
		}
		return mediaPath("media", folderOf(name)) + "?deleted=1"
	}
	leads, err := e.send(v, posted.Get("key"), posted.Encode(), made, func(ctx context.Context, key string, dry bool) (string, error) {
		if dry {
			return "", e.site.MayMedia(v.caller, v.r.PathValue("path"), auth.Delete)
		}
		if m, err = e.movingFile(v); err != nil {
			return "", err
		}
		how := follow
		if posted.Get("references") == "keep" {
			how, m.Keep = site.KeepReferences, true
		}
		if to := posted.Get("to"); to != "" {
			m.To = to
		}
		op, to := operation(m, how, site.Precondition{Revisions: []string{posted.Get("revision")}})
		out, err := e.site.Make(ctx, v.caller, op, site.Write{Key: key})
		if err != nil {
			return "", err
		}
		auditFile(ctx, m.File.Path, out.Commit, out.Changed)
		return to, nil
	})
	if told := (*site.Error)(nil); errors.As(err, &told) && m != nil {
		m.Fault = e.mediaFault(v, m.To, told)
		switch told.Code {
		case site.PreconditionFailed:
			m.Fault = v.T("media.no.moved")
		case site.Invalid:
			m.Fault = v.T("media.no.kind", path.Ext(m.File.Path))
		case site.Forbidden:
			m.Fault = v.T("media.no.follow")
		}
		status := statusOf(told.Code)
		m.Key = keyOf(posted.Get("key"), status, m.Key)
		return e.show(v, status, page, title, "media", m)
	}
	if err != nil {
		return err
	}
	return v.leadTo(leads)
}
