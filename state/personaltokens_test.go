package state_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// TestPersonalTokens are found by their hash while they and their account last, and are
// seen and ended by their account alone.
func TestPersonalTokens(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		ctx, db := t.Context(), statetest.Open(t, address)
		accounts, tokens := db.Accounts(), db.PersonalTokens()
		if err := accounts.Add(ctx, camille()); err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(1_800_000_000_000)
		token := func(id string, ends time.Time) state.PersonalToken {
			return state.PersonalToken{ID: id, Account: "C1", Hash: "hash of " + id, Name: "laptop", Limits: `{"*":["read"]}`, CreatedAt: now, EndsAt: ends}
		}
		first := token("T1", now.Add(time.Hour))
		if err := tokens.Add(ctx, first, 2, now); err != nil {
			t.Fatal(err)
		}
		if got, a, err := tokens.Find(ctx, first.Hash); err != nil || got != first || !reflect.DeepEqual(a, camille()) {
			t.Errorf("got %+v of %+v, %v; want %+v of %+v", got, a, err, first, camille())
		}

		later := now.Add(time.Minute)
		for _, at := range []time.Time{later, later.Add(time.Second)} { // the second is too soon to be noted
			if err := tokens.Used(ctx, "T1", at.Add(-time.Minute), at); err != nil {
				t.Fatal(err)
			}
		}
		first.UsedAt = later
		if got, err := tokens.Of(ctx, "C1"); err != nil || !reflect.DeepEqual(got, []state.PersonalToken{first}) {
			t.Errorf("got %+v, %v; want the token as it was used", got, err)
		}

		if err := tokens.Add(ctx, token("T2", now.Add(2*time.Hour)), 2, now); err != nil {
			t.Fatal(err)
		}
		if err := tokens.Add(ctx, token("T3", now.Add(2*time.Hour)), 2, now); !errors.Is(err, state.ErrTokens) {
			t.Errorf("a third of two: got %v, want %v", err, state.ErrTokens)
		}
		if err := tokens.Add(ctx, token("T3", now.Add(3*time.Hour)), 2, now.Add(time.Hour)); err != nil {
			t.Errorf("in the place of one that has ended: %v", err)
		}
		if _, _, err := tokens.Find(ctx, first.Hash); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("the one that has ended: got %v, want %v", err, state.ErrUnknown)
		}

		if err := tokens.End(ctx, "C2", "T2"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("by another account: got %v, want %v", err, state.ErrUnknown)
		}
		if err := tokens.End(ctx, "C1", "T2"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tokens.Find(ctx, "hash of T2"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("after it was ended: got %v, want %v", err, state.ErrUnknown)
		}

		for name, end := range map[string]func(context.Context) error{
			"a new password": func(ctx context.Context) error { return accounts.SetPassword(ctx, "C1", "new") },
			"disabled":       func(ctx context.Context) error { return accounts.SetDisabled(ctx, "C1", true) },
		} {
			if err := errors.Join(accounts.SetDisabled(ctx, "C1", false), tokens.Add(ctx, token("T4", now.Add(2*time.Hour)), 9, now), end(ctx)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := tokens.Find(ctx, "hash of T4"); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("%s: got %v, want %v", name, err, state.ErrUnknown)
			}
		}
		if err := accounts.SetDisabled(ctx, "C1", true); err != nil {
			t.Fatal(err)
		}
		if err := tokens.Add(ctx, token("T5", now.Add(time.Hour)), 9, now); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("of a disabled account: got %v, want %v", err, state.ErrUnknown)
		}
	})
}
