package editor

import (
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"cms/auth"
	"cms/site"
	"cms/web"
)

// mediaView is the library of images and other files, or one folder of it.
type mediaView struct {
	Folder  string // "" for the whole library, otherwise with a slash at its end
	Parents []folder
	Folders []folder
	Files   []*site.MediaFile
	Text    string
	Total   int
	Next    string
	File    *fileView
	May     bool // upload
}

type folder struct {
	Path, Name string
	Files      int
}

// fileView is the page of one file.
type fileView struct {
	*site.MediaFile
	Name       string
	References []site.Reference
	More       bool
	MayDelete  bool
	MayReplace bool
}

// IsImage says whether a browser shows the file as an image.
func IsImage(f *site.MediaFile) bool {
	return f.Inline && strings.HasPrefix(f.Type, "image/") && f.Pointer == nil
}

// maxMedia is how many files a page of the library shows.
const maxMedia = 1000

// media shows a folder of the library, or one file.
func (e *Editor) media(v *visit) error {
	name := v.r.PathValue("path")
	if name != "" && !strings.HasSuffix(name, "/") {
		return e.mediaFile(v, name)
	}
	asked := v.r.URL.Query()
	page, err := e.site.MediaList(v.r.Context(), v.caller, name, asked.Get("after"), maxMedia)
	if err != nil {
		return err
	}
	view := &mediaView{Folder: name, Text: strings.TrimSpace(asked.Get("q")), May: slices.Contains(e.site.Permissions(v.caller)[auth.Media], auth.Create)}
	at := ""
	for _, part := range strings.Split(strings.TrimSuffix(name, "/"), "/") {
		if part != "" {
			at += part + "/"
			view.Parents = append(view.Parents, folder{Path: at, Name: part})
		}
	}
	for _, f := range page.Items {
		rest := strings.TrimPrefix(f.Path, name)
		if view.Text != "" {
			if strings.Contains(strings.ToLower(rest), strings.ToLower(view.Text)) {
				view.Files = append(view.Files, f)
			}
			continue
		}
		if dir, _, deeper := strings.Cut(rest, "/"); deeper {
			if n := len(view.Folders); n > 0 && view.Folders[n-1].Name == dir {
				view.Folders[n-1].Files++
			} else {
				view.Folders = append(view.Folders, folder{name + dir + "/", dir, 1})
			}
			continue
		}
		view.Files = append(view.Files, f)
	}
	view.Total = page.Total
	if page.Next != "" {
		view.Next = v.address(map[string]string{"after": page.Next})
	}
	return e.show(v, http.StatusOK, "media", v.T("media.title"), "media", view)
}

func (e *Editor) mediaFile(v *visit, name string) error {
	f, err := e.site.Media(v.caller, name)
	if err != nil {
		return err
	}
	may := e.site.Permissions(v.caller)[auth.Media]
	one := &fileView{MediaFile: f, Name: path.Base(name), MayDelete: slices.Contains(may, auth.Delete), MayReplace: slices.Contains(may, auth.Update)}
	refs, err := e.site.MediaReferences(v.r.Context(), v.caller, name, "", pageSize)
	if err != nil {
		return err
	}
	one.References, one.More = refs.Items, refs.Next != ""
	return e.show(v, http.StatusOK, "media", one.Name, "media", &mediaView{File: one, Folder: strings.TrimPrefix(path.Dir(name)+"/", "./")})
}

// file answers with a file of the library itself.
func (e *Editor) file(v *visit) error {
	f, err := e.site.Media(v.caller, v.r.PathValue("path"))
	if err != nil {
		return err
	}
	if f.Pointer != nil {
		return web.NotFound()
	}
	r, err := f.Open()
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
