package editor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cms/editor"
)

// TestHomeTellsWhatIsNotOnTheSite: what waits, is being built, failed or lacks its page, the
// newest first, but nothing that is live, that the caller may not read, or that is gone.
func TestHomeTellsWhatIsNotOnTheSite(t *testing.T) {
	t.Parallel()
	s := newService(t, map[string]string{entryFile: velo})
	if p := s.get(s.http, ""); strings.Contains(p.source, `id="waiting"`) {
		t.Error("nobody builds the site, and something is not on it")
	}
	for _, name := range []string{"failed", "missing", "pending", "building", "queued", "live", "gone"} {
		s.Commit(map[string]string{"_consultations/" + name + ".md": "---\ntitle: Page " + name + "\n---\n"})
		s.builds.Store("consultations/"+name, editor.Build{State: name, At: time.Now()})
	}
	s.get(s.http, "delete/consultations/gone").form("delete/consultations/gone").submit("").want(http.StatusOK)
	s.builds.Store("consultations/gone", editor.Build{State: "pending"})
	var titles []string
	for _, li := range all(s.get(s.http, "").byID("waiting").Parent, "li") {
		said := all(li, "span")
		titles = append(titles, text(all(li, "a")[0])+": "+text(said[len(said)-1]))
	}
	const want = "Page queued: Publication en attente, Page building: Publication en cours, Page pending: Pas encore en ligne, " +
		"Page missing: En ligne, mais la page manque, Page failed: Publication échouée"
	if got := strings.Join(titles, ", "); got != want {
		t.Errorf("not on the site:\n%s, want\n%s", got, want)
	}
	if p := s.get(s.logIn("stella"), ""); strings.Contains(p.source, "Page ") {
		t.Errorf("a stranger is told of pages: %s", p.text())
	}
}
