package auth

import (
	"strings"
	"testing"
)

func TestPolicyCan(t *testing.T) {
	p, err := NewPolicy(map[string]map[string]Grant{
		"editor": {"consultations": Grant{Actions: []Action{Read, Create, Update, Delete}}, "media": Grant{Actions: []Action{Read, Create}}},
		"reader": {"*": Grant{Actions: []Action{Read}}},
		"nobody": {},
	}, []string{"consultations", "actualites"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		roles      string
		action     Action
		collection string
		want       bool
	}{
		{"editor", Read, "consultations", true},
		{"editor", Delete, "consultations", true},
		{"editor", Publish, "consultations", false},
		{"editor", Read, "actualites", false},
		{"editor", Create, Media, true},
		{"editor", Delete, Media, false},
		{"reader", Read, "actualites", true},
		{"reader", Update, "actualites", false},
		{"reader", Read, Media, false}, // "*" is every collection, and media is none
		{"reader", Read, "unknown", true},
		{"editor", Read, Every, false},
		{"editor", "", "consultations", false},
		{"nobody", Read, "consultations", false},
		{"stranger", Read, "consultations", false},
		{"", Read, "consultations", false},
		{"stranger reader", Read, "consultations", true},
		{"reader editor", Delete, "consultations", true},
	}
	for _, test := range tests {
		pr := &Principal{Subject: "camille", Roles: strings.Fields(test.roles)}
		if got := p.Can(pr, test.action, test.collection); got != test.want {
			t.Errorf("roles %q: Can(%q, %q) = %t, want %t", test.roles, test.action, test.collection, got, test.want)
		}
	}
	if p.Can(nil, Read, "consultations") {
		t.Error("nobody may read")
	}
}

func TestNewPolicyNamesWhatIsUnknown(t *testing.T) {
	_, err := NewPolicy(map[string]map[string]Grant{
		"editor": {"consultation": Grant{Actions: []Action{Read}}, "consultations": Grant{Actions: []Action{Read, "write"}}},
		"bot":    {"consultations": Grant{Actions: []Action{"Read"}}},
	}, []string{"consultations"})
	want := `role "bot", "consultations": there is no "read", without which nothing can be edited or answered
role "bot", "consultations": there is no action "Read"; use read, create, update, delete, publish
role "editor": there is no collection "consultation"
role "editor", "consultations": there is no action "write"; use read, create, update, delete, publish`
	if err == nil || err.Error() != want {
		t.Errorf("got error\n%v\nwant\n%s", err, want)
	}
}

func TestPolicyActions(t *testing.T) {
	p, err := NewPolicy(map[string]map[string]Grant{
		"editor": {"consultations": Grant{Actions: []Action{Delete, Read, Create}}},
		"reader": {"*": Grant{Actions: []Action{Read}}},
		"nobody": {},
	}, []string{"consultations", "actualites"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		roles, collection, want string
		known                   bool
	}{
		{"editor", "consultations", "read create delete", true},
		{"editor", "actualites", "", true},
		{"editor reader", "actualites", "read", true},
		{"nobody", "consultations", "", true},
		{"stranger", "consultations", "", false},
		{"", "consultations", "", false},
	} {
		pr := &Principal{Subject: "camille", Roles: strings.Fields(test.roles)}
		var got []string
		for _, a := range p.Actions(pr, test.collection) {
			got = append(got, string(a))
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("roles %q: Actions(%q) = %q, want %q", test.roles, test.collection, got, test.want)
		}
		if got := p.Knows(pr); got != test.known {
			t.Errorf("roles %q: Knows = %t, want %t", test.roles, got, test.known)
		}
	}
	if p.Knows(nil) {
		t.Error("nobody has a role")
	}
}
