package content

import (
	"slices"
	"strings"
	"testing"
)

// guarded is what a role that may not publish must leave as it is.
func guarded(field string) bool { return field == "publiee" || field == "ordre" }

// accepted says whether someone may make after of before who may not set guarded
// fields.
func accepted(before, after *Document) bool {
	if after.Err() != nil || before != nil && before.Err() != nil {
		return false
	}
	for _, c := range Changes(before, after) {
		if guarded(c.Field) {
			return false
		}
	}
	return len(Respelled(before, after, guarded)) == 0 && len(Disputed(before, after)) == 0
}

// What Ruby would read otherwise is no way past a guarded field.
func TestGuardedFieldsAreSpelledAsBefore(t *testing.T) {
	const before = "---\ntitle: Un parc\npubliee: false\nordre: 1\nville: Valmont\n---\nTexte\n"
	replace := func(old, now string) string { return strings.Replace(before, old, now, 1) }
	add := func(lines string) string { return replace("ville: Valmont\n", "ville: Valmont\n"+lines+"\n") }
	for _, after := range []string{
		add(`"<<": {publiee: true}`),
		add(`'<<': {publiee: true}`),
		add(`"\x3c<": {publiee: true}`),
		add(`"\u003C\u003C": [{publiee: true}]`),
		add(`<<: {publiee: true}`),
		add("? <<\n: {publiee: true}"),
		add("x: &m <<\n*m : {publiee: true}"),
		add("x: &m \"<<\"\n*m : {publiee: true}"),
		add(`!!merge <<: {publiee: true}`),
		add(`!!merge x: {publiee: true}`),
		add(`!!str "<<": {publiee: true}`),
		add(`!<tag:yaml.org,2002:merge> y: {publiee: true}`),
		add("!!binary cHVibGllZQ==: true"),
		add("!binary cHVibGllZQ==: true"),
		add("! publiee: true"),
		add("!x publiee: true"),
		add("x: &k publiee\n*k : true"),
		add("<<: &b {a: 1}\n"),
		add("x: &b {a: 1}\n<<: [*b]"),
		add("[publiee]: true"),
		add("{publiee: a}: true"),
		add(":publiee: true"),
		add("x: :publiee"),
		add("x: !ruby/object:Object {}"),
		add("x: !!float abc"),
		add("yes: true"),
		add("0x10: true"),
		add("~: true"),
		replace("ordre: 1\n", "ordre: 0o1\n"),
		replace("ordre: 1\n", "ordre: 1e0\n"),
		replace("ordre: 1\n", "ordre: 0x1\n"),
		replace("ordre: 1\n", "ordre: 1.0\n"),
		replace("ordre: 1\n", "ordre: !!int 1\n"),
		replace("ordre: 1\n", "\"ordre\": 1\n"),
		replace("ordre: 1\n", "!!str ordre: 1\n"),
		replace("publiee: false\n", "publiee: False\n"),
		replace("publiee: false\nordre: 1\n", "x: &p false\npubliee: *p\nordre: 1\n"),
		replace("publiee: false\nordre: 1\n", "ordre: 1\npubliee: false\n"),
		add("publiee: false"),
		strings.ReplaceAll(before, "---\n", "+++\n"),
		replace("---\n", "---yaml\n"),
		replace("---\n", "--- yaml\n"),
		replace("---\n", "---\f\n"),
		replace("---\n", "---\v\n"),
		replace("---\n", "---json\n"),
		"\ufeff" + before,
		"---\ntitle: Un parc\n" + "---\f\npubliee: true\n---\n",
		`{"title": "Un parc", "publiee": false, "ordre": 1}` + "\nTexte\n",
		"---\n%YAML 1.1\n---\npubliee: true\n---\n",
		"---\n%TAG ! tag:yaml.org,2002:\n" + strings.TrimPrefix(before, "---\n"),
		"Texte\n",
	} {
		if accepted(Parse([]byte(before)), Parse([]byte(after))) {
			t.Errorf("someone who may not publish could write\n%s", after)
		}
		if d := Parse([]byte(after)); accepted(nil, d) && strings.Contains(after, "<<") {
			t.Errorf("someone who may not publish could create\n%s", after)
		}
	}
	for _, after := range []string{
		replace("ville: Valmont", "ville: \"Saint-Étienne\""),
		replace("title: Un parc", "title: >-\n  Un parc\n  et un jardin"),
		replace("title: Un parc\n", ""),
		add("étapes:\n  - {nom: \"<<\", date: 2024-01-02}\n  - x: yes"),
		add("\"2024\": a"),
		replace("Texte", "---\npubliee: true\n---\n"),
		strings.ReplaceAll(before, "\n", "\r\n"),
	} {
		if b, a := Parse([]byte(before)), Parse([]byte(after)); !accepted(b, a) {
			t.Errorf("refused, because of %v and %v:\n%s", Respelled(b, a, guarded), Disputed(b, a), after)
		}
	}
}

// What was there before may stay, and be edited beside.
func TestDisputedThingsMayStay(t *testing.T) {
	const before = "---\nbase: &b {ville: Valmont}\n<<: *b\n\"<<\": {publiee: true}\nx: !!binary aGk=\nordre: 0o1\nyes: :sym\ntitle: Un\n---\n"
	b := Parse([]byte(before))
	a := Parse([]byte(strings.Replace(before, "title: Un", "title: Deux", 1)))
	if !accepted(b, a) {
		t.Errorf("an edit beside is refused, because of %v and %v", Respelled(b, a, guarded), Disputed(b, a))
	}
	for _, edit := range [][2]string{
		{"\"<<\": {publiee: true}", "\"<<\": {publiee: false}"},
		{"\"<<\": {publiee: true}\n", ""},
		{"ordre: 0o1", "ordre: 1"},
		{"{ville: Valmont}", "{ville: Valmont, publiee: true}"},
		{"{ville: Valmont}", "{ville: Valmont, \"<<\": {publiee: true}}"},
	} {
		if a := Parse([]byte(strings.Replace(before, edit[0], edit[1], 1))); accepted(b, a) {
			t.Errorf("%s could become %s", edit[0], edit[1])
		}
	}
}

// Of many disputed things a hundred are told, and how many more there are.
func TestDisputedTellsSome(t *testing.T) {
	d := Parse([]byte("---\nlist:\n" + strings.Repeat("- !x a\n", 500) + "---\n"))
	if got := Disputed(nil, d); len(got) != maxListed+1 || !strings.HasPrefix(got[maxListed].Detail.String(), "400 more") || got[1].Line != 4 || got[1].Column != 3 {
		t.Errorf("%d are told, the second of them %+v", len(got), got[1])
	}
}

func TestCheckSpelling(t *testing.T) {
	s := &Schema{Defined: true, Fields: []Field{{Name: "id", Type: TypeInteger, ReadOnly: true},
		{Name: "lieu", Type: TypeObject, Fields: []Field{{Name: "code", Type: TypeString, ReadOnly: true}, {Name: "nom", Type: TypeString}}}}}
	const before = "---\nid: 1\nlieu: {code: abc, nom: Parc}\ntitle: x\n---\n"
	for edit, want := range map[[2]string][]string{
		{"title: x", "title: y"}:                {},
		{"nom: Parc", "nom: Bois"}:              {},
		{"id: 1", "id: 0o1"}:                    {"id"},
		{"code: abc", "code: 'abc'"}:            {"lieu.code"},
		{"title: x", "\"<<\": {id: 2}"}:         {"<<"},
		{"nom: Parc", "\"<<\": {code: autre}"}:  {"lieu.<<"},
		{"title: x", "x: &m {y: 2}\n<<: *m"}:    {},
		{"title: x", "x: &m {id: 2}\n<<: *m"}:   {"<<"},
		{"id: 1", "'id': 1"}:                    {"id"},
		{"title: x", "!!binary aWQ=: 2"}:        {"aWQ="},
		{"title: x", "title: !!str x\nyes: on"}: {},
	} {
		got := []string{}
		for _, p := range s.CheckSpelling(Parse([]byte(before)), Parse([]byte(strings.Replace(before, edit[0], edit[1], 1)))) {
			got = append(got, p.Field)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s to %s: told of %q, want %q", edit[0], edit[1], got, want)
		}
	}
}
