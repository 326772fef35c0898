package content

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func doc(fm string) *Document { return Parse([]byte("---\n" + fm + "---\nCorps\n")) }

func TestReplaceAppliesWhatDiffers(t *testing.T) {
	d := doc("title: 'Le port' # nom\ndate: 2021-06-01 18:30:00 +0200\netapes:\n  - nom: Débat # 1\n    jour: 2021-06-01\n  - nom: Vote\n    jour: 2021-07-01\nprix: 1.50\nobsolete: x\n")
	fields := parse(t, `{"etapes":[{"jour":"2021-06-01","nom":"Débat"},{"jour":"2021-07-02","nom":"Vote","lieu":"Halle"}],
		"date":"2021-06-01T16:30:00Z","ordre":2,"description":"Un quai","prix":1.5,"title":"Le port"}`).(*Object)
	got, err := d.Replace(fields, "Corps\nneuf\n", []string{"title", "description", "date", "ordre"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "---\ntitle: 'Le port' # nom\ndescription: Un quai\ndate: 2021-06-01 18:30:00 +0200\nordre: 2\netapes:\n  - nom: Débat # 1\n    jour: 2021-06-01\n  - nom: Vote\n    jour: 2021-07-02\n    lieu: Halle\nprix: 1.50\n---\nCorps\nneuf\n"
	if string(got.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
	}
}

func TestReplaceGivesFrontMatterToAFileWithout(t *testing.T) {
	got, err := Parse([]byte("Un\r\nDeux\r\n")).Replace(parse(t, `{"b":1,"a":"x"}`).(*Object), "Un\nDeux\nTrois\n", []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "---\r\na: x\r\nb: 1\r\n---\r\nUn\r\nDeux\r\nTrois\r\n"; string(got.Source()) != want {
		t.Errorf("got %q, want %q", got.Source(), want)
	}
}

func TestReplaceKeepsWhatJSONCannotSay(t *testing.T) {
	d := Parse([]byte("---\na: .NaN\nb: !!binary aGk=\nc: 0b11\n? [x]\n: y\n---\nCorps \xe9\n"))
	fields := &Object{}
	b, err := d.Fields().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := fields.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Replace(fields, "Corps \ufffd\n", nil); got != d || err != nil {
		t.Errorf("got %v,\n%s", err, got.Source())
	}
}

func TestReplaceSource(t *testing.T) {
	d := doc("title:   Le port # nom\ntags: [mer,eau]\n")
	for name, c := range map[string]struct{ src, want string }{
		"another style": {"---\n\"tags\":\n  - \"mer\"\n  - \"eau\"\n\"title\": \"Le phare\"\n---\nCorps\n", "---\ntitle:   Le phare # nom\ntags: [mer,eau]\n---\nCorps\n"},
		"invalid":       {"---\ntitle: a: b\n---\n", "---\ntitle: a: b\n---\n"},
		"other format":  {"+++\ntitle = 'Le port'\n+++\n", "+++\ntitle = 'Le port'\n+++\n"},
		"none":          {"Le port\n", "Le port\n"},
	} {
		got, err := d.ReplaceSource([]byte(c.src), nil)
		if err != nil || string(got.Source()) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got.Source(), err, c.want)
		}
	}
}

// What a client makes of times by decoding the file and writing it anew is no
// change, what it makes of them on purpose is one.
func TestReplaceSourceTimes(t *testing.T) {
	d := doc("jour: 2021-06-01\ndate: 2021-06-01 18:30:00 +0200\nfin: 2021-06-01 00:00:00 +0000\nl:\n- 2021-06-02\n- a\n")
	for fm, want := range map[string]string{
		"jour: 2021-06-01T00:00:00Z\ndate: 2021-06-01T16:30:00Z\nfin: 2021-06-01T00:00:00Z\nl: [2021-06-02T00:00:00Z, b]\n": strings.Replace(string(d.Source()), "- a", "- b", 1),
		"jour: 2021-06-02T00:00:00Z\ndate: 2021-06-01T17:30:00+01:00\nfin: 2021-06-01\nl: [2021-06-02, a]\n": strings.NewReplacer(
			"jour: 2021-06-01", "jour: 2021-06-02 00:00:00 +0000", "fin: 2021-06-01 00:00:00 +0000", "fin: 2021-06-01").Replace(string(d.Source())),
	} {
		got, err := d.ReplaceSource(doc(fm).Source(), nil)
		if err != nil || string(got.Source()) != want {
			t.Errorf("%s gives %v\n%s\nwant\n%s", fm, err, got.Source(), want)
		}
	}
}

func TestMergePatch(t *testing.T) {
	d := doc("title: Le port # nom\ncontact:\n  nom: Anne\n  tel: '02'\nlink: x\n")
	patch := parse(t, `{"fields":{"title":"Le phare","contact":{"tel":null,"ville":"Port-Blanc"},"link":null,"absent":null,"menu":{"a":null,"b":1}},"body":"Neuf\n"}`)
	got, err := d.MergePatch(patch.(*Object), []string{"title", "menu"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "---\ntitle: Le phare # nom\nmenu:\n  b: 1\ncontact:\n  nom: Anne\n  ville: Port-Blanc\n---\nNeuf\n"
	if string(got.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
	}
	if got, err := d.MergePatch(parse(t, `{"fields":{"title":"Le port","contact":{}}}`).(*Object), nil); got != d || err != nil {
		t.Errorf("a patch of what is there gives %v, %v", got, err)
	}
	for _, bad := range []string{`{"fields":null}`, `{"fields":[]}`, `{"body":1}`, `{"slug":"x"}`, `{"fields":{"<<":1}}`} {
		if _, err := d.MergePatch(parse(t, bad).(*Object), nil); kindOf(err) != KindRefused {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// A null over a null changes nothing, however it is written and wherever it stands: what was
// read and is sent back as a merge patch leaves each byte as it is.
func TestMergePatchOfWhatWasRead(t *testing.T) {
	for name, source := range map[string]string{
		"empty":          "---\ntitle: x\nlink:\n---\nCorps\n",
		"empty, at last": "---\nlink: \n---\n",
		"tilde":          "---\nlink: ~ # rien\ntitle: x\n---\n",
		"word":           "---\nlink: null\nautre: NULL\ntitle: x\n---\n",
		"tagged":         "---\nlink: !!null ''\ntitle: x\n---\n",
		"in an object":   "---\ncontact:\n  nom: Ada\n  tel:\n  mail: ~\n---\n",
		"in a flow":      "---\ncontact: {nom: Ada, tel: , mail: null}\n---\n",
		"in a list":      "---\nlieux:\n- nom: x\n  tel:\n- ~\n-\n---\n",
		"deep":           "---\na: {b: [{c: null}], d: {e: {f: ~}}}\n---\n",
		"an alias":       "---\na: &n\nb: *n\nc: &o {x: null, y: 1}\nd: *o\n---\n",
		"a merge key":    "---\nbase: &b\n  tel:\n  o: {x: ~}\na:\n  <<: *b\n  nom: x\n---\n",
		"JSON":           "{\n  \"title\": \"x\",\n  \"link\": null,\n  \"contact\": {\"tel\" : null}\n}\n\nCorps\n",
		"TOML":           "+++\ntitle = 'x'\n[contact]\nnom = 'x'\n+++\n",
		"all of it":      "---\na:\nb: ~\n---\n",
	} {
		d := Parse([]byte(source))
		if d.Err() != nil {
			t.Fatalf("%s: %v", name, d.Err())
		}
		encoded, err := json.Marshal(d.Fields())
		if err != nil {
			t.Fatal(err)
		}
		patch := parse(t, `{"fields":`+string(encoded)+`}`).(*Object)
		if got, err := d.MergePatch(patch, nil); err != nil || string(got.Source()) != source {
			t.Errorf("%s: got %v and\n%s\nwant\n%s", name, err, got.Source(), source)
		}
		v, _ := patch.Get("fields")
		fields := v.(*Object)
		fields.Members = append(fields.Members, Member{"neuf", "1"})
		if got, err := d.MergePatch(patch, nil); err != nil || got.Fields().Len() != d.Fields().Len()+1 || !Equal(without(got.Fields(), "neuf"), d.Fields()) {
			t.Errorf("%s, with one more: got %v and\n%s", name, err, got.Source())
		}
	}
	d := Parse([]byte("---\na: 1\nb: ''\nc: []\nd: {}\ne: false\nf:\n---\n"))
	got, err := d.MergePatch(parse(t, `{"fields":{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null}}`).(*Object), nil)
	if err != nil || string(got.Source()) != "---\nf:\n---\n" {
		t.Errorf("nulls over values: got %v and\n%s", err, got.Source())
	}
}

// without is o without a key.
func without(o *Object, key string) *Object {
	return &Object{Members: slices.DeleteFunc(slices.Clone(o.Members), func(m Member) bool { return m.Key == key })}
}

func kindOf(err error) Kind {
	var e *EditError
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func TestNew(t *testing.T) {
	fields := parse(t, `{"ordre":2,"title":"Le port : suite","tags":["a","2021-06-01"],"texte":"Un\nDeux\n","vide":null,"contact":{"nom":"Anne","notes":[]}}`).(*Object)
	fields.Members = append(fields.Members, Member{"date", at(t, "2021-06-01T18:30:00+02:00")}, Member{"jour", at(t, "2021-06-01")})
	d, err := NewAs(YAML11, fields, "Un\r\nDeux\r\n", []string{"title", "date"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "---\ntitle: \"Le port : suite\"\ndate: 2021-06-01 18:30:00 +0200\nordre: 2\ntags:\n- a\n- \"2021-06-01\"\ntexte: |\n  Un\n  Deux\nvide:\ncontact:\n  nom: Anne\n  notes: []\njour: 2021-06-01\n---\nUn\nDeux\n"
	if string(d.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", d.Source(), want)
	}
	if !Equal(d.Fields(), fields) {
		t.Errorf("got fields %v", d.Fields())
	}
	if d, err := NewAs(YAML11, nil, "", nil); err != nil || string(d.Source()) != "---\n---\n" {
		t.Errorf("an empty document: %v", err)
	}
}

func TestNewTimesInTheHabitsOfTheFile(t *testing.T) {
	d := doc("debut: 2021-06-01T18:30:00+02:00\n")
	got, err := d.Apply(Set(FieldPath{"fin"}, at(t, "2021-07-01T18:30:00Z")), Set(FieldPath{"jour"}, at(t, "2021-07-01")))
	if err != nil {
		t.Fatal(err)
	}
	if want := "---\ndebut: 2021-06-01T18:30:00+02:00\nfin: 2021-07-01T18:30:00+00:00\njour: 2021-07-01\n---\nCorps\n"; string(got.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
	}
}

// What cannot be written in its place is written with the whole value of its
// key, and nothing else.
func TestWiderSplice(t *testing.T) {
	d := doc("a: 1 # un\nl:\n- - x # croisé\n  - y\n- z\nb: 2 # deux\n")
	got, err := d.Apply(MoveItem(FieldPath{"l", 0, 0}, 1))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got.Source()), "---\na: 1 # un\nl:") || !strings.HasSuffix(string(got.Source()), "\nb: 2 # deux\n---\nCorps\n") {
		t.Errorf("got\n%s", got.Source())
	}
	if want := parse(t, `{"a":1,"l":[["y","x"],"z"],"b":2}`); !Equal(got.Fields(), want) {
		t.Errorf("got\n%s", got.Source())
	}
}

// TestWiderSpliceHarmsNoSibling edits what only a block written anew could hold,
// beside values that would not survive it.
func TestWiderSpliceHarmsNoSibling(t *testing.T) {
	for name, tt := range map[string]struct {
		front string
		edit  Edit
	}{
		"types in brackets": {"a: [b: c, yes, .inf, 0x1F, !t q, 'z', 2019-1-5]\n", Set(FieldPath{"a", 0, "x"}, "q")},
		"types in a block":  {"k:\n  a: &x\n    q: 1\n  b: yes # c\n  c: .inf\n", Set(FieldPath{"k", "a"}, "s")},
		"duplicates":        {"a:\n  b: 1\n  b: 2\n  c: [x: 1, q]\nd: 1\n", Set(FieldPath{"a", "c", 0, "y"}, "x")},
		"keys":              {"k1:\n  \"k0\":\n    &an1 v # t\n  1 :\t010 # t\n", Set(FieldPath{"k1", "k0"}, nil)},
	} {
		d := doc(tt.front)
		got, err := d.Apply(tt.edit)
		if err != nil {
			if kindOf(err) != KindRefused {
				t.Errorf("%s: got %v, want a refusal or an edit", name, err)
			}
			continue
		}
		for _, kept := range []string{"yes", ".inf", "0x1F", "'z'", "2019-1-5", "!t q", "b: 1\n", "010"} {
			if was, is := strings.Count(tt.front, kept), strings.Count(string(got.Source()), kept); was != is || strings.Contains(string(got.Source()), `"`+kept+`"`) {
				t.Errorf("%s: %q is there %d times, was %d:\n%s", name, kept, is, was, got.Source())
			}
		}
	}
}

func TestScalarsKeepWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		fm   string
		v    Value
		want string
	}{
		{"a: yes # oui\n", "yes", "a: \"yes\" # oui\n"},        // true to Ruby
		{"a: [12:30]\n", []Value{"12:30"}, "a: [\"12:30\"]\n"}, // 45000 to Ruby
		{"a: [12:75]\n", []Value{"12:75"}, "a: [12:75]\n"},
		{"a: .inf\n", ".inf", "a: .inf\n"}, // which JSON says like this
		{"a: 'non'\n", "non", "a: 'non'\n"},
		{"a: !!float 1\n", Number("2.5"), "a: !!float 2.5\n"},
		{"a: !!int '3'\n", Number("4"), "a: !!int 4\n"},
		{"a: !!int 3\n", Number("4.5"), "a: 4.5\n"},
		{"a: &x !!str 3\nb: 1\n", "4", "a: &x !!str \"4\"\nb: 1\n"},
		{"a: !!str 3\n", true, "a: true\n"},
		{"\ufeffa: 1\n", "x", "\ufeffa: x\n"},
	} {
		if got := applied(t, tt.fm, Set(FieldPath{"a"}, tt.v)); got != tt.want {
			t.Errorf("%v over %q gives %q, want %q", tt.v, tt.fm, got, tt.want)
		}
	}
	if got, want := applied(t, "\ufeffa: 1\n", Set(FieldPath{"b"}, "x")), "\ufeffa: 1\nb: x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestApplyAllOrNothing(t *testing.T) {
	d := doc("a: 1\nb: [x]\n")
	if got, err := d.Apply(Set(FieldPath{"a"}, Number("2")), Remove(FieldPath{"absent"})); got != nil || kindOf(err) != KindNotFound {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := d.Apply(); got != d || err != nil {
		t.Errorf("no edits: got %v, %v", got, err)
	}
	got, err := d.Apply(Set(FieldPath{"c", "d"}, "un"), Append(FieldPath{"c", "e"}, "x"), Set(FieldPath{"c", "e", 0}, "v"), Rename(FieldPath{"a"}, "z"), Set(FieldPath{"z"}, Number("3")),
		Append(FieldPath{"b"}, "w"), Remove(FieldPath{"b", 0}))
	if err != nil {
		t.Fatal(err)
	}
	if want := "---\nz: 3\nb: [w]\nc:\n  d: un\n  e:\n  - v\n---\nCorps\n"; string(got.Source()) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Source(), want)
	}
}

func TestApplyRefuses(t *testing.T) {
	d := doc("a: 1\nl: [x]\n")
	long := Value("x")
	for range maxDepth + 1 {
		long = []Value{long}
	}
	for name, e := range map[string]Edit{
		"no path": Set(nil, "x"), "merge key": Set(FieldPath{"<<"}, "x"), "not UTF-8": Set(FieldPath{"a"}, "\xff"), "through a scalar": Set(FieldPath{"a", "b"}, "x"),
		"a type of Go": Set(FieldPath{"a"}, 1), "not a number": Set(FieldPath{"a"}, Number("un")), "too deep": Set(FieldPath{"a"}, long), "not a list": Append(FieldPath{"a"}, "x"),
		"twice": Set(FieldPath{"a"}, &Object{[]Member{{"k", nil}, {"k", nil}}}), "taken name": Rename(FieldPath{"a"}, "l"), "unknown": {Op: "nage"},
	} {
		if _, err := d.Apply(e); kindOf(err) != KindRefused {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestBodyKeepsMixedLineEndings(t *testing.T) {
	const head = "---\ntitle: Eau\n---\n"
	for _, tt := range []struct{ old, text, want string }{
		{"un\r\ndeux\ntrois\r\nquatre\ncinq\r\n", "UN\ndeux\ntrois\nquatre\nCINQ\n", "UN\r\ndeux\ntrois\r\nquatre\nCINQ\r\n"},
		{"un\ndeux\r\ntrois\n", "zéro\nun\ndeux\ntrois\nquatre\n", "zéro\nun\ndeux\r\ntrois\nquatre\n"},
		{"un\r\ndeux\ntrois", "un\ntrois", "un\r\ntrois"},
		{"un\r\ndeux", "un\ndeux\n", "un\r\ndeux\r\n"},
	} {
		d, err := Parse([]byte(head + tt.old)).Apply(SetBody(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Body(); got != tt.want {
			t.Errorf("%q over %q: got %q, want %q", tt.text, tt.old, got, tt.want)
		}
	}
}

func TestBodyThatWouldBeFrontMatter(t *testing.T) {
	d := Parse([]byte("Corps\n"))
	if _, err := d.Apply(SetBody("---\na: b\n---\n")); kindOf(err) != KindRefused {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestJSONTimes(t *testing.T) {
	d := Parse([]byte("{\"a\": 1}\n"))
	got, err := d.Apply(Set(FieldPath{"date"}, at(t, "2021-06-01 18:30:00 +0200")))
	if err != nil || string(got.Source()) != "{\"a\": 1, \"date\": \"2021-06-01T18:30:00+02:00\"}\n" {
		t.Errorf("got %v, %v", got, err)
	}
}
