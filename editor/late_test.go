package editor_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestSentAgainAfterALateFailure: the disk fails once the branch has moved. The page says that
// it may be saved, never that it is not; and the form that it shows is saved once, however
// often it is sent.
func TestSentAgainAfterALateFailure(t *testing.T) {
	t.Parallel()
	one, two := picture(t, 10), picture(t, 20)
	s := newService(t, map[string]string{
		entryFile: velo, "_consultations/b.md": "---\ntitle: B\n---\n", "_consultations/c.md": "---\ntitle: C\n---\n", "_consultations/d.md": "---\ntitle: D\n---\n", "_consultations/e.md": "---\ntitle: E\n---\n",
		"img/un.png": string(one), "img/deux.png": string(one), "img/trois.png": string(one),
	})
	count := func() string { return strings.TrimSpace(s.RunGit("rev-list", "--count", "main")) }
	by := func(do string) func(*form) *page { return func(f *form) *page { return f.submit(do) } }
	bring := func(name string) func(*form) *page {
		return func(f *form) *page { return f.bring(sentFile{name, two}) }
	}
	at := func(path, action string) *form { return s.get(s.http, path).form(action) }
	for name, c := range map[string]struct {
		form   *form
		action string // of the form
		send   func(*form) *page
		leads  string // where it leads
	}{
		"a new entry": {at("new/consultations", "new/consultations"), "new/consultations", func(f *form) *page { f.set("f/title", "Deux clics"); return f.submit("save") }, "entry/consultations/deux-clics?saved=1"},
		"an entry":    {s.open(s.http, "velo"), "entry/consultations/velo", func(f *form) *page { f.set("f/title", "Plan piéton"); return f.submit("save") }, "entry/consultations/velo?saved=1"},
		"the file of an entry": {at("source/consultations/e", "source/consultations/e"), "source/consultations/e", func(f *form) *page {
			f.set("text", "---\ntitle: Autre E\n---\n")
			return f.submit("")
		}, "entry/consultations/e?saved=1"},
		"several entries": {func() *form {
			f := at("list/consultations", "bulk/consultations")
			f.tick("entry", "b")
			return f.submit("delete").form("bulk/consultations")
		}(), "bulk/consultations", by("deletes"), "list/consultations?done=deleted-1"},
		"a renamed entry":     {at("rename/consultations/c", "rename/consultations/c"), "rename/consultations/c", func(f *form) *page { f.set("to", "cc"); return f.submit("") }, "entry/consultations/cc?saved=1"},
		"a deleted entry":     {at("delete/consultations/d", "delete/consultations/d"), "delete/consultations/d", by(""), "history/consultations/d?saved=deleted"},
		"a file":              {at("media/", "/upload"), "/upload", bring("neuf.png"), "media/?added=1"},
		"a file in its place": {at("media/un.png", "replace/un.png"), "replace/un.png", bring("x.png"), "media/un.png?saved=1"},
		"a renamed file":      {at("move-file/deux.png", "move-file/deux.png"), "move-file/deux.png", func(f *form) *page { f.set("to", "zwei.png"); return f.submit("") }, "media/zwei.png?saved=1"},
		"a deleted file":      {at("delete-file/trois.png", "delete-file/trois.png"), "delete-file/trois.png", by(""), "media/?deleted=1"},
	} {
		s.late.Store(2) // that of the write, and the next attempt to find out
		p := c.send(c.form)
		s.late.Store(0)
		p.want(http.StatusGatewayTimeout, "C’est peut-être enregistré")
		if text := p.text(); strings.Contains(text, "Rien n’est enregistré") || strings.Contains(text, "ne peut pas être enregistré") {
			t.Errorf("%s: it is told that nothing was saved: %s", name, text)
		}
		before := ""
		for range 2 {
			if p := c.send(p.form(c.action)); p.status != http.StatusOK || !strings.HasSuffix(p.at, c.leads) {
				t.Errorf("%s: sent again it leads to (%d) %s, want %s: %s", name, p.status, p.at, c.leads, p.text())
			}
			if now := count(); before != "" && now != before {
				t.Errorf("%s: it was saved twice", name)
			} else {
				before = now
			}
		}
	}
	if got := count(); got != "11" {
		t.Errorf("ten forms made %s commits of 1", got)
	}
}
