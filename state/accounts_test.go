package state_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// camille has an account with a password.
func camille() state.Account {
	return state.Account{
		ID: "C1", Subject: "C1", Email: "camille@example.org", Name: "Camille Moreau", Roles: []string{"editor"},
		Claims: `{"organisation":"Valmont"}`, Password: "hash", CreatedAt: time.UnixMilli(1_700_000_000_000),
	}
}

func TestAccounts(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		accounts := statetest.Open(t, address).Accounts()
		if _, err := accounts.ByEmail(t.Context(), "camille@example.org"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("before there is one: got %v, want %v", err, state.ErrUnknown)
		}
		want := camille()
		if err := accounts.Add(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		second := camille()
		second.ID, second.Subject = "C2", "C2"
		if err := accounts.Add(t.Context(), second); !errors.Is(err, state.ErrTaken) {
			t.Errorf("the same address again: got %v, want %v", err, state.ErrTaken)
		}
		check := func(want state.Account) {
			t.Helper()
			if got, err := accounts.ByEmail(t.Context(), want.Email); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		}
		check(want)

		if err := accounts.SetRoles(t.Context(), "C1", []string{"reader", "bot"}, `{}`); err != nil {
			t.Fatal(err)
		}
		if err := accounts.SetPassword(t.Context(), "C1", "new"); err != nil {
			t.Fatal(err)
		}
		if err := accounts.SetDisabled(t.Context(), "C1", true); err != nil {
			t.Fatal(err)
		}
		want.Roles, want.Claims, want.Password, want.Disabled = []string{"reader", "bot"}, `{}`, "new", true
		check(want)

		// A hash is replaced by one of the same password, not by one of an older.
		if err := accounts.Rehash(t.Context(), "C1", "hash", "stale"); err != nil {
			t.Fatal(err)
		}
		check(want)
		if err := accounts.Rehash(t.Context(), "C1", "new", "better"); err != nil {
			t.Fatal(err)
		}
		want.Password = "better"
		check(want)

		for name, err := range map[string]error{
			"roles":    accounts.SetRoles(t.Context(), "nobody", nil, "{}"),
			"password": accounts.SetPassword(t.Context(), "nobody", "x"),
			"disabled": accounts.SetDisabled(t.Context(), "nobody", true),
		} {
			if !errors.Is(err, state.ErrUnknown) {
				t.Errorf("%s of no account: got %v, want %v", name, err, state.ErrUnknown)
			}
		}
	})
}

// Whoever an issuer vouches for has one account for each issuer and subject,
// and it stays disabled.
func TestMeet(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		accounts := statetest.Open(t, address).Accounts()
		meet := func(id, issuer, name string) state.Account {
			t.Helper()
			a, err := accounts.Meet(t.Context(), state.Account{ID: id, Issuer: issuer, Subject: "s1", Email: "ann@example.org", Name: name, Roles: []string{"editor"}, CreatedAt: time.UnixMilli(1)})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := meet("A1", "https://id.example.org", "Ann"); a.ID != "A1" || a.Name != "Ann" {
			t.Errorf("first: got %+v", a)
		}
		if err := accounts.SetDisabled(t.Context(), "A1", true); err != nil {
			t.Fatal(err)
		}
		if a := meet("A2", "https://id.example.org", "Ann B."); a.ID != "A1" || a.Name != "Ann B." || !a.Disabled {
			t.Errorf("again: got %+v, want the same account with the new name, disabled", a)
		}
		if a := meet("A3", "https://other.example.org", "Ann"); a.ID != "A3" || a.Disabled {
			t.Errorf("the same subject of another issuer: got %+v, want another account", a)
		}
		if all, err := accounts.List(t.Context()); err != nil || len(all) != 2 {
			t.Errorf("got %d accounts, %v; want 2", len(all), err)
		}
	})
}

func TestSessions(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		sessions := db.Sessions()
		if err := db.Accounts().Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(1_800_000_000_000)
		session := func(id string) state.Session {
			return state.Session{ID: id, Account: "C1", AccessHash: "a1", AccessUntil: now.Add(time.Minute),
				RefreshHash: "r1", RefreshUntil: now.Add(time.Hour), EndsAt: now.Add(2 * time.Hour)}
		}
		password := camille().Password
		begin := func(id string, at time.Time) {
			t.Helper()
			if err := sessions.Begin(t.Context(), session(id), password, at); err != nil {
				t.Fatal(err)
			}
		}
		gone := func(id string) {
			t.Helper()
			if _, _, err := sessions.Find(t.Context(), id); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("session %s: got %v, want %v", id, err, state.ErrUnknown)
			}
		}
		begin("S1", now)
		if got, account, err := sessions.Find(t.Context(), "S1"); err != nil || !reflect.DeepEqual(got, session("S1")) || !reflect.DeepEqual(account, camille()) {
			t.Errorf("got %+v of %+v, %v", got, account, err)
		}

		// Of those who bring the same token at once, one gets the next.
		var (
			rotating sync.WaitGroup
			won      atomic.Int32
		)
		for range 8 {
			rotating.Go(func() {
				next := session("S1")
				next.AccessHash, next.RefreshHash = "a2", "r2"
				ok, err := sessions.Rotate(t.Context(), "r1", next)
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
				}
			})
		}
		rotating.Wait()
		if got, _, err := sessions.Find(t.Context(), "S1"); won.Load() != 1 || err != nil || got.RefreshHash != "r2" || got.AccessHash != "a2" {
			t.Errorf("%d of 8 rotated; got %+v, %v; want one, and its tokens", won.Load(), got, err)
		}

		// An end, a change of the account and time end sessions.
		if v, err := sessions.End(t.Context(), "S1"); err != nil || v != (state.Voucher{}) {
			t.Fatalf("got %+v, %v", v, err)
		}
		gone("S1")
		begin("S2", now)
		if err := db.Accounts().SetPassword(t.Context(), "C1", "new"); err != nil {
			t.Fatal(err)
		}
		gone("S2")
		if err := sessions.Begin(t.Context(), session("S2"), password, now); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("by the password before: got %v, want %v", err, state.ErrUnknown)
		}
		password = "new"
		begin("S3", now)
		begin("S4", now.Add(2*time.Hour))
		gone("S3")
		if err := db.Accounts().SetDisabled(t.Context(), "C1", true); err != nil {
			t.Fatal(err)
		}
		if err := sessions.Begin(t.Context(), session("S5"), password, now); !errors.Is(err, state.ErrUnknown) { // by a login that was under way
			t.Errorf("of a disabled account: got %v, want %v", err, state.ErrUnknown)
		}
		gone("S5")
	})
}

func TestDevices(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		accounts := statetest.Open(t, address).Accounts()
		if err := accounts.Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(1_800_000_000_000)
		if err := accounts.AddDevice(t.Context(), "C1", "d1", now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		knows := func(id, hash string, at time.Time, want bool) {
			t.Helper()
			if got, err := accounts.KnowsDevice(t.Context(), id, hash, at); err != nil || got != want {
				t.Errorf("KnowsDevice(%s, %s) = %v, %v; want %v", id, hash, got, err, want)
			}
		}
		knows("C1", "d1", now, true)
		knows("C1", "d2", now, false)
		knows("C2", "d1", now, false)
		knows("C1", "d1", now.Add(time.Hour), false)
		if err := accounts.SetPassword(t.Context(), "C1", "new"); err != nil {
			t.Fatal(err)
		}
		knows("C1", "d1", now, false)
	})
}

func TestRevokedTokens(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		tokens := statetest.Open(t, address).Tokens()
		now := time.UnixMilli(1_800_000_000_000)
		revoke := func(issuer, id string, until, at time.Time) {
			t.Helper()
			if err := tokens.Revoke(t.Context(), state.TokenID{Issuer: issuer, ID: id}, until, at); err != nil {
				t.Fatal(err)
			}
		}
		revoke("cms", "1", now.Add(time.Hour), now)
		revoke("cms", "1", now.Add(time.Minute), now) // does not shorten it
		revoke("idp", "1", now.Add(time.Minute), now)
		for at, want := range map[time.Time]map[state.TokenID]bool{
			now:                              {{Issuer: "cms", ID: "1"}: true, {Issuer: "idp", ID: "1"}: true},
			now.Add(2 * time.Minute):         {{Issuer: "cms", ID: "1"}: true},
			now.Add(time.Hour + time.Second): {},
		} {
			if got, err := tokens.Revoked(t.Context(), at); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("at %s: got %v, %v; want %v", at, got, err, want)
			}
		}
	})
}

// What a session was begun with is given to one of those who end it, and to nobody else.
func TestVouchers(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		if err := db.Accounts().Add(t.Context(), state.Account{ID: "V1", Subject: "V1", Email: "v@example.org", Roles: []string{"editor"}}); err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(time.Now().UnixMilli())
		sessions, want := db.Sessions(), state.Voucher{Provider: "p", IDToken: "h.c.s"}
		err := sessions.Begin(t.Context(), state.Session{ID: "V1", Account: "V1", AccessHash: "a", RefreshHash: "r", AccessUntil: now.Add(time.Hour), RefreshUntil: now.Add(time.Hour), EndsAt: now.Add(time.Hour), Voucher: want}, "", now)
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := sessions.Find(t.Context(), "V1")
		if err != nil || found.Voucher != (state.Voucher{}) {
			t.Errorf("each request reads %+v, %v", found.Voucher, err)
		}
		if _, err := sessions.Rotate(t.Context(), "r", found); err != nil {
			t.Fatal(err)
		}
		var given atomic.Int64
		var ending sync.WaitGroup
		for range 4 {
			ending.Go(func() {
				v, err := sessions.End(t.Context(), "V1")
				if err != nil {
					t.Error(err)
				}
				if v == want {
					given.Add(1)
				}
			})
		}
		ending.Wait()
		if given.Load() != 1 {
			t.Errorf("%d of 4 were given it", given.Load())
		}
	})
}

// A login that is under way while its password is changed, or its account disabled, begins
// no session that is left.
func TestSessionsBesideChanges(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		accounts, sessions := db.Accounts(), db.Sessions()
		if err := accounts.Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		now, password := time.Now(), camille().Password
		for round := range 10 {
			var logins sync.WaitGroup
			for i := range 6 {
				logins.Go(func() {
					s := state.Session{ID: fmt.Sprint(round, ".", i), Account: "C1", RefreshUntil: now.Add(time.Hour)}
					if err := sessions.Begin(t.Context(), s, password, now); err != nil && !errors.Is(err, state.ErrUnknown) {
						t.Error(err)
					}
				})
			}
			next := fmt.Sprint("hash", round)
			if err := accounts.SetPassword(t.Context(), "C1", next); err != nil {
				t.Fatal(err)
			}
			logins.Wait()
			for i := range 6 {
				if _, _, err := sessions.Find(t.Context(), fmt.Sprint(round, ".", i)); !errors.Is(err, state.ErrUnknown) {
					t.Errorf("round %d: a session by the password before is left: %v", round, err)
				}
			}
			password = next
		}
		if err := accounts.SetDisabled(t.Context(), "C1", true); err != nil {
			t.Fatal(err)
		}
		if err := sessions.Begin(t.Context(), state.Session{ID: "D", Account: "C1", RefreshUntil: now.Add(time.Hour)}, password, now); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("disabled: got %v, want %v", err, state.ErrUnknown)
		}
	})
}

// An account that is deleted takes with it what is only its own, and nobody else's.
func TestDelete(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		accounts, sessions, now := db.Accounts(), db.Sessions(), time.UnixMilli(1_800_000_000_000)
		other := camille()
		other.ID, other.Subject, other.Email = "C2", "C2", "louis@example.org"
		for _, a := range []state.Account{camille(), other} {
			if err := accounts.Add(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			s := state.Session{ID: "S" + a.ID, Account: a.ID, RefreshUntil: now.Add(time.Hour)}
			if err := sessions.Begin(t.Context(), s, a.Password, now); err != nil {
				t.Fatal(err)
			}
			if err := accounts.AddDevice(t.Context(), a.ID, "d"+a.ID, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if err := accounts.Delete(t.Context(), "C1"); err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.ByID(t.Context(), "C1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("got %v, want %v", err, state.ErrUnknown)
		}
		if _, _, err := sessions.Find(t.Context(), "SC1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("its session: got %v, want %v", err, state.ErrUnknown)
		}
		if err := sessions.Begin(t.Context(), state.Session{ID: "late", Account: "C1", RefreshUntil: now.Add(time.Hour)}, camille().Password, now); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("a login that was under way: got %v, want %v", err, state.ErrUnknown)
		}
		if err := accounts.Delete(t.Context(), "C1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("again: got %v, want %v", err, state.ErrUnknown)
		}
		if _, _, err := sessions.Find(t.Context(), "SC2"); err != nil {
			t.Errorf("the session of another: %v", err)
		}
		if known, err := accounts.KnowsDevice(t.Context(), "C2", "dC2", now); err != nil || !known {
			t.Errorf("the device of another is known: %t, %v", known, err)
		}
	})
}

// Sessions are listed with where and when they began, those that have not ended, and each
// is ended by who has the account alone.
func TestListSessions(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		db := statetest.Open(t, address)
		accounts, sessions, now := db.Accounts(), db.Sessions(), time.UnixMilli(1_700_000_000_000)
		if err := accounts.Add(t.Context(), camille()); err != nil {
			t.Fatal(err)
		}
		if logins, err := accounts.Logins(t.Context()); err != nil || len(logins) != 0 {
			t.Errorf("before a login: got %v, %v", logins, err)
		}
		begin := func(id string, at time.Time, from state.Client) {
			t.Helper()
			s := state.Session{ID: id, Account: "C1", RefreshUntil: now.Add(time.Hour), Client: from, Voucher: state.Voucher{Provider: "id", IDToken: "kept"}}
			if err := sessions.Begin(t.Context(), s, camille().Password, at); err != nil {
				t.Fatal(err)
			}
		}
		first, second := state.Client{Address: "192.0.2.1", Browser: "Firefox, Linux"}, state.Client{Address: "2001:db8::1"}
		begin("S1", now, first)
		begin("S2", now.Add(time.Minute), second)
		want := []state.Active{
			{ID: "S2", Begun: now.Add(time.Minute), Used: now.Add(time.Minute), Client: second},
			{ID: "S1", Begun: now, Used: now, Client: first},
		}
		if got, err := sessions.Of(t.Context(), "C1", now); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		if got, err := sessions.Of(t.Context(), "C1", now.Add(time.Hour)); err != nil || len(got) != 0 {
			t.Errorf("those that have ended: got %+v, %v", got, err)
		}
		if logins, err := accounts.Logins(t.Context()); err != nil || !reflect.DeepEqual(logins, map[string]time.Time{"C1": now.Add(time.Minute)}) {
			t.Errorf("last logins: got %v, %v", logins, err)
		}
		if err := sessions.Prolong(t.Context(), "S1", now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got, err := sessions.Of(t.Context(), "C1", now); err != nil || len(got) != 2 || got[0].ID != "S1" || !got[0].Used.After(now) || !got[0].Begun.Equal(now) {
			t.Errorf("the last used is not first: %+v, %v", got, err)
		}
		if ended, err := sessions.EndOf(t.Context(), "C2", "S1"); err != nil || ended {
			t.Errorf("by another account: %t, %v", ended, err)
		}
		begin("S3", now, first)
		if n, err := sessions.EndAllOf(t.Context(), "C1", "S1"); err != nil || n != 2 {
			t.Errorf("all but one: ended %d, %v; want 2", n, err)
		}
		if ended, err := sessions.EndOf(t.Context(), "C1", "S1"); err != nil || !ended {
			t.Errorf("got %t, %v; want that it ends", ended, err)
		}
		if _, _, err := sessions.Find(t.Context(), "S1"); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("got %v, want %v", err, state.ErrUnknown)
		}
	})
}

// TestDevicesAreBounded: of each account the last devices are known, however often it is
// logged in to.
func TestDevicesAreBounded(t *testing.T) {
	statetest.Each(t, func(t *testing.T, address string) {
		as := statetest.Open(t, address).Accounts()
		other := camille()
		other.ID, other.Subject, other.Email = "other", "other", "other@example.org"
		for _, a := range []state.Account{camille(), other} {
			if err := as.Add(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		now := time.UnixMilli(1_800_000_000_000)
		if err := as.AddDevice(t.Context(), other.ID, "other", now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		const more = 3
		for i := range state.MaxDevices + more {
			if err := as.AddDevice(t.Context(), camille().ID, fmt.Sprint("d", i), now.Add(time.Hour+time.Duration(i)*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		for hash, want := range map[string]bool{"d0": false, fmt.Sprint("d", more-1): false, fmt.Sprint("d", more): true, fmt.Sprint("d", state.MaxDevices+more-1): true} {
			if known, err := as.KnowsDevice(t.Context(), camille().ID, hash, now); known != want || err != nil {
				t.Errorf("device %s is known: %t, %v; want %t", hash, known, err, want)
			}
		}
		if known, err := as.KnowsDevice(t.Context(), other.ID, "other", now); !known || err != nil {
			t.Errorf("the device of another account is known: %t, %v", known, err)
		}
	})
}
