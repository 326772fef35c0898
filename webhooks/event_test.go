package webhooks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cms/site"
)

func TestEventJSON(t *testing.T) {
	at := time.Date(2024, 3, 5, 11, 30, 0, 0, time.FixedZone("", 3600))
	change := func(where, action, revision string) site.Change {
		return site.Change{Path: path(where), Action: action, Revision: revision, Commit: "c0ffee", Depth: 12, At: at, Author: ann}
	}
	tests := []struct {
		name    string
		changes []site.FileChange
		want    string
	}{
		{"an entry that was updated",
			[]site.FileChange{{Change: change("_consultations/budget-participatif.md", "updated", "b10b"),
				Collection: "consultations", Slug: "budget-participatif", Changed: []string{"title", "body"}}},
			`{"specversion":"1.0","id":"` + eventID("7", "c0ffee", "_consultations/budget-participatif.md") + `","source":"https://cms.example.org","type":"entry.updated",` +
				`"subject":"consultations/budget-participatif","time":"2024-03-05T10:30:00Z","sequence":"0000000007-0000000012","datacontenttype":"application/json",` +
				`"data":{"collection":"consultations","slug":"budget-participatif","path":"_consultations/budget-participatif.md",` +
				`"action":"updated","revision":"b10b","commit":"c0ffee","author":{"name":"Ann Éditrice","email":"ann@example.org"},"changed":["title","body"]}}`},
		{"an entry that was moved",
			[]site.FileChange{{Change: change("_consultations/2024/budget.md", "moved", "b10b"),
				Collection: "consultations", Slug: "2024/budget", From: "_consultations/budget.md"}},
			`{"specversion":"1.0","id":"` + eventID("7", "c0ffee", "_consultations/2024/budget.md") + `","source":"https://cms.example.org","type":"entry.moved",` +
				`"subject":"consultations/2024/budget","time":"2024-03-05T10:30:00Z","sequence":"0000000007-0000000012","datacontenttype":"application/json",` +
				`"data":{"collection":"consultations","slug":"2024/budget","path":"_consultations/2024/budget.md","from":"_consultations/budget.md",` +
				`"action":"moved","revision":"b10b","commit":"c0ffee","author":{"name":"Ann Éditrice","email":"ann@example.org"},"changed":[]}}`},
		{"a media file that was created",
			[]site.FileChange{{Change: change("img/photos/a.jpg", "created", "b10b"), Media: "photos/a.jpg"}},
			`{"specversion":"1.0","id":"` + eventID("7", "c0ffee", "img/photos/a.jpg") + `","source":"https://cms.example.org","type":"media.created",` +
				`"subject":"media/photos/a.jpg","time":"2024-03-05T10:30:00Z","sequence":"0000000007-0000000012","datacontenttype":"application/json",` +
				`"data":{"media":"photos/a.jpg","path":"img/photos/a.jpg","action":"created","revision":"b10b","commit":"c0ffee","author":{"name":"Ann Éditrice","email":"ann@example.org"},"changed":[]}}`},
		{"files that are no entries",
			[]site.FileChange{{Change: change("_layouts/page.html", "updated", "")}, {Change: change("index.md", "deleted", "")}},
			`{"specversion":"1.0","id":"` + eventID("7", "c0ffee") + `","source":"https://cms.example.org","type":"repository.updated",` +
				`"time":"2024-03-05T10:30:00Z","sequence":"0000000007-0000000012","datacontenttype":"application/json",` +
				`"data":{"action":"updated","commit":"c0ffee","author":{"name":"Ann Éditrice","email":"ann@example.org"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events := eventsOf(epoch{"https://cms.example.org", 7}, tt.changes)
			if len(events) != 1 {
				t.Fatalf("got %d events, want 1", len(events))
			}
			got, err := events[0].encode()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Whatever a commit holds, its events are JSON below 20 KB, and an event that
// lacks names of fields says so.
func TestEventIsSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 1024, 1024)
		where := strings.Repeat(rapid.SampledFrom([]string{"a", "é", "&", "\u2028"}).Draw(t, "letter"), rapid.IntRange(1, 60).Draw(t, "letters"))
		c := site.FileChange{
			Change: site.Change{
				Path: path(where + strings.Repeat("/"+where, rapid.IntRange(0, 3).Draw(t, "folders"))), Action: "updated", Commit: strings.Repeat("c", 40),
				Author: site.Person{Name: strings.Repeat(rapid.String().Draw(t, "name"), 100), Email: strings.Repeat("é", rapid.IntRange(0, 1e4).Draw(t, "email"))},
			},
			Collection: "c", Slug: name.Draw(t, "slug"), From: name.Draw(t, "from"),
			Changed: rapid.SliceOfN(rapid.StringN(0, 60, -1), 0, 1500).Draw(t, "changed"),
		}
		ev := eventsOf(epoch{"https://cms.example.org", 7}, []site.FileChange{c})[0]
		b, err := ev.encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) >= maxEvent {
			t.Fatalf("an event of %d bytes, want less than %d", len(b), maxEvent)
		}
		var got Event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		whole := slices.Equal(got.Data.Changed, c.Changed)
		if n := len(got.Data.Changed); n > len(c.Changed) || !slices.Equal(got.Data.Changed, c.Changed[:n]) || whole == got.Data.Truncated {
			t.Fatalf("got %d of %d names, truncated %v", n, len(c.Changed), got.Data.Truncated)
		}
	})
}

func TestMatching(t *testing.T) {
	entries := []string{"entry.created", "entry.updated", "entry.deleted", "entry.moved", "entry.set_aside"}
	media := []string{"media.created", "media.updated", "media.deleted", "media.moved"}
	tests := []struct {
		pattern string
		want    []string
	}{
		{"*", slices.Concat(entries, media, []string{"repository.updated"})},
		{"entry.*", entries},
		{"media.*", media},
		{"entry.updated", []string{"entry.updated"}},
		{"repository.*", []string{"repository.updated"}},
		{"entry", nil},
		{"entry.up*", nil},
		{".*", nil},
		{"Entry.updated", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if got := matching(tt.pattern); !slices.Equal(got, tt.want) {
			t.Errorf("matching(%q) = %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

func TestWants(t *testing.T) {
	entry := func(collection, action string) Event {
		return entryEvent(epoch{}, &site.FileChange{Change: site.Change{Action: action}, Collection: collection, Slug: "x"})
	}
	files := eventsOf(epoch{}, []site.FileChange{{Change: site.Change{Path: path("index.html")}}})[0]
	rewritten := rewrittenEvent(epoch{}, "old", "refs/cms/backup/old", "new", 1)
	tests := []struct {
		name     string
		endpoint Endpoint
		event    Event
		want     bool
	}{
		{"no filter", Endpoint{}, entry("consultations", "moved"), true},
		{"the type", Endpoint{Events: []string{"entry.created", "entry.updated"}}, entry("consultations", "updated"), true},
		{"another type", Endpoint{Events: []string{"entry.created"}}, entry("consultations", "updated"), false},
		{"the collection", Endpoint{Collections: []string{"pages", "consultations"}}, entry("consultations", "updated"), true},
		{"another collection", Endpoint{Events: []string{"*"}, Collections: []string{"pages"}}, entry("consultations", "updated"), false},
		{"other files, not asked for", Endpoint{Events: []string{"entry.*"}}, files, false},
		{"other files, which are of no collection", Endpoint{Events: []string{"*"}, Collections: []string{"pages"}}, files, true},
		{"a rewritten history concerns all", Endpoint{Events: []string{"entry.created"}, Collections: []string{"pages"}}, rewritten, true},
	}
	for _, tt := range tests {
		if got := tt.endpoint.wants(tt.event); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
