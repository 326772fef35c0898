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
