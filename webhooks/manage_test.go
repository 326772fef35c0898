package webhooks

import (
	"errors"
	"fmt"
	"testing"
)

// What operators make has a bound; what is configured does not count, and a place is
// free again once an endpoint is deleted.
func TestEndpointsAreBounded(t *testing.T) {
	each(t, func(b *bench) {
		r := b.relay()
		add := func(n int) error {
			_, _, err := r.Create(t.Context(), Endpoint{Name: fmt.Sprint("carte-", n), URL: "https://carte.example.org/hook"})
			return err
		}
		for n := range MaxEndpoints {
			if err := add(n); err != nil {
				t.Fatalf("endpoint %d: %v", n, err)
			}
		}
		var refused *SettingsError
		if err := add(MaxEndpoints); !errors.As(err, &refused) {
			t.Errorf("one too many: got %v", err)
		}
		if err := add(0); !errors.Is(err, ErrNameTaken) {
			t.Errorf("a name that is taken: got %v", err)
		}
		if err := r.Delete(t.Context(), "carte-7"); err != nil {
			t.Fatal(err)
		}
		if err := add(MaxEndpoints); err != nil {
			t.Errorf("after one was deleted: %v", err)
		}
	})
}
