package demosite

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"cms/content"
)

const (
	folder = "_consultations"
	home   = "Consultations" // title of the home page if index.md gives none
)

// source is a commit as the site is made of it.
type source struct {
	tree    *object.Tree
	Commit  string
	Author  string
	At      time.Time
	Welcome page
	Entries []page // open ones first, in the order that the files ask for
	Skipped []string
}

// Short is the commit as people write it.
func (s *source) Short() string { return s.Commit[:7] }

// page is a file read for its page.
type page struct {
	Slug, Title, Description, Organisateur, Link string
	Methodes                                     []string
	Date                                         time.Time // zero when the file has none
	Open                                         bool
	Citizens, Deciders                           Rating
	order                                        int
	body                                         string // Markdown
}

// Rating is a mark of 0 to 5.
type Rating struct {
	Given bool
	Value int
}

// Stars draws r.
func (r Rating) Stars() string {
	return strings.Repeat("★", r.Value) + strings.Repeat("☆", 5-r.Value)
}

// readSource finds the tip of the branch. The repository is opened anew each
// time: one opened earlier does not see what others write.
func readSource(ctx context.Context, repository, branch string) (*source, error) {
	r, err := git.PlainOpen(repository)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", repository, err)
	}
	ref, err := r.Reference(plumbing.NewBranchReferenceName(branch), true)
	if err != nil {
		return nil, fmt.Errorf("branch %s: %w", branch, err)
	}
	commit, err := r.CommitObject(ref.Hash())
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", ref.Hash(), err)
	}
	tree, err := commit.Tree()
	if err != nil {
		return nil, fmt.Errorf("tree of %s: %w", ref.Hash(), err)
	}
	return &source{tree: tree, Commit: ref.Hash().String(), Author: commit.Author.Name, At: commit.Author.When, Welcome: page{Title: home}}, ctx.Err()
}

// readEntries reads the files that become pages.
func (s *source) readEntries(ctx context.Context) error {
	err := s.tree.Files().ForEach(func(f *object.File) error {
		slug, ok := strings.CutPrefix(f.Name, folder+"/")
		slug, markdown := strings.CutSuffix(slug, ".md")
		entry := ok && markdown
		if !f.Mode.IsRegular() || !entry && f.Name != "index.md" {
			return ctx.Err()
		}
		text, err := f.Contents()
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		d := content.Parse([]byte(text))
		switch {
		case d.Err() != nil:
			s.Skipped = append(s.Skipped, fmt.Sprintf("%s: %v", f.Name, d.Err()))
		case entry:
			s.Entries = append(s.Entries, readPage(slug, d))
		default:
			s.Welcome = readPage(home, d)
		}
		return ctx.Err()
	})
	slices.SortStableFunc(s.Entries, func(a, b page) int {
		return cmp.Or(compareBool(b.Open, a.Open), cmp.Compare(a.order, b.order), b.Date.Compare(a.Date))
	})
	return err
}

func readPage(slug string, d *content.Document) page {
	f := d.Fields()
	p := page{
		Slug: slug, Title: cmp.Or(text(f, "title"), path.Base(slug)), Description: text(f, "description"),
		Organisateur: text(f, "organisateur"), Link: text(f, "link"),
		Citizens: rating(f, "note-citoyenne"), Deciders: rating(f, "note-decidee"),
		order: 1 << 30, body: d.Body(),
	}
	if n, ok := number(f, "ordre"); ok {
		p.order = n
	}
	if v, ok := f.Get("date"); ok {
		t, _ := v.(content.Time)
		p.Date = t.Time
	}
	v, _ := f.Get("in_progress")
	p.Open = v == true
	v, _ = f.Get("methodes")
	list, _ := v.([]content.Value)
	for _, item := range list {
		if s, ok := item.(string); ok {
			p.Methodes = append(p.Methodes, s)
		}
	}
	return p
}

// text is a field's text on one line, "" if it is none.
func text(f *content.Object, key string) string {
	v, _ := f.Get(key)
	s, _ := v.(string)
	return strings.Join(strings.Fields(s), " ")
}

func number(f *content.Object, key string) (int, bool) {
	v, _ := f.Get(key)
	n, _ := v.(content.Number)
	i, err := strconv.Atoi(n.String())
	return i, err == nil
}

func rating(f *content.Object, key string) Rating {
	n, ok := number(f, key)
	return Rating{Given: ok && n >= 0 && n <= 5, Value: min(max(n, 0), 5)}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
