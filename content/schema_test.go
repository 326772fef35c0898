package content

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sampleSchema is a schema with something of everything.
func sampleSchema(t testing.TB) *Schema {
	t.Helper()
	s := &Schema{Defined: true, Fields: []Field{
		{Name: "title", Type: TypeString, Required: true, Unique: true, Min: "3", Max: "20"},
		{Name: "description", Type: TypeText, Label: map[string]string{"fr": "Description"}},
		{Name: "resume", Type: TypeMarkdown},
		{Name: "link", Type: TypeURL},
		{Name: "contact", Type: TypeEmail},
		{Name: "code", Type: TypeString, Pattern: "[A-Z]{2}-[0-9]+|X"},
		{Name: "ordre", Type: TypeInteger, ReadOnly: true},
		{Name: "note", Type: TypeInteger, Min: "0", Max: "5"},
		{Name: "budget", Type: TypeNumber, Min: "0.5"},
		{Name: "ouverte", Type: TypeBoolean, Default: true},
		{Name: "debut", Type: TypeDate},
		{Name: "date", Type: TypeDatetime},
		{Name: "statut", Type: TypeSelect, Options: []Value{"ouverte", "close", Number("3")}, Default: "ouverte"},
		{Name: "methodes", Type: TypeList, Of: &Field{Type: TypeString, Min: "2"}, Min: "1", Max: "3"},
		{Name: "etapes", Type: TypeList, Of: &Field{Type: TypeObject, Fields: []Field{
			{Name: "nom", Type: TypeString, Required: true},
			{Name: "date", Type: TypeDate},
			{Name: "duree", Type: TypeInteger, Default: Number("7")},
		}}},
		{Name: "lieu", Type: TypeObject, Fields: []Field{
			{Name: "ville", Type: TypeString, Default: "Lyon"},
			{Name: "insee", Type: TypeString, ReadOnly: true},
		}},
		{Name: "meta", Type: TypeObject},
		{Name: "screenshot", Type: TypeImage},
		{Name: "dossier", Type: TypeFile},
		{Name: "organisateur", Type: TypeReference, Collection: "organisateurs"},
	}}
	if err := s.Check(); err != nil {
		t.Fatalf("Check: %v", err)
	}
	return s
}

// object parses JSON, in which {"!time": …} does not occur: times are set by
// the tests themselves.
func object(t testing.TB, text string) *Object {
	t.Helper()
	v, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("ParseJSON(%s): %v", text, err)
	}
	return v.(*Object)
}

func moment(t testing.TB, s string) Time {
	t.Helper()
	m, ok := ParseTime(s)
	if !ok {
		t.Fatalf("ParseTime(%q) is false", s)
	}
	return m
}

func TestSchemaCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		field Field
		want  string // at, then what the detail contains
	}{
		{"no name", Field{Type: TypeText}, "fields[0].name missing"},
		{"no type", Field{Name: "a"}, "fields[0].type one of string, text,"},
		{"odd type", Field{Name: "a", Type: "strnig"}, "fields[0].type one of"},
		{"control character", Field{Name: "a\nb", Type: TypeText}, "fields[0].name control"},
		{"list of nothing", Field{Name: "a", Type: TypeList}, "fields[0].of needs the type"},
		{"of without list", Field{Name: "a", Type: TypeText, Of: &Field{Type: TypeText}}, "fields[0].of list only"},
		{"list of an odd type", Field{Name: "a", Type: TypeList, Of: &Field{Type: "txt"}}, "fields[0].of.type one of"},
		{"fields without object", Field{Name: "a", Type: TypeText, Fields: []Field{{Name: "b", Type: TypeText}}}, "fields[0].fields object only"},
		{"named item", Field{Name: "a", Type: TypeList, Of: &Field{Name: "b", Type: TypeText}}, "fields[0].of.name no name"},
		{"default of items", Field{Name: "a", Type: TypeList, Of: &Field{Type: TypeText, Default: "b"}}, "fields[0].of.default no default"},
		{"unique list", Field{Name: "a", Type: TypeList, Of: &Field{Type: TypeText}, Unique: true}, "fields[0].unique type list"},
		{"unique below", Field{Name: "a", Type: TypeObject, Fields: []Field{{Name: "b", Type: TypeText, Unique: true}}}, "fields[0].fields[0].unique top-level"},
		{"unique items", Field{Name: "a", Type: TypeList, Of: &Field{Type: TypeText, Unique: true}}, "fields[0].of.unique top-level"},
		{"read-only in a list", Field{Name: "a", Type: TypeList, Of: &Field{Type: TypeObject, Fields: []Field{{Name: "b", Type: TypeText, ReadOnly: true}}}}, "fields[0].of.fields[0].read_only within the items"},
		{"twice the same", Field{Name: "a", Type: TypeObject, Fields: []Field{{Name: "b", Type: TypeText}, {Name: "b", Type: TypeDate}}}, "fields[0].fields[1].name same name"},
		{"min of a date", Field{Name: "a", Type: TypeDate, Min: "1"}, "fields[0].min type date"},
		{"half a character", Field{Name: "a", Type: TypeText, Max: "1.5"}, "fields[0].max whole number"},
		{"crossed bounds", Field{Name: "a", Type: TypeNumber, Min: "2", Max: "1"}, "fields[0].max less than min"},
		{"bounds crossed by little", Field{Name: "a", Type: TypeNumber, Min: "9007199254740993", Max: "9007199254740992"}, "fields[0].max less than min"},
		{"bound beyond all", Field{Name: "a", Type: TypeNumber, Max: "1e999"}, "fields[0].max must be a number"},
		{"pattern of a number", Field{Name: "a", Type: TypeNumber, Pattern: "1"}, "fields[0].pattern type number"},
		{"broken pattern", Field{Name: "a", Type: TypeText, Pattern: "a("}, "fields[0].pattern missing closing"},
		{"two broken groups", Field{Name: "a", Type: TypeText, Pattern: "a)|(b"}, "fields[0].pattern unexpected )"},
		{"look-ahead", Field{Name: "a", Type: TypeText, Pattern: "(?=b)"}, "fields[0].pattern without look-around"},
		{"select without options", Field{Name: "a", Type: TypeSelect}, "fields[0].options needs options"},
		{"options without select", Field{Name: "a", Type: TypeText, Options: []Value{"b"}}, "fields[0].options select only"},
		{"option twice", Field{Name: "a", Type: TypeSelect, Options: []Value{Number("1"), "b", Number("1.0")}}, "fields[0].options[2] duplicated"},
		{"option of parts", Field{Name: "a", Type: TypeSelect, Options: []Value{[]Value{}}}, "fields[0].options[0] must be a text"},
		{"reference to nowhere", Field{Name: "a", Type: TypeReference}, "fields[0].collection needs the collection"},
		{"collection without reference", Field{Name: "a", Type: TypeText, Collection: "b"}, "fields[0].collection reference only"},
		{"default of another type", Field{Name: "a", Type: TypeInteger, Default: "b"}, "fields[0].default whole number"},
		{"default out of bounds", Field{Name: "a", Type: TypeInteger, Max: "3", Default: Number("4")}, "fields[0].default at most 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := (&Schema{Defined: true, Fields: []Field{tt.field}}).Check()
			var at *SchemaError
			if !errors.As(err, &at) {
				t.Fatalf("got %v, want a SchemaError", err)
			}
			where, what, _ := strings.Cut(tt.want, " ")
			if got := at.At.String(); got != where || !strings.Contains(at.Detail, what) {
				t.Errorf("got %s: %s\nwant %s: …%s…", got, at.Detail, where, what)
			}
			if joined := err.(interface{ Unwrap() []error }).Unwrap(); len(joined) != 1 {
				t.Errorf("got %d errors, want 1: %v", len(joined), err)
			}
		})
	}
}

func TestSchemaCheckTellsEverything(t *testing.T) {
	s := Schema{Defined: true, Fields: []Field{
		{Name: "titre", Type: "phrase"},
		{Name: "etapes", Type: TypeList, Of: &Field{Type: TypeObject, Fields: []Field{{Name: "date", Type: TypeDate, Pattern: "x"}}}},
		{Name: "titre", Type: TypeText, Pattern: "["},
	}}
	var got []string
	for _, err := range s.Check().(interface{ Unwrap() []error }).Unwrap() {
		var e *SchemaError
		if !errors.As(err, &e) {
			t.Fatalf("got %v, want a SchemaError", err)
		}
		got = append(got, e.At.String()+" "+e.Field)
	}
	want := []string{"fields[0].type titre", "fields[1].of.fields[0].pattern etapes[].date", "fields[2].name titre", "fields[2].pattern titre"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCoerce(t *testing.T) {
	s := sampleSchema(t)
	for _, tt := range []struct{ in, want string }{
		{`{"date":"2019-01-15T09:29:08Z"}`, `2019-01-15T09:29:08Z as content.Time`},
		{`{"date":"2019-01-15 09:29:08 +0100"}`, `2019-01-15T09:29:08+01:00 as content.Time`},
		{`{"date":"2019-01-15"}`, `2019-01-15 as content.Time`},
		{`{"date":"mi-janvier"}`, `mi-janvier as string`},
		{`{"date":20190115}`, `20190115 as json.Number`},
		{`{"debut":"2019-01-15"}`, `2019-01-15 as content.Time`},
		{`{"debut":"2019-01-15T09:29:08Z"}`, `2019-01-15T09:29:08Z as string`},
		{`{"title":"2019-01-15"}`, `2019-01-15 as string`},
		{`{"inconnu":"2019-01-15"}`, `2019-01-15 as string`},
		{`{"note":5.0}`, `5 as json.Number`},
		{`{"note":0.5e1}`, `5 as json.Number`},
		{`{"note":-30e-1}`, `-3 as json.Number`},
		{`{"note":-0.0}`, `0 as json.Number`},
		{`{"note":1e20}`, `100000000000000000000 as json.Number`},
		{`{"note":1e300}`, `1e300 as json.Number`},
		{`{"note":1.5}`, `1.5 as json.Number`},
		{`{"note":5.00000000000000000001}`, `5.00000000000000000001 as json.Number`},
		{`{"note":9007199254740993}`, `9007199254740993 as json.Number`},
		{`{"note":"5"}`, `5 as string`},
		{`{"budget":5.0}`, `5.0 as json.Number`},
		{`{"note":null}`, `<nil> as <nil>`},
	} {
		o := object(t, tt.in)
		got := s.Coerce(o).Members[0].Value
		if text := fmt.Sprintf("%v as %T", got, got); text != tt.want {
			t.Errorf("Coerce(%s): got %s, want %s", tt.in, text, tt.want)
		}
		if !reflect.DeepEqual(o, object(t, tt.in)) {
			t.Errorf("Coerce(%s) changed its argument", tt.in)
		}
	}
	deep := s.Coerce(object(t, `{"etapes":[{"nom":"a","date":"2019-01-15"},{"duree":7.0}]}`))
	items := deep.Members[0].Value.([]Value)
	if d, _ := items[0].(*Object).Get("date"); !reflect.DeepEqual(d, moment(t, "2019-01-15")) {
		t.Errorf("date in a list of objects: got %#v", d)
	}
	if n, _ := items[1].(*Object).Get("duree"); n != Number("7") {
		t.Errorf("integer in a list of objects: got %#v", n)
	}
}

// A value on its way through JSON and Coerce is Equal to what it was, so that
// sending it back is no edit.
func TestCoerceKeepsValuesEqual(t *testing.T) {
	s := sampleSchema(t)
	rapid.Check(t, func(rt *rapid.T) {
		o := &Object{}
		for _, f := range s.Fields {
			if rapid.Bool().Draw(rt, "has "+f.Name) {
				o.Members = append(o.Members, Member{f.Name, drawValue(rt, f.Name, 2)})
			}
		}
		once := s.Coerce(o)
		if !Equal(o, once) {
			rt.Fatalf("Coerce changed the meaning:\n%#v\n%#v", o, once)
		}
		if twice := s.Coerce(once); !reflect.DeepEqual(once, twice) {
			rt.Fatalf("Coerce is not idempotent:\n%#v\n%#v", once, twice)
		}
		if was, is := s.Validate(o, nil), s.Validate(once, nil); !reflect.DeepEqual(was, is) {
			rt.Fatalf("Coerce changed what Validate says:\n%v\n%v", was, is)
		}
	})
}

// drawValue draws a value of any kind, often one that is close to a rule.
func drawValue(rt *rapid.T, name string, depth int) Value {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(rt, name+" kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(rt, name)
	case 2:
		return Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][-+]?[0-9]{1,3})?`).Draw(rt, name))
	case 3:
		day := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 800).Draw(rt, name))
		if rapid.Bool().Draw(rt, name+" day") {
			return Time{Time: day, DateOnly: true}
		}
		return Time{Time: day.Add(time.Duration(rapid.IntRange(0, 86_399).Draw(rt, name)) * time.Second)}
	case 4:
		return rapid.SampledFrom([]string{
			"", "a", "Budget participatif", "2019-01-15", "2019-1-5", "2019-02-30", "2019-01-15T09:29:08Z", "2019-01-15 09:29:08 +0100",
			"https://example.org/", "/img/a.png", "javascript:alert(1)", "..", "a@example.org", "FR-12", "ouverte", "5", "true",
		}).Draw(rt, name)
	case 5:
		return rapid.String().Draw(rt, name)
	case 6:
		items := make([]Value, rapid.IntRange(0, 4).Draw(rt, name+" items"))
		for i := range items {
			items[i] = drawValue(rt, name+"[]", depth-1)
		}
		return items
	}
	o := &Object{}
	for _, key := range []string{"nom", "date", "duree", "ville", "insee"} {
		if rapid.Bool().Draw(rt, name+" has "+key) {
			o.Members = append(o.Members, Member{key, drawValue(rt, name+"."+key, depth-1)})
		}
	}
	return o
}

func TestWithDefaults(t *testing.T) {
	s := sampleSchema(t)
	for _, tt := range []struct{ in, want string }{
		{`{}`, `{"ouverte":true,"statut":"ouverte"}`},
		{`{"title":"Forêt","ouverte":false}`, `{"title":"Forêt","ouverte":false,"statut":"ouverte"}`},
		{`{"statut":null}`, `{"statut":null,"ouverte":true}`},
		{`{"lieu":{}}`, `{"lieu":{"ville":"Lyon"},"ouverte":true,"statut":"ouverte"}`},
		{`{"etapes":[{"nom":"a"},null]}`, `{"etapes":[{"nom":"a","duree":7},null],"ouverte":true,"statut":"ouverte"}`},
	} {
		in := object(t, tt.in)
		got, want := s.WithDefaults(in), object(t, tt.want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("WithDefaults(%s): got %v, want %s", tt.in, got, tt.want)
		}
		if !reflect.DeepEqual(in, object(t, tt.in)) {
			t.Errorf("WithDefaults(%s) changed its argument", tt.in)
		}
	}
	if got := s.WithDefaults(nil); got.Len() != 2 {
		t.Errorf("WithDefaults(nil): got %v", got)
	}
}

func TestOrder(t *testing.T) {
	s := Schema{Fields: []Field{{Name: "title"}, {Name: "note-citoyenne"}}}
	if got, want := s.Order(), []string{"title", "note-citoyenne"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := new(Schema).Order(); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}
