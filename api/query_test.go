package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// Questions that ask for too much are refused before anything is done for them, in
// words that name the bound; the greatest that are allowed are answered.
func TestQueriesAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan", sample)
	many := func(n int, each string) string { return strings.TrimSuffix(strings.Repeat(each+",", n), ",") }
	numbered := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return strings.Join(all, "&")
	}
	const list, search, media = "/v1/collections/consultations/entries?", "/v1/search?", "/v1/media?"
	for _, c := range []struct {
		name, path string
		status     int
		bound      string
	}{
		{"130,000 values", list + "filter[title][in]=" + many(130_000, "a"), 414, "16384"},
		{"440,000 names", list + "fields=" + many(440_000, "a"), 414, "16384"},
		{"a long query of no list", "/v1/me?" + strings.Repeat("a", 17_000), 414, "16384"},
		{"a long query of a file", "/v1/media/a.png?revision=" + strings.Repeat("a", 17_000), 414, "16384"},
		{"a long query of a hook", "/hooks/github?" + strings.Repeat("a", 17_000), 414, "16384"},
		{"1,001 values", list + "filter[title][in]=" + many(1001, "a"), 400, "1000"},
		{"1,000 values", list + "filter[title][in]=" + many(1000, "a"), 200, ""},
		{"201 fields", list + "fields=" + many(201, "a"), 400, "200"},
		{"200 fields", list + "fields=" + many(200, "a"), 200, ""},
		{"6 to sort by", list + "sort=" + many(6, "a"), 400, "5"},
		{"many to sort by", list + "sort=" + many(2000, "a"), 422, "1300"},
		{"21 filters", list + numbered(21, "filter[f%d]=a"), 400, "20"},
		{"20 filters", list + numbered(20, "filter[f%d]=a"), 400, "No entry has a field"},
		{"65 parameters", list + numbered(65, "p%d=a"), 400, "64"},
		{"a deep path of a filter", list + "filter[" + strings.Repeat("a.", 126) + "]=a", 400, "250"},
		{"a deep path to sort by", list + "sort=" + strings.Repeat("a.", 126), 400, "250"},
		{"a deep path to show", list + "fields=" + strings.Repeat("a.", 126), 400, "250"},
		{"long q", list + "q=" + strings.Repeat("a", 1001), 422, "1000"},
		{"long q in bytes", list + "q=" + url.QueryEscape(strings.Repeat("é", 501)), 400, "1000"},
		{"the longest q", list + "q=" + strings.Repeat("a+", 500), 200, ""},
		{"a long search", search + "q=" + strings.Repeat("a", 1001), 422, "1000"},
		{"a search for 33 words", search + "q=" + strings.ReplaceAll(numbered(33, "mot%d"), "&", "+"), 400, "32"},
		{"a search for 32 words", search + "q=" + strings.ReplaceAll(numbered(32, "mot%d"), "&", "+"), 200, ""},
		{"a long cursor", list + "cursor=" + strings.Repeat("a", 8193), 422, "8192"},
		{"a long prefix", media + "prefix=" + strings.Repeat("a", 16_000), 200, ""},
	} {
		res := s.do(request{method: "GET", path: c.path})
		if res.status != c.status {
			t.Errorf("%s: got %d %s, want %d", c.name, res.status, res.body, c.status)
		}
		if c.status != 200 && !strings.Contains(string(res.body), c.bound) {
			t.Errorf("%s: %s does not name the bound of %s", c.name, res.body, c.bound)
		}
	}
}
