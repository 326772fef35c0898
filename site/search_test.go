package site_test

import (
	"context"
	"fmt"
	"testing"

	"cms/site"
)

// ended has ended for those who ask it, and for nobody who waits for that.
type ended struct{ context.Context }

func (ended) Err() error { return context.Canceled }

// TestFirstIndexEnds: the first index for searches is given up when the service stops,
// however many entries there are, and is made whole by whoever searches then.
func TestFirstIndexEnds(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	const n = 150 // more than are put in before the end is looked at
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("_consultations/c%03d.md", i)] = fmt.Sprintf("---\ntitle: Vélo %d\n---\n", i)
	}
	f.Commit(files)
	s := f.Fresh()
	if err := s.KeepIndexed(ended{t.Context()}); err != nil {
		t.Fatal(err)
	}
	hits, err := s.Search(t.Context(), f.editor, site.Search{Text: "vélo", Limit: site.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range hits.Items {
		seen[h.Entry.Slug.String()] = true
	}
	if hits.Total != n || len(hits.Items) != n || len(seen) != n {
		t.Errorf("%d hits, %d of them shown, of %d entries; want %d", hits.Total, len(hits.Items), len(seen), n)
	}
}
