package state_test

import (
	"errors"
	"reflect"
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
			if all, err := factors.Accounts(t.Context()); err != nil || all["C1"].Any() != want.Any() || all["C2"].Any() {
				t.Errorf("the accounts with factors are %v, %v", all, err)
			}
		}
		begin("S1")
		begin("S2")
		wantHas(state.Factor{})
		if _, err := factors.TOTP(t.Context(), "C1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("before there is one: got %v, want %v", err, state.ErrUnknown)
		}
		if first, err := factors.AddTOTP(t.Context(), "C1", []byte("sealed"), 7, []string{"r1", "r2"}, "S1", "totp"); err != nil || !first {
			t.Fatal(first, err)
		}
		if _, err := factors.AddTOTP(t.Context(), "C1", []byte("another"), 9, nil, "S1", "totp"); !errors.Is(err, state.ErrTaken) {
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
		if _, err := factors.AddTOTP(t.Context(), "C1", []byte("sealed"), 7, []string{"r1"}, "", "totp"); err != nil {
			t.Fatal(err)
		}
		if err := db.Accounts().Delete(t.Context(), "C1"); err != nil {
			t.Fatal(err)
		}
		wantHas(state.Factor{})
	})
}

// Passkeys and an app are factors beside each other: recovery codes come with the first and
// go with the last.
func TestPasskeys(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		factors, now := db.Factors(), time.UnixMilli(1_700_000_000_000).UTC()
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		key := state.Passkey{ID: "k1", Account: "C1", Name: "clé", PublicKey: []byte{1, 2}, Flags: 0xff, Transports: []string{"usb", "nfc"}, Count: 1<<32 - 2, Created: now}
		second := key
		second.ID, second.Count, second.Created = "k2", 0, now.Add(time.Second)
		add := func(p state.Passkey) (bool, error) {
			return factors.AddPasskey(t.Context(), p, 2, []string{"r1"}, "S1", "passkey")
		}
		if some, err := factors.AnyPasskey(t.Context()); err != nil || some {
			t.Errorf("before there is one: %t, %v", some, err)
		}
		if first, err := add(key); err != nil || !first {
			t.Fatal(first, err)
		}
		if _, err := add(key); !errors.Is(err, state.ErrTaken) {
			t.Errorf("the same again: got %v, want %v", err, state.ErrTaken)
		}
		if first, err := add(second); err != nil || first {
			t.Fatal(first, err)
		}
		if _, err := add(state.Passkey{ID: "k3", Account: "C1"}); !errors.Is(err, state.ErrManyPasskeys) {
			t.Errorf("one more than there may be: got %v, want %v", err, state.ErrManyPasskeys)
		}
		if first, err := factors.AddTOTP(t.Context(), "C1", []byte("sealed"), 7, []string{"r2"}, "S1", "totp"); err != nil || first {
			t.Fatal(first, err)
		}
		if has, err := factors.Of(t.Context(), "C1"); err != nil || has != (state.Factor{TOTP: true, Passkeys: 2, Recovery: 1}) {
			t.Errorf("got %+v, %v", has, err)
		}
		if all, err := factors.Accounts(t.Context()); err != nil || all["C1"] != (state.Factor{TOTP: true, Passkeys: 2}) {
			t.Errorf("got %+v, %v", all, err)
		}
		for _, use := range []struct {
			id    string
			count uint32
			more  bool
		}{{"k1", 1<<32 - 1, true}, {"k1", 1<<32 - 1, false}, {"k1", 0, false}, {"k2", 0, true}, {"k2", 0, true}, {"k2", 3, true}, {"k2", 0, false}, {"k4", 9, false}} {
			if more, err := factors.UsePasskey(t.Context(), "C1", use.id, use.count, now.Add(time.Hour)); err != nil || more != use.more {
				t.Errorf("%+v: got %t, %v", use, more, err)
			}
		}
		key.Count, key.Used = 1<<32-1, now.Add(time.Hour)
		second.Count, second.Used = 3, now.Add(time.Hour)
		if all, err := factors.Passkeys(t.Context(), "C1"); err != nil || !reflect.DeepEqual(all, []state.Passkey{key, second}) {
			t.Errorf("got %+v, %v", all, err)
		}
		for i, want := range []bool{true, false, true, false} {
			at := now.Add(time.Duration(i/2) * time.Hour) // when the first two are forgotten
			if first, err := factors.UseChallenge(t.Context(), "c", at.Add(time.Minute), at); err != nil || first != want {
				t.Errorf("challenge %d: got %t, %v", i, first, err)
			}
		}
		for _, remove := range []struct {
			name string
			do   func(needed bool) error
			last bool
		}{
			{"a passkey", func(n bool) error { return factors.RemovePasskey(t.Context(), "C1", "k1", "S1", n) }, false},
			{"the app", func(n bool) error { return factors.RemoveTOTP(t.Context(), "C1", "S1", n) }, false},
			{"the last", func(n bool) error { return factors.RemovePasskey(t.Context(), "C1", "k2", "S1", n) }, true},
		} {
			if err := remove.do(true); remove.last != errors.Is(err, state.ErrLast) || !remove.last && err != nil {
				t.Errorf("%s, of an account that needs one: got %v", remove.name, err)
			}
			if err := remove.do(false); remove.last && err != nil || !remove.last && !errors.Is(err, state.ErrUnknown) {
				t.Errorf("%s: got %v", remove.name, err)
			}
		}
		if has, err := factors.Of(t.Context(), "C1"); err != nil || has != (state.Factor{}) {
			t.Errorf("at the end there is %+v, %v", has, err)
		}
	})
}
