package api

import (
	"net/url"

	"cms/site"
	"cms/web"
)

// MediaFile is an image or another file of the media folder.
type MediaFile struct {
	Path     string   `json:"path" doc:"Below the media folder." example:"photos/atelier.jpg"`
	Revision string   `json:"revision" doc:"The Git blob's id; in double quotes, the ETag."`
	Type     string   `json:"type" doc:"The media type that the extension stands for." example:"image/jpeg"`
	Size     int64    `json:"size" doc:"Of what the repository has, in bytes." example:"48213"`
	LFS      *Pointer `json:"lfs,omitempty" doc:"Where Git LFS keeps the content: the repository has a pointer to it. It is served like any other, or 409 lfs_pointer where nobody has it."`
	URL      string   `json:"url" doc:"Where to get this revision, which may be cached for good."`
}

// Pointer is what the repository has in the place of a file that Git LFS keeps.
type Pointer struct {
	OID  string `json:"oid" doc:"The hash algorithm, a colon and the hash of the content."`
	Size int64  `json:"size" doc:"Of the content, in bytes." example:"3145728"`
}

func mediaFileOf(f *site.MediaFile) MediaFile {
	return MediaFile{f.Path, f.Revision, f.Type, f.Size, (*Pointer)(f.Pointer), mediaURL(f.Path) + "?revision=" + f.Revision}
}

const mediaRoute = "/v1/media/"

func mediaURL(path string) string { return mediaRoute + (&url.URL{Path: path}).EscapedPath() }

// answerFile is a file with its ETag.
func answerFile(status int, f *site.MediaFile) (*reply, error) {
	r, err := answer(status, mediaFileOf(f))
	if err != nil {
		return nil, err
	}
	r.ETag, r.Location = web.ETag(f.Revision), mediaURL(f.Path)
	return r, nil
}
