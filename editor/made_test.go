package editor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// crash has the service forget what its writes were answered, as if it had died after each
// commit.
func (s *service) crash() {
	s.Helper()
	_, err := s.db.SQL().ExecContext(s.Context(), s.db.Bind(`UPDATE idempotency_keys SET result = '', size = 0, lease_until = ?`), time.Now().Add(-time.Second).UnixMilli())
	if err != nil {
		s.Fatal(err)
	}
}

// TestAnswersThatWereLost: a form whose answer was lost leads, sent again, to what it has
// made, and makes nothing twice.
func TestAnswersThatWereLost(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo, "_consultations/un.md": "---\ntitle: Un\n---\n", "_consultations/deux.md": "---\ntitle: Deux\nsuite: un\n---\nUn.\n\nDeux.\n"})
	twice := func(f *form, do, at string, texts ...string) {
		t.Helper()
		f.submit(do).want(http.StatusOK)
		before := strings.TrimSpace(s.RunGit("rev-list", "--count", "main"))
		s.crash()
		p := f.submit(do).want(http.StatusOK, texts...)
		if !strings.HasSuffix(p.at, at) {
			t.Errorf("%s, sent again, leads to %s, want %s", f.action, p.at, at)
		}
		if got := strings.TrimSpace(s.RunGit("rev-list", "--count", "main")); got != before {
			t.Errorf("%s, sent again, makes %s commits of %s", f.action, got, before)
		}
	}
	f := s.get(s.http, "new/consultations").form("new/consultations")
	f.set("f/title", "Toute neuve")
	twice(f, "save", "/editor/entry/consultations/toute-neuve?saved=1", "Toute neuve", "Enregistré")
	f = s.open(s.http, "velo")
	f.set("f/title", "Plan piéton")
	twice(f, "save", "/editor/entry/consultations/velo?saved=1", "Plan piéton")
	f = s.get(s.http, "rename/consultations/un").form("rename/consultations/un")
	f.set("to", "premier")
	twice(f, "", "/editor/entry/consultations/premier?saved=1", "Enregistré")
	f = s.get(s.http, "delete/consultations/toute-neuve").form("delete/consultations/toute-neuve")
	twice(f, "", "/editor/history/consultations/toute-neuve?saved=deleted", "Supprimé")

	list := s.get(s.http, "list/consultations").form("bulk/consultations")
	list.tick("entry", "premier")
	list.tick("entry", "velo")
	sets := list.submit("set").form("bulk/consultations")
	sets.set("field", "contact")
	g := sets.submit("field").form("bulk/consultations")
	g.set("f/contact", "a@example.org")
	twice(g, "sets", "/editor/list/consultations?done=set-2", "2 pages sont changées")
	list = s.get(s.http, "list/consultations").form("bulk/consultations")
	list.tick("entry", "premier")
	g = list.submit("delete").form("bulk/consultations")
	twice(g, "deletes", "/editor/list/consultations?done=deleted-1", "1 page est supprimée") // deux, which referred to it, is no page of these
}
