package content

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cms/say"
)

// catalog answers for the other entries: values that are taken, slugs that are.
type catalog []string

func (c catalog) Taken(f *Field, v Value) bool {
	return slices.Contains(c, fmt.Sprint(f.Name, "=", v))
}
func (c catalog) Exists(collection, slug string) bool {
	return slices.Contains(c, collection+"/"+slug)
}

// brief is field:rule of each problem.
func brief(problems []Problem) []string {
	all := []string{}
	for _, p := range problems {
		all = append(all, p.Field+":"+p.Rule)
	}
	return all
}

func TestValidate(t *testing.T) {
	s := sampleSchema(t)
	others := catalog{"title=Forêt communale", "organisateurs/mairie"}
	for _, tt := range []struct{ in, want string }{
		{`{}`, "title:required"},
		{`{"title":null}`, "title:required"},
		{`{"title":""}`, "title:required"},
		{`{"title":"Né"}`, "title:min"},
		{`{"title":"Forêt communale"}`, "title:unique"},
		{`{"title":"Éclairage à l’été ou"}`, ""}, // 20 characters in 25 bytes
		{`{"title":"Éclairage à l’été oui"}`, "title:max"},
		{`{"title":2019}`, "title:type"},
		{`{"title":["a"]}`, "title:type"},
		{`{"title":"abc","description":false}`, "description:type"},
		{`{"title":"abc","description":"","resume":null,"link":"","contact":"","code":"","screenshot":"","organisateur":"","statut":""}`, ""},

		{`{"title":"abc","note":5}`, ""},
		{`{"title":"abc","note":5.0}`, ""},
		{`{"title":"abc","note":50e-1}`, ""},
		{`{"title":"abc","note":-1}`, "note:min"},
		{`{"title":"abc","note":6}`, "note:max"},
		{`{"title":"abc","note":1.5}`, "note:type"},
		{`{"title":"abc","note":1e999}`, "note:type"},
		{`{"title":"abc","note":4.00000000000000000001}`, "note:type"},
		{`{"title":"abc","note":"5"}`, "note:type"},
		{`{"title":"abc","note":""}`, "note:type"},
		{`{"title":"abc","budget":0.5}`, ""},
		{`{"title":"abc","budget":0.4}`, "budget:min"},
		{`{"title":"abc","budget":"1"}`, "budget:type"},
		{`{"title":"abc","ouverte":false}`, ""},
		{`{"title":"abc","ouverte":"true"}`, "ouverte:type"},
		{`{"title":"abc","ouverte":1}`, "ouverte:type"},

		{`{"title":"abc","debut":"2019-01-15"}`, ""},
		{`{"title":"abc","debut":"2019-01-15T09:00:00Z"}`, "debut:type"},
		{`{"title":"abc","debut":"2019-02-30"}`, "debut:type"},
		{`{"title":"abc","date":"2019-01-15"}`, ""},
		{`{"title":"abc","date":"2019-01-15 09:29:08 +0000"}`, ""},
		{`{"title":"abc","date":"hier"}`, "date:type"},
		{`{"title":"abc","date":2019}`, "date:type"},

		{`{"title":"abc","code":"FR-12"}`, ""},
		{`{"title":"abc","code":"X"}`, ""},
		{`{"title":"abc","code":"FR-12 "}`, "code:pattern"},
		{`{"title":"abc","code":"FR-12\n"}`, "code:pattern"},
		{`{"title":"abc","code":"FR-12X"}`, "code:pattern"},
		{`{"title":"abc","statut":"close"}`, ""},
		{`{"title":"abc","statut":3.0}`, ""},
		{`{"title":"abc","statut":"3"}`, "statut:options"},
		{`{"title":"abc","statut":["close"]}`, "statut:type"},
		{`{"title":"abc","organisateur":"mairie"}`, ""},
		{`{"title":"abc","organisateur":"prefecture"}`, "organisateur:reference"},
		{`{"title":"abc","organisateur":"../mairie"}`, "organisateur:type"},

		{`{"title":"abc","methodes":["Atelier"]}`, ""},
		{`{"title":"abc","methodes":[]}`, "methodes:min"},
		{`{"title":"abc","methodes":null}`, ""},
		{`{"title":"abc","methodes":"Atelier"}`, "methodes:type"},
		{`{"title":"abc","methodes":["aa",null,"bb"]}`, ""},
		{`{"title":"abc","methodes":["aa","b",3,"dd"]}`, "methodes:max methodes[1]:min methodes[2]:type"},
		{`{"title":"abc","etapes":[{"nom":"a"},{},"b",{"nom":"c","date":"demain","plus":1}]}`, "etapes[1].nom:required etapes[2]:type etapes[3].date:type"},
		{`{"title":"abc","lieu":"Lyon"}`, "lieu:type"},
		{`{"title":"abc","lieu":{"ville":3}}`, "lieu.ville:type"},
		{`{"title":"abc","meta":{"libre":[1,{"a":null}]},"autre":1}`, ""},
		{`{"contact":"Mairie <a@example.org>","note":9,"title":"a","dossier":"C:\\a.pdf"}`, "title:min contact:type note:max dossier:type"},
	} {
		got := strings.Join(brief(s.Validate(object(t, tt.in), others)), " ")
		if got != tt.want {
			t.Errorf("Validate(%s):\ngot  %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestValidateStrict(t *testing.T) {
	s := sampleSchema(t)
	s.Strict = true
	in := `{"titre":"a","title":"abc","lieu":{"ville":"Lyon","pays":"fr"},"meta":{"libre":1},"etapes":[{"nom":"a","a/b":1}]}`
	want := []Problem{
		{Field: "etapes[0].a/b", Pointer: "/etapes/0/a~1b", Rule: "unknown_field"},
		{Field: "lieu.pays", Pointer: "/lieu/pays", Rule: "unknown_field"},
		{Field: "titre", Pointer: "/titre", Rule: "unknown_field"},
	}
	got := s.Validate(object(t, in), nil)
	for i := range got {
		if got[i].Detail.IsZero() {
			t.Errorf("%s: no detail", got[i].Field)
		}
		got[i].Detail = say.Text{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// The details are read by editors, next to the name of the field.
func TestValidateDetails(t *testing.T) {
	s := sampleSchema(t)
	for _, tt := range []struct{ in, want string }{
		{`{}`, "must not be empty"},
		{`{"title":"a"}`, "must have at least 3 characters"},
		{`{"title":"abc","methodes":[]}`, "must have at least 1 item"},
		{`{"title":"abc","note":7}`, "must be at most 5"},
		{`{"title":"abc","budget":0}`, "must be at least 0.5"},
		{`{"title":"abc","statut":"finie"}`, "must be one of ouverte, close, 3"},
		{`{"title":"abc","code":"FR"}`, "must match the pattern [A-Z]{2}-[0-9]+|X from its first to its last character"},
		{`{"title":"abc","note":"3"}`, "must be a whole number, without quotes"},
		{`{"title":3}`, "must be text; in the file, what reads as a number, a date or a boolean needs quotes to be text"},
		{`{"title":"Forêt"}`, "must differ from the title of every other entry"},
		{`{"title":"abc","organisateur":"mairie"}`, "must be the slug of an entry of organisateurs; there is none by this name"},
	} {
		got := s.Validate(object(t, tt.in), catalog{"title=Forêt"})
		if len(got) != 1 || got[0].Detail.String() != tt.want {
			t.Errorf("Validate(%s): got %v, want %s", tt.in, got, tt.want)
		}
	}
}

func TestValidateTimes(t *testing.T) {
	s := sampleSchema(t)
	day, hour := moment(t, "2019-01-15"), moment(t, "2019-01-15T09:29:08Z")
	for _, tt := range []struct {
		field string
		value Value
		want  []string
	}{
		{"debut", day, []string{}},
		{"debut", hour, []string{"debut:type"}},
		{"date", day, []string{}},
		{"date", hour, []string{}},
		{"title", day, []string{"title:type"}}, // a title that YAML reads as a date
		{"statut", day, []string{"statut:options"}},
	} {
		o := &Object{Members: []Member{{"title", "abc"}, {tt.field, tt.value}}}
		if tt.field == "title" {
			o.Members = o.Members[1:]
		}
		if got := brief(s.Validate(o, nil)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v: got %q, want %q", tt.field, tt.value, got, tt.want)
		}
	}
}

func TestValidateWithoutSchema(t *testing.T) {
	var s Schema
	if got := s.Validate(object(t, `{"title":3}`), nil); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

// Two to the 53rd power and one more are the same float64.
func TestValidateBoundsBeyondFloats(t *testing.T) {
	s := Schema{Defined: true, Fields: []Field{{Name: "n", Type: TypeInteger, Min: "-9007199254740992", Max: "9007199254740992"}}}
	for n, want := range map[Number]int{"9007199254740992": 0, "9007199254740993": 1, "-9007199254740993": 1, "-9007199254740992.0": 0, "9.007199254740993e15": 1} {
		if got := s.Validate(&Object{[]Member{{"n", n}}}, nil); len(got) != want {
			t.Errorf("%s: got %v, want %d problems", n, got, want)
		}
	}
}

// A bound is held to with all of its digits, and told with them.
func TestValidateExactBounds(t *testing.T) {
	s := Schema{Defined: true, Fields: []Field{{Name: "n", Type: TypeNumber, Min: "0.1", Max: "9007199254740993"}}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[Number]string{
		"0.1": "", "1e-1": "", "0.09999999999999999999999999": "must be at least 0.1",
		"9007199254740993": "", "9007199254740993.0": "", "9007199254740993.00000000000000001": "must be at most 9007199254740993", "9007199254740994": "must be at most 9007199254740993",
	} {
		problems := s.Validate(&Object{[]Member{{"n", n}}}, nil)
		if len(problems) > 1 || len(problems) == 1 && problems[0].Detail.String() != want || (len(problems) == 0) != (want == "") {
			t.Errorf("%s: got %v, want %q", n, problems, want)
		}
	}
}

// A schema that was not checked has no compiled patterns.
func TestValidateUncheckedPattern(t *testing.T) {
	s := Schema{Defined: true, Fields: []Field{{Name: "code", Type: TypeString, Pattern: "a|b"}}}
	if got, want := brief(s.Validate(object(t, `{"code":"ab"}`), nil)), []string{"code:pattern"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		value            string
		url, image, mail bool
	}{
		{"https://www.faire-simple.example/a?b=c#d", true, true, false},
		{"HTTP://example.org", true, true, false},
		{"http://user@example.org:8080/é", true, true, false},
		{"/consultations/forêt/", true, true, false},
		{"/", true, true, false},
		{"https://", false, false, false},
		{"https:example.org", false, false, false},
		{"http:///chemin", false, false, false},
		{"//example.org/a", false, false, false},
		{`/\example.org`, false, false, false},
		{"www.example.org", false, true, false},
		{"javascript:alert(1)", false, false, false},
		{"JavaScript:alert(1)", false, false, false},
		{" https://example.org", false, false, false},
		{"https://example.org/a b", false, false, false},
		{"https://example.org/\n", false, false, false},
		{"mailto:a@example.org", false, false, false},
		{"data:image/png;base64,AA==", false, false, false},
		{"conference.png", false, true, false},
		{"img/2019/salle des fêtes.png", false, true, false},
		{"img/plan:a.png", false, true, false},
		{"100%.png", false, true, false},
		{"plan:a.png", false, false, false},
		{"../secret.png", false, false, false},
		{"img/../../secret.png", false, false, false},
		{"img/..", false, false, false},
		{"img/%2e%2e/secret.png", false, false, false},
		{"img/a..b.png", false, true, false},
		{`img\a.png`, false, false, false},
		{"a\x00.png", false, false, false},
		{"mairie@example.org", false, true, true},
		{"Mairie <mairie@example.org>", false, true, false},
		{"<mairie@example.org>", false, true, false},
		{"mairie@example.org, b@example.org", false, true, false},
		{"mairie@", false, true, false},
	} {
		for _, c := range []struct {
			of   Type
			want bool
		}{{TypeURL, tt.url}, {TypeImage, tt.image}, {TypeFile, tt.image}, {TypeEmail, tt.mail}} {
			if got := c.of.rules().admits(tt.value); got != c.want {
				t.Errorf("%s %q: got %t, want %t", c.of, tt.value, got, c.want)
			}
		}
	}
}

// Problems tell nothing of what was submitted, and point at what they are about.
func TestValidateProblems(t *testing.T) {
	s := sampleSchema(t)
	s.Strict = true
	const marker = "Zqx"
	rapid.Check(t, func(rt *rapid.T) {
		o := &Object{}
		for _, f := range s.Fields {
			v := drawValue(rt, f.Name, 2)
			if text, ok := v.(string); ok {
				v = text + marker
			}
			o.Members = append(o.Members, Member{f.Name, v})
		}
		for _, p := range s.Validate(o, catalog{}) {
			if strings.Contains(fmt.Sprint(p), marker) {
				rt.Fatalf("the value is repeated: %v", p)
			}
			if p.Detail.IsZero() || p.Rule == "" || p.Field == "" {
				rt.Fatalf("incomplete: %+v", p)
			}
			if _, at := newResolver(o).resolve(p.Pointer); !at.Present && p.Rule != "required" {
				rt.Fatalf("%+v points at nothing", p)
			}
		}
	})
}

func TestCheckWrite(t *testing.T) {
	s := sampleSchema(t)
	for _, tt := range []struct{ before, after, want string }{
		{`{"ordre":2,"title":"a"}`, `{"title":"b","ordre":2.0}`, ""},
		{`{"ordre":2}`, `{"ordre":3}`, "ordre:read_only"},
		{`{"ordre":2}`, `{}`, "ordre:read_only"},
		{`{}`, `{"ordre":2}`, "ordre:read_only"},
		{`{"ordre":null}`, `{}`, "ordre:read_only"},
		{`{"lieu":{"ville":"Lyon","insee":"69123"}}`, `{"lieu":{"ville":"Brest","insee":"69123"}}`, ""},
		{`{"lieu":{"ville":"Lyon","insee":"69123"}}`, `{"lieu":{"ville":"Brest","insee":"29019"}}`, "lieu.insee:read_only"},
		{`{"lieu":{"insee":"69123"}}`, `{}`, "lieu.insee:read_only"},
		{`{"lieu":{"ville":"Lyon"}}`, `{"lieu":"Lyon"}`, ""},
	} {
		got := strings.Join(brief(s.CheckWrite(object(t, tt.before), object(t, tt.after))), " ")
		if got != tt.want {
			t.Errorf("CheckWrite(%s, %s): got %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
	if got := brief(s.CheckWrite(nil, object(t, `{"ordre":1}`))); !slices.Equal(got, []string{"ordre:read_only"}) {
		t.Errorf("new entry: got %q", got)
	}
}

func TestNewProblems(t *testing.T) {
	s := sampleSchema(t)
	s.Strict = true
	for _, tt := range []struct{ name, before, after, want string }{
		{"elsewhere", `{"note":9,"title":"abc"}`, `{"note":9,"title":"abcd"}`, ""},
		{"mended", `{"note":9,"title":"abc"}`, `{"note":4,"title":"abc"}`, ""},
		{"broken anew", `{"note":9,"title":"abc"}`, `{"note":8,"title":"abc"}`, "note:max"},
		{"broken otherwise", `{"note":9,"title":"abc"}`, `{"note":-1,"title":"abc"}`, "note:min"},
		{"removed where required", `{"title":"a"}`, `{}`, "title:required"},
		{"still missing", `{"note":1}`, `{"note":2}`, ""},
		{"blank otherwise", `{"title":null}`, `{"title":""}`, "title:required"},
		{"old unknown field", `{"title":"abc","vieux":1}`, `{"title":"abcd","vieux":1}`, ""},
		{"new unknown field", `{"title":"abc"}`, `{"title":"abcd","vieux":1}`, "vieux:unknown_field"},
		{"another member of an item", `{"title":"abc","etapes":[{"date":"hier"}]}`, `{"title":"abc","etapes":[{"date":"hier","duree":3}]}`, ""},
		{"item moved down", `{"title":"abc","etapes":[{"nom":"a","date":"hier"}]}`, `{"title":"abc","etapes":[{"nom":"b"},{"nom":"a","date":"hier"}]}`, ""},
		{"item doubled", `{"title":"abc","etapes":[{"nom":"a","date":"hier"}]}`, `{"title":"abc","etapes":[{"nom":"a","date":"hier"},{"nom":"a","date":"hier"}]}`, "etapes[1].date:type"},
		{"list still too long", `{"title":"abc","methodes":["aa","bb","cc","dd"],"note":1}`, `{"title":"abc","methodes":["aa","bb","cc","dd"],"note":2}`, ""},
		{"list too long in another way", `{"title":"abc","methodes":["aa","bb","cc","dd","ee"]}`, `{"title":"abc","methodes":["aa","bb","cc","dd"]}`, "methodes:max"},
		{"new entry", `{}`, `{"title":"a","note":9}`, "title:min note:max"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := object(t, tt.before), object(t, tt.after)
			got := strings.Join(brief(NewProblems(before, after, s.Validate(before, nil), s.Validate(after, nil))), " ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNewProblemsOfTheFile(t *testing.T) {
	before := Parse([]byte("---\ntitle: a\ntitle: b\nnote: 1\n---\n"))
	after := Parse([]byte("---\ntitle: a\ntitle: b\nnote: 2\n---\n"))
	if len(after.Problems()) != 1 {
		t.Fatalf("got problems %v, want a duplicate key", after.Problems())
	}
	if got := NewProblems(before.Fields(), after.Fields(), before.Problems(), after.Problems()); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
	if got := NewProblems(&Object{}, after.Fields(), nil, after.Problems()); len(got) != 1 {
		t.Errorf("got %v, want the duplicate key", got)
	}
}

func BenchmarkValidate(b *testing.B) {
	s := sampleSchema(b)
	o := object(b, `{"title":"Forêt","code":"FR-12","note":3,"date":"2019-01-15","methodes":["Atelier"],"etapes":[{"nom":"a"}],"link":"https://example.org/"}`)
	for b.Loop() {
		if p := s.Validate(o, nil); p != nil {
			b.Fatal(p)
		}
	}
}
