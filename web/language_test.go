package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cms/say"
	"cms/web"
)

// TestProblemsInFrench: a problem of each status is said in French to who reads it, and
// stays as it is.
func TestProblemsInFrench(t *testing.T) {
	for status := http.StatusBadRequest; status < 600; status++ {
		if http.StatusText(status) == "" {
			continue
		}
		p := web.NewProblem(status, say.New("The session has ended. Log in again."))
		p.Errors = []web.Fault{{Rule: "required", Detail: say.New("must not be empty")}}
		for _, tt := range []struct{ accept, language, title, detail, fault string }{
			{"en", "en", http.StatusText(status), "The session has ended. Log in again.", "must not be empty"},
			{"fr", "fr", say.Status(status).In("fr"), "La session a pris fin. Connectez-vous à nouveau.", "ne doit pas être vide"},
			{"", "en", http.StatusText(status), "The session has ended. Log in again.", "must not be empty"},
		} {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Language", tt.accept)
			w.Header().Set("Vary", "Origin")
			web.WriteProblem(w, r, p)
			var got struct {
				Title, Code, Detail string
				Errors              []struct{ Rule, Detail string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Title != tt.title || got.Title == "" || got.Code != p.Code || got.Detail != tt.detail || len(got.Errors) != 1 || got.Errors[0].Detail != tt.fault || got.Errors[0].Rule != "required" {
				t.Errorf("%d in %q: got %s", status, tt.accept, w.Body)
			}
			if vary := strings.Join(w.Header().Values("Vary"), ", "); w.Header().Get("Content-Language") != tt.language || vary != "Origin, Accept-Language" {
				t.Errorf("%d in %q: got Content-Language %q, Vary %q", status, tt.accept, w.Header().Get("Content-Language"), vary)
			}
		}
	}
}
