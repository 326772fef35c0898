package site_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/repo"
	"cms/site"
)

var anyRevision = site.Precondition{Any: true}

// referringSite is a site of events that refer to places in each way that there is, and
// of people who refer to each other.
func referringSite(t testing.TB) *fixture {
	to := func(name, collection string) content.Field {
		return content.Field{Name: name, Type: content.TypeReference, Collection: collection}
	}
	lieu := to("", "lieux")
	return siteOf(t, []content.Collection{
		{Name: "lieux", Folder: "lieux", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString}, to("voisin", "lieux"), {Name: "note", Type: content.TypeString}}}},
		{Name: "archives", Folder: "archives", Extension: ".md"},
		{Name: "evenements", Folder: "evenements", Extension: ".md", Schema: content.Schema{Defined: true, Fields: []content.Field{
			{Name: "title", Type: content.TypeString},
			to("lieu", "lieux"),
			{Name: "lieux", Type: content.TypeList, Of: &lieu},
			{Name: "etapes", Type: content.TypeList, Of: &content.Field{Type: content.TypeObject, Fields: []content.Field{to("lieu", "lieux"), {Name: "heure", Type: content.TypeString}}}},
			{Name: "repli", Type: content.TypeObject, Fields: []content.Field{to("lieu", "lieux")}},
			{Name: "siege", Type: content.TypeReference, Collection: "lieux", ReadOnly: true},
			{Name: "depart", Type: content.TypeReference, Collection: "lieux", Required: false},
		}}},
	}, map[string]map[string]auth.Grant{
		"editor":  {"*": auth.Grant{Actions: everything}},
		"blind":   {"lieux": {Actions: everything}},
		"partial": {"lieux": {Actions: everything}, "evenements": {Actions: everything, Hide: []string{"depart"}, Where: []auth.Condition{{Field: "title", Values: []content.Value{"A", "B", "D"}}}}},
		"reader":  {"lieux": {Actions: everything}, "evenements": {Actions: []auth.Action{auth.Read}}},
	})
}

const aTour = "---\ntitle: A # tour\nlieu: 'parc'   # d’abord\nlieux: [cave, parc, parc, \"parc\"]\netapes:\n- lieu: parc\n  heure: 9h\n- {heure: 10h, lieu: parc}\nrepli:\n  lieu: \"parc\"\n---\nparc\n"

func listed(refs []site.Reference) string {
	var told []string
	for _, r := range refs {
		told = append(told, fmt.Sprintf("%s(%s).%s", r.Ref, r.Title, r.At))
	}
	return strings.Join(told, " ")
}

// TestReferencesAreFound tells each role the references that it may see, page by page.
func TestReferencesAreFound(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	f.Commit(map[string]string{
		"lieux/parc.md":    "---\ntitle: Parc\nvoisin: parc\n---\n",
		"lieux/cave.md":    "---\nvoisin: parc\ntitle: Cave\n---\n",
		"evenements/a.md":  aTour,
		"evenements/b.md":  "---\ntitle: B\ndepart: parc\nlieu: cave\n---\nparc\n",
		"evenements/c.md":  "---\ntitle: C\ndepart: parc\nlieu: parc\n---\n",
		"evenements/d.md":  "---\ntitle: D\nlieu: 3\nlieux: parc\nrepli: [parc]\n---\n",
		"evenements/x.md":  "---\ntitle: [\n---\n",
		"archives/parc.md": "---\nlieu: parc\n---\n",
	})
	parc := ref(t, "lieux", "parc")
	places := "lieux/cave(Cave).voisin lieux/parc(Parc).voisin"
	tour := "evenements/a(A).lieu evenements/a(A).lieux[1] evenements/a(A).lieux[2] evenements/a(A).lieux[3] evenements/a(A).etapes[0].lieu evenements/a(A).etapes[1].lieu evenements/a(A).repli.lieu"
	for role, want := range map[string]string{
		"editor":  places + " " + tour + " evenements/b(B).depart evenements/c(C).lieu evenements/c(C).depart",
		"reader":  places + " " + tour + " evenements/b(B).depart evenements/c(C).lieu evenements/c(C).depart",
		"partial": places + " " + tour,
		"blind":   places,
	} {
		pr := person("bob", role)
		for limit, pages := range map[int]int{100: 1, 1: 5, 2: 3} {
			var all []site.Reference
			n, after := 0, ""
			for more := true; more && n < 10; n++ {
				page, err := f.References(t.Context(), pr, parc, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, page.Items...)
				after, more = page.Next, page.Next != ""
			}
			if got := listed(all); got != want || role == "editor" && n != pages {
				t.Errorf("%s, %d a page: got %d pages: %s\nwant %s", role, limit, n, got, want)
			}
		}
	}
	for _, tt := range []struct {
		pr   *auth.Principal
		ref  site.Ref
		next string
		code site.Code
	}{
		{f.editor, ref(t, "lieux", "nulle-part"), "", site.NotFound},
		{f.editor, ref(t, "absents", "parc"), "", site.NotFound},
		{f.editor, parc, "x", site.Malformed},
		{person("bob", "partial"), ref(t, "evenements", "c"), "", site.NotFound},
		{person("bob", "blind"), ref(t, "evenements", "a"), "", site.NotFound},
		{person("bob", "stranger"), parc, "", site.Forbidden},
	} {
		_, err := f.References(t.Context(), tt.pr, tt.ref, tt.next, 10)
		refused(t, err, tt.code, "")
	}
}

// TestReferencesFollow deletes and moves an entry to which others refer, and finds in Git
// what became of the references: those lines alone, in one commit.
func TestReferencesFollow(t *testing.T) {
	t.Parallel()
	parc, place := ref(t, "lieux", "parc"), ref(t, "lieux", "place/de-l-eau")
	old := ref(t, "archives", "parc")
	b, gone := "---\ntitle: B\nlieu: parc\n---\n", "---\ntitle: B\n---\n"
	moved := strings.ReplaceAll(strings.Replace(aTour, "\nparc\n", "\nPARC\n", 1), "parc", "place/de-l-eau")
	moved = strings.Replace(moved, "PARC", "parc", 1)
	cleared := "---\ntitle: A # tour\nlieux: [cave]\netapes:\n- heure: 9h\n- {heure: 10h}\nrepli: {}\n---\nparc\n"
	for _, tt := range []struct {
		name    string
		op      site.Operation
		how     site.References
		a, b    string // what is left of the two
		self    string // what is left of the entry itself, where it is then; "" for nothing
		subject string
		code    site.Code
		told    int
	}{
		{"delete", site.Deleting(parc, anyRevision), site.KeepReferences, aTour, b, "", "Delete lieux/parc", "", 0},
		{"refuse", site.Deleting(parc, anyRevision), site.RefuseReferences, "", "", "", "", site.Conflict, 8},
		{"clear", site.Deleting(parc, anyRevision), site.ClearReferences, cleared, gone, "", "Delete lieux/parc with 8 references", "", 0},
		{"move", site.Moving(parc, place, anyRevision), site.KeepReferences, aTour, b, "---\nvoisin: parc\n---\nIci\n", "Move lieux/parc to lieux/place/de-l-eau", "", 0},
		{"move, refuse", site.Moving(parc, place, anyRevision), site.RefuseReferences, "", "", "", "", site.Conflict, 9},
		{"move, update", site.Moving(parc, place, anyRevision), site.UpdateReferences, moved, strings.Replace(b, "parc", "place/de-l-eau", 1), "---\nvoisin: place/de-l-eau\n---\nIci\n", "Move lieux/parc to lieux/place/de-l-eau with 9 references", "", 0},
		{"move, clear", site.Moving(parc, place, anyRevision), site.ClearReferences, cleared, gone, "---\n---\nIci\n", "Move lieux/parc to lieux/place/de-l-eau with 9 references", "", 0},
		{"move away, update", site.Moving(parc, old, anyRevision), site.UpdateReferences, "", "", "", "", site.Conflict, 8},
		{"move away, clear", site.Moving(parc, old, anyRevision), site.ClearReferences, cleared, gone, "---\nvoisin: parc\n---\nIci\n", "Move lieux/parc to archives/parc with 8 references", "", 0},
		{"move nowhere, refuse", site.Moving(parc, parc, anyRevision), site.RefuseReferences, aTour, b, "---\nvoisin: parc\n---\nIci\n", "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := referringSite(t)
			f.Commit(map[string]string{"lieux/parc.md": "---\nvoisin: parc\n---\nIci\n", "lieux/cave.md": "---\n---\n", "evenements/a.md": aTour, "evenements/b.md": b})
			tip := f.Tip()
			op := site.Following(tt.op, tt.how)
			dry, err := f.Make(t.Context(), f.editor, op, site.Write{DryRun: true})
			if tt.code != "" {
				refused(t, err, tt.code, "")
				var told *site.Error
				if _, err = f.Make(t.Context(), f.editor, op, site.Write{}); !errors.As(err, &told) || len(told.References) != tt.told || told.Code != tt.code {
					t.Errorf("got %v and %s, want %d", err, listed(told.References), tt.told)
				}
				if got := f.Tip(); got != tip {
					t.Errorf("something was committed: %s", f.RunGit("show", got))
				}
				return
			}
			if err != nil || f.Tip() != tip {
				t.Fatalf("dry run: %v", err)
			}
			out, err := f.Make(t.Context(), f.editor, op, site.Write{})
			if err != nil {
				t.Fatal(err)
			}
			if n := f.RunGit("rev-list", "--count", tip+"..main"); tt.subject != "" && n != "1\n" {
				t.Errorf("got %s commits", n)
			}
			if got := f.RunGit("log", "-1", "--format=%s", "main"); tt.subject != "" && got != tt.subject+"\n" {
				t.Errorf("got the subject %s", got)
			}
			if tt.how != site.KeepReferences && len(dry.References) > 0 && !strings.HasSuffix(tt.subject, fmt.Sprintf("with %d references", len(dry.References))) {
				t.Errorf("a dry run told %s", listed(dry.References))
			}
			for slug, want := range map[string]string{"a": tt.a, "b": tt.b} {
				if got := f.File("evenements/" + slug + ".md"); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", slug, got, want)
				}
			}
			if tt.self != "" {
				if got := f.File(out.Entry.Path.String()); got != tt.self {
					t.Errorf("itself: got %q, want %q", got, tt.self)
				}
				if rev := strings.TrimSpace(f.RunGit("rev-parse", "main:"+out.Entry.Path.String())); out.Entry.Revision != rev {
					t.Errorf("told at %s, is at %s", out.Entry.Revision, rev)
				}
			}
			again, err := f.Again(t.Context(), f.editor, out.Commit, []site.Made{out.Made})
			if err != nil || len(again[0].Followed) != len(out.Followed) {
				t.Errorf("again: got %v, %v", again, err)
			}
		})
	}
}

// TestReferencesThatMayNotBeChanged: nothing is done where one of the references cannot
// be changed, and it is told as far as the caller sees it.
func TestReferencesThatMayNotBeChanged(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	f.Commit(map[string]string{
		"lieux/parc.md": "---\n---\n", "evenements/a.md": "---\ntitle: A\nlieu: parc\n---\n",
		"lieux/cave.md": "---\n---\n", "evenements/b.md": "---\ntitle: B\nlieu: cave\ndepart: cave\n---\n",
		"lieux/bois.md": "---\n---\n", "evenements/c.md": "---\ntitle: C\nlieu: bois\n---\n",
		"lieux/gare.md": "---\n---\n", "evenements/d.md": "---\ntitle: D\nlieu: gare\nsiege: gare\n---\n",
		"lieux/port.md": "---\n---\n", "evenements/e.md": "---\ntitle: A\nlieu: port\nlieu: port\n---\n",
	})
	for _, tt := range []struct {
		slug, role string
		how        site.References
		code       site.Code // "" when it is done
		told       string
	}{
		{"parc", "partial", site.RefuseReferences, site.Conflict, "evenements/a(A).lieu"},
		{"parc", "reader", site.RefuseReferences, site.Conflict, "evenements/a(A).lieu"},
		{"parc", "reader", site.ClearReferences, site.Forbidden, "evenements/a(A).lieu"},
		{"parc", "blind", site.RefuseReferences, site.Conflict, ""},
		{"parc", "blind", site.ClearReferences, site.Conflict, ""},
		{"cave", "partial", site.RefuseReferences, site.Conflict, "evenements/b(B).lieu"},
		{"cave", "partial", site.ClearReferences, site.Conflict, ""},
		{"bois", "partial", site.RefuseReferences, site.Conflict, ""},
		{"bois", "partial", site.ClearReferences, site.Conflict, ""},
		{"gare", "editor", site.ClearReferences, site.Invalid, "evenements/d(D).lieu evenements/d(D).siege"},
		{"port", "editor", site.ClearReferences, site.Invalid, "evenements/e(A).lieu"},
		{"parc", "partial", site.ClearReferences, "", ""},
		{"cave", "blind", site.KeepReferences, "", ""},
	} {
		target := ref(t, "lieux", tt.slug)
		for _, op := range []site.Operation{site.Deleting(target, anyRevision), site.Moving(target, ref(t, "lieux", "neuf"), anyRevision)} {
			tip := f.Tip()
			_, err := f.Make(t.Context(), person("bob", tt.role), site.Following(op, tt.how), site.Write{DryRun: tt.code == ""})
			var told *site.Error
			switch {
			case tt.code == "" && err != nil:
				t.Errorf("%s by %s, %s: %v", tt.slug, tt.role, tt.how, err)
			case tt.code == "":
			case !errors.As(err, &told) || told.Code != tt.code || listed(told.References) != tt.told:
				t.Errorf("%s by %s, %s: got %v %+v, want %s %s", tt.slug, tt.role, tt.how, err, told, tt.code, tt.told)
			case f.Tip() != tip:
				t.Errorf("%s by %s, %s: something was committed", tt.slug, tt.role, tt.how)
			}
		}
	}
}

// TestReferenceMadeMeanwhile: what comes to refer to an entry between the rehearsal and
// the writer's turn follows it, or keeps it where it is.
func TestReferenceMadeMeanwhile(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	for i, how := range []site.References{site.RefuseReferences, site.ClearReferences, site.UpdateReferences} {
		parc, late := ref(t, "lieux", fmt.Sprint("parc-", i)), ref(t, "evenements", fmt.Sprint("tard-", i))
		f.Commit(map[string]string{"lieux/" + parc.Slug.String() + ".md": "---\n---\n"})
		f.Commit(map[string]string{"evenements/tot-" + fmt.Sprint(i) + ".md": "---\ntitle: Tôt\n---\n"})
		op := site.Moving(parc, ref(t, "lieux", fmt.Sprint("neuf-", i)), anyRevision)
		if _, err := f.References(t.Context(), f.editor, parc, "", 1); err != nil {
			t.Fatal(err)
		}
		// The writer is kept busy until the move was rehearsed.
		busy, rehearsed := make(chan struct{}), make(chan struct{})
		put := make(chan error, 1)
		go func() {
			_, err := f.Repo.Update(t.Context(), repo.Meta{Author: repo.Person{Name: "D", Email: "d@example.org"}, Message: "x"}, func(tx *repo.Tx) error {
				if !isClosed(busy) {
					close(busy)
				}
				<-rehearsed
				_, err := tx.Put(late.Collection, late.Slug, content.Parse([]byte("---\ntitle: Tard\nlieu: "+parc.Slug.String()+"\n---\n")))
				return err
			})
			put <- err
		}()
		<-busy
		last := site.Updating(ref(t, "evenements", fmt.Sprint("tot-", i)), func(_ context.Context, d *content.Document, _ *content.Schema) (*content.Document, error) {
			if !isClosed(rehearsed) {
				close(rehearsed)
			}
			return d, nil
		}, anyRevision)
		_, err := f.Batch(t.Context(), f.editor, []site.Operation{site.Following(op, how), last}, site.Write{})
		if err := <-put; err != nil {
			t.Fatal(err)
		}
		got := f.File("evenements/" + late.Slug.String() + ".md")
		switch how {
		case site.RefuseReferences:
			refused(t, err, site.Conflict, "")
		case site.ClearReferences:
			if err != nil || got != "---\ntitle: Tard\n---\n" {
				t.Errorf("clear: got %v and %s", err, got)
			}
		case site.UpdateReferences:
			if err != nil || got != "---\ntitle: Tard\nlieu: neuf-2\n---\n" {
				t.Errorf("update: got %v and %s", err, got)
			}
		}
	}
}

// isClosed says whether c is, which one goroutine alone closes.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestReferencesOfABatch: each operation finds the references that those before it left,
// and what one commit changes is bounded.
func TestReferencesOfABatch(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	files := map[string]string{"lieux/parc.md": "---\n---\n", "lieux/cave.md": "---\n---\n", "lieux/bois.md": "---\n---\n", "evenements/un.md": "---\nlieu: parc\n---\n"}
	for i := range site.MaxBatch {
		files[fmt.Sprintf("evenements/e%d.md", i)] = "---\ndepart: bois\n---\n"
	}
	f.Commit(files)
	parc, cave, bois := ref(t, "lieux", "parc"), ref(t, "lieux", "cave"), ref(t, "lieux", "bois")
	un := ref(t, "evenements", "un")
	set := func(slug string) site.Operation {
		return site.Updating(un, site.MergePatch(fields("fields", fields("lieu", slug))), anyRevision)
	}
	whole := func(ops ...site.Operation) error {
		_, err := f.Batch(t.Context(), f.editor, ops, site.Write{Message: "Ranger"})
		return err
	}
	if err := whole(set("cave"), site.Following(site.Deleting(parc, anyRevision), site.RefuseReferences), site.Following(site.Moving(cave, parc, anyRevision), site.UpdateReferences)); err != nil {
		t.Fatal(err)
	}
	if got := f.File("evenements/un.md"); got != "---\nlieu: parc\n---\n" {
		t.Errorf("got %s", got)
	}
	var at *site.OperationError
	if err := whole(set("bois"), site.Following(site.Deleting(parc, anyRevision), site.RefuseReferences), site.Following(site.Deleting(bois, anyRevision), site.RefuseReferences)); !errors.As(err, &at) || at.Index != 2 {
		t.Errorf("got %v, want a refusal of the third operation", err)
	}
	refused(t, whole(site.Following(site.Deleting(bois, anyRevision), site.ClearReferences)), site.TooLarge, "")
	if err := whole(site.Deleting(ref(t, "evenements", "e0"), anyRevision)); err != nil {
		t.Fatal(err)
	}
	if err := whole(site.Following(site.Deleting(bois, anyRevision), site.ClearReferences)); err != nil {
		t.Error(err)
	}
	if n := f.RunGit("diff", "--shortstat", "main^", "main"); !strings.Contains(n, fmt.Sprintf(" %d files changed, %d deletions", site.MaxBatch, site.MaxBatch+1)) {
		t.Errorf("got %s", n)
	}
}

// TestReferencesAreKept: after each edit, and beside dry runs, what refers to an entry is
// what a site says that looks for the first time.
func TestReferencesAreKept(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	places := []site.Ref{ref(t, "lieux", "a"), ref(t, "lieux", "b"), ref(t, "lieux", "c")}
	for _, p := range places {
		f.Commit(map[string]string{"lieux/" + p.Slug.String() + ".md": "---\nvoisin: b\n---\n"})
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		event := ref(t, "evenements", fmt.Sprint(dice.IntN(6)))
		to := places[dice.IntN(len(places))].Slug.String()
		w := site.Write{DryRun: dice.IntN(3) == 0}
		var op site.Operation
		switch dice.IntN(4) {
		case 0:
			op = site.Creating("evenements", site.Draft{Slug: event.Slug, Fields: fields("lieu", to, "lieux", []content.Value{"a", to})}, site.Precondition{})
		case 1:
			op = site.Updating(event, site.MergePatch(fields("fields", fields("depart", to))), anyRevision)
		case 2:
			op = site.Moving(event, ref(t, "evenements", fmt.Sprint(dice.IntN(6))), anyRevision)
		default:
			op = site.Deleting(event, anyRevision)
		}
		if _, err := f.Make(t.Context(), f.editor, op, w); err != nil && !errors.As(err, new(*site.Error)) {
			t.Fatal(err)
		}
		anew := f.Fresh()
		for _, p := range places {
			got, err := f.References(t.Context(), f.editor, p, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			want, err := anew.References(t.Context(), f.editor, p, "", 100)
			if err != nil || listed(got.Items) != listed(want.Items) {
				t.Fatalf("after %d edits, of %s: got %s, want %s, %v", i+1, p, listed(got.Items), listed(want.Items), err)
			}
		}
	}
}

// TestReferencesAreFoundByParts: a question that may look at little gets further each time
// that it is asked, and the writer never looks for all.
func TestReferencesAreFoundByParts(t *testing.T) {
	t.Parallel()
	f := referringSite(t)
	files := map[string]string{"lieux/parc.md": "---\n---\n"}
	for i := range 2000 {
		files[fmt.Sprintf("evenements/e%d.md", i)] = "---\ntitle: E\n---\n"
	}
	files["evenements/e1999.md"] = "---\ntitle: E\nlieu: parc\n---\n"
	f.Commit(files)
	f.Grudge(4096) // 64 KiB
	parc := ref(t, "lieux", "parc")
	for tries := 1; ; tries++ {
		page, err := f.References(t.Context(), f.editor, parc, "", 10)
		if err == nil {
			if tries == 1 || listed(page.Items) != "evenements/e1999(E).lieu" {
				t.Errorf("after %d tries: got %s", tries, listed(page.Items))
			}
			break
		}
		if refused(t, err, site.Unavailable, ""); tries > 20 {
			t.Fatal("no try gets further")
		}
	}
}
