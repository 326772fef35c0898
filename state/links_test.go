package state_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// A link is good once, until its time, as the newest of an account that may log in.
func TestLinks(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		accounts, now := db.Accounts(), time.UnixMilli(1_700_000_000_000)
		if err := accounts.Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		set := func(hash string) {
			t.Helper()
			if err := accounts.SetLink(t.Context(), "C1", hash, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		dead := func(why, hash string, at time.Time) {
			t.Helper()
			if _, err := accounts.ByLink(t.Context(), hash, at); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("%s: got %v, want %v", why, err, state.ErrUnknown)
			}
			if err := accounts.UseLink(t.Context(), hash, "by a dead link", at); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("%s: it is used: got %v, want %v", why, err, state.ErrUnknown)
			}
		}
		dead("before there is one", "l1", now)
		set("l1")
		set("l2")
		dead("an older one", "l1", now)
		dead("too late", "l2", now.Add(time.Hour))
		if a, err := accounts.ByLink(t.Context(), "l2", now); err != nil || a.ID != "C1" {
			t.Errorf("got %+v, %v", a, err)
		}
		if err := db.Sessions().Begin(t.Context(), state.Session{ID: "S1", Account: "C1", RefreshUntil: now.Add(time.Hour)}, camille().Password, now); err != nil {
			t.Fatal(err)
		}

		// Of those who use it at once, one chooses the password.
		var (
			using sync.WaitGroup
			won   atomic.Int32
		)
		for i := range 8 {
			using.Go(func() {
				err := accounts.UseLink(t.Context(), "l2", fmt.Sprint("hash", i), now)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, state.ErrUnknown) {
					t.Error(err)
				}
			})
		}
		using.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 8 used it", won.Load())
		}
		dead("one that was used", "l2", now)
		if _, _, err := db.Sessions().Find(t.Context(), "S1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("a session from before: got %v, want %v", err, state.ErrUnknown)
		}

		// What anybody may ask for ends no link of an operator, whose next one ends both; and of
		// the two that one is used ends the other.
		ask := func(hash string) {
			t.Helper()
			if err := accounts.AddAskedLink(t.Context(), "C1", hash, now.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		good := func(hash string) {
			t.Helper()
			if a, err := accounts.ByLink(t.Context(), hash, now); err != nil || a.ID != "C1" {
				t.Errorf("%s: got %+v, %v", hash, a, err)
			}
		}
		set("o1")
		ask("a1")
		ask("a2")
		good("o1")
		good("a2")
		dead("one that was asked for before", "a1", now)
		dead("one that was asked for, too late", "a2", now.Add(time.Minute))
		set("o2")
		good("o2")
		dead("one of the operator before", "o1", now)
		dead("one that was asked for before it", "a2", now)
		for _, used := range []string{"o3", "a3"} {
			set("o3")
			ask("a3")
			if err := accounts.UseLink(t.Context(), used, "by "+used, now); err != nil {
				t.Errorf("%s is no good: %v", used, err)
			}
			dead("after either", "o3", now)
			dead("after either", "a3", now)
		}

		set("l3")
		if err := accounts.SetPassword(t.Context(), "C1", "new"); err != nil {
			t.Fatal(err)
		}
		dead("after another password", "l3", now)
		set("l4")
		if err := accounts.SetDisabled(t.Context(), "C1", true); err != nil {
			t.Fatal(err)
		}
		set("l5")
		dead("of a disabled account", "l5", now)
		if a, err := accounts.ByID(t.Context(), "C1"); err != nil || a.Password != "new" {
			t.Errorf("the password is %q, %v", a.Password, err)
		}
		if err := accounts.Delete(t.Context(), "C1"); err != nil {
			t.Fatal(err)
		}
		dead("of an account that is gone", "l5", now)
	})
}
