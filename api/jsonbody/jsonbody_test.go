package jsonbody_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/api/jsonbody"
	"cms/say"
	"cms/web"
)

// told is how a body is refused: a status, and for each thing that is wrong its pointer and
// its rule.
func told(t *testing.T, err error) (status int, faults string) {
	t.Helper()
	p := (*web.Problem)(nil)
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem", err)
	}
	var all []string
	for _, f := range p.Errors {
		all = append(all, f.Pointer+" "+f.Rule)
	}
	return p.Status, strings.Join(all, ", ")
}

func TestBodiesAreObjects(t *testing.T) {
	for raw, want := range map[string]int{
		``: 400, `{`: 400, `{"a": 1, "a": 2}`: 400, `[]`: 422, `null`: 422, `"a"`: 422,
	} {
		_, err := jsonbody.Decode([]byte(raw), "a")
		if status, _ := told(t, err); status != want {
			t.Errorf("%s: got %d, want %d", raw, status, want)
		}
	}
	if _, err := jsonbody.Decode([]byte(strings.Repeat("[", 1<<20)), "a"); err == nil {
		t.Error("a body without end is taken")
	}
	for raw, want := range map[string]int{`[]`: 0, `[{}]`: 0, `{}`: 422, `null`: 422, `[`: 400} {
		err := jsonbody.CheckPatch([]byte(raw))
		if want == 0 {
			if err != nil {
				t.Errorf("%s: got %v", raw, err)
			}
		} else if status, _ := told(t, err); status != want {
			t.Errorf("%s: got %d, want %d", raw, status, want)
		}
	}
}

// All that is wrong with a body is told at once.
func TestMembers(t *testing.T) {
	known := []string{"title", "slug", "fields", "tags", "at", "wait", "old", "none"}
	read := func(raw string) *jsonbody.Reader {
		t.Helper()
		b, err := jsonbody.Decode([]byte(raw), known...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := read(`{"title": "T", "slug": "a/b", "fields": {"z": 1, "a": 2}, "tags": ["x", "y"], "at": "2026-05-04T08:00:00Z", "wait": "5m", "old": null, "none": null}`)
	b.Require(say.New("It is needed."), "title")
	at := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	if got := b.Text("title"); got != "T" {
		t.Errorf("got the title %q", got)
	}
	if got := b.Slug("slug"); got.String() != "a/b" {
		t.Errorf("got the slug %s", got)
	}
	if got := b.Object("fields"); len(got.Members) != 2 || got.Members[0].Key != "z" {
		t.Errorf("got the fields %v, want their order", got)
	}
	if got := b.Texts("tags"); len(got) != 2 || b.Texts("none") != nil {
		t.Errorf("got the tags %q", got)
	}
	if got, wait := b.Time("at"), b.Duration("wait"); !got.Equal(at) || wait != 5*time.Minute || b.Duration("none") != 0 {
		t.Errorf("got %s and %s", got, wait)
	}
	if b.Given("old") || !b.Given("title") || b.Optional("old") != "" || b.Slug("none").String() != "" {
		t.Error("what is null is given")
	}
	if got := b.Without("title", "at"); len(got.Members) != 6 {
		t.Errorf("%d members are left", len(got.Members))
	}
	if err := b.Problem(); err != nil {
		t.Errorf("got %v", err)
	}

	b = read(`{"title": 1, "slug": "../a", "fields": [], "tags": [1], "at": "hier", "wait": "long", "autre": 0}`)
	b.Require(say.New("It is needed."), "old")
	b.Text("title")
	b.Slug("slug")
	b.Object("fields")
	b.Texts("tags")
	b.Time("at")
	b.Duration("wait")
	within := jsonbody.Of(b.Members)
	within.Wrong("x", "odd", say.New("This is odd."))
	b.Join(within, "/list/3")
	status, faults := told(t, b.Problem())
	want := "/autre unknown_member, /old required, /title type, /slug slug, /fields type, /tags type, /at datetime, /wait duration, /list/3/x odd"
	if status != http.StatusUnprocessableEntity || faults != want {
		t.Errorf("got %d %s, want %s", status, faults, want)
	}
}
