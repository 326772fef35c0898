package content

import (
	"fmt"
	"strings"
	"testing"
	"time"
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

// An edit of a file of twenty times the size takes about twenty times as long.
func TestLargeFilesTakeLinearTime(t *testing.T) {
	small, big := large(1000), large(20000)
	for shape := range small {
		t.Run(shape, func(t *testing.T) {
			one, twenty := editAll(t, small[shape]), editAll(t, big[shape])
			t.Logf("%v, and %v at twenty times the size", one, twenty)
			if twenty > 120*max(one, 2*time.Millisecond) {
				t.Errorf("%v, and %v at twenty times the size", one, twenty)
			}
		})
	}
}

// editAll is how long it takes to read a file, and to change it in many ways.
func editAll(t *testing.T, fm string) time.Duration {
	t.Helper()
	best := time.Hour
	for range 2 {
		start := time.Now()
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
		best = min(best, time.Since(start))
	}
	return best
}

// New keys, and new items, take time in proportion to their number. (TOML is
// left out: its library compares each key with all others.)
func TestManyNewPartsTakeLinearTime(t *testing.T) {
	const few, many = 10_000, 40_000
	for name, edit := range map[string]func(d *Document, fields *Object) (*Document, error){
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
				edits = append(edits, Set(FieldPath{m.Key}, m.Value).AfterKey(after))
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
	} {
		for _, source := range []string{"---\ndans: {}\nfin: oui\n---\n", "{\n  \"dans\": {},\n  \"fin\": 1\n}\n"} {
			t.Run(name+"/"+source[:1], func(t *testing.T) {
				took := func(n int) time.Duration {
					fields := &Object{}
					for i := range n {
						fields.Members = append(fields.Members, Member{fmt.Sprintf("k%d", i), fmt.Sprintf("valeur %d", i)})
					}
					best := time.Hour
					for range 2 {
						d := Parse([]byte(source))
						start := time.Now()
						if _, err := edit(d, fields); err != nil {
							t.Fatal(err)
						}
						best = min(best, time.Since(start))
					}
					return best
				}
				one, four := took(few), took(many)
				t.Logf("%v, and %v at four times the size", one, four)
				if four > 8*max(one, 20*time.Millisecond) {
					t.Errorf("%v, and %v at four times the size", one, four)
				}
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
