package auth

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLimitsNarrowRoles(t *testing.T) {
	policy, err := NewPolicy(map[string]map[string]Grant{
		"editor": {"consultations": Grant{Actions: []Action{Read, Create, Update}}, "pages": Grant{Actions: []Action{Read, Update}}, Media: Grant{Actions: []Action{Read, Create}}},
	}, []string{"consultations", "pages"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		limits Limits
		want   string // "collection:action", of what is left
	}{
		{"none", nil, "consultations:read consultations:create consultations:update pages:read pages:update media:read media:create"},
		{"nothing is left", Limits{}, ""},
		{"one action of one collection", Limits{"consultations": {Read}}, "consultations:read"},
		{"one action everywhere, but not of media", Limits{Every: {Read}}, "consultations:read pages:read"},
		{"media", Limits{Media: {Create}}, "media:create"},
		{"more than the role has", Limits{"pages": {Read, Delete, Publish}, "unknown": {Read}}, "pages:read"},
		{"two that add up", Limits{Every: {Read}, "pages": {Update}}, "consultations:read pages:read pages:update"},
		{"unknown action", Limits{"pages": {"everything"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pr := &Principal{Subject: "bot", Roles: []string{"editor"}, Limits: test.limits}
			var got []string
			for _, target := range []string{"consultations", "pages", Media} {
				for _, a := range policy.Actions(pr, target) {
					got = append(got, target+":"+string(a))
				}
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %q, want %q", s, test.want)
			}
		})
	}
}

func TestLimitsClaim(t *testing.T) {
	k := newKeyring(t)
	v := newVerifier(t, k.issuer(t, idp, "HS256"))
	tests := []struct {
		claim string // as JSON
		want  Limits
		ok    bool
	}{
		{`{"consultations": ["read", "update"]}`, Limits{"consultations": {Read, Update}}, true},
		{`{}`, Limits{}, true},
		{`null`, nil, false},
		{`"consultations"`, nil, false},
		{`["consultations"]`, nil, false},
		{`{"consultations": "read"}`, nil, false},
		{`{"consultations": [1]}`, nil, false},
		{`{"consultations": null}`, nil, false},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			got, err := v.Verify(t.Context(), sign(t, "HS256", k.secret, nil, claims(map[string]any{LimitsClaim: json.RawMessage(test.claim)})))
			if !test.ok {
				refused(t, got, err, "the limits of the token are not lists of actions by collection")
			} else if err != nil || !reflect.DeepEqual(got.Limits, test.want) {
				t.Errorf("got %+v, %v; want the limits %v", got, err, test.want)
			}
		})
	}
}

func TestMintedLimits(t *testing.T) {
	k := newKeyring(t)
	is := k.issuer(t, idp, "EdDSA")
	want := Limits{"consultations": {Read}}
	token, err := Mint(is, Claims{Subject: "bot", Roles: []string{"editor"}, Limits: want, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	got, err := newVerifier(t, is).Verify(t.Context(), token)
	if err != nil || !reflect.DeepEqual(got.Limits, want) {
		t.Errorf("got %+v, %v; want the limits %v", got, err, want)
	}
}

// TestLimitsOfBoth: what two limits leave together, each leaves.
func TestLimitsOfBoth(t *testing.T) {
	narrow := Narrow([]string{"pages", Media}, []Action{Read, Update})
	reading := Narrow(nil, []Action{Read})
	for name, c := range map[string]struct {
		l      Limits
		a      Action
		target string
		want   bool
	}{
		"read of both":                 {narrow.and(reading), Read, "pages", true},
		"update of one":                {narrow.and(reading), Update, "pages", false},
		"a collection of one":          {narrow.and(reading), Read, "posts", false},
		"media of both":                {reading.and(narrow), Read, Media, true},
		"the repository of one":        {reading.and(narrow), Read, Repository, false},
		"none and one":                 {Limits(nil).and(narrow), Update, "pages", true},
		"one and none":                 {narrow.and(nil), Update, "posts", false},
		"every and a collection":       {reading.and(Limits{"posts": {Read, Delete}}), Read, "posts", true},
		"every and another collection": {reading.and(Limits{"posts": {Read, Delete}}), Read, "pages", false},
		"reading the repository":       {reading, Read, Repository, true},
		"writing it":                   {reading, Update, Repository, false},
	} {
		if got := c.l.Allow(c.a, c.target); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
	if Limits(nil).and(nil) != nil {
		t.Error("no limits together are some")
	}
}
