package site_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"cms/content"
	"cms/repo"
	"cms/site"
)

// TestEditOnABaseIsMadeOnce: an edit that was made on a base is joined with what others saved
// while it waited for the writer, which does not make it again.
func TestEditOnABaseIsMadeOnce(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	ctx := context.WithoutCancel(t.Context())
	at := ref(t, "consultations", "velo")
	made, err := f.Create(ctx, f.editor, "consultations", site.Draft{Slug: at.Slug, Fields: fields("title", "Plan vélo"), Body: "Un.\n"}, site.Write{})
	if err != nil {
		t.Fatal(err)
	}
	started, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, err := f.Repo.Update(ctx, repo.Meta{Author: repo.Person{Name: "x", Email: "x@example.org"}}, func(*repo.Tx) error {
			close(started)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-started
	calls := [2]int{}
	for i, text := range []string{"Deux.\n", "Un.\n"} {
		all.Go(func() {
			_, err := f.Update(ctx, f.editor, at, func(_ context.Context, d *content.Document, _ *content.Schema) (*content.Document, error) {
				calls[i]++
				if i == 0 {
					return d.Apply(content.SetBody(text))
				}
				return d.Apply(content.Set(content.FieldPath{"title"}, "Plan piéton"))
			}, site.Write{Precondition: site.Precondition{Base: made.Entry.Revision}})
			if err != nil {
				t.Error(err)
			}
		})
		for deadline := time.Now().Add(time.Minute); f.Repo.Stats().Queue <= i; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("an edit does not reach the writer")
				break
			}
		}
	}
	close(release)
	all.Wait()
	if calls != [2]int{1, 1} {
		t.Errorf("the edits were made %v times, want once each", calls)
	}
	if got, want := f.File("_consultations/velo.md"), "Plan piéton"; !strings.Contains(got, want) || !strings.HasSuffix(got, "Deux.\n") {
		t.Errorf("joined they left\n%s", got)
	}
}
