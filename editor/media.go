package editor

import (
	"crypto/rand"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/site"
	"cms/web"
)

// mediaView is the library of images and other files: a folder of it, or what was found.
type mediaView struct {
	Folder     string // "" for the whole library, otherwise with a slash at its end
	Parents    []folderView
	Folders    []folderView
	Files      []tileView
	Text       string
	Total      int
	Next       string
	First      string // the address of the first page, on others
	List       bool   // rows, not a grid
	Choose     string // image or file, where one is to be chosen; "" for the page itself
	Plain      string // the address of the library without a search
	Other      string // the address of the other way to look at it
	May        bool   // upload
	Key        string // of the form to upload by
	Extensions string // that are accepted
	Refused    []uploadView
}

type folderView struct {
	Name, To string
	Files    int
}

// tileView is a file as the library shows it.
type tileView struct {
	*site.MediaFile
	Name    string
	Address string // on the site
	Choose  bool   // it is to be chosen, not opened
}

// fileView is the page of one file.
type fileView struct {
	*site.MediaFile
	Name       string
	Folder     string
	Parents    []folderView
	Address    string
	References []site.Reference
	More       bool
	MayDelete  bool
	MayMove    bool
	MayReplace bool
	Key        string
	Fault      string
}

// IsImage says whether a browser shows the file as an image.
func IsImage(f *site.MediaFile) bool {
	return f.Inline && strings.HasPrefix(f.Type, "image/") && f.Served()
}

// maxMedia is how many files a page of the library shows.
const maxMedia = 60

// media shows a folder of the library, or one file.
func (e *Editor) media(v *visit) error {
	name := v.r.PathValue("path")
	if name != "" && !strings.HasSuffix(name, "/") {
		return e.showFile(v, http.StatusOK, name, "", "")
	}
	return e.showLibrary(v, http.StatusOK, name, "", nil)
}

// showLibrary shows a folder of the library; and, after an upload by a form with a key, what
// was refused.
func (e *Editor) showLibrary(v *visit, status int, name, key string, refused []uploadView) error {
	asked := v.r.URL.Query()
	q := site.MediaQuery{Folder: name, Text: strings.TrimSpace(asked.Get("q")), After: asked.Get("after"), Limit: maxMedia}
	view := &mediaView{
		Folder: name, Text: q.Text, List: asked.Get("view") == "list", May: slices.Contains(e.site.Permissions(v.caller)[auth.Media], auth.Create),
		Key: keyOf(key, status, rand.Text()), Refused: refused, Extensions: accepted(e.site.MediaExtensions()),
	}
	switch choose := asked.Get("choose"); choose {
	case "image", "file":
		view.Choose, q.Inline = choose, choose == "image"
	}
	found, err := e.site.Library(v.r.Context(), v.caller, q)
	if err != nil {
		return err
	}
	view.Total = found.Total
	view.Parents = parents(name, func(at string) string { return libraryPath(at, view.Choose, view.List) })
	for _, f := range found.Folders {
		view.Folders = append(view.Folders, folderView{path.Base(f.Path), libraryPath(f.Path, view.Choose, view.List), f.Files})
	}
	for _, f := range found.Items {
		if view.Choose == "image" && !strings.HasPrefix(f.Type, "image/") {
			continue
		}
		view.Files = append(view.Files, e.tile(f, view.Choose != ""))
	}
	view.Plain = libraryPath(name, view.Choose, view.List)
	view.Other = v.address(map[string]string{"view": "list"})
	if view.List {
		view.Other = v.address(map[string]string{"view": ""})
	}
	if found.Next != "" {
		view.Next = v.address(map[string]string{"after": found.Next})
	}
	if q.After != "" {
		view.First = v.address(map[string]string{"after": ""})
	}
	var told *notice
	if n := asked.Get("added"); n != "" && digits(n) {
		told = &notice{"ok", v.T("media.added")}
	}
	if asked.Get("deleted") != "" {
		told = &notice{"ok", v.T("media.deleted")}
	}
	return e.showNoting(v, status, "media", v.T("media.title"), "media", told, view)
}

func (e *Editor) tile(f *site.MediaFile, choose bool) tileView {
	return tileView{f, path.Base(f.Path), e.site.MediaAddress(f.Path), choose}
}

// libraryPath is the path of the page of a folder.
func libraryPath(name, choose string, list bool) string {
	q := url.Values{}
	if choose != "" {
		q.Set("choose", choose)
	}
	if list {
		q.Set("view", "list")
	}
	to := mediaPath("media", name)
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// mediaPath is the path of a page about a file or a folder.
func mediaPath(kind, name string) string {
	return Prefix + kind + "/" + (&url.URL{Path: name}).EscapedPath()
}

// parents are the folders that a path goes through.
func parents(name string, to func(string) string) (all []folderView) {
	at := ""
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if part != "" {
			at += part + "/"
			all = append(all, folderView{Name: part, To: to(at)})
		}
	}
	return all
}

// accepted are extensions as the control for files takes them.
func accepted(extensions []string) string { return "." + strings.Join(extensions, ",.") }

// showFile shows the page of one file; with what went wrong before, of a form with a key.
func (e *Editor) showFile(v *visit, status int, name, key, fault string) error {
	f, err := e.site.Media(v.caller, name)
	if err != nil {
		return err
	}
	may := func(a auth.Action) bool { return e.site.MayMedia(v.caller, name, a) == nil }
	one := &fileView{
		MediaFile: f, Name: path.Base(name), Folder: folderOf(name), Address: e.site.MediaAddress(name), Key: keyOf(key, status, rand.Text()), Fault: fault,
		MayDelete: may(auth.Delete), MayMove: may(auth.Delete) && slices.Contains(e.site.Permissions(v.caller)[auth.Media], auth.Create),
		MayReplace: may(auth.Update) && f.Served(),
	}
	one.Parents = parents(one.Folder, func(at string) string { return mediaPath("media", at) })
	refs, err := e.site.MediaReferences(v.r.Context(), v.caller, name, "", pageSize)
	if err != nil {
		return err
	}
	one.References, one.More = refs.Items, refs.Next != ""
	var told *notice
	if v.r.URL.Query().Get("saved") != "" {
		told = &notice{"ok", v.T("media.saved")}
	}
	return e.showNoting(v, status, "file", one.Name, "media", told, one)
}

// folderOf is the folder that a file is in, with a slash at its end; "" for the library
// itself.
func folderOf(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }

// file answers with a file of the library itself.
func (e *Editor) file(v *visit) error {
	f, err := e.site.Media(v.caller, v.r.PathValue("path"))
	if err != nil {
		return err
	}
	if !f.Served() {
		return web.NotFound()
	}
	r, err := f.Open(v.r.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	h := v.w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cache-Control", "private, no-cache")
	if !f.Inline {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(f.Path)}))
	}
	web.ServeRevision(v.w, v.r, f.Revision, r)
	return nil
}

// linkedFile is what a field for a file is told of its value: the file that it names, and
// how fields like it begin.
type linkedFile struct {
	Path   string // "" for no file
	Image  bool
	Thumb  string // the address of a small picture of it
	Prefix string // what goes before the path of another file; "" with Whole
	Whole  bool   // instead, the address on the site
}

// linked tells fields of an entry of their files; nil for who may not choose any.
func (e *Editor) linked(v *visit, ref site.Ref) func(path content.FieldPath, address string) *linkedFile {
	if !slices.Contains(e.site.Permissions(v.caller)[auth.Media], auth.Read) {
		return nil
	}
	public := strings.TrimSuffix(e.site.MediaAddress("x"), "x")
	return func(path content.FieldPath, address string) *linkedFile {
		l := &linkedFile{}
		if f := e.site.LinkedMedia(v.caller, ref, address); f != nil {
			l.Path, l.Image, l.Thumb = f.Path, IsImage(f), thumbPath(f)
		}
		if address == "" && len(path) == 1 {
			address = e.habit(v, ref.Collection, path.String())
		}
		switch folder := strings.TrimPrefix(public, "/"); {
		case address == "" || strings.HasPrefix(address, "/") || strings.HasPrefix(address, "..") || strings.Contains(address, ":"):
			l.Whole = true
		case l.Path != "" && strings.HasSuffix(address, l.Path):
			l.Prefix = strings.TrimSuffix(address, l.Path)
		case strings.HasPrefix(address, folder):
			l.Prefix = folder
		}
		return l
	}
}

// habit is what some other entry has in a field; "" where none that the caller sees has
// anything.
func (e *Editor) habit(v *visit, collection, field string) string {
	page, err := e.site.List(v.r.Context(), v.caller, collection, site.Query{Limit: 1, Fields: []string{field}, Filters: []site.Filter{{Field: field, Op: site.Exists, Value: "true"}}})
	if err != nil || len(page.Items) == 0 {
		return ""
	}
	value, _ := page.Items[0].Fields.Get(field)
	text, _ := value.(string)
	return text
}
