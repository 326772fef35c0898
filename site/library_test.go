package site_test

import (
	"fmt"
	"strings"
	"testing"

	"cms/content"
	"cms/site"
)

// TestLibrary shows folders of the media library and finds files in it, to several people.
func TestLibrary(t *testing.T) {
	t.Parallel()
	f := picturesSite(t)
	f.upload("a.svg", "photos/été/Vélo.svg", "photos/b.svg", "photos/c.svg", "plans/d.svg")
	tell := func(who string, q site.MediaQuery) string {
		t.Helper()
		if q.Limit == 0 {
			q.Limit = 100
		}
		page, err := f.Library(t.Context(), person("x", who), q)
		if err != nil {
			return err.Error()
		}
		var told []string
		for _, d := range page.Folders {
			told = append(told, fmt.Sprintf("%s:%d", d.Path, d.Files))
		}
		for _, m := range page.Items {
			told = append(told, m.Path)
		}
		return strings.Join(append(told, fmt.Sprint(page.Total), page.Next), " ")
	}
	for _, tt := range []struct {
		who  string
		q    site.MediaQuery
		want string
	}{
		{"editor", site.MediaQuery{}, "photos/:3 plans/:1 a.svg 5 "},
		{"editor", site.MediaQuery{Folder: "photos/"}, "photos/été/:1 photos/b.svg photos/c.svg 3 "},
		{"editor", site.MediaQuery{Folder: "photos/", Limit: 1}, "photos/été/:1 photos/b.svg 3 photos/b.svg"},
		{"editor", site.MediaQuery{Folder: "photos/", Limit: 1, After: "photos/b.svg"}, "photos/été/:1 photos/c.svg 3 "},
		{"editor", site.MediaQuery{Text: "velo ETE"}, "photos/été/Vélo.svg 1 "},
		{"editor", site.MediaQuery{Text: "svg", Folder: "photos/"}, "photos/b.svg photos/c.svg photos/été/Vélo.svg 3 "},
		{"editor", site.MediaQuery{Inline: true}, "0 "},
		{"editor", site.MediaQuery{Folder: "nulle/"}, "0 "},
		{"photo", site.MediaQuery{}, "photos/:3 3 "},
		{"photo", site.MediaQuery{Text: "svg"}, "photos/b.svg photos/c.svg photos/été/Vélo.svg 3 "},
		{"nobody", site.MediaQuery{}, "forbidden: Your token has no role of this site. Ask for a token with one of its roles."},
		{"editor", site.MediaQuery{Limit: 1001}, "malformed: The limit must be between 1 and 1000."},
		{"editor", site.MediaQuery{Text: strings.Repeat("a", 1001)}, "malformed: Look for at most 1000 bytes of text."},
	} {
		if got := tell(tt.who, tt.q); got != tt.want {
			t.Errorf("%s is shown by %+v\n%s, want\n%s", tt.who, tt.q, got, tt.want)
		}
	}
}

// TestLinkedMedia finds the files that fields name, in each way to write it.
func TestLinkedMedia(t *testing.T) {
	t.Parallel()
	f := picturesSite(t)
	f.upload("a.svg", "photos/é b.svg")
	slug, err := content.ParseSlug("sous/un")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"/img/a.svg": "a.svg", "a.svg": "a.svg", "./a.svg": "a.svg", "img/a.svg": "a.svg", "../../img/a.svg": "a.svg",
		"photos/é b.svg": "photos/é b.svg", "/img/photos/%C3%A9%20b.svg": "photos/é b.svg", "/img/photos/../a.svg": "a.svg",
		"": "", "b.svg": "", "//img/a.svg": "", "https://example.org/img/a.svg": "", "/img/": "", "../../../img/a.svg": "", "/img/%00": "", "%zz": "",
	} {
		for _, ref := range []site.Ref{{Collection: "pages", Slug: slug}} {
			got := ""
			if m := f.LinkedMedia(person("x", "editor"), ref, address); m != nil {
				got = m.Path
			}
			if got != want {
				t.Errorf("%s of %s is %q, want %q", address, ref, got, want)
			}
		}
	}
	if m := f.LinkedMedia(person("x", "editor"), site.Ref{Collection: "pages"}, "/img/a.svg"); m == nil {
		t.Error("an entry that is not there yet names no file")
	}
	if m := f.LinkedMedia(person("x", "photo"), site.Ref{Collection: "pages", Slug: slug}, "/img/a.svg"); m != nil {
		t.Errorf("who may not read %s is told of it", m.Path)
	}
	if got := f.MediaAddress("photos/é b(1).svg"); got != "/img/photos/%C3%A9%20b%281%29.svg" {
		t.Errorf("the address is %s", got)
	}
}
