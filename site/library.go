package site

import (
	"context"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/search"

	"cms/say"
)

// MediaQuery asks for a part of the media library.
type MediaQuery struct {
	Folder string // "" for the whole library, otherwise with a slash at its end
	Text   string // each word is part of the path, whatever its case and accents; then files of all folders below are found
	Inline bool   // only what a browser may show within a page
	After  string // the path to go on after
	Limit  int    // files, 1 to [MaxLimit]
}

// Library is a folder of the media library, or what a search of it finds.
type Library struct {
	Folders []MediaFolder // directly below; none for a search
	Items   []*MediaFile
	Total   int    // files, in folders below as well
	Next    string // the path to go on after; "" at the end
}

// MediaFolder is a folder with files that a caller may read.
type MediaFolder struct {
	Path  string // below the media folder, with a slash at its end
	Files int    // in it and in folders below
}

// Library shows a folder of the library, with the files that pr may read, or what is found
// in it and below.
func (s *Site) Library(ctx context.Context, pr *auth.Principal, q MediaQuery) (*Library, error) {
	switch {
	case q.Limit < 1 || q.Limit > MaxLimit:
		return nil, &Error{Code: Malformed, Detail: say.New("The limit must be between 1 and %d.", MaxLimit)}
	case len(q.Text) > MaxQueryText:
		return nil, &Error{Code: Malformed, Detail: say.New("Look for at most %d bytes of text.", MaxQueryText)}
	}
	files, done, err := s.readableMedia(ctx, pr, q.Folder)
	if err != nil {
		return nil, err
	}
	defer done()
	words := distinct(strings.Fields(search.Fold(q.Text)))
	page := &Library{}
	var found []repo.File
	for _, f := range files {
		name := s.nameOf(f)
		rest := strings.TrimPrefix(name, q.Folder)
		switch dir, _, deeper := strings.Cut(rest, "/"); {
		case q.Inline && !s.media.Rules.Inline(name):
			continue
		case len(words) > 0:
			folded := search.Fold(rest)
			if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(folded, w) }) {
				continue
			}
			found = append(found, f)
		case deeper:
			below := q.Folder + dir + "/"
			if n := len(page.Folders); n == 0 || page.Folders[n-1].Path != below {
				page.Folders = append(page.Folders, MediaFolder{Path: below})
			}
			page.Folders[len(page.Folders)-1].Files++
		default:
			found = append(found, f)
		}
		page.Total++
	}
	page.Items, page.Next, err = s.mediaPage(found, q.After, q.Limit)
	return page, err
}

// nameOf is the path of a file below the media folder.
func (s *Site) nameOf(f repo.File) string {
	return strings.TrimPrefix(f.Path.String(), s.media.Folder.String()+"/")
}

// MediaAddress is where a file will be on the site, as links and fields have it.
func (s *Site) MediaAddress(name string) string { return encoded(s.media.public()+"/"+name, true) }

// MediaExtensions are those of the names of files that are accepted.
func (s *Site) MediaExtensions() []string { return s.media.Rules.Allowed() }

// LinkedMedia is the file that a field of an entry names by an address; nil where there is
// none that pr may read.
func (s *Site) LinkedMedia(pr *auth.Principal, ref Ref, address string) *MediaFile {
	c := s.byName[ref.Collection]
	if c == nil || s.media.Folder.IsZero() || address == "" {
		return nil
	}
	entry, err := c.Path(ref.Slug)
	if err != nil {
		if entry, err = content.ParsePath(strings.TrimPrefix(c.Folder+"/new"+c.Extension, "/")); err != nil { // one that is not there yet
			return nil
		}
	}
	plain, err := url.PathUnescape(address)
	if err != nil {
		plain = address
	}
	for _, written := range []string{address, plain} {
		for _, name := range s.meant(entry, written) {
			f, err := s.Media(pr, name)
			if err == nil {
				return f
			}
			if told := (*Error)(nil); !errors.As(err, &told) || told.Code != NotFound && told.Code != Malformed {
				return nil // it is there, and not for them
			}
		}
	}
	return nil
}

// meant are the files that an address in a field of an entry may mean, the likeliest first.
func (s *Site) meant(entry content.Path, address string) (names []string) {
	if strings.HasPrefix(address, "/") {
		if name, ok := strings.CutPrefix(path.Clean(address), s.media.public()+"/"); ok && !strings.HasPrefix(address, "//") {
			names = append(names, name)
		}
		return names
	}
	for _, t := range s.tries(entry, address) {
		if name, ok := strings.CutPrefix(t.at, s.media.Folder.String()+"/"); ok {
			names = append(names, name)
		}
	}
	return names
}
