package editor

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/web"
)

// transferTime is how long a file may be on its way.
const transferTime = 5 * time.Minute

// maxUploads is how many files one form may bring.
const maxUploads = 20

// uploadView is what became of a file that was sent.
type uploadView struct {
	Tile  *tileView
	Name  string
	Fault string // why it was not saved
	Taken bool   // because there is one of this name
}

// upload saves the body of a request as a file, for a script. The answer is how the
// library shows it.
func (e *Editor) upload(v *visit) error {
	name := v.r.PathValue("path")
	err := e.site.MayMedia(v.caller, name, auth.Create) // before anything is read
	if err == nil {
		err = e.put(v, name, v.r.URL.Query().Get("key"), name, v.r.Body, site.Precondition{Absent: true})
	}
	if status, view, ok := e.refused(v, name, err); ok {
		return e.show(v, status, "uploaded", v.T("media.upload"), "media", view)
	}
	if err != nil {
		return err
	}
	f, err := e.site.Media(v.caller, name)
	if isMissing(err) { // who may create may not read
		return e.show(v, http.StatusCreated, "uploaded", v.T("media.upload"), "media", uploadView{Name: path.Base(name)})
	}
	if err != nil {
		return err
	}
	tile := e.tile(f, v.r.URL.Query().Get("choose") != "")
	return e.show(v, http.StatusCreated, "uploaded", v.T("media.upload"), "media", uploadView{Tile: &tile, Name: tile.Name})
}

// putPart writes the file of a part of a form. A browser that goes back sends the form and its
// key once more, with whatever file is chosen then, which is another write.
func (e *Editor) putPart(v *visit, name, key string, part io.Reader, action auth.Action, p site.Precondition) error {
	file, sum, err := e.site.Spool(v.caller, name, action, part)
	if err != nil {
		return err
	}
	defer file.Close()
	return e.put(v, name, key, name+"\n"+sum, file, p)
}

// put writes a file once, however often it is sent: told is what tells it from others that are
// sent with the key.
func (e *Editor) put(v *visit, name, key, told string, body io.Reader, p site.Precondition) error {
	if v.r.ContentLength > e.site.MediaLimit()+smallForm && p.Absent && v.r.PathValue("path") != "" {
		return web.TooLarge(e.site.MediaLimit())
	}
	_, err := e.send(v, key, told, always(""), func(ctx context.Context, key string, dry bool) (string, error) {
		out, err := e.site.PutMedia(ctx, v.caller, name, body, site.Write{Precondition: p, Key: key, DryRun: dry})
		if err != nil {
			return "", err
		}
		auditFile(ctx, name, out.Commit, out.Changed)
		return mediaPath("media", name) + "?saved=1", nil
	})
	return err
}

// uploadForm saves the files of a form, each in a commit of its own, as they arrive.
func (e *Editor) uploadForm(v *visit) error {
	in, err := v.r.MultipartReader()
	if err != nil {
		return web.NewProblem(http.StatusUnsupportedMediaType, say.New("The Content-Type must be multipart/form-data."))
	}
	var folder, key string
	var refused []uploadView
	saved, status := 0, http.StatusUnprocessableEntity
	for n := 0; ; {
		part, err := in.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadForm(err)
		}
		switch part.FormName() {
		case "folder":
			if folder, err = smallPart(part); err != nil {
				return err
			}
			folder = asFolder(folder)
		case "key":
			if key, err = smallPart(part); err != nil {
				return err
			}
		case "files":
			file := norm.NFC.String(part.FileName()) // as some systems write accents apart
			if file == "" {
				continue // none was chosen
			}
			if n++; n > maxUploads {
				refused = append(refused, uploadView{Name: file, Fault: v.T("media.no.many", maxUploads)})
				continue
			}
			one := key
			if one != "" {
				one += "-" + strconv.Itoa(n)
			}
			err := e.putPart(v, folder+file, one, part, auth.Create, site.Precondition{Absent: true})
			code, view, ok := e.refused(v, folder+file, err)
			switch {
			case ok:
				refused = append(refused, view)
				if status != http.StatusGatewayTimeout { // which is told of the whole form
					status = code
				}
			case err != nil:
				return err
			default:
				saved++
			}
		}
	}
	switch {
	case len(refused) > 0:
		return e.showLibrary(v, status, readableFolder(folder), key, refused)
	case saved == 0:
		return e.showLibrary(v, status, readableFolder(folder), key, []uploadView{{Fault: v.T("media.no.none")}})
	}
	return v.leadTo(mediaPath("media", folder) + "?added=" + strconv.Itoa(saved))
}

// replaceFile puts the file of a form in the place of one that is there.
func (e *Editor) replaceFile(v *visit) error {
	name := v.r.PathValue("path")
	if err := e.site.MayMedia(v.caller, name, auth.Update); err != nil {
		return err
	}
	in, err := v.r.MultipartReader()
	if err != nil {
		return web.NewProblem(http.StatusUnsupportedMediaType, say.New("The Content-Type must be multipart/form-data."))
	}
	var key, revision string
	for {
		part, err := in.NextPart()
		if errors.Is(err, io.EOF) {
			return e.showFile(v, http.StatusUnprocessableEntity, name, key, v.T("media.no.none"))
		}
		if err != nil {
			return unreadForm(err)
		}
		switch part.FormName() {
		case "key":
			key, err = smallPart(part)
		case "revision":
			revision, err = smallPart(part)
		case "files":
			if part.FileName() == "" {
				continue
			}
			if !strings.EqualFold(path.Ext(part.FileName()), path.Ext(name)) {
				return e.showFile(v, http.StatusUnprocessableEntity, name, key, v.T("media.no.kind", path.Ext(name)))
			}
			err = e.putPart(v, name, key, part, auth.Update, site.Precondition{Revisions: []string{revision}})
			if status, view, ok := e.refused(v, name, err); ok {
				if view.Taken {
					view.Fault = v.T("media.no.moved")
				}
				return e.showFile(v, status, name, key, view.Fault)
			}
			if err == nil {
				return v.leadTo(mediaPath("media", name) + "?saved=1")
			}
		}
		if err != nil {
			return err
		}
	}
}

// smallPart is the text of a part of a form.
func smallPart(part *multipart.Part) (string, error) {
	b, err := io.ReadAll(io.LimitReader(part, smallForm))
	if err != nil {
		return "", unreadForm(err)
	}
	return strings.TrimSpace(string(b)), nil
}

// unreadForm is the error of a form that ended early or that has no parts.
func unreadForm(err error) error {
	if p := (*web.Problem)(nil); errors.As(err, &p) {
		return p
	}
	return web.NewProblem(http.StatusBadRequest, say.New("The form cannot be read."))
}

// asFolder is a folder as a person writes it.
func asFolder(s string) string {
	if s = strings.Trim(strings.TrimSpace(s), "/"); s == "" {
		return ""
	}
	return s + "/"
}

// readableFolder is a folder to show, where one was asked for that cannot be.
func readableFolder(folder string) string {
	if slices.ContainsFunc(strings.Split(strings.TrimSuffix(folder, "/"), "/"), func(s string) bool { return strings.HasPrefix(s, ".") }) {
		return ""
	}
	return folder
}

// refused says in plain words why a file was not saved, and what to do; false for what is
// not for these words.
func (e *Editor) refused(v *visit, name string, err error) (int, uploadView, bool) {
	view := uploadView{Name: path.Base(name)}
	if p := (*web.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusRequestEntityTooLarge {
		view.Fault = v.T("media.no.large", v.Size(e.site.MediaLimit()))
		return p.Status, view, true
	}
	told := (*site.Error)(nil)
	if !errors.As(err, &told) {
		return 0, view, false
	}
	view.Fault, view.Taken = e.mediaFault(v, name, told), told.Code == site.PreconditionFailed
	return statusOf(told.Code), view, true
}

// mediaFault says in plain words why the site refused a file or its name.
func (e *Editor) mediaFault(v *visit, name string, told *site.Error) string {
	switch told.Code {
	case site.Forbidden, site.NotFound:
		return v.T("media.no.forbidden")
	case site.PreconditionFailed:
		return v.T("media.no.taken")
	case site.Conflict:
		return v.T("media.no.twin")
	case site.Malformed:
		return v.T("media.no.name")
	case site.Invalid:
		extension := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
		if all := e.site.MediaExtensions(); !slices.Contains(all, extension) {
			return v.T("media.no.type", strings.Join(all, ", "))
		}
		return v.T("media.no.content", extension)
	case site.TooLarge:
		return v.T("media.no.large", v.Size(e.site.MediaLimit()))
	case site.Tracked, site.Pointer:
		return v.T("media.no.lfs")
	case site.Full:
		return v.T("media.no.full")
	case site.Unsure:
		return v.unsure()
	}
	return v.T("media.no.later")
}
