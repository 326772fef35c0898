package githttp

import (
	"testing"

	"cms/say"
	"cms/site"
)

// TestEveryRefusalHasItsStatus holds each code that the site may refuse with, none of which
// is a fault of the service.
func TestEveryRefusalHasItsStatus(t *testing.T) {
	t.Parallel()
	for _, code := range site.Codes() {
		p := (&Git{}).problem(t.Context(), &site.Error{Code: code, Detail: say.New("No such entry.")})
		if p.Status < 400 || p.Status == 500 {
			t.Errorf("%s is answered with %d %q", code, p.Status, p.Detail)
		}
	}
}
