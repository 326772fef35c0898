package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// The lists of If-Match and If-None-Match may hold empty members, and come in
// several lines (RFC 9110, sections 5.3 and 5.6.1).
func TestListsOfTags(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	send := func(method, name string, lines []string, body string) int {
		t.Helper()
		req, err := http.NewRequest(method, s.url+entryPath("plan-velo"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/merge-patch+json"}, name: lines}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	const other = `"0123456789012345678901234567890123456789"`
	for name, c := range map[string]struct {
		lines []string
		holds bool // for If-Match
		match bool // for If-None-Match
	}{
		"one":                 {[]string{tag}, true, true},
		"another":             {[]string{other}, false, false},
		"weak":                {[]string{"W/" + tag}, true, true},
		"empty between":       {[]string{other + `, ,` + tag}, true, true},
		"two commas":          {[]string{other + `,,` + tag}, true, true},
		"empty first":         {[]string{`,` + tag}, true, true},
		"blanks first":        {[]string{"\t, ,\t " + tag}, true, true},
		"empty last":          {[]string{tag + ` ,`}, true, true},
		"many":                {[]string{strings.Repeat(",", 50) + tag + strings.Repeat(", ", 50)}, true, true},
		"empties, and weak":   {[]string{`, W/` + tag + `,`}, true, true},
		"weak, of another":    {[]string{"W/" + other}, false, false},
		"empties, none of it": {[]string{`, ` + other + `,`}, false, false},
		"nothing else":        {[]string{`, ,`}, false, false},
		"two lines":           {[]string{other, tag}, true, true},
		"an empty line":       {[]string{"", tag}, true, true},
		"empty lines within":  {[]string{other + ",", ",", tag}, true, true},
	} {
		status := map[bool]int{true: http.StatusOK, false: http.StatusPreconditionFailed}[c.holds]
		if got := send(http.MethodGet, "If-Match", c.lines, ""); got != status {
			t.Errorf("%s: GET with If-Match %q: got %d, want %d", name, c.lines, got, status)
		}
		if got := send(http.MethodPatch, "If-Match", c.lines, `{"fields":{}}`); got != status {
			t.Errorf("%s: PATCH with If-Match %q: got %d, want %d", name, c.lines, got, status)
		}
		status = map[bool]int{true: http.StatusNotModified, false: http.StatusOK}[c.match]
		if got := send(http.MethodGet, "If-None-Match", c.lines, ""); got != status {
			t.Errorf("%s: GET with If-None-Match %q: got %d, want %d", name, c.lines, got, status)
		}
	}
	for _, lines := range [][]string{{`"x" ` + tag}, {`, *`}, {`*,`, tag}, {`, x`}, {`,"x`}, {tag + `;`}} {
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if got := send(http.MethodGet, name, lines, ""); got != http.StatusBadRequest {
				t.Errorf("%s %q: got %d, want 400", name, lines, got)
			}
		}
	}
	// What must not be there counts in whichever line it stands.
	if got := send(http.MethodPatch, "If-None-Match", []string{other, tag}, `{"fields":{"note":4}}`); got != http.StatusPreconditionFailed {
		t.Errorf("PATCH unless it is at the second tag, which it is: got %d, want 412", got)
	}
}
