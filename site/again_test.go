package site_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cms/auth"
	"cms/site"
)

// TestAgain asks once more for what was made: it is answered by what the caller may
// do and see now.
func TestAgain(t *testing.T) {
	t.Parallel()
	f := newRoles(t)
	local, whatever := person("bob", "local"), site.Precondition{Any: true}
	un, note := ref(t, "pages", "un"), ref(t, "notes", "un")
	batch := func(ops ...site.Operation) (string, []site.Made) {
		t.Helper()
		outcomes, err := f.Batch(t.Context(), f.editor, ops, site.Write{})
		if err != nil {
			t.Fatal(err)
		}
		var made []site.Made
		for _, o := range outcomes {
			made = append(made, o.Made)
		}
		return outcomes[0].Commit, made
	}
	again := func(pr *auth.Principal, commit string, made []site.Made) string {
		t.Helper()
		outcomes, err := f.Again(t.Context(), pr, commit, made)
		if errors.Is(err, site.ErrGone) {
			return "gone"
		}
		if err != nil {
			return string(code(t, err))
		}
		var told []string
		for i, o := range outcomes {
			said := fmt.Sprint(o.Ref, " ", o.Created, o.Changed, o.Entry != nil)
			if o.Entry != nil {
				title, _ := o.Entry.Fields.Get("title")
				_, note := o.Entry.Fields.Get("note")
				said += fmt.Sprint(" ", title, note)
				if whole := o.Entry.Revision == made[i].Blob; whole != (pr == f.editor) || made[i].Changed && o.Entry.Updated.Commit != commit {
					t.Errorf("%s: got the revision %s, updated by %s", said, o.Entry.Revision, o.Entry.Updated.Commit)
				}
			}
			told = append(told, said)
		}
		return strings.Join(told, ", ")
	}
	create := func(r site.Ref, title, ville string) site.Operation {
		return site.Creating(r.Collection, site.Draft{Slug: r.Slug, Fields: fields("title", title, "ville", ville, "note", "x")}, site.Precondition{})
	}
	retitle := func(title string) site.Operation {
		return site.Updating(un, site.MergePatch(fields("fields", fields("title", title))), whatever)
	}
	for _, tt := range []struct {
		name          string
		ops           []site.Operation
		editor, local string
	}{
		{"a creation", []site.Operation{create(un, "A", "Valmont")}, "pages/un true true true Atrue", "pages/un true true true Afalse"},
		{"an update", []site.Operation{retitle("B")}, "pages/un false true true Btrue", "pages/un false true true Bfalse"},
		{"an update of nothing", []site.Operation{retitle("B")}, "pages/un false false true Btrue", "pages/un false false true Bfalse"},
		{"two updates", []site.Operation{retitle("C"), retitle("D")}, "pages/un false true true Dtrue", ""},
		{"a move out", []site.Operation{site.Moving(un, note, whatever)}, "notes/un false true true Dtrue", "not_found"},
		{"a move in", []site.Operation{site.Moving(note, un, whatever)}, "pages/un false true true Dtrue", "not_found"},
		{"a deletion", []site.Operation{site.Deleting(un, whatever)}, "pages/un false true false", "pages/un false true false"},
		{"a creation elsewhere", []site.Operation{create(un, "A", "Lyon")}, "pages/un true true true Atrue", "forbidden"},
	} {
		commit, made := batch(tt.ops...)
		if tt.name == "two updates" { // of which Git has the last alone
			if got := again(f.editor, commit, made[1:]); got != tt.editor {
				t.Errorf("%s, by an editor: got %q, want %q", tt.name, got, tt.editor)
			}
			if _, err := f.Again(t.Context(), f.editor, commit, made); err != nil {
				t.Errorf("%s: got %v", tt.name, err)
			}
			if got := again(f.editor, commit, made[:1]); got != "gone" {
				t.Errorf("%s, the first one: got %q", tt.name, got)
			}
			continue
		}
		if got := again(f.editor, commit, made); got != tt.editor {
			t.Errorf("%s, by an editor: got %q, want %q", tt.name, got, tt.editor)
		}
		if got := again(local, commit, made); got != tt.local {
			t.Errorf("%s, by a local: got %q, want %q", tt.name, got, tt.local)
		}
		if got := again(person("eve", "reader"), commit, made); got != "forbidden" {
			t.Errorf("%s, by a reader: got %q", tt.name, got)
		}
	}
	if got := again(f.editor, strings.Repeat("1", 40), []site.Made{{Collection: "pages", Slug: "un", Path: "pages/un.md", Blob: strings.Repeat("2", 40)}}); got != "gone" {
		t.Errorf("what Git never had: got %q", got)
	}

	out, err := f.PutMedia(t.Context(), f.editor, "photos/a.svg", strings.NewReader(anSVG), site.Write{Precondition: site.Precondition{Absent: true}})
	if err != nil {
		t.Fatal(err)
	}
	made := site.MediaMade{Path: "photos/a.svg", Blob: out.File.Revision, Created: true, Changed: true}
	photographer := person("bob", "photographer")
	file, err := f.MediaAgain(photographer, out.Commit, made)
	if err != nil || file.File.Revision != out.File.Revision || file.File.Size != int64(len(anSVG)) || !file.Created {
		t.Errorf("a file: got %+v, %v", file, err)
	}
	made.Created = false
	_, err = f.MediaAgain(photographer, out.Commit, made) // who may not replace any
	refused(t, err, site.Forbidden, "")
	if file, err = f.MediaAgain(photographer, out.Commit, site.MediaMade{Path: "photos/a.svg", Changed: true}); err != nil || file.File != nil {
		t.Errorf("a deletion: got %+v, %v", file, err)
	}
}
