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
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	_ "golang.org/x/image/webp" // the same

	"cms/say"
)

// DefaultExtensions are allowed where nothing is configured.
func DefaultExtensions() []string { return []string{"jpg", "jpeg", "png", "gif", "webp", "pdf"} }

// DefaultMaxPixels bounds images where nothing is configured.
const DefaultMaxPixels = 50_000_000

// Rules say which files are accepted, and what they are served as.
type Rules struct {
	Extensions []string          // some of Known; nil is DefaultExtensions
	Types      map[string]string // media types of other extensions, as CheckType gives them, which are accepted too
	MaxPixels  int64             // of an image, width × height; 0 is DefaultMaxPixels
}

// Allowed are the extensions of the files that are accepted, without their dots.
func (r Rules) Allowed() []string {
	allowed := r.Extensions
	if allowed == nil {
		allowed = DefaultExtensions()
	}
	allowed = slices.Clone(allowed)
	for _, ext := range slices.Sorted(maps.Keys(r.Types)) {
		if !slices.Contains(allowed, ext) {
			allowed = append(allowed, ext)
		}
	}
	return allowed
}

// Accepted are the media types of the files that are accepted, each once.
func (r Rules) Accepted() []string {
	var accepted []string
	for _, ext := range r.Allowed() {
		accepted = append(accepted, r.Type("."+ext))
	}
	slices.Sort(accepted)
	return slices.Compact(accepted)
}

// Type is the media type that the extension of a file stands for,
// "application/octet-stream" for an unknown one.
func (r Rules) Type(name string) string {
	ext := extension(name)
	if k, ok := known[ext]; ok {
		return k.media
	}
	if t, ok := r.Types[ext]; ok {
		return t
	}
	return "application/octet-stream"
}

// Inline says whether a browser may show a file of that name within a page: it runs no
// code. Of the types that are not known here, none is shown.
func (r Rules) Inline(name string) bool { return known[extension(name)].inline }

// kind is what is known of the type of a file: of its extension, or of another one of
// the same type.
func (r Rules) kind(name string) kind {
	ext := extension(name)
	if k, ok := known[ext]; ok {
		return k
	}
	essence, _, _ := strings.Cut(r.Types[ext], ";")
	for _, k := range known {
		if k.media == essence {
			return k
		}
	}
	return kind{}
}

func extension(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
}

// A RefusedError says why a file is not accepted, in a sentence for people.
type RefusedError struct{ Detail say.Text }

func (e *RefusedError) Error() string { return e.Detail.String() }

func refused(detail say.Text) error { return &RefusedError{detail} }

// Check looks at the beginning of a file that is to be called name: its
// extension must be allowed, its content be what the extension says, and an
// image not have too many pixels, of which nothing is decoded. What is wrong is a
// *RefusedError.
func (r Rules) Check(name string, f io.ReadSeeker) error {
	ext := extension(name)
	if allowed := r.Allowed(); !slices.Contains(allowed, ext) {
		return refused(say.New("Files with that extension are not allowed. The allowed extensions are: %s.", strings.Join(allowed, ", ")))
	}
	k := r.kind(name)
	if k.is == nil {
		return nil // of a type that only the configuration knows
	}
	same, err := k.is(f)
	if err != nil {
		return fmt.Errorf("detect type: %w", err)
	}
	if !same {
		return refused(say.New("The content does not match the extension %s. Give the file the extension of its type.", ext))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if k.pixels == nil {
		return nil
	}
	most := r.MaxPixels
	if most == 0 {
		most = DefaultMaxPixels
	}
	pixels, err := k.pixels(f)
	if errors.Is(err, errPicture) {
		return refused(say.New("The image cannot be read."))
	} else if err != nil {
		return fmt.Errorf("measure image: %w", err)
	}
	if pixels > most {
		return refused(say.New("The image has more than %d pixels. Make it smaller.", most))
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// decodedPixels is how many pixels a picture has that the standard library reads.
func decodedPixels(f io.ReadSeeker) (int64, error) {
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return 0, errPicture
	}
	return pixelsOf(int64(config.Width), int64(config.Height)), nil
}

// pixelsOf is how many pixels a picture of that size has, which may be more than can be told.
func pixelsOf(w, h int64) int64 {
	if h > 0 && w > math.MaxInt64/h {
		return math.MaxInt64
	}
	return w * h
}

// errPicture is the error of a picture that its format does not allow.
var errPicture = errors.New("not a picture that can be read")

// Strip copies a JPEG, PNG, WebP, AVIF or HEIC of that name to w without its metadata. It is false
// for other types, of which nothing is written. A *RefusedError for a file that cannot
// be read.
func (r Rules) Strip(w io.Writer, name string, f io.ReadSeeker) (bool, error) {
	strip := r.kind(name).strip
	if strip == nil {
		return false, nil
	}
	err := strip(w, f)
	if errors.Is(err, errPicture) {
		return true, refused(say.New("The image cannot be read."))
	}
	return true, err
}
