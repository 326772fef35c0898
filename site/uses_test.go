package site_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/media"
	"cms/site"
	"cms/site/sitetest"
)

// picturesSite is a site of pages that show pictures, some of which few may see.
func picturesSite(t testing.TB) *fixture {
	pages := content.Schema{Defined: true, Fields: []content.Field{
		{Name: "title", Type: content.TypeString}, {Name: "image", Type: content.TypeImage}, {Name: "secret", Type: content.TypeImage},
		{Name: "texte", Type: content.TypeMarkdown}, {Name: "url", Type: content.TypeURL},
		{Name: "pieces", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{{Name: "fichier", Type: content.TypeFile}}}},
	}}
	return &fixture{sitetest.New(t, sitetest.Options{
		Collections: []content.Collection{
			{Name: "pages", Folder: "pages", Extension: ".md", Schema: pages},
			{Name: "notes", Folder: "notes", Extension: ".md"},
		},
		Roles: map[string]map[string]auth.Grant{
			"editor":  {"*": auth.Grant{Actions: everything}, auth.Media: {Actions: everything}},
			"partial": {"pages": {Actions: everything, Hide: []string{"secret"}}, auth.Media: {Actions: everything}},
			"reader":  {"pages": {Actions: []auth.Action{auth.Read}}, auth.Media: {Actions: everything}},
			"photo":   {auth.Media: {Actions: everything, Paths: []string{"photos"}}},
			"viewer":  {"pages": {Actions: everything}, auth.Media: {Actions: []auth.Action{auth.Read, auth.Create}}},
		},
		Media: site.MediaOptions{MaxBytes: 1000, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"svg", "png"}}},
	}), person("ann", "editor")}
}

func (f *fixture) upload(names ...string) {
	f.Helper()
	for _, name := range names {
		if _, err := f.PutMedia(f.Context(), f.editor, name, strings.NewReader(anSVG), site.Write{Precondition: site.Precondition{Absent: true}}); err != nil {
			f.Fatalf("%s: %v", name, err)
		}
	}
}

// TestUsesFollow moves files that entries use, and finds the addresses alone changed. In
// each text [a→b] is an address before and after, and what is not in brackets stays.
func TestUsesFollow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, to, path, text string }{
		{"fields", "photos/a.svg", "vues/b.svg", "pages/un.md", "---\ntitle: A # là\nimage: '[/img/photos/a.svg→/img/vues/b.svg]' # ici\nsecret: [photos/a.svg→vues/b.svg]\nurl: /img/photos/a.svg\npieces:\n- fichier: [img/photos/a.svg→img/vues/b.svg]\n- {fichier: \"[./photos/a.svg→./vues/b.svg]\"}\n- fichier: photos/b.svg\n---\n"},
		{"bodies", "photos/a.svg", "vues/b.svg", "pages/sous/un.md", "---\ntitle: A\n---\n![é]([/img/photos/a.svg→/img/vues/b.svg] \"T\") ![r]([../../img/photos/a.svg→../../img/vues/b.svg]) [l]([/img/photos/a.svg→/img/vues/b.svg]#x)\r\n\n<img src='[/img/photos/a.svg→/img/vues/b.svg]?v=1'>\n\n`![a](/img/photos/a.svg)` /img/photos/a.svg ![n](photos/a.svg) ![h](https://example.org/img/photos/a.svg) ![x](//img/photos/a.svg) ![o](/img/photos/aa.svg) ![p](/photos/a.svg)\n\n[d]: [/img/photos/a.svg→/img/vues/b.svg]\n"},
		{"no schema", "a.svg", "x/y/a b(1)é.svg", "notes/un.md", "![a]([/img/a.svg→/img/x/y/a%20b%281%29é.svg]) ![a](<[/img/a.svg→/img/x/y/a b%281%29é.svg]>) ![a]([{{ site.url }}]) <img src=\"{{ site.baseurl }}[/img/a.svg→/img/x/y/a%20b%281%29é.svg]\"> ![a]({{ '[/img/a.svg→/img/x/y/a b(1)é.svg]' | relative_url }}) [a]({% link [img/a.svg→img/x/y/a b(1)é.svg] %})\n"},
		{"written otherwise", "été/a b_(1).svg", "hiver.svg", "pages/un.md", "---\nimage: été/a b_(1).svg\n---\n![a]([/img/%C3%A9t%C3%A9/a%20b_%281%29.svg→/img/hiver.svg]) ![a](</img/été/a b_(1).svg>) ![a]([/img/été/a%20b\\_\\(1\\).svg→/img/hiver.svg])\n<a href=\"[/img/&eacute;t&#233;/a%20b_(1).svg→/img/hiver.svg]\">x</a>\n"},
		{"percent", "a.svg", "é.svg", "pages/un.md", "---\ntitle: x\n---\n![a]([/%69mg/a.svg→/img/%C3%A9.svg]) ![a]([/img/./a.svg→/img/é.svg]) ![a]([./../img/a.svg→./../img/é.svg])\n"},
		{"Markdown in a field", "a.svg", "b.svg", "pages/un.md", "---\ntitle: x\ntexte: |\n  Un\n  ![a]([/img/a.svg→/img/b.svg])\n\n  `![a](/img/a.svg)`\n---\nx\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := picturesSite(t)
			before, after := tt.text, tt.text
			uses := strings.Count(tt.text, "→")
			for strings.Contains(before, "→") || strings.Contains(before, "[{{") {
				if strings.Contains(before, "[{{") {
					before, after = strings.Replace(before, "[{{ site.url }}]", "{{ site.url }}", 1), strings.Replace(after, "[{{ site.url }}]", "{{ site.url }}", 1)
					continue
				}
				at := strings.Index(before, "→")
				open, end := strings.LastIndex(before[:at], "["), at+strings.Index(before[at:], "]")
				before = before[:open] + before[open+1:at] + before[end+1:]
				at = strings.Index(after, "→")
				open, end = strings.LastIndex(after[:at], "["), at+strings.Index(after[at:], "]")
				after = after[:open] + after[at+len("→"):end] + after[end+1:]
			}
			if tt.name == "written otherwise" { // a name that needs no encoding
				after = strings.Replace(strings.Replace(after, "image: été/a b_(1).svg", "image: hiver.svg", 1), "</img/été/a b_(1).svg>", "</img/hiver.svg>", 1)
			}
			if tt.name == "percent" {
				before = strings.Replace(before, "./../img/a.svg", "../img/a.svg", 1)
				after = strings.Replace(after, "./../img/é.svg", "../img/é.svg", 1)
			}
			f.upload(tt.from)
			f.Commit(map[string]string{tt.path: before, "pages/autre.md": "---\ntitle: x\n---\n![z](/img/z.svg)\n"})
			page, err := f.MediaReferences(t.Context(), f.editor, tt.from, "", 100)
			if err != nil || len(page.Items) == 0 {
				t.Fatalf("of %d uses: got %v, %v", uses, page, err)
			}
			tip := f.Tip()
			move := site.MovingMedia(tt.from, tt.to, site.UpdateReferences, anyRevision)
			if _, err := f.Make(t.Context(), f.editor, site.MovingMedia(tt.from, tt.to, site.RefuseReferences, anyRevision), site.Write{}); err == nil || f.Tip() != tip {
				t.Errorf("refuse: got %v", err)
			}
			out, err := f.Make(t.Context(), f.editor, move, site.Write{})
			if err != nil {
				t.Fatal(err)
			}
			if got := f.File(tt.path); got != after {
				t.Errorf("got\n%s\nwant\n%s", got, after)
			}
			if got := f.RunGit("log", "--format=%s", tip+"..main"); got != fmt.Sprintf("Move img/%s to img/%s with %d reference%s\n", tt.from, tt.to, len(page.Items), map[bool]string{true: "s"}[len(page.Items) > 1]) {
				t.Errorf("got the subjects %q", got)
			}
			if again, err := f.MediaReferences(t.Context(), f.editor, tt.to, "", 100); err != nil || listed(again.Items) != listed(page.Items) {
				t.Errorf("afterwards: got %s, %v, want %s", listed(again.Items), err, listed(page.Items))
			}
			if file, err := f.Media(f.editor, tt.to); err != nil || file.Revision != out.Media.Revision || file.Size != out.Media.Size {
				t.Errorf("got %v, %v, want %v", file, err, out.Media)
			}
			if again, err := f.Again(t.Context(), f.editor, out.Commit, []site.Made{out.Made}); err != nil || again[0].Media.Revision != out.Media.Revision || len(again[0].Followed) != len(out.Followed) {
				t.Errorf("again: got %v, %v", again, err)
			}
		})
	}
}

// TestUsesThatMayNotBeChanged: what of the uses each role is told, and may do.
func TestUsesThatMayNotBeChanged(t *testing.T) {
	t.Parallel()
	f := picturesSite(t)
	f.upload("photos/a.svg", "photos/b.svg", "photos/c.svg", "photos/d.svg")
	f.Commit(map[string]string{
		"pages/a.md": "---\ntitle: A\n---\n![](/img/photos/a.svg)\n",
		"pages/b.md": "---\ntitle: B\nsecret: photos/b.svg\n---\n",
		"notes/c.md": "![](/img/photos/c.svg)\n",
		"pages/d.md": "---\ntitle: [\n---\n![](/img/photos/d.svg)\n",
	})
	const denied = "?"
	for _, tt := range []struct {
		name, role, uses     string
		refuse, update, keep site.Code
	}{
		{"a", "editor", "pages/a(A).", site.Conflict, "", ""},
		{"a", "partial", "pages/a(A).", site.Conflict, "", ""},
		{"a", "reader", "pages/a(A).", site.Conflict, site.Forbidden, ""},
		{"a", "photo", "", site.Conflict, site.Conflict, ""},
		{"a", "viewer", "pages/a(A).", site.Forbidden, site.Forbidden, site.Forbidden},
		{"b", "editor", "pages/b(B).secret", site.Conflict, "", ""},
		{"b", "partial", "", site.Conflict, site.Conflict, ""},
		{"c", "editor", "notes/c().", site.Conflict, "", ""},
		{"c", "partial", "", site.Conflict, site.Conflict, ""},
		{"d", "editor", "pages/d().", site.Conflict, site.Invalid, ""},
		{"a", "stranger", denied, site.Forbidden, site.Forbidden, site.Forbidden},
	} {
		pr, name := person("bob", tt.role), "photos/"+tt.name+".svg"
		page, err := f.MediaReferences(t.Context(), pr, name, "", 10)
		if tt.uses == denied && err == nil || tt.uses != denied && (err != nil || listed(page.Items) != tt.uses) {
			t.Errorf("%s by %s: got %v, %v, want %s", tt.name, tt.role, page, err, tt.uses)
		}
		for how, code := range map[site.References]site.Code{site.RefuseReferences: tt.refuse, site.UpdateReferences: tt.update, site.KeepReferences: tt.keep} {
			_, err := f.Make(t.Context(), pr, site.MovingMedia(name, "photos/z.svg", how, anyRevision), site.Write{DryRun: true})
			told := &site.Error{}
			if err != nil && !errors.As(err, &told) || told.Code != code {
				t.Errorf("%s by %s, %q: got %v, want %s", tt.name, tt.role, how, err, code)
			}
			if told.Code == site.Conflict && how == site.RefuseReferences && listed(told.References) != tt.uses {
				t.Errorf("%s by %s, %q: told %s, want %s", tt.name, tt.role, how, listed(told.References), tt.uses)
			}
		}
	}
	for _, tt := range []struct {
		from, to string
		pre      site.Precondition
		code     site.Code
	}{
		{"photos/a.svg", "photos/b.svg", anyRevision, site.Conflict},
		{"photos/a.svg", "photos/B.svg", anyRevision, site.Conflict},
		{"photos/a.svg", "photos/a.png", anyRevision, site.Invalid},
		{"photos/a.svg", "../a.svg", anyRevision, site.Malformed},
		{"photos/a.svg", "photos/aux.svg", anyRevision, site.Malformed},
		{"photos/a.svg", "photos/a.svg/b.svg", anyRevision, site.Conflict},
		{"photos/x.svg", "photos/y.svg", anyRevision, site.NotFound},
		{"photos/a.svg", "photos/y.svg", site.Precondition{}, site.PreconditionRequired},
		{"photos/a.svg", "photos/y.svg", site.Precondition{Revisions: []string{"x"}}, site.PreconditionFailed},
	} {
		_, err := f.Make(t.Context(), f.editor, site.MovingMedia(tt.from, tt.to, site.KeepReferences, tt.pre), site.Write{DryRun: true})
		refused(t, err, tt.code, "")
	}
	for _, to := range []string{"photos/A.svg", "photos/a.SVG", "photos/a.svg"} {
		if _, err := f.Make(t.Context(), f.editor, site.MovingMedia("photos/a.svg", to, site.KeepReferences, anyRevision), site.Write{DryRun: true}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// TestMediaInABatch: an image and the entry that shows it are one commit, or none.
func TestMediaInABatch(t *testing.T) {
	t.Parallel()
	f := picturesSite(t)
	f.upload("a.svg")
	un := ref(t, "pages", "un")
	other := strings.Replace(anSVG, "<svg ", "<svg id=\"b\" ", 1)
	draft := site.Draft{Slug: un.Slug, Fields: fields("title", "Un", "image", "/img/b.svg"), Body: "![a](/img/a.svg)\n"}
	absent := site.Precondition{Absent: true}
	write := func(pr *auth.Principal, ops ...site.Operation) ([]*site.Outcome, error) {
		return f.Batch(t.Context(), pr, ops, site.Write{})
	}
	tip := f.Tip()
	for _, tt := range []struct {
		role string
		at   int
		code site.Code
		op   site.Operation
	}{
		{"editor", 1, site.NotFound, site.PuttingMedia("b.svg", []byte(other), anyRevision)},
		{"editor", 1, site.PreconditionFailed, site.PuttingMedia("a.svg", []byte(other), absent)},
		{"editor", 1, site.PreconditionRequired, site.PuttingMedia("a.svg", []byte(other), site.Precondition{})},
		{"editor", 1, site.Invalid, site.PuttingMedia("b.svg", []byte("x"), absent)},
		{"editor", 1, site.Invalid, site.PuttingMedia("b.exe", []byte(other), absent)},
		{"editor", 1, site.TooLarge, site.PuttingMedia("b.svg", []byte(anSVG+strings.Repeat(" ", 1000)), absent)},
		{"viewer", 1, site.Forbidden, site.PuttingMedia("a.svg", []byte(other), anyRevision)},
		{"viewer", 1, site.Forbidden, site.DeletingMedia("a.svg", site.KeepReferences, anyRevision)},
		{"editor", 1, site.Conflict, site.DeletingMedia("a.svg", site.RefuseReferences, anyRevision)},
		{"editor", 1, site.NotFound, site.DeletingMedia("x.svg", site.KeepReferences, anyRevision)},
	} {
		_, err := write(person("bob", tt.role), site.Creating("pages", draft, absent), tt.op)
		var at *site.OperationError
		if !errors.As(err, &at) || at.Index != tt.at {
			t.Errorf("got %v, want a refusal of the second operation", err)
		}
		refused(t, err, tt.code, "")
	}
	if got := f.Tip(); got != tip {
		t.Fatalf("something was committed: %s", f.RunGit("show", got))
	}
	out, err := write(f.editor, site.PuttingMedia("b.svg", []byte(other), absent), site.Creating("pages", draft, absent),
		site.PuttingMedia("b.svg", []byte(anSVG), anyRevision), site.MovingMedia("b.svg", "c.svg", site.UpdateReferences, anyRevision))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.RunGit("show", "--format=", "--name-status", "--no-renames", "main"); got != "A\timg/c.svg\nA\tpages/un.md\n" {
		t.Errorf("got %s", got)
	}
	if got := f.File("pages/un.md"); got != "---\ntitle: Un\nimage: /img/c.svg\n---\n![a](/img/a.svg)\n" {
		t.Errorf("got %s", got)
	}
	made := []site.Made{}
	for _, o := range out {
		made = append(made, o.Made)
	}
	if again, err := f.Again(t.Context(), f.editor, out[0].Commit, made); err != nil || again[3].Media.Path != "c.svg" {
		t.Errorf("again: %v", err)
	}
	if _, err = f.Again(t.Context(), person("bob", "viewer"), out[0].Commit, made); err == nil {
		t.Error("again, by who may not")
	}
	if _, err := write(f.editor, site.DeletingMedia("a.svg", site.KeepReferences, anyRevision), site.Deleting(un, anyRevision)); err != nil {
		t.Fatal(err)
	}
	if files := f.RunGit("ls-tree", "-r", "--name-only", "main"); files != "img/c.svg\n" {
		t.Errorf("got %s", files)
	}
}

// An entry whose link is rewritten is read on as its collection is.
func TestUsesAreReadAsTheirCollectionIs(t *testing.T) {
	t.Parallel()
	f := &fixture{sitetest.New(t, sitetest.Options{
		Collections: []content.Collection{{Name: "pages", Folder: "pages", Extension: ".md", YAML: content.YAML12, Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "places", Type: content.TypeInteger},
		}}}},
		Roles: map[string]map[string]auth.Grant{"editor": {"*": auth.Grant{Actions: everything}, auth.Media: {Actions: everything}}},
		Media: site.MediaOptions{MaxBytes: 1000, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"svg"}}},
	}), person("ann", "editor")}
	f.upload("a.svg")
	f.Commit(map[string]string{"pages/un.md": "---\nplaces: 0o17\n---\n![](/img/a.svg)\n"})
	out, err := f.Make(t.Context(), f.editor, site.MovingMedia("a.svg", "b.svg", site.UpdateReferences, anyRevision), site.Write{})
	if err != nil || len(out.Followed) != 1 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if got, want := f.File("pages/un.md"), "---\nplaces: 0o17\n---\n![](/img/b.svg)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An entry with more mentions than an index keeps is found nevertheless, by what it uses.
func TestUsesAmongMany(t *testing.T) {
	t.Parallel()
	f := picturesSite(t)
	f.upload("a.svg", "b.svg")
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "mot%d.net ", i)
	}
	f.Commit(map[string]string{"pages/un.md": "---\ntitle: x\n---\n" + many.String() + "\n\n![](/img/a.svg)\n"})
	for name, want := range map[string]int{"a.svg": 1, "b.svg": 0} {
		page, err := f.MediaReferences(t.Context(), f.editor, name, "", 100)
		if err != nil || len(page.Items) != want {
			t.Errorf("%s: got %v, %v, want %d", name, page, err, want)
		}
	}
	if _, err := f.Make(t.Context(), f.editor, site.MovingMedia("a.svg", "c.svg", site.UpdateReferences, anyRevision), site.Write{}); err != nil {
		t.Fatal(err)
	}
	if got := f.File("pages/un.md"); !strings.HasSuffix(got, "![](/img/c.svg)\n") {
		t.Errorf("got %.80q", got)
	}
}
