package content

import (
	"slices"
	"testing"
)

// Every type has a row here, which says all that is particular to it.
func TestTypes(t *testing.T) {
	rows := map[Type]struct {
		field   Field // what the type needs besides
		good    Value
		bad     Value
		scalar  Scalar
		min     bool // whether min and max apply
		pattern bool // whether a pattern does
	}{
		TypeString:    {Field{}, "a", Number("1"), Texts, true, true},
		TypeText:      {Field{}, "a\nb", true, Texts, true, true},
		TypeMarkdown:  {Field{}, "*a*", []Value{}, Texts, true, true},
		TypeInteger:   {Field{}, Number("3e2"), Number("0.5"), Numbers, true, false},
		TypeNumber:    {Field{}, Number("0.5"), "0.5", Numbers, true, false},
		TypeBoolean:   {Field{}, true, "true", Booleans, false, false},
		TypeDate:      {Field{}, "2019-01-15", "2019-01-15T09:30:00Z", Times, false, false},
		TypeDatetime:  {Field{}, "2019-01-15T09:30:00Z", "2019-01-32", Times, false, false},
		TypeURL:       {Field{}, "https://example.org", "example.org", Texts, false, true},
		TypeEmail:     {Field{}, "a@example.org", "example.org", Texts, false, true},
		TypeSelect:    {Field{Options: []Value{"a", Number("1")}}, Number("1"), "b", Mixed, false, false},
		TypeList:      {Field{Of: &Field{Type: TypeString}}, []Value{"a"}, "a", Mixed, true, false},
		TypeObject:    {Field{}, &Object{}, "a", Mixed, false, false},
		TypeImage:     {Field{}, "img/a.png", "../a.png", Texts, false, true},
		TypeFile:      {Field{}, "a.pdf", "javascript:alert(1)", Texts, false, true},
		TypeReference: {Field{Collection: "c"}, "2019/a", "../a", Texts, false, true},
	}
	if len(rows) != len(Types()) {
		t.Errorf("%d rows for %d types", len(rows), len(Types()))
	}
	for _, typ := range Types() {
		row, ok := rows[typ]
		if !ok {
			t.Errorf("%s has no row here", typ)
			continue
		}
		f := row.field
		f.Name, f.Type = "f", typ
		problems := func(v Value) []Problem {
			s := Schema{Defined: true, Fields: []Field{f}}
			if err := s.Check(); err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			return s.Validate(&Object{Members: []Member{{"f", v}}}, nil)
		}
		if found := problems(row.good); len(found) > 0 {
			t.Errorf("%s: %v is refused: %v", typ, row.good, found)
		}
		if found := problems(row.bad); len(found) != 1 || !slices.Contains([]string{"type", "options"}, found[0].Rule) || found[0].Detail.IsZero() {
			t.Errorf("%s: %v has the problems %v", typ, row.bad, found)
		}
		if got := typ.Scalar(); got != row.scalar {
			t.Errorf("%s is compared as %d, not as %d", typ, got, row.scalar)
		}
		allows := func(with func(*Field)) bool {
			g := f
			with(&g)
			s := Schema{Fields: []Field{g}}
			return s.Check() == nil
		}
		if got := allows(func(g *Field) { g.Min, g.Max = "1", "2" }); got != row.min {
			t.Errorf("%s: min and max apply: %t", typ, got)
		}
		if got := allows(func(g *Field) { g.Pattern = "a+" }); got != row.pattern {
			t.Errorf("%s: a pattern applies: %t", typ, got)
		}
	}
}
