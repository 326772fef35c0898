package site_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"cms/auth"
	"cms/site"
)

const (
	anSVG = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"
	aPDF  = "%PDF-1.7\n"
)

// TestMediaRules writes files that a rule takes or refuses.
func TestMediaRules(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	photographer := person("bob", "photographer")
	absent, whatever := site.Precondition{Absent: true}, site.Precondition{Any: true}
	for _, tt := range []struct {
		name, path, body string
		pr               *auth.Principal
		pre              site.Precondition
		want             site.Code
	}{
		{"a photo", "photos/a.svg", anSVG, photographer, absent, ""},
		{"the same again", "photos/a.svg", anSVG, photographer, absent, site.PreconditionFailed},
		{"to replace it", "photos/a.svg", anSVG + "\n", photographer, whatever, site.Forbidden},
		{"to replace it, by an editor", "photos/a.svg", anSVG + "\n", f.editor, whatever, ""},
		{"without a precondition", "photos/a.svg", anSVG, f.editor, site.Precondition{}, site.PreconditionRequired},
		{"of another revision", "photos/a.svg", anSVG, f.editor, site.Precondition{Revisions: []string{"0"}}, site.PreconditionFailed},
		{"what is not there", "photos/b.svg", anSVG, f.editor, whatever, site.NotFound},
		{"beside the photos", "plans/a.svg", anSVG, photographer, absent, site.NotFound},
		{"in another case", "Photos/A.svg", anSVG, f.editor, absent, site.Conflict},
		{"in another case of the name", "photos/A.svg", anSVG, f.editor, absent, site.Conflict},
		{"accents", "photos/é.svg", anSVG, f.editor, absent, ""},
		{"accents in another form", "photos/e\u0301.svg", anSVG, f.editor, absent, site.Malformed},
		{"where a file is", "photos/a.svg/b.svg", anSVG, f.editor, absent, site.Conflict},
		{"a hidden name", "photos/.a.svg", anSVG, f.editor, absent, site.Malformed},
		{"a name for no system", "photos/a?.svg", anSVG, f.editor, absent, site.Malformed},
		{"a long path", strings.Repeat(strings.Repeat("a", 202)+"/", 5) + "ab.svg", anSVG, f.editor, absent, site.Invalid},
		{"another type", "photos/c.png", anSVG, f.editor, absent, site.Invalid},
		{"no type", "photos/c.exe", "MZ", f.editor, absent, site.Invalid},
		{"too large", "photos/c.pdf", aPDF + strings.Repeat(" ", 1000), f.editor, absent, site.TooLarge},
	} {
		out, err := f.PutMedia(t.Context(), tt.pr, tt.path, strings.NewReader(tt.body), site.Write{Precondition: tt.pre})
		if got := code(t, err); got != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if err == nil && (out.Commit != f.Tip() || out.Created != tt.pre.Absent || out.File.Size != int64(len(tt.body))) {
			t.Errorf("%s: got %+v with %+v", tt.name, out, out.File)
		}
	}
	_, err := f.PutMedia(t.Context(), f.editor, "photos/d.svg", io.MultiReader(strings.NewReader("<svg"), broken{}), site.Write{Precondition: absent})
	if !errors.Is(err, errBroken) {
		t.Errorf("a body that breaks off: got %v", err)
	}
	dry, err := f.PutMedia(t.Context(), f.editor, "photos/d.svg", strings.NewReader(anSVG), site.Write{Precondition: absent, DryRun: true})
	if err != nil || !dry.Created || !dry.Changed || dry.File != nil {
		t.Errorf("a dry run: got %+v, %v", dry, err)
	}
	_, err = f.Media(f.editor, "photos/d.svg")
	refused(t, err, site.NotFound, "")
}

var errBroken = errors.New("broken off")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// TestMediaStates reads a file now and as it was, deletes it, and lists what each role
// may see.
func TestMediaStates(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	photographer, reader := person("bob", "photographer"), person("eve", "reader")
	put := func(path, body string, pre site.Precondition) *site.MediaFile {
		t.Helper()
		out, err := f.PutMedia(t.Context(), f.editor, path, strings.NewReader(body), site.Write{Precondition: pre})
		if err != nil {
			t.Fatal(err)
		}
		return out.File
	}
	first := put("photos/a.svg", anSVG, site.Precondition{Absent: true})
	second := put("photos/a.svg", anSVG+"\n", site.Precondition{Revisions: []string{first.Revision}})
	put("plans/b.pdf", aPDF, site.Precondition{Absent: true})
	read := func(file *site.MediaFile, err error) string {
		t.Helper()
		if err != nil {
			return string(code(t, err))
		}
		r, err := file.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return file.Type + " " + string(b)
	}
	at := func(pr *auth.Principal, path, revision string) string {
		return read(f.MediaAt(t.Context(), pr, path, revision))
	}
	now := func(pr *auth.Principal, path string) string { return read(f.Media(pr, path)) }
	list := func(pr *auth.Principal, prefix, after string, limit int) string {
		page, err := f.MediaList(t.Context(), pr, prefix, after, limit)
		if err != nil {
			return string(code(t, err))
		}
		var paths []string
		for _, file := range page.Items {
			paths = append(paths, file.Path)
		}
		return strings.Join(paths, " ") + "|" + page.Next
	}
	for i, tt := range []struct{ got, want string }{
		{now(photographer, "photos/a.svg"), "image/svg+xml " + anSVG + "\n"},
		{at(photographer, "photos/a.svg", first.Revision), "image/svg+xml " + anSVG},
		{at(photographer, "photos/a.svg", second.Revision), "image/svg+xml " + anSVG + "\n"},
		{at(photographer, "photos/a.svg", ""), "not_found"},
		{at(photographer, "plans/b.pdf", first.Revision), "not_found"},
		{now(photographer, "plans/b.pdf"), "not_found"},
		{now(reader, "photos/a.svg"), "not_found"},
		{now(f.editor, "../pages/a.md"), "malformed"},
		{list(f.editor, "", "", 10), "photos/a.svg plans/b.pdf|"},
		{list(f.editor, "", "", 1), "photos/a.svg|photos/a.svg"},
		{list(f.editor, "", "photos/a.svg", 1), "plans/b.pdf|"},
		{list(f.editor, "pl", "", 10), "plans/b.pdf|"},
		{list(photographer, "", "", 10), "photos/a.svg|"},
		{list(reader, "", "", 10), "not_found"},
		{list(f.editor, "", "", 0), "malformed"},
	} {
		if tt.got != tt.want {
			t.Errorf("%d: got %q, want %q", i, tt.got, tt.want)
		}
	}
	remove := func(path string, pre site.Precondition, dry bool) site.Code {
		_, err := f.DeleteMedia(t.Context(), photographer, path, site.Write{Precondition: pre, DryRun: dry})
		return code(t, err)
	}
	whatever := site.Precondition{Any: true}
	for i, tt := range []struct{ got, want site.Code }{
		{remove("plans/b.pdf", whatever, false), site.NotFound},
		{remove("photos/b.svg", whatever, false), site.NotFound},
		{remove("photos/a.svg", site.Precondition{}, false), site.PreconditionRequired},
		{remove("photos/a.svg", site.Precondition{Revisions: []string{first.Revision}}, false), site.PreconditionFailed},
		{remove("photos/a.svg", whatever, true), ""},
		{remove("photos/a.svg", site.Precondition{Revisions: []string{second.Revision}}, false), ""},
		{remove("photos/a.svg", whatever, false), site.NotFound},
	} {
		if tt.got != tt.want {
			t.Errorf("deletion %d: got %q, want %q", i, tt.got, tt.want)
		}
	}
	if got := at(photographer, "photos/a.svg", second.Revision); got != "image/svg+xml "+anSVG+"\n" {
		t.Errorf("a deleted file: got %q", got)
	}
}
