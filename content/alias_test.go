package content

import (
	"errors"
	"strings"
	"testing"
)

// applied is what edits make of a front matter, without its delimiters and body.
func applied(t *testing.T, fm string, edits ...Edit) string {
	t.Helper()
	d, err := doc(fm).Apply(edits...)
	if err != nil {
		return "refused: " + err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(d.Source()), "---\n"), "---\nCorps\n")
}

// What an edit below an alias or a merge key copies keeps its text: it means
// the same to every reader of YAML, which its value in JSON would not.
func TestCopiesKeepTheirText(t *testing.T) {
	const base = "lieu: &lieu {ouvert: yes, max: .inf, code: 0x1F, tel: !!str 12, 'le jour': 2019-1-5}\n"
	for name, tt := range map[string]struct{ fm, want string }{
		"below an alias": {
			base + "ici: *lieu\n",
			base + "ici: {ouvert: yes, max: .inf, code: 0x1F, tel: !!str 12, 'le jour': 2019-1-5, z: 1}\n",
		},
		"a block": {
			"a: &a\n  ouvert: off\n  liste:\n  - ~\n  - on\n  texte: |\n    un\n    deux\nici: *a # là\n",
			"a: &a\n  ouvert: off\n  liste:\n  - ~\n  - on\n  texte: |\n    un\n    deux\nici: # là\n  ouvert: off\n  liste:\n  - null\n  - on\n  texte: |\n    un\n    deux\n  z: 1\n",
		},
		"an alias in it": {
			"x: &x on\ny: &y {a: *x, <<: {b: yes}}\nici: *y\n",
			"x: &x on\ny: &y {a: *x, <<: {b: yes}}\nici: {a: *x, <<: {b: yes}, z: 1}\n",
		},
		"keys": {
			"y: &y\n  yes: 1\n  'no': 2\nici: *y\n",
			"y: &y\n  yes: 1\n  'no': 2\nici:\n  yes: 1\n  'no': 2\n  z: 1\n",
		},
	} {
		if got := applied(t, tt.fm, Set(FieldPath{"ici", "z"}, Number("1"))); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
	const merged = "a: &a\n  ici: {ouvert: no, max: -.INF}\nb:\n  <<: *a\n"
	if got, want := applied(t, merged, Set(FieldPath{"b", "ici", "z"}, Number("1"))), merged+"  ici: {ouvert: no, max: -.INF, z: 1}\n"; got != want {
		t.Errorf("below a merge key: got\n%s\nwant\n%s", got, want)
	}
}

func TestUnfaithfulCopiesAreRefused(t *testing.T) {
	for fm, want := range map[string]string{
		"a: &a !lieu {b: 1}\nici: *a\n":                            "line 1: ici: a value with a tag",
		"a: &a\n  ? [b, c]\n  : d\nici: *a\n":                      "line 2: ici: the key is not",
		"x:\n- &a\n  b: 2019-01-15\n    09:29:08 +0000\nici: *a\n": "line 3: ici: a plain value like this",
	} {
		d := doc(fm)
		_, err := d.Apply(Set(FieldPath{"ici", "z"}, "x"))
		var e *EditError
		if !errors.As(err, &e) || e.Column == 0 {
			t.Errorf("%q: got %v, want a refusal with line and column", fm, err)
			continue
		}
		e.Line-- // as the front matter counts
		if !strings.HasPrefix(e.Error(), want) {
			t.Errorf("%q: got %v, want %s", fm, err, want)
		}
	}
}

func TestEditsOfSharedAnchors(t *testing.T) {
	const fm = "titre: &t Plan vélo\nlien: *t\nnote: 1\n"
	d := doc(fm)
	want := Problem{Field: "titre", Pointer: "/titre", Rule: RuleSharedAnchor, Line: 2, Column: 8}
	if got := d.Problems(); len(got) != 1 || d.Err() != nil {
		t.Fatalf("got problems %+v, error %v", got, d.Err())
	} else if want.Detail = got[0].Detail; got[0] != want || !strings.Contains(want.Detail.String(), "&t") {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	_, err := d.Apply(Set(FieldPath{"titre"}, "Plan piéton"))
	if e := new(EditError); !errors.As(err, &e) || e.Line != 2 || e.Column != 8 || !strings.Contains(e.Detail.String(), "&t") {
		t.Errorf("got %v, want a refusal at line 2, column 8", err)
	}
	for path, want := range map[string]string{
		"note": "titre: &t Plan vélo\nlien: *t\nnote: x\n", "lien": "titre: &t Plan vélo\nlien: x\nnote: 1\n",
	} {
		if got := applied(t, fm, Set(FieldPath{path}, "x")); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
		}
	}
}

// A merge patch merges into an object that only a merge key gives (RFC 7396).
func TestMergePatchOfInherited(t *testing.T) {
	const fm = "base: &b\n  contact: {nom: Ada, ouvert: yes}\na:\n  <<: *b\n"
	for patch, want := range map[string]string{
		`{"contact": {"nom": "Léa"}}`:                    fm + "  contact: {nom: Léa, ouvert: yes}\n",
		`{"contact": {"nom": null, "tel": {"x": null}}}`: fm + "  contact: {ouvert: yes, tel: {}}\n",
		`{"contact": {"nom": "Ada", "tel": null}}`:       fm,
		`{"contact": "Ada"}`:                             fm + "  contact: Ada\n",
	} {
		v, err := ParseJSON([]byte(`{"fields": {"a": ` + patch + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := doc(fm).MergePatch(v.(*Object), nil)
		if err != nil {
			t.Errorf("%s: %v", patch, err)
		} else if want = string(doc(want).Source()); string(got.Source()) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", patch, got.Source(), want)
		}
	}
}

// A few bytes of aliases cannot mean a gigabyte, and a large file may still
// name its large text a few times.
func TestAliasedBytes(t *testing.T) {
	text := strings.Repeat("z", 300_000)
	few := doc("a: &x " + text + "\nb: [*x, *x, *x]\n")
	if few.Err() != nil {
		t.Errorf("3 aliases: got %v", few.Err())
	}
	many := doc("a: &x " + text + "\nb:\n" + strings.Repeat("- *x\n", 100))
	at := new(SyntaxError)
	if !errors.As(many.Err(), &at) || at.Line != 8 || at.Column != 3 {
		t.Errorf("100 aliases: got %v, want an error at line 8, column 3", many.Err())
	}
}

// What must be written anew beside a change keeps its text too, and where a
// comment would be lost the change is refused.
func TestWiderSpliceKeepsText(t *testing.T) {
	pair := Set(FieldPath{"a", 0, "x"}, "q")
	if got, want := applied(t, "a: [b: c, yes, .inf, !t q, 'z', 2019-1-5] # d\n", pair), "a: [{b: c, x: q}, yes, .inf, !t q, 'z', 2019-1-5] # d\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err := doc("a: [\n  b: c, # un\n  yes\n]\n").Apply(pair)
	if e := new(EditError); !errors.As(err, &e) || e.Line != 3 || e.Column != 9 || !strings.Contains(e.Detail.String(), "comment") {
		t.Errorf("got %v, want a refusal at the comment", err)
	}
}

func TestEditsBesideComplexKeysAndAnchors(t *testing.T) {
	for _, tt := range []struct {
		fm   string
		edit Edit
		want string
	}{
		{"? a\n: b\n", Set(FieldPath{"c"}, "d"), "? a\n: b\nc: d\n"},
		{"? a\n: b\nc: 1\n", Set(FieldPath{"d"}, "e"), "? a\n: b\nc: 1\nd: e\n"},
		{"m:\n  ? a\n  : b\n", Set(FieldPath{"m", "c"}, "d"), "m:\n  ? a\n  : b\n  c: d\n"},
		{"a: &x # un\n  b: 1\nc: 2\n", Set(FieldPath{"a"}, "v"), "a: v # un\nc: 2\n"},
		{"a: !t\n  b: 1\nc: 2\n", Set(FieldPath{"a"}, []Value{"v"}), "a:\n- v\nc: 2\n"},
	} {
		if got := applied(t, tt.fm, tt.edit); got != tt.want {
			t.Errorf("%s of\n%s\ngives\n%s\nwant\n%s", tt.edit.Path, tt.fm, got, tt.want)
		}
	}
}

// A comment in brackets stays with the item on its line.
func TestCommentsInBrackets(t *testing.T) {
	const fm = "t: [\n  # les lieux\n  a, # un\n  b, # deux\n  # le dernier\n  c # trois\n]\n"
	for name, tt := range map[string]struct {
		edits []Edit
		want  string
	}{
		"append":       {[]Edit{Append(FieldPath{"t"}, "d")}, "t: [\n  # les lieux\n  a, # un\n  b, # deux\n  # le dernier\n  c, # trois\n  d\n]\n"},
		"insert":       {[]Edit{Insert(FieldPath{"t", 1}, "d")}, "t: [\n  # les lieux\n  a, # un\n  d,\n  b, # deux\n  # le dernier\n  c # trois\n]\n"},
		"insert first": {[]Edit{Insert(FieldPath{"t", 0}, "d")}, "t: [\n  # les lieux\n  d,\n  a, # un\n  b, # deux\n  # le dernier\n  c # trois\n]\n"},
		"remove":       {[]Edit{Remove(FieldPath{"t", 1})}, "t: [\n  # les lieux\n  a, # un\n  # le dernier\n  c # trois\n]\n"},
		"remove last":  {[]Edit{Remove(FieldPath{"t", 2})}, "t: [\n  # les lieux\n  a, # un\n  b # deux\n  # le dernier\n]\n"},
		"remove all":   {[]Edit{Remove(FieldPath{"t", 0}), Remove(FieldPath{"t", 0}), Remove(FieldPath{"t", 0})}, "t: [\n  # les lieux\n  # le dernier\n]\n"},
		"swap last":    {[]Edit{Remove(FieldPath{"t", 2}), Append(FieldPath{"t"}, "d")}, "t: [\n  # les lieux\n  a, # un\n  b, # deux\n  d\n  # le dernier\n]\n"},
		"change":       {[]Edit{Set(FieldPath{"t", 1}, "d")}, "t: [\n  # les lieux\n  a, # un\n  d, # deux\n  # le dernier\n  c # trois\n]\n"},
	} {
		if got := applied(t, fm, tt.edits...); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
	for fm, edit := range map[string]Edit{
		fm:                               MoveItem(FieldPath{"t", 2}, 0),
		"t: [a, # un\n  b # deux\n  ]\n": Append(FieldPath{"t"}, "d"),
		"t: [\n  # rien\n]\n":            Append(FieldPath{"t"}, "d"),
	} {
		_, err := doc(fm).Apply(edit)
		if e := new(EditError); !errors.As(err, &e) || e.Line == 0 || e.Column == 0 || !strings.Contains(e.Detail.String(), "comment") {
			t.Errorf("%s of\n%s\ngives %v, want a refusal at the comment", edit.Op, fm, err)
		}
	}
}
