package api_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"cms/say"
	"cms/web"
)

func TestReadyTellsCodesToAnyoneAndCausesToTheLog(t *testing.T) {
	t.Parallel()
	var log lines
	var cause error
	s := newServerWith(t, func(o *options) {
		o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		o.Ready = []web.Check{
			{Code: "repository_unavailable", Detail: say.New("The repository takes no edits now."), Run: func() error { return cause }},
			{Code: "state_unavailable", Detail: say.New("The database does not answer."), Run: func() error { return nil }},
		}
	})
	ask := request{method: "GET", path: "/readyz", token: "-"}
	if res := s.do(ask); res.status != http.StatusOK {
		t.Errorf("got %d %s", res.status, res.body)
	}
	const secret = "open /srv/cms/site.git/HEAD: SELECT * FROM accounts"
	cause = errors.New(secret)
	res := s.do(ask)
	p := s.problem(res)
	if res.status != http.StatusServiceUnavailable || p.Code != "unavailable" || res.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", res.status, res.body)
	}
	if len(p.Errors) != 1 || p.Errors[0].Rule != "repository_unavailable" || p.Errors[0].Detail.String() != "The repository takes no edits now." {
		t.Errorf("got %+v, want the one check that failed", p.Errors)
	}
	for _, part := range []string{"srv", "SELECT", "HEAD"} {
		if strings.Contains(string(res.body), part) {
			t.Errorf("%s tells the cause", res.body)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if text := log.b.String(); !strings.Contains(text, secret) || !strings.Contains(text, `"code":"repository_unavailable"`) {
		t.Errorf("the log has no cause: %s", text)
	}
}
