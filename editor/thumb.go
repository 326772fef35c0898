package editor

import (
	"bytes"
	"net/url"

	"cms/site"
	"cms/web"
)

// thumbTime is how long a browser shows a thumbnail without asking again; its address
// changes with the file.
const thumbTime = "private, max-age=86400"

// thumbPath is the address of a small picture of a file; of the file itself where none is
// made of its kind.
func thumbPath(f *site.MediaFile) string {
	if !f.HasThumbnail() {
		return mediaPath("file", f.Path)
	}
	return mediaPath("thumb", f.Path) + "?v=" + url.QueryEscape(f.Revision[:min(len(f.Revision), 12)])
}

// thumb answers with a small picture of a file or, where there is none, leads to the file.
func (e *Editor) thumb(v *visit) error {
	f, t, err := e.site.Thumbnail(v.r.Context(), v.caller, v.r.PathValue("path"))
	if err != nil {
		return err
	}
	if t == nil {
		if !IsImage(f) {
			return web.NotFound()
		}
		return v.leadTo(mediaPath("file", f.Path))
	}
	h := v.w.Header()
	h.Set("Content-Type", t.Type)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", thumbTime)
	web.ServeRevision(v.w, v.r, "thumb-"+f.Revision, bytes.NewReader(t.Data))
	return nil
}
