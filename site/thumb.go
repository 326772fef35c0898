package site

import (
	"context"
	"errors"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"

	"cms/auth"
	"cms/media"
)

// Thumbnail is a small picture of a file.
type Thumbnail struct {
	Type string // the media type
	Data []byte // shared: it must not be changed
}

// thumbSide is the width and the height that a thumbnail has at most, in pixels.
const thumbSide = 320

// What thumbnails take. Those that are made at the same time share an allowance of memory,
// of which each takes at least so much that they are few.
const (
	maxThumbs  = 1000     // that are kept; one has some 20 KB
	maxThumb   = 64 << 10 // bytes of one that is kept; what is larger is made again
	thumbsAll  = media.MaxThumbMemory + thumbAtOne
	thumbAtOne = 64 << 20
)

// thumbs makes thumbnails and keeps those that were asked for last.
type thumbs struct {
	kept *lru.Cache[string, *Thumbnail] // by the revision; nil where there can be none
	room *semaphore.Weighted
}

func newThumbs() thumbs {
	kept, _ := lru.New[string, *Thumbnail](maxThumbs) // a positive size is no error
	return thumbs{kept, semaphore.NewWeighted(thumbsAll)}
}

// HasThumbnail says whether thumbnails are made of files of its kind.
func (f *MediaFile) HasThumbnail() bool { return f.Served() && media.HasThumbnail(f.Type) }

// Thumbnail is a small picture of a file of the media folder, for who may read that; nil
// where none is made of it, as it is no picture or would cost too much.
func (s *Site) Thumbnail(ctx context.Context, pr *auth.Principal, name string) (*MediaFile, *Thumbnail, error) {
	f, err := s.Media(pr, name)
	if err != nil || !f.HasThumbnail() {
		return f, nil, err
	}
	key := f.Type + " " + f.Revision
	if t, ok := s.thumbs.kept.Get(key); ok {
		return f, t, nil
	}
	r, err := f.Open(ctx)
	if refused := (*Error)(nil); errors.As(err, &refused) && refused.Code == Pointer {
		return f, nil, nil // nor is this kept: the content may come
	}
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	t, err := s.thumbs.make(ctx, r, f.Type)
	if err != nil {
		return nil, nil, err
	}
	if t == nil || len(t.Data) <= maxThumb {
		s.thumbs.kept.Add(key, t)
	}
	return f, t, nil
}

// make makes a thumbnail once there is room; nil where there can be none.
func (t thumbs) make(ctx context.Context, r io.ReadSeeker, mediaType string) (*Thumbnail, error) {
	of, err := media.OpenThumb(r, mediaType)
	if errors.Is(err, media.ErrNoThumbnail) {
		return nil, nil //nolint:nilnil // which is kept as well
	}
	if err != nil {
		return nil, err
	}
	takes := max(of.Memory, thumbAtOne)
	if err := t.room.Acquire(ctx, takes); err != nil {
		return nil, err
	}
	defer t.room.Release(takes)
	b, made, err := of.Make(thumbSide)
	if errors.Is(err, media.ErrNoThumbnail) {
		return nil, nil //nolint:nilnil // which is kept as well
	}
	if err != nil {
		return nil, err
	}
	return &Thumbnail{made, b}, nil
}
