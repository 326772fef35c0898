package state_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// A code is used by one of those who bring it at once, as is a recovery code.
func TestFactors(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		factors, now := db.Factors(), time.UnixMilli(1_700_000_000_000)
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		begin := func(id string) {
			t.Helper()
			if err := db.Sessions().Begin(t.Context(), state.Session{ID: id, Account: "C1", RefreshUntil: now.Add(time.Hour)}, camille().Password, now); err != nil {
				t.Fatal(err)
			}
		}
		wantHas := func(want state.Factor) {
			t.Helper()
			got, err := factors.Of(t.Context(), "C1")
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if all, err := factors.Accounts(t.Context()); err != nil || all["C1"] != want.Any() || all["C2"] {
				t.Errorf("the accounts with factors are %v, %v", all, err)
			}
		}
		begin("S1")
		begin("S2")
		wantHas(state.Factor{})
		if _, err := factors.TOTP(t.Context(), "C1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("before there is one: got %v, want %v", err, state.ErrUnknown)
		}
		if err := factors.AddTOTP(t.Context(), "C1", []byte("sealed"), 7, []string{"r1", "r2"}, "S1", "totp"); err != nil {
			t.Fatal(err)
		}
		if err := factors.AddTOTP(t.Context(), "C1", []byte("another"), 9, nil, "S1", "totp"); !errors.Is(err, state.ErrTaken) {
			t.Errorf("a second one: got %v, want %v", err, state.ErrTaken)
		}
		wantHas(state.Factor{TOTP: true, Recovery: 2})
		if secret, err := factors.TOTP(t.Context(), "C1"); err != nil || string(secret) != "sealed" {
			t.Errorf("got %q, %v", secret, err)
		}
		if s, _, err := db.Sessions().Find(t.Context(), "S1"); err != nil || s.Factor != "totp" {
			t.Errorf("the session that set it up: got %+v, %v", s, err)
		}
		if _, _, err := db.Sessions().Find(t.Context(), "S2"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("a session without it: got %v, want %v", err, state.ErrUnknown)
		}
		if first, err := factors.UseStep(t.Context(), "C1", 7); err != nil || first {
			t.Errorf("the step that set it up: got %t, %v", first, err)
		}
		once := func(what string, use func() (bool, error)) {
			t.Helper()
			var (
				using sync.WaitGroup
				won   atomic.Int32
			)
			for range 8 {
				using.Go(func() {
					first, err := use()
					if err != nil {
						t.Error(err)
					}
					if first {
						won.Add(1)
					}
				})
			}
			using.Wait()
			if won.Load() != 1 {
				t.Errorf("%d of 8 used %s", won.Load(), what)
			}
		}
		once("the code", func() (bool, error) { return factors.UseStep(t.Context(), "C1", 8) })
		once("the recovery code", func() (bool, error) { return factors.UseRecovery(t.Context(), "C1", "r1") })
		if used, err := factors.UseRecovery(t.Context(), "C2", "r2"); err != nil || used {
			t.Errorf("the code of another: got %t, %v", used, err)
		}
		if err := factors.SetRecovery(t.Context(), "C1", []string{"r3", "r4", "r5"}); err != nil {
			t.Fatal(err)
		}
		if used, err := factors.UseRecovery(t.Context(), "C1", "r2"); err != nil || used {
			t.Errorf("a code that was replaced: got %t, %v", used, err)
		}
		wantHas(state.Factor{TOTP: true, Recovery: 3})
		if err := factors.Remove(t.Context(), "C1", "S1"); err != nil {
			t.Fatal(err)
		}
		wantHas(state.Factor{})
		if s, _, err := db.Sessions().Find(t.Context(), "S1"); err != nil || s.Factor != "" {
			t.Errorf("the session that removed it: got %+v, %v", s, err)
		}
		if err := factors.AddTOTP(t.Context(), "C1", []byte("sealed"), 7, []string{"r1"}, "", "totp"); err != nil {
			t.Fatal(err)
		}
		if err := db.Accounts().Delete(t.Context(), "C1"); err != nil {
			t.Fatal(err)
		}
		wantHas(state.Factor{})
	})
}
