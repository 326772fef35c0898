package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"cms/api"
)

// The changes and the webhooks of a commit tell one sequence, which grows, also
// where the branch was rewritten.
func TestSequences(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	s.create("consultations", "a", sample)
	base := s.head()
	edit := func(slug, title string) {
		t.Helper()
		res := s.do(request{method: "PATCH", path: entryPath(slug), body: `{"fields":{"title":"` + title + `"}}`, header: mergePatch("*")})
		if res.status != http.StatusOK {
			t.Fatalf("got %d %s", res.status, res.body)
		}
	}
	changes := func(since string) (all []api.FeedItem) {
		t.Helper()
		res := s.do(request{method: "GET", path: "/v1/changes?since=" + since})
		var feed api.Feed
		if err := json.Unmarshal(res.body, &feed); err != nil || res.status != http.StatusOK {
			t.Fatalf("got %d %s", res.status, res.body)
		}
		return feed.Items
	}
	edit("a", "un")
	edit("a", "deux")
	items := changes(base)
	s.runGit("update-ref", "refs/heads/main", base)
	s.until("the branch to be taken back", func() bool { return s.repo.View().Commit().String() == base })
	edit("a", "trois")
	items = append(items, changes(base)...)
	told := map[string]string{}
	var order []string
	for _, i := range items {
		told[i.Commit] = i.Sequence
		order = append(order, i.Sequence)
	}
	if len(order) != 3 || order[0] == "" || !slices.IsSorted(order) || len(slices.Compact(slices.Clone(order))) != 3 {
		t.Errorf("the changes have the sequences %q, want three that grow", order)
	}
	for commit, want := range told {
		s.until("the webhook of "+commit, func() bool { return b.sequence(commit) != "" })
		if got := b.sequence(commit); got != want {
			t.Errorf("the webhook of %s has the sequence %s, and its change %s", commit, got, want)
		}
	}
}

// A stream tells of a commit that comes again by the sequence that its webhook has then.
func TestSequencesThereAndBackAgain(t *testing.T) {
	t.Parallel()
	s, b := newServerWithHooks(t, io.Discard)
	s.create("consultations", "a", sample)
	base := s.head()
	w := s.watch(s.token, "")
	s.create("consultations", "b", sample)
	there := s.head()
	first := w.want("created b").event
	to := func(commit string) {
		t.Helper()
		s.runGit("update-ref", "refs/heads/main", commit)
		s.until("the branch to be moved", func() bool { return s.repo.View().Commit().String() == commit })
	}
	to(base)
	if m := w.next(); m.name != "reset" || m.id != base {
		t.Fatalf("got %+v, want a reset to %s", m, base)
	}
	to(there)
	again := w.want("created b").event
	if again.Sequence <= first.Sequence {
		t.Errorf("the commit that came again has the sequence %s, after %s", again.Sequence, first.Sequence)
	}
	s.until("the webhook of the commit that came again", func() bool { return b.sequence(there) == again.Sequence })
}
