package content

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cms/bounded"
	"cms/race"
)

// grown are fields that grow with n, each in a way that invites work which grows
// faster.
var grown = map[string]func(n int) Value{
	"scalars":   func(n int) Value { return listOf(n, func(i int) Value { return fmt.Sprintf("élément %d", i) }) },
	"equal":     func(n int) Value { return listOf(n, func(int) Value { return "le même" }) },
	"two kinds": func(n int) Value { return listOf(n, func(i int) Value { return i*i%7 < 3 }) },
	"zeros":     func(n int) Value { return listOf(n, func(int) Value { return Number("0") }) },
	"numbers": func(n int) Value {
		return listOf(n, func(i int) Value { return Number(fmt.Sprintf("123456789.%012d", i)) })
	},
	"exponents": func(n int) Value { return listOf(n, func(i int) Value { return Number(fmt.Sprintf("1e-%d", i%300)) }) },
	"times": func(n int) Value {
		return listOf(n, func(i int) Value { return fmt.Sprintf("2019-01-15T09:29:08.%09dZ", i) })
	},
	"spellings": func(n int) Value {
		return listOf(n, func(i int) Value { return "2019-01-15T09:29:08." + strings.Repeat("0", 20+i%40) + "Z" })
	},
	"mappings":  func(n int) Value { return listOf(n, func(i int) Value { return manyFields(i%3 + 1) }) },
	"same maps": func(n int) Value { return listOf(n, func(int) Value { return manyFields(2) }) },
	"keys":      func(n int) Value { return manyFields(n) },
	"long key": func(n int) Value {
		return &Object{Members: []Member{{strings.Repeat("k", min(n, 1000)), manyFields(n)}}}
	},
	"long text": func(n int) Value { return strings.Repeat("un mot, ", n) },
	"lines":     func(n int) Value { return strings.Repeat("une ligne\n", n) + "fin" },
	"escapes":   func(n int) Value { return strings.Repeat("\"\\\t\u2028", n) },
	"deep list": func(n int) Value { return nested(n, func(v Value) Value { return []Value{v, "x"} }) },
	"deep map": func(n int) Value {
		return nested(n, func(v Value) Value { return &Object{Members: []Member{{"a", v}, {"b", "x"}}} })
	},
	"deep wide": func(n int) Value {
		return nested(400, func(v Value) Value { return []Value{listOf(n/20, func(i int) Value { return Number("7") }), v} })
	},
	"deep, long": func(n int) Value {
		return []Value{nested(600, func(v Value) Value { return []Value{v} }), strings.Repeat("x", n)}
	},
}

func listOf(n int, item func(i int) Value) []Value {
	items := make([]Value, n)
	for i := range items {
		items[i] = item(i)
	}
	return items
}

// nested is a value of n/20 levels, of no more than there may be.
func nested(n int, around func(Value) Value) Value {
	v := Value("fond")
	for range min(n/20, 80) {
		v = around(v)
	}
	return v
}

// varied is v as someone makes it who changes a third of it, and adds to its lists.
func varied(v Value, who string) Value {
	count := 0
	var vary func(Value) Value
	vary = func(v Value) Value {
		switch x := v.(type) {
		case string:
			if count++; count%3 == 0 {
				return x + who
			}
		case []Value:
			items := make([]Value, 0, len(x)+1)
			for _, item := range x {
				items = append(items, vary(item))
			}
			return append(items, who)
		case *Object:
			o := &Object{}
			for _, m := range x.Members {
				o.Members = append(o.Members, Member{m.Key, vary(m.Value)})
			}
			return o
		}
		return v
	}
	return vary(v)
}

// written are whole front matters that grow with n.
var written = map[string]func(n int) string{
	"YAML block list":   func(n int) string { return "---\na:\n" + strings.Repeat("- 0\n", n) + "---\n" },
	"YAML flow list":    func(n int) string { return "---\na: [" + strings.Repeat("0, ", n) + "0]\n---\n" },
	"YAML flow map":     func(n int) string { return "---\na: {" + numbered("k%d: v, ", n) + "z: z}\n---\n" },
	"YAML pairs":        func(n int) string { return "---\na: [" + strings.Repeat("b: c, ", n) + "z]\n---\n" },
	"YAML question":     func(n int) string { return "---\n" + numbered("? k%d\n", n) + "---\n" },
	"YAML anchors":      func(n int) string { return "---\na:\n" + numbered("- &a%d x\n", n) + "---\n" },
	"YAML aliases":      func(n int) string { return "---\na: &a x\nb: [" + strings.Repeat("*a, ", n) + "x]\n---\n" },
	"YAML used anchors": func(n int) string { return "---\na:\n" + numbered("- &a%[1]d x\n- *a%[1]d\n", n) + "---\n" },
	"YAML merges":       func(n int) string { return "---\na: &a {x: y}\n" + numbered("k%d: {<<: *a}\n", n) + "---\n" },
	"YAML merge chain": func(n int) string {
		return "---\na0: &a0 {x: y}\n" + chained(n/20, "a%d: &a%d {<<: *a%d, k%d: 1}\n") + "---\n"
	},
	"YAML tags": func(n int) string { return "---\na:\n" + strings.Repeat("- !x y\n", n) + "---\n" },
	"YAML deep tags": func(n int) string {
		return "---\na: " + strings.Repeat("!t [", n/20) + "x" + strings.Repeat("]", n/20) + "\n---\n"
	},
	"YAML directives": func(n int) string { return "---\n" + numbered("%%TAG !e%d! tag:x\n", n) + "a: b\n---\n" },
	"YAML comments":   func(n int) string { return "---\na:\n" + strings.Repeat("- b # un\n# deux\n", n) + "---\n" },
	"YAML duplicates": func(n int) string { return "---\na: 1\n" + strings.Repeat("k: v\n", n) + "---\n" },
	"YAML long duplicates": func(n int) string {
		return "---\na: 1\n? " + strings.Repeat("k", min(n, maxKey)) + "\n:\n" + strings.Repeat("  k: v\n", n) + "---\n"
	},
	"YAML digits": func(n int) string {
		return "---\na: [" + strings.Repeat("1", n) + ", 0x" + strings.Repeat("f", n) + "]\n---\n"
	},
	"YAML exponent":  func(n int) string { return "---\na: 1e" + strings.Repeat("9", n) + "\n---\n" },
	"YAML escapes":   func(n int) string { return "---\na: \"" + strings.Repeat("\\u00e9", n) + "\"\n---\n" },
	"YAML folded":    func(n int) string { return "---\na: >\n" + strings.Repeat("  un\n  deux\n\n", n) + "---\n" },
	"YAML unclosed":  func(n int) string { return "---\na: [" + strings.Repeat("[", n) + "\n---\n" },
	"YAML deep":      func(n int) string { return "---\na:\n" + strings.Repeat("- ", n) + "x\n---\n" },
	"YAML long line": func(n int) string { return "---\na: [" + strings.Repeat("\"é\", ", n) + "z]\nb: {c: d}\n---\n" },
	"TOML tables":    func(n int) string { return "+++\na = 1\n" + numbered("[t%d]\nb = 1\n", n) + "+++\n" },
	"TOML subtables": func(n int) string { return "+++\na = 1\n" + numbered("[t.u.v%d]\nb = 1\n", n) + "+++\n" },
	"TOML dotted":    func(n int) string { return "+++\na = 1\n" + numbered("t.u.v%d = 1\n", n) + "+++\n" },
	"TOML deep":      func(n int) string { return "+++\na = 1\nt" + strings.Repeat(".t", n) + " = 1\n+++\n" },
	"TOML items": func(n int) string {
		return "+++\na = 1\n" + strings.Repeat("[[t]]\nb = 1\n[t.u]\nc = 2\n", n) + "+++\n"
	},
	"TOML list":       func(n int) string { return "+++\na = [" + strings.Repeat("0, ", n) + "0]\n+++\n" },
	"TOML inline":     func(n int) string { return "+++\na = [" + strings.Repeat("{b = 1, c.d = \"e\"}, ", n) + "]\n+++\n" },
	"TOML one inline": func(n int) string { return "+++\na = {" + numbered("k%d = 1, ", n) + "z = 1}\n+++\n" },
	"TOML comments":   func(n int) string { return "+++\n" + strings.Repeat("# un\n", n) + "a = 1\n+++\n" },
	"TOML strings":    func(n int) string { return "+++\na = [" + strings.Repeat("'''b''', \"\\u00e9\", ", n) + "]\n+++\n" },
	"TOML duplicates": func(n int) string { return "+++\n" + strings.Repeat("a = 1\n", n) + "+++\n" },
	"JSON members":    func(n int) string { return "{\n" + numbered("\"k%d\": 1,\n", n) + "\"a\": 1}\n" },
	"JSON duplicates": func(n int) string { return "{" + strings.Repeat("\"k\": 1, ", n) + "\"a\": 1}\n" },
	"JSON escapes":    func(n int) string { return "{\"a\": \"" + strings.Repeat("\\ud83d\\ude00", n) + "\"}\n" },
	"JSON blanks":     func(n int) string { return "{\"a\"" + strings.Repeat(" ", n) + ":" + strings.Repeat("\n", n) + "1}\n" },
	"JSON deep":       func(n int) string { return "{\"a\": " + strings.Repeat("[", n) + "\n" },
	"body":            func(n int) string { return "---\na: 1\n---\n" + numbered("ligne %d\n\n", n) },
	"CRLF body":       func(n int) string { return "---\na: 1\n---\n" + numbered("ligne %d\r\n\n", n) },
	"blank body":      func(n int) string { return "---\na: 1\n---\n" + strings.Repeat("\n", n) },
	"body not UTF-8":  func(n int) string { return "---\na: 1\n---\n" + strings.Repeat("\xff\n", n) },
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// chained are lines of which each names the one before.
func chained(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1, i+1, i, i)
	}
	return b.String()
}

// formats are empty documents, one in each format that is known.
var formats = map[Format]string{YAML: "---\n---\n", TOML: "+++\n+++\n", JSON: "{}\n"}

// works are the operations on a document, of which other is a variant and base what
// both began with. What they say is not looked at here.
var works = map[string]func(ctx context.Context, base, d, other *Document){
	"parse":   func(_ context.Context, _, d, _ *Document) { Parse(d.Source()) },
	"replace": func(_ context.Context, _, d, other *Document) { _, _ = d.Replace(other.Fields(), other.Body(), nil) },
	"render":  func(_ context.Context, base, d, _ *Document) { _, _ = base.Replace(d.Fields(), d.Body(), nil) },
	"source":  func(_ context.Context, _, d, other *Document) { _, _ = d.ReplaceSource(other.Source(), nil) },
	"edit": func(_ context.Context, _, d, _ *Document) {
		_, _ = d.Apply(Set(FieldPath{"a", "neuf"}, "x"))
		_, _ = d.Apply(Append(FieldPath{"a"}, "x"), Remove(FieldPath{"a", 0}), Set(FieldPath{"neuf"}, "x"), SetBody(d.Body()+"x\n"))
	},
	"merge patch": func(_ context.Context, _, d, other *Document) {
		_, _ = d.MergePatch(&Object{Members: []Member{{"fields", other.Fields()}, {"body", other.Body()}}}, nil)
	},
	"merge":           func(ctx context.Context, base, d, other *Document) { _, _ = Merge(ctx, base, d, other) },
	"merge of a part": func(ctx context.Context, base, d, other *Document) { _, _ = Merge(ctx, d, base, other) },
	"diff":            func(_ context.Context, _, d, other *Document) { Diff(d, other, "x.md") },
	"dispute": func(_ context.Context, base, d, _ *Document) {
		Disputed(base, d)
		Respelled(base, d, func(f string) bool { return f == "a" })
	},
	"validate": func(_ context.Context, _, d, other *Document) {
		was, now := wrongSchema.Validate(d.Fields(), nil), wrongSchema.Validate(other.Fields(), nil)
		Told(NewProblems(d.Fields(), other.Fields(), was, now))
		wrongSchema.CheckWrite(d.Fields(), other.Fields())
		wrongSchema.WithDefaults(wrongSchema.Coerce(d.Fields()))
	},
}

// wrongSchema is one that nearly everything breaks.
var wrongSchema = &Schema{Defined: true, Strict: true, Fields: []Field{
	{Name: "a", Type: TypeList, Of: &Field{Type: TypeInteger}}, {Name: "b", Type: TypeText, ReadOnly: true}, {Name: "c", Type: TypeString, Required: true},
}}

// The work of every operation on every shape, in every format, grows with its size:
// of twice the size it takes two and a half times the memory at most, and as many
// steps. It is measured as bytes, garbage included, since times depend on the machine.
func TestWorkGrowsWithTheSize(t *testing.T) {
	race.TakesLong(t)
	sizes, shapes := []int{160}, os.Getenv("CMS_CONTENT_SHAPES")
	if shapes == "all" {
		sizes = []int{200, 400, 1000, 4000, 16_000}
	}
	for _, n := range sizes {
		for i, shape := range slices.Sorted(maps.Keys(grown)) {
			for f, format := range []Format{YAML, TOML, JSON} {
				if shapes == "" && i%3 != f {
					continue // each shape in one format, in turn
				}
				base := Parse([]byte(formats[format]))
				doc := func(n int, who string) *Document {
					v := grown[shape](n)
					if who != "" {
						v = varied(v, who)
					}
					d, err := base.Replace(&Object{Members: []Member{{"a", v}}}, "Corps\n", nil)
					if err != nil && kindOf(err) != KindTooLarge {
						t.Fatalf("%s in %s: %v", shape, format, err)
					}
					if err != nil {
						return base
					}
					return d
				}
				checkGrowth(t, fmt.Sprintf("%s in %s", shape, format), n, func(n int) (*Document, *Document, *Document) {
					return base, doc(n, ""), doc(n, "e")
				})
			}
		}
		for _, shape := range slices.Sorted(maps.Keys(written)) {
			checkGrowth(t, shape, n, func(n int) (*Document, *Document, *Document) {
				src := written[shape](n)
				base := formats[YAML]
				switch src[0] {
				case '+':
					base = formats[TOML]
				case '{':
					base = formats[JSON]
				}
				return Parse([]byte(base)), Parse([]byte(src)), Parse([]byte(strings.Replace(src, "a", "b", 1) + "fin\n"))
			})
		}
	}
}

// checkGrowth holds the work at 2n against that at n.
func checkGrowth(t *testing.T, shape string, n int, docs func(n int) (base, d, other *Document)) {
	t.Helper()
	base1, d1, other1 := docs(n)
	base2, d2, other2 := docs(2 * n)
	for _, name := range slices.Sorted(maps.Keys(works)) {
		work := works[name]
		one := allocated(func() { work(t.Context(), base1, d1, other1) })
		two := allocated(func() { work(t.Context(), base2, d2, other2) })
		slack := uint64(160 << 10) // a map that has just grown has twice the room
		if strings.Contains(shape, "deep") || strings.Contains(shape, "chain") {
			slack = 4 << 20 // depth, and what aliases stand for, are bounded; indentation grows with the square of the one
		}
		if two > one*5/2+slack {
			t.Errorf("%s of %s: %d KB at %d, %d KB at twice that", name, shape, one>>10, n, two>>10)
		}
		if two > 300<<20 {
			t.Errorf("%s of %s: %d MB", name, shape, two>>20)
		}
	}
}

// allocated is how many bytes work takes, garbage included; 0 under the race detector,
// which takes memory of its own.
func allocated(work func()) uint64 {
	if race.Enabled {
		work()
		return 0
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Patches, merges and comparisons take steps in proportion to what they are about.
func TestStepsGrowWithTheSize(t *testing.T) {
	race.TakesLong(t)
	patch := func(n int, operation string) func(b *budget) error {
		d, err := Parse([]byte(formats[YAML])).Replace(manyFields(n), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		operations, err := parsePatch([]byte("[" + strings.TrimSuffix(numbered(operation+",", n/2), ",") + "]"))
		if err != nil {
			t.Fatal(err)
		}
		return func(b *budget) error {
			_, _, err := newPatcher(b, &Schema{}).patched(d, operations, 0)
			return err
		}
	}
	merged := func(n int, shape, base string) func(b *budget) error {
		doc := func(v Value) *Document {
			d, err := Parse([]byte(formats[YAML])).Replace(&Object{Members: []Member{{"a", v}}}, "", nil)
			if err != nil {
				t.Fatalf("%s: %v", shape, err)
			}
			return d
		}
		v := grown[shape](n)
		from := Parse([]byte(base))
		if base == "" {
			from = doc(v)
		}
		ours, theirs := doc(varied(v, "o")), doc(varied(v, "t"))
		return func(b *budget) error {
			_, err := merge(b, from, ours, theirs)
			return err
		}
	}
	all := map[string]func(n int) func(b *budget) error{
		"tests": func(n int) func(*budget) error {
			return patch(n, `{"op":"test","path":"/fields/k%[1]d","value":"valeur %[1]d"}`)
		},
		"removes": func(n int) func(*budget) error { return patch(n, `{"op":"remove","path":"/fields/k%d"}`) },
		"adds":    func(n int) func(*budget) error { return patch(n, `{"op":"add","path":"/fields/neuf%d","value":1}`) },
		"moves": func(n int) func(*budget) error {
			return patch(n, `{"op":"move","from":"/fields/k%[1]d","path":"/fields/l%[1]d"}`)
		},
		"copies": func(n int) func(*budget) error {
			return patch(n, `{"op":"copy","from":"/fields/k%[1]d","path":"/fields/l%[1]d"}`)
		},
	}
	for shape := range grown {
		if shape == "deep wide" || shape == "deep, long" {
			continue // which are as wide as they are deep
		}
		all["both began "+shape] = func(n int) func(*budget) error { return merged(n, shape, formats[YAML]) }
		all["both changed "+shape] = func(n int) func(*budget) error { return merged(n, shape, "") }
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		steps := func(n int) int {
			b := &budget{Work: bounded.New(t.Context())}
			if err := b.Run(func() error { return all[name](n)(b) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return b.Steps
		}
		if one, two := steps(300), steps(600); two > one*5/2+100 {
			t.Errorf("%s: %d steps at 300, %d at twice that", name, one, two)
		}
	}
}

// departing is the context of a client that hangs up once it was asked about so often.
type departing struct {
	context.Context
	left int
}

func (c *departing) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// The work of a client that has gone ends when the budget next looks.
func TestBudgetEndsWithItsContext(t *testing.T) {
	seq := func(who string) *Document {
		return Parse([]byte("---\na:\n" + numbered("- "+who+"%d\n", 8000) + "---\n" + numbered(who+" %d\n", 8000)))
	}
	base, ours, theirs := seq("b"), seq("o"), seq("t")
	d := Parse([]byte("---\n" + numbered("k%d: v\n", 8000) + "---\n"))
	operations, err := parsePatch([]byte("[" + strings.TrimSuffix(numbered(`{"op":"test","path":"/fields/k%d","value":"v"},`, 8000), ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	for name, work := range map[string]func(b *budget) error{
		"merge": func(b *budget) error { _, err := merge(b, base, ours, theirs); return err },
		"patch": func(b *budget) error { _, _, err := newPatcher(b, &Schema{}).patched(d, operations, 0); return err },
	} {
		whole := &budget{Work: bounded.New(t.Context())}
		if err := whole.Run(func() error { return work(whole) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for asked := range 4 {
			b := &budget{Work: bounded.New(&departing{t.Context(), asked})}
			if err := b.Run(func() error { return work(b) }); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, asked %d times: got %v, want that it ends", name, asked, err)
			}
			if most := (asked + 1) * (bounded.Stride + 8001); b.Steps > most || b.Steps >= whole.Steps {
				t.Errorf("%s, asked %d times: took %d steps of %d, want at most %d", name, asked, b.Steps, whole.Steps, most)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Merge(ctx, base, ours, theirs); !errors.Is(err, context.Canceled) {
		t.Errorf("Merge: got %v", err)
	}
	if _, err := d.JSONPatch(ctx, []byte("[]"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("JSONPatch: got %v", err)
	}
}

// What is beyond a bound is not read but told, with the bound, at little cost; it can
// be replaced as a whole.
func TestBeyondBounds(t *testing.T) {
	race.TakesLong(t)
	over := maxFrontMatter + 1
	for name, tt := range map[string]struct{ src, want string }{
		"YAML bytes":      {"---\na: " + strings.Repeat("x", over) + "\n---\nCorps\n", "1048576 bytes"},
		"TOML bytes":      {"+++\n" + strings.Repeat("#\n", over) + "+++\nCorps\n", "1048576 bytes"},
		"JSON bytes":      {"{\"a\": \"" + strings.Repeat("x", over) + "\"}\nCorps\n", "1048576 bytes"},
		"comments":        {"---\na: b\n" + strings.Repeat("# x\n", over) + "---\nCorps\n", "1048576 bytes"},
		"YAML flow list":  {written["YAML flow list"](maxValues) + "Corps\n", "100000 signs"},
		"YAML block list": {written["YAML block list"](maxValues) + "Corps\n", "100000"},
		"YAML keys":       {"---\n" + numbered("k%d:\n", maxValues/2+1) + "---\nCorps\n", "100000 keys and values"},
		"YAML directives": {written["YAML directives"](maxDirectives+1) + "Corps\n", "16 lines that begin with %"},
		"YAML key":        {"---\n? " + strings.Repeat("k", maxKey+1) + "\n: v\n---\nCorps\n", "1024 bytes"},
		"YAML number":     {"---\na: 0." + strings.Repeat("1", maxNumber) + "\n---\nCorps\n", "1000 characters"},
		"TOML list":       {written["TOML list"](maxValues) + "Corps\n", "100000 keys and values"},
		"TOML wide list":  {written["TOML list"](2*maxValues) + "Corps\n", "100000 keys and values"},
		"TOML key":        {"+++\n" + strings.Repeat("k", maxKey+1) + " = 1\n+++\nCorps\n", "1024 bytes"},
		"TOML number":     {"+++\na = 0." + strings.Repeat("1", maxNumber) + "\n+++\nCorps\n", "1000 characters"},
		"JSON list":       {"{\"a\": [" + strings.Repeat("0,", maxValues) + "0]}\nCorps\n", "100000 keys and values"},
		"JSON key":        {"{\"" + strings.Repeat("k", maxKey+1) + "\": 1}\nCorps\n", "1024 bytes"},
		"JSON number":     {"{\"a\": " + strings.Repeat("1", maxNumber+1) + "}\nCorps\n", "1000 characters"},
	} {
		var d *Document
		bytes := allocated(func() { d = Parse([]byte(tt.src)) })
		problems := d.Problems()
		if len(problems) != 1 || problems[0].Rule != RuleTooLarge || !strings.Contains(problems[0].Detail.String(), tt.want) {
			t.Errorf("%s: got %.200v, want one that is too large: %s", name, problems, tt.want)
		}
		if d.Body() != "Corps\n" || d.Fields().Len() > 0 || d.Err() == nil {
			t.Errorf("%s: the body is %.20q, %d fields, error %v", name, d.Body(), d.Fields().Len(), d.Err())
		}
		if bytes > 100<<20 {
			t.Errorf("%s: took %d MB", name, bytes>>20)
		}
		if _, err := d.Apply(Set(FieldPath{"b"}, "x")); kindOf(err) != KindTooLarge {
			t.Errorf("%s: edited, got %v", name, err)
		}
		mended := []byte("---\na: 1\n---\n")
		if out, err := d.ReplaceSource(mended, nil); err != nil || string(out.Source()) != string(mended) {
			t.Errorf("%s: replaced, got %v", name, err)
		}
	}
}

// An edit whose result would be beyond a bound is refused with the bound.
func TestEditsBeyondBounds(t *testing.T) {
	race.TakesLong(t)
	half := strings.Repeat("x", maxFrontMatter/2)
	for name, edit := range map[string]Edit{
		"bytes":  Set(FieldPath{"b"}, half),
		"values": Set(FieldPath{"b"}, listOf(maxValues+maxAliasedNodes, func(int) Value { return true })),
		"key":    Set(FieldPath{strings.Repeat("k", maxKey+1)}, true),
		"number": Set(FieldPath{"b"}, Number(strings.Repeat("1", maxNumber+1))),
	} {
		for format, empty := range formats {
			d, err := Parse([]byte(empty)).Apply(Set(FieldPath{"a"}, half))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Apply(edit); kindOf(err) != KindTooLarge {
				t.Errorf("%s in %s: got %v, want it to be too large", name, format, err)
			}
		}
	}
}

// A JSON text of more values than a request may have costs little.
func TestParseJSONIsBounded(t *testing.T) {
	race.TakesLong(t)
	for name, src := range map[string]string{
		"zeros": "[" + strings.Repeat("0,", 5_000_000) + "0]", "members": "{" + numbered("\"k%d\":0,", maxJSONValues) + "\"k\":0}",
		"lists": "[" + strings.Repeat("[],", maxJSONValues) + "0]", "objects": "[" + strings.Repeat("{},", maxJSONValues) + "0]",
		"key": "{\"" + strings.Repeat("k", maxKey+1) + "\":0}", "number": strings.Repeat("1", maxNumber+1),
	} {
		raw := []byte(src)
		var err error
		bytes := allocated(func() { _, err = ParseJSON(raw) })
		if at := new(SyntaxError); !errors.As(err, &at) || !at.TooLarge {
			t.Errorf("%s: got %v, want it to be too large", name, err)
		}
		if bytes > 64<<20 {
			t.Errorf("%s: took %d MB", name, bytes>>20)
		}
	}
}

// Of what is wrong with a file, and of what clashes, so much is told at most.
func TestToldIsBounded(t *testing.T) {
	race.TakesLong(t)
	deep := strings.Repeat("{"+strings.Repeat("k", 1000)+": ", 90) + "{" + strings.Repeat("k: v, ", 20_000) + "}" + strings.Repeat("}", 90)
	for name, src := range map[string]string{
		"duplicates": written["YAML duplicates"](20_000), "long paths": "---\na: " + deep + "\n---\n",
		"anchors": written["YAML used anchors"](5_000), "JSON": written["JSON duplicates"](20_000),
	} {
		d := Parse([]byte(src))
		told, err := json.Marshal(Told(d.Problems()))
		if err != nil || len(told) > 400<<10 || len(d.Problems()) > 2*maxListed+2 {
			t.Errorf("%s: %d problems in %d bytes, %v", name, len(d.Problems()), len(told), err)
		}
		if last := d.Problems()[len(d.Problems())-1]; !last.Stands() || !strings.Contains(last.Detail.String(), " more ") {
			t.Errorf("%s: the last problem is %+v", name, last)
		}
		if len(NewProblems(d.Fields(), d.Fields(), d.Problems(), d.Problems())) > 0 {
			t.Errorf("%s: what was there already is told as new", name)
		}
	}
	side := func(who string) *Document {
		return Parse([]byte("---\na: {" + strings.Repeat("k", 1000) + ": {" + numbered("k%d: "+who+", ", 1000) + "}}\n---\n"))
	}
	m, err := Merge(t.Context(), side("b"), side("o"), side("t"))
	if err != nil || len(m.Clashes) > maxListed || len(m.Clashes)+m.More != 1000 {
		t.Errorf("got %d clashes and %d more, %v", len(m.Clashes), m.More, err)
	}
}
