// Package media decides which files a site accepts as images and documents, and
// removes their metadata.
package media

import (
	"errors"
	"fmt"
	"image"
	_ "image/gif" // the formats whose size is looked at
	_ "image/jpeg"
	_ "image/png"
	"io"
	"path"
	"slices"
	"strings"

	_ "golang.org/x/image/webp" // the same
)

// types is what each known extension stands for.
var types = map[string]string{
	"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp", "svg": "image/svg+xml",
	"pdf": "application/pdf", "odt": "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"mp3":  "audio/mpeg", "mp4": "video/mp4", "webm": "video/webm",
}

// Known are the extensions that Rules can allow, without their dots.
func Known() []string {
	var known []string
	for ext := range types {
		known = append(known, ext)
	}
	slices.Sort(known)
	return known
}

// DefaultExtensions are allowed where nothing is configured.
func DefaultExtensions() []string { return []string{"jpg", "jpeg", "png", "gif", "webp", "pdf"} }

// DefaultMaxPixels bounds images where nothing is configured.
const DefaultMaxPixels = 50_000_000

// Rules say which files are accepted.
type Rules struct {
	Extensions []string // some of Known; nil is DefaultExtensions
	MaxPixels  int64    // of an image, width × height; 0 is DefaultMaxPixels
}

// Type is the media type that the extension of a file stands for,
// "application/octet-stream" for an unknown one.
func Type(name string) string {
	if t, ok := types[extension(name)]; ok {
		return t
	}
	return "application/octet-stream"
}

// Inline says whether a browser may show a file of that type within a page: it
// runs no code.
func Inline(mediaType string) bool {
	kind, _, _ := strings.Cut(mediaType, "/")
	return mediaType != types["svg"] && (kind == "image" || kind == "audio" || kind == "video" || mediaType == types["pdf"])
}

func extension(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
}

// A RefusedError says why a file is not accepted, in a sentence for people.
type RefusedError struct{ Detail string }

func (e *RefusedError) Error() string { return e.Detail }

func refused(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// Check looks at the beginning of a file that is to be called name: its
// extension must be allowed, its content be what the extension says, and an
// image not have too many pixels, of which nothing is decoded. What is wrong is a
// *RefusedError.
func (r Rules) Check(name string, f io.ReadSeeker) error {
	allowed := r.Extensions
	if allowed == nil {
		allowed = DefaultExtensions()
	}
	ext := extension(name)
	if !slices.Contains(allowed, ext) {
		return refused("Files with that extension are not allowed. The allowed extensions are: %s.", strings.Join(allowed, ", "))
	}
	same, err := matches(f, types[ext])
	if err != nil {
		return fmt.Errorf("detect type: %w", err)
	}
	if !same {
		return refused("The content does not match the extension %s. Give the file the extension of its type.", ext)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch ext {
	case "jpg", "jpeg", "png", "gif", "webp":
		return r.checkPixels(f)
	}
	return nil
}

func (r Rules) checkPixels(f io.ReadSeeker) error {
	most := r.MaxPixels
	if most == 0 {
		most = DefaultMaxPixels
	}
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return refused("The image cannot be read.")
	}
	if pixels := int64(config.Width) * int64(config.Height); pixels > most {
		return refused("The image has more than %d pixels. Make it smaller.", most)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// errPicture is the error of a picture that its format does not allow.
var errPicture = errors.New("not a picture that can be read")

// Strip copies a JPEG, PNG or WebP of that name to w without its metadata. It is false
// for other types, of which nothing is written. A *RefusedError for a file that cannot
// be read.
func Strip(w io.Writer, name string, r io.ReadSeeker) (bool, error) {
	var err error
	switch Type(name) {
	case "image/jpeg":
		err = stripJPEG(w, r)
	case "image/png":
		err = stripPNG(w, r)
	case "image/webp":
		err = stripWebP(w, r)
	default:
		return false, nil
	}
	if errors.Is(err, errPicture) {
		return true, refused("The image cannot be read.")
	}
	return true, err
}
