package site_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"cms/auth"
	"cms/content"
	"cms/race"
	"cms/site"
)

// sizes are those of the small and the large collection, of whatever grows.
const (
	small = 24
	large = 2 * small
)

// collectionOf is the name of the collection whose sizes are n.
func collectionOf(n int) string { return fmt.Sprint("c", n) }

// newGrown is a site of two collections. Each has as many entries as its size, an
// entry history of as many revisions, alternately of what some do not see, an entry
// wide of fields, and the bodies are as long, too. The last commit adds as many files.
func newGrown(t *testing.T) *fixture {
	t.Helper()
	var collections []content.Collection
	for _, n := range []int{small, large} {
		collections = append(collections, content.Collection{Name: collectionOf(n), Folder: "_" + collectionOf(n), Extension: ".md"})
	}
	f := siteOf(t, collections, map[string]map[string]auth.Grant{
		"editor":  {"*": auth.Grant{Actions: []auth.Action{auth.Read, auth.Create, auth.Update, auth.Delete}}},
		"partial": {"*": {Actions: []auth.Action{auth.Read, auth.Update}, Hide: []string{"secret"}}},
	})
	var b strings.Builder
	mark := 0
	commit := func(files map[string]string) {
		mark++
		fmt.Fprintf(&b, "commit refs/heads/main\nmark :%d\ncommitter A <a@example.org> %d +0000\ndata 1\nx\n", mark, 1_700_000_000+mark)
		if mark > 1 {
			fmt.Fprintf(&b, "from :%d\n", mark-1)
		}
		for name, text := range files {
			fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text)
		}
	}
	for i := range large {
		files := map[string]string{}
		for _, n := range []int{small, large} {
			if i < n {
				files[fmt.Sprintf("_%s/history.md", collectionOf(n))] = fmt.Sprintf("---\ntitle: H\nvu: %d\nsecret: %d\n---\n%s", i/2, i, strings.Repeat("un mot de plus\n", 60))
			}
		}
		commit(files)
	}
	files := map[string]string{}
	for _, n := range []int{small, large} {
		for i := range n {
			files[fmt.Sprintf("_%s/e%03d.md", collectionOf(n), i)] = fmt.Sprintf("---\ntitle: Élan %d\nsecret: x\n---\n%s", i, strings.Repeat("Une concertation à Nîmes\n", 40))
		}
		files[fmt.Sprintf("_%s/long.md", collectionOf(n))] = "---\ntitle: Long\nsecret: x\n---\n" + strings.Repeat("Des mots assez longs\n", 100*n)
		wide := "---\n"
		for i := range 20 * n {
			wide += fmt.Sprintf("champ%d: valeur %d\n", i, i)
		}
		files[fmt.Sprintf("_%s/wide.md", collectionOf(n))] = wide + "---\n"
	}
	commit(files)
	f.FastImport(b.String(), "--force")
	return f
}

// ask is a question whose cost grows with n.
type ask struct {
	name string
	who  string
	do   func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error
}

func asks(f *fixture) []ask {
	at := func(n int, slug string) site.Ref { return ref(f, collectionOf(n), slug) }
	list := func(q func(n int) site.Query) func(context.Context, *site.Site, *auth.Principal, int) error {
		return func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.List(ctx, pr, collectionOf(n), q(n))
			return err
		}
	}
	// the first and the oldest revisions of the histories, as partial knows them
	oldest := map[int]site.Change{}
	for _, n := range []int{small, large} {
		all, err := f.Fresh().History(f.Context(), person("pat", "partial"), at(n, "history"), "", 1000)
		if err != nil || all.Next != "" {
			f.Fatal(all, err)
		}
		oldest[n] = all.Items[len(all.Items)-1]
	}
	head, _ := f.Head()
	commits := strings.Fields(f.RunGit("rev-list", "main"))
	return []ask{
		{"list everything", "editor", list(func(int) site.Query { return site.Query{Limit: 1000} })},
		{"list what is partly seen", "partial", list(func(int) site.Query { return site.Query{Limit: 1000} })},
		{"list by words", "editor", list(func(int) site.Query { return site.Query{Limit: 5, Text: "concertation nimes absent"} })},
		{"list by words what is partly seen", "partial", list(func(int) site.Query { return site.Query{Limit: 5, Text: "longs"} })},
		{"filter by many values", "editor", list(func(n int) site.Query {
			values := make([]string, 10*n)
			for i := range values {
				values[i] = fmt.Sprint("Élan ", i)
			}
			return site.Query{Limit: 5, Filters: []site.Filter{{Field: "title", Op: site.In, Value: strings.Join(values, ",")}}}
		})},
		{"show many fields", "editor", list(func(n int) site.Query {
			q := site.Query{Limit: 1000}
			for i := range 4 * n {
				q.Fields = append(q.Fields, fmt.Sprint("champ", i))
			}
			return q
		})},
		{"sort", "editor", list(func(int) site.Query { return site.Query{Limit: 5, Sort: orders("-title,secret")} })},
		{"describe", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Collection(ctx, pr, collectionOf(n))
			return err
		}},
		{"read", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Entry(ctx, pr, at(n, "history"))
			return err
		}},
		{"history", "editor", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.History(ctx, pr, at(n, "history"), "", n)
			return err
		}},
		{"history of what is partly seen", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.History(ctx, pr, at(n, "history"), "", n)
			return err
		}},
		{"diff of the oldest", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Diff(ctx, pr, at(n, "history"), oldest[n].Revision, "")
			return err
		}},
		{"diff of a wide one", "editor", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Diff(ctx, pr, at(n, "wide"), "", "")
			return err
		}},
		{"diff of a long one", "editor", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Diff(ctx, pr, at(n, "long"), "", "")
			return err
		}},
		{"merge with an old base", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Update(ctx, pr, at(n, "history"), site.MergePatch(fields("fields", fields("autre", "x"))),
				site.Write{DryRun: true, Precondition: site.Precondition{Base: oldest[n].Revision}})
			return err
		}},
		{"merge with a base that is none", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Update(ctx, pr, at(n, "history"), site.MergePatch(fields("fields", fields("autre", "x"))),
				site.Write{DryRun: true, Precondition: site.Precondition{Base: strings.Repeat("0", 40)}})
			if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.Malformed {
				return nil
			}
			return fmt.Errorf("got %w, want that it is no base", err)
		}},
		{"changes of commits", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Since(ctx, pr, commits[len(commits)-1], n)
			return err
		}},
		{"changes of commits, backwards", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Before(ctx, pr, "", commits[1], n)
			return err
		}},
		{"as it was first", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.EntryAt(ctx, pr, at(n, "history"), oldest[n].Commit)
			return err
		}},
		{"values", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Facets(ctx, pr, collectionOf(n), site.FacetQuery{Fields: []string{"title", "updated.author"}, Limit: 10})
			return err
		}},
		{"changes of many files", "editor", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			seen, err := s.Since(ctx, pr, commits[1], n)
			if err == nil && seen.Until != head {
				err = errors.New("a commit is not told whole")
			}
			return err
		}},
		{"search", "partial", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Search(ctx, pr, site.Search{Text: "concertation Nîmes", Collection: collectionOf(n), Limit: 1000})
			return err
		}},
		{"search for many words", "editor", func(ctx context.Context, s *site.Site, pr *auth.Principal, n int) error {
			_, err := s.Search(ctx, pr, site.Search{Text: strings.Repeat("concertation ", n), Collection: collectionOf(small), Limit: 1000})
			return err
		}},
	}
}

// TestWorkGrowsWithWhatIsAsked asks each question twice, of what is of one size and of
// twice as much, on sites that have kept nothing: work and memory grow no faster.
func TestWorkGrowsWithWhatIsAsked(t *testing.T) {
	race.Sequential(t)
	race.TakesLong(t)
	f := newGrown(t)
	if _, err := f.Site.Search(t.Context(), f.editor, site.Search{Text: "mot", Limit: 1}); err != nil {
		t.Fatal(err)
	}
	for _, a := range asks(f) {
		t.Run(a.name, func(t *testing.T) {
			pr := person("pat", a.who)
			cost := func(n int) (work int64, memory uint64) {
				s := f.Fresh()
				if strings.HasPrefix(a.name, "search") { // whose index is made first
					if _, err := s.Search(t.Context(), f.editor, site.Search{Text: "mot", Limit: 1}); err != nil {
						t.Fatal(err)
					}
				}
				before := s.Spent()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				from := m.TotalAlloc
				if err := a.do(t.Context(), s, pr, n); err != nil {
					t.Fatal(err)
				}
				runtime.ReadMemStats(&m)
				return s.Spent() - before, m.TotalAlloc - from
			}
			work, memory := cost(small)
			for range 2 {
				_, again := cost(small)
				memory = min(memory, again)
			}
			twice, more := cost(large)
			for range 2 {
				_, again := cost(large)
				more = min(more, again)
			}
			t.Logf("work %d and %d, bytes %d and %d", work, twice, memory, more)
			if 2*twice > 5*work+2*1000 {
				t.Errorf("work of %d for %d, %d for %d", work, small, twice, large)
			}
			if 2*more > 5*memory+2*32_000 {
				t.Errorf("%d bytes for %d, %d for %d", memory, small, more, large)
			}
		})
	}
}

// TestWorkEndsWithItsCaller asks each question for someone who has gone, and for
// someone who goes meanwhile: nothing more is done for them.
func TestWorkEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	f := newGrown(t)
	for _, a := range asks(f) {
		t.Run(a.name, func(t *testing.T) {
			pr := person("pat", a.who)
			whole := f.Fresh()
			if err := a.do(t.Context(), whole, pr, large); err != nil {
				t.Fatal(err)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			s := f.Fresh()
			if err := a.do(gone, s, pr, large); !errors.Is(err, context.Canceled) && whole.Spent() > 1000 {
				t.Errorf("got %v, want that the caller has gone", err)
			}
			if s.Spent() > whole.Spent()/4+1000 {
				t.Errorf("work of %d for someone who has gone, %d for others", s.Spent(), whole.Spent())
			}
			switch a.name {
			case "history of what is partly seen", "diff of the oldest", "merge with an old base", "merge with a base that is none", "changes of commits", "changes of many files":
			default:
				return
			}
			const counts = 5 // then they go
			s = f.Fresh()
			if err := a.do(&patience{t.Context(), counts}, s, pr, large); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v for someone who goes meanwhile", err)
			}
			if s.Spent() > whole.Spent()/2 {
				t.Errorf("work of %d for someone who goes meanwhile, %d for others", s.Spent(), whole.Spent())
			}
		})
	}
}

// TestWhatCostsTooMuchIsGoneOnWith lets questions cost next to nothing: they are
// answered in parts, or in the end, and the parts are the whole.
func TestWhatCostsTooMuchIsGoneOnWith(t *testing.T) {
	t.Parallel()
	f := newGrown(t)
	pr, at := person("pat", "partial"), ref(t, collectionOf(large), "history")
	history, err := f.Fresh().History(t.Context(), pr, at, "", 1000)
	if err != nil || len(history.Items) != small || history.Next != "" {
		t.Fatalf("got %v, %v", history, err)
	}
	want := history.Items
	s := f.Fresh()
	s.Grudge(2000)
	var got []site.Change
	pages, again := 0, 0
	for cursor := ""; ; {
		page, err := s.History(t.Context(), pr, at, cursor, 1000)
		if err != nil {
			refused(t, err, site.Unavailable, "")
			if again++; again > 1000 {
				t.Fatal("it gets no further")
			}
			continue
		}
		pages++
		got = append(got, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !reflect.DeepEqual(got, want) || pages < 3 {
		t.Errorf("got %d commits in %d pages, want %d", len(got), pages, len(want))
	}
	if _, err := s.History(t.Context(), pr, at, strings.Repeat("0", 40), 1000); err == nil {
		t.Error("a cursor of none is taken")
	}

	q := site.Query{Limit: 1000, Text: "concertation"}
	list, err := f.Fresh().List(t.Context(), pr, collectionOf(large), q)
	if err != nil {
		t.Fatal(err)
	}
	s = f.Fresh()
	s.Grudge(1 << 24)
	var slugs []string
	tries := 0
	for ; ; tries++ {
		page, err := s.List(t.Context(), pr, collectionOf(large), q)
		if err != nil {
			refused(t, err, site.Unavailable, "")
			if tries > 1000 {
				t.Fatal("it gets no further")
			}
			continue
		}
		for _, e := range page.Items {
			slugs = append(slugs, e.Slug.String())
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(slugs) != len(list.Items) || tries < large {
		t.Errorf("got %d entries after %d tries, want %d", len(slugs), tries, len(list.Items))
	}

	head, _ := f.Head()
	seen := 0
	since := strings.Fields(f.RunGit("rev-list", "--max-parents=0", "main"))[0]
	for since != head {
		part, err := s.Since(t.Context(), pr, since, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if seen += len(part.Changes); part.Until == since {
			t.Fatal("it gets no further")
		}
		since = part.Until
	}
	whole, err := f.Fresh().Since(t.Context(), pr, strings.Fields(f.RunGit("rev-list", "--max-parents=0", "main"))[0], 1000)
	if err != nil || seen != len(whole.Changes) {
		t.Errorf("got %d changes, want %d, %v", seen, len(whole.Changes), err)
	}
}

// TestDearQuestionsTakeTurns lets some wait: nobody has many waiting, and who waits
// gets an answer when it is their turn, or goes.
func TestDearQuestionsTakeTurns(t *testing.T) {
	t.Parallel()
	f := newGrown(t)
	var turns []func()
	other := person("other", "editor")
	for range max(2, runtime.GOMAXPROCS(0)) {
		done, err := f.Turn(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	for range site.MaxTurns {
		go func() {
			refused := (*site.Error)(nil)
			done, err := f.Turn(ctx, f.editor)
			for ; errors.As(err, &refused); done, err = f.Turn(ctx, f.editor) { // by the turn of the look below
				runtime.Gosched()
			}
			done()
			waiting <- err
		}()
	}
	for { // until all of them wait
		done, err := f.Turn(patienceOver(t), f.editor)
		done()
		if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.Unavailable {
			break
		}
		runtime.Gosched()
	}
	_, err := f.List(t.Context(), f.editor, collectionOf(small), site.Query{Limit: 1, Text: "mot"})
	refused(t, err, site.Unavailable, "")
	cancel()
	for range site.MaxTurns {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that they have gone", err)
		}
	}
	for _, done := range turns {
		done()
	}
	if _, err := f.List(t.Context(), f.editor, collectionOf(small), site.Query{Limit: 1, Text: "mot"}); err != nil {
		t.Error(err)
	}
}

// patienceOver is a context that has ended.
func patienceOver(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestBatchesAreBounded refuses a batch whose files are too large together.
func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	f := newGrown(t)
	f.Grudge(1000)
	var ops []site.Operation
	for range 40 {
		ops = append(ops, site.Updating(ref(t, collectionOf(large), "long"), site.MergePatch(fields("body", "x")), site.Precondition{Any: true}))
	}
	_, err := f.Batch(t.Context(), f.editor, ops, site.Write{})
	refused(t, err, site.TooLarge, "")
	if _, err := f.Batch(t.Context(), f.editor, ops[:1], site.Write{}); err != nil {
		t.Errorf("got %v for one of them", err)
	}
}

// TestManyValuesAreASet compares a filter with many values with as many of one.
func TestManyValuesAreASet(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	values := []any{"un", "e\u0301cluse", "écluse", content.Number("1.5"), content.Number("1.50"), content.Number("9007199254740993"), true, "2026-01-02", "1.5"}
	var ops []site.Operation
	for i, v := range values {
		ops = append(ops, site.Creating("consultations", site.Draft{Slug: ref(t, "consultations", fmt.Sprint("e", i)).Slug, Fields: fields("title", "T", "n", v, "l", []content.Value{"x", v})}, site.Precondition{}))
	}
	if _, err := f.Batch(t.Context(), f.editor, ops, site.Write{}); err != nil {
		t.Fatal(err)
	}
	count := func(field string, op site.Op, value string) int {
		t.Helper()
		page, err := f.List(f.Context(), f.editor, "consultations", site.Query{Limit: 100, Filters: []site.Filter{{Field: field, Op: op, Value: value}}})
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	none := strings.Repeat("rien,", 20)
	for _, field := range []string{"n", "l"} {
		for _, value := range []string{"un", "écluse", "15e-1", "9007199254740993", "9007199254740992", "true", "2026-01-02", "x"} {
			if got, want := count(field, site.In, none+value), count(field, site.Eq, value); got != want {
				t.Errorf("%s in many values with %s: got %d, want %d", field, value, got, want)
			}
		}
	}
}
