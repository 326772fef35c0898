package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cms/auth"
	"cms/state/statetest"
)

// TestPersonalTokens speak for their account as it is at that moment, within what they were
// made for, and end with it.
func TestPersonalTokens(t *testing.T) {
	ctx, db := t.Context(), statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	accounts := auth.NewAccounts(db, []string{"editor", "reader"})
	const email = "camille@example.org"
	if err := accounts.Add(ctx, auth.Account{Email: email, Name: "Camille", Roles: []string{"editor"}}, "une phrase de passe longue"); err != nil {
		t.Fatal(err)
	}
	owner, err := accounts.Principal(ctx, email)
	if err != nil {
		t.Fatal(err)
	}
	tokens := auth.NewPersonalTokens(auth.PersonalOptions{State: db, Lifetime: 24 * time.Hour})
	policy, err := auth.NewPolicy(map[string]map[string]auth.Grant{
		"editor": {"pages": {Actions: []auth.Action{auth.Read, auth.Update}}, auth.Repository: {Actions: []auth.Action{auth.Read}}},
		"reader": {"pages": {Actions: []auth.Action{auth.Read}}},
	}, []string{"pages"})
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		name string
		ends time.Time
		want error
	}{
		"no name":    {" ", soon, auth.ErrTokenName},
		"two lines":  {"a\nb", soon, auth.ErrTokenName},
		"a control":  {"a\x00b", soon, auth.ErrTokenName},
		"long name":  {strings.Repeat("é", auth.MaxTokenName+1), soon, auth.ErrTokenName},
		"no time":    {"laptop", time.Now(), auth.ErrTokenEnd},
		"a long one": {"laptop", soon.Add(24 * time.Hour), auth.ErrTokenEnd},
	} {
		if _, err := tokens.Make(ctx, owner, c.name, nil, c.ends); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := tokens.Make(ctx, &auth.Principal{Issuer: "https://id.example.org", Subject: "bot"}, "bot", nil, soon); !errors.Is(err, auth.ErrNoAccount) {
		t.Errorf("for somebody without an account: got %v, want %v", err, auth.ErrNoAccount)
	}

	all, err := tokens.Make(ctx, owner, "laptop", nil, soon)
	if err != nil || !strings.HasPrefix(all, auth.PersonalPrefix) {
		t.Fatalf("got %q, %v", all, err)
	}
	reading, err := tokens.Make(ctx, owner, "backup", auth.Narrow(nil, []auth.Action{auth.Read}), soon)
	if err != nil {
		t.Fatal(err)
	}
	may := func(token string, a auth.Action) bool {
		t.Helper()
		pr, err := tokens.Principal(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if pr.Issuer != owner.Issuer || pr.Subject != owner.Subject {
			t.Errorf("it speaks for %s of %s", pr.Subject, pr.Issuer)
		}
		return policy.Can(pr, a, "pages")
	}
	if !may(all, auth.Update) || may(reading, auth.Update) || !may(reading, auth.Read) {
		t.Error("the tokens may not what they were made for")
	}
	if err := accounts.SetRoles(ctx, email, []string{"reader"}, nil); err != nil {
		t.Fatal(err)
	}
	if may(all, auth.Update) {
		t.Error("the account lost a right, which its token keeps")
	}
	list, err := tokens.Of(ctx, owner)
	if err != nil || len(list) != 2 || list[0].Used.IsZero() || list[0].Limits.String()+list[1].Limits.String() == "" {
		t.Errorf("got %+v, %v", list, err)
	}

	refused := func(name, token string) {
		t.Helper()
		if pr, err := tokens.Principal(ctx, token); !errors.As(err, new(*auth.TokenError)) {
			t.Errorf("%s: got %+v, %v; want a *TokenError", name, pr, err)
		}
	}
	refused("another one", auth.PersonalPrefix+strings.Repeat("A", 52))
	refused("a beginning", all[:len(all)-1])
	for _, l := range list {
		if l.Name == "backup" {
			err = tokens.End(ctx, owner, l.ID)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	refused("one that was ended", reading)
	if err := accounts.SetDisabled(ctx, email, true); err != nil {
		t.Fatal(err)
	}
	refused("one of a disabled account", all)
	if err := accounts.SetDisabled(ctx, email, false); err != nil {
		t.Fatal(err)
	}
	refused("one from before", all)
}
