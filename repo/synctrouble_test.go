package repo

import (
	"errors"
	"testing"
)

// TestPushTooLarge: the host takes no push of that size, as when its disk is full; once it
// does, what waits comes there.
func TestPushTooLarge(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []bool{false, true} {
		bare, _ := host(t)
		h := serveHost(t, bare)
		r := upstreamed(t, &Remote{URL: h.URL, Token: "jeton-secret", Sync: synchronous})
		put(t, r, "consultations", "bus", "Le bus")
		inStep(t, r, bare)
		git(t, bare, "config", "receive.maxInputSize", "100")
		_, err := tryPut(t.Context(), t, r, Meta{}, "velo", "Le vélo")
		if !synchronous && err == nil {
			err = r.push(t.Context())
		}
		refused := (*refusal)(nil)
		if !errors.As(err, &refused) || synchronous != errors.Is(err, ErrStorage) {
			t.Errorf("sync %v: got %v, want the host's refusal", synchronous, err)
		}
		if _, ok := r.View().Entry("consultations", slug(t, "velo")); ok == synchronous {
			t.Errorf("sync %v: the entry is there: %v", synchronous, ok)
		}
		git(t, bare, "config", "--unset", "receive.maxInputSize")
		comesBack(t, r, "velo", "Le vélo enfin")
		inStep(t, r, bare)
	}
}
