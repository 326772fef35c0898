package content

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cms/race"
)

// large are front matters of n parts, each in a shape that invites work that
// grows with the square of n.
func large(n int) map[string]string {
	keys, nested := &strings.Builder{}, &strings.Builder{}
	for i := range n {
		fmt.Fprintf(keys, "k%d: v\n", i)
		fmt.Fprintf(nested, "- nom: n%d\n  date: 2021-06-01\n", i)
	}
	return map[string]string{
		"keys":        keys.String(),
		"block list":  "liste:\n" + strings.Repeat("- élément\n", n),
		"flow list":   "liste: [" + strings.Repeat("élément, ", n) + "z]\n",
		"mappings":    "liste:\n" + nested.String(),
		"long text":   "texte: |\n" + strings.Repeat("  ligne\n", n),
		"long quoted": "texte: \"" + strings.Repeat("é\\n", n) + "\"\n",
		"comments":    strings.Repeat("# note\n", n) + "a: b\n",
	}
}

// Large files of every shape can be edited, and hold afterwards what was set.
func TestLargeFiles(t *testing.T) {
	race.TakesLong(t)
	for shape, fm := range large(5000) {
		t.Run(shape, func(t *testing.T) { editAll(t, fm) })
	}
}

// An edit of a file of ten times the size takes about ten times as long:
// "growth" is the ratio of the two times, divided by ten.
func BenchmarkLargeFiles(b *testing.B) {
	small, big := large(1000), large(10_000)
	for _, shape := range slices.Sorted(maps.Keys(small)) {
		b.Run(shape, func(b *testing.B) {
			benchmarkGrowth(b, 10,
				func() { editAll(b, small[shape]) },
				func() { editAll(b, big[shape]) })
		})
	}
}

// benchmarkGrowth reports how much longer large takes than small, per times the size.
func benchmarkGrowth(b *testing.B, times float64, small, large func()) {
	b.Helper()
	one, many := time.Duration(0), time.Duration(0)
	for b.Loop() {
		start := time.Now()
		small()
		middle := time.Now()
		large()
		one, many = one+middle.Sub(start), many+time.Since(middle)
	}
	b.ReportMetric(float64(many)/float64(one)/times, "growth")
}

// editAll reads a file, and changes it in many ways.
func editAll(t testing.TB, fm string) {
	t.Helper()
	d := Parse([]byte("---\n" + fm + "---\n" + strings.Repeat("Corps\n", len(fm)/6)))
	out, err := d.Apply(Set(FieldPath{"titre"}, "Un"), SetBody(d.Body()+"Fin\n"))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := d.Fields().Get("liste"); v != nil {
		list := v.([]Value)
		changed := []Value{"premier"}
		for i, item := range list {
			if i%7 != 3 {
				changed = append(changed, item)
			}
		}
		if out, err = out.Apply(Append(FieldPath{"liste"}, "fin"), Set(FieldPath{"liste"}, append(changed, "autre"))); err != nil {
			t.Fatal(err)
		}
	}
	fields := &Object{}
	for i, m := range out.Fields().Members {
		if i%5 != 2 {
			fields.Members = append(fields.Members, m)
		}
	}
	fields.Members = append(fields.Members, Member{"neuf", "oui"})
	if out, err = out.Replace(fields, "Fin\n", []string{"neuf"}); err != nil {
		t.Fatal(err)
	}
	if !Equal(out.Fields(), fields) {
		t.Fatal("the fields are not those that were set")
	}
}

// manyEdits are ways to give a document many new keys or items at once.
var manyEdits = map[string]func(d *Document, fields *Object) (*Document, error){
	"MergePatch": func(d *Document, fields *Object) (*Document, error) {
		return d.MergePatch(&Object{Members: []Member{{"fields", fields}}}, nil)
	},
	"MergePatch in order": func(d *Document, fields *Object) (*Document, error) {
		return d.MergePatch(&Object{Members: []Member{{"fields", fields}}}, append(fields.Keys(), "fin"))
	},
	"MergePatch of a mapping": func(d *Document, fields *Object) (*Document, error) {
		return d.MergePatch(&Object{Members: []Member{{"fields", &Object{Members: []Member{{"dans", fields}}}}}}, nil)
	},
	"MergePatch and back": func(d *Document, fields *Object) (*Document, error) {
		out, err := d.MergePatch(&Object{Members: []Member{{"fields", fields}}}, nil)
		if err != nil {
			return nil, err
		}
		nulls := &Object{}
		for _, m := range fields.Members {
			nulls.Members = append(nulls.Members, Member{Key: m.Key})
		}
		_, err = out.MergePatch(&Object{Members: []Member{{"fields", nulls}}}, nil)
		return out, err
	},
	"Replace": func(d *Document, fields *Object) (*Document, error) {
		return d.Replace(fields, "", nil)
	},
	"Replace in order": func(d *Document, fields *Object) (*Document, error) {
		return d.Replace(fields, "", append(fields.Keys(), "fin"))
	},
	"Apply": func(d *Document, fields *Object) (*Document, error) {
		var edits []Edit
		after := "fin"
		for _, m := range fields.Members {
			edit := Set(FieldPath{m.Key}, m.Value)
			edit.After = after
			edits = append(edits, edit)
			after = m.Key
		}
		return d.Apply(edits...)
	},
	"Replace a list": func(d *Document, fields *Object) (*Document, error) {
		return d.Replace(&Object{Members: []Member{{"liste", valuesOf(fields)}}}, "", nil)
	},
	"MergePatch a list": func(d *Document, fields *Object) (*Document, error) {
		return d.MergePatch(&Object{Members: []Member{{"fields", &Object{Members: []Member{{"liste", valuesOf(fields)}}}}}}, nil)
	},
	"thin a flow list out": func(_ *Document, fields *Object) (*Document, error) {
		texts := make([]string, fields.Len())
		var half []Value
		for i, m := range fields.Members {
			if texts[i] = m.Key; i%2 == 0 {
				half = append(half, m.Key)
			}
		}
		d := Parse([]byte("---\nliste: [" + strings.Join(texts, ", ") + "]\n---\n"))
		return d.Replace(&Object{Members: []Member{{"liste", half}}}, "", nil)
	},
}

// manySources are the documents that manyEdits start from. (TOML is left out:
// its library compares each key with all others.)
var manySources = map[string]string{
	"YAML": "---\ndans: {}\nfin: oui\n---\n",
	"JSON": "{\n  \"dans\": {},\n  \"fin\": 1\n}\n",
}

func manyFields(n int) *Object {
	fields := &Object{}
	for i := range n {
		fields.Members = append(fields.Members, Member{fmt.Sprintf("k%d", i), fmt.Sprintf("valeur %d", i)})
	}
	return fields
}

func TestManyNewParts(t *testing.T) {
	race.TakesLong(t)
	for name, edit := range manyEdits {
		for format, source := range manySources {
			t.Run(name+"/"+format, func(t *testing.T) {
				out, err := edit(Parse([]byte(source)), manyFields(5000))
				if err != nil {
					t.Fatal(err)
				}
				if again := Parse(out.Source()); !Equal(again.Fields(), out.Fields()) {
					t.Error("read again, the fields are others")
				}
			})
		}
	}
}

// New keys, and new items, take time in proportion to their number.
func BenchmarkManyNewParts(b *testing.B) {
	small, big := manyFields(5000), manyFields(20_000)
	for _, name := range slices.Sorted(maps.Keys(manyEdits)) {
		for _, format := range slices.Sorted(maps.Keys(manySources)) {
			b.Run(name+"/"+format, func(b *testing.B) {
				run := func(fields *Object) func() {
					return func() {
						if _, err := manyEdits[name](Parse([]byte(manySources[format])), fields); err != nil {
							b.Fatal(err)
						}
					}
				}
				benchmarkGrowth(b, 4, run(small), run(big))
			})
		}
	}
}

func valuesOf(o *Object) []Value {
	values := make([]Value, o.Len())
	for i, m := range o.Members {
		values[i] = m.Value
	}
	return values
}
