package content

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// awkward strings, of the characters that mean something to some reader.
func awkward(r *rand.Rand, n int) []Value {
	words := []string{"y", "NO", "on", "true", "~", "null", "None", ".inf", "-.INF", "nan", "<<", "=", "0x1F", "0o7", "0b1", "1e3", "1.e+3", "1_000", "1,000",
		"+1", "-", "--", "...", "12:30:45", "2021-06-01", "2021-06-01 18:30:00 +0200", ":sym", "a:", "a: b", "a #b", "#a", "é", "l'eau", `"`, `\`, "a\nb\n", "a\n\n b", " a", "a ",
		"\ta", "a\tb", "\n", "a\n", "\u0085", "\u2028", "\ufeff", "\x00", "\x7f", "\U0001f6a2", "!a", "&a", "*a", "%a", "@a", "`a", "|", ">", "? a", "- a", "[a", "{a", "a, b", "a]", "}"}
	const letters = "-+.,_:;0123456789eExXobaAfFtTzZ#'\"\\[]{}&*!|>%@~=<?/yn \t\né"
	runes := []rune(letters)
	values := make([]Value, 0, n)
	for _, w := range words {
		values = append(values, w)
	}
	for len(values) < n {
		b := make([]rune, 1+r.IntN(6))
		for i := range b {
			b[i] = runes[r.IntN(len(runes))]
		}
		values = append(values, string(b))
	}
	return values
}

// A string reads as itself to yaml.v3 and to Psych, wherever it is written.
func TestStringsReadTheSameEverywhere(t *testing.T) {
	t.Parallel()
	ruby := startRuby(t)
	r := rand.New(rand.NewPCG(2019, 1))
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		values := awkward(r, 200)
		keys := &Object{}
		seen := map[string]bool{"<<": true}
		for i, v := range values {
			if s := v.(string); !seen[s] {
				seen[s] = true
				keys.Members = append(keys.Members, Member{s, Number(fmt.Sprint(i))})
			}
		}
		texts := &Object{}
		for i, v := range values {
			texts.Members = append(texts.Members, Member{fmt.Sprintf("t%d", i), v})
		}
		fields := &Object{[]Member{{"liste", values}, {"textes", texts}, {"cles", keys}}}
		d, err := NewAs(YAML11, fields, "", nil)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		inFlow, err := Parse([]byte("---\nliste: []\ntextes: {}\ncles: {}\n---\n")).Replace(fields, "", nil)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		quoted, err := Parse([]byte("---\nliste: [x]\ntextes: {t0: 'x'}\ncles: {z: 1}\n---\n")).Replace(fields, "", nil)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, d := range []*Document{d, inFlow, quoted} {
			if got := decodeAny(t, d); !means(plainly(fields), got) {
				t.Fatalf("round %d: yaml.v3 reads something else:\n%s", round, firstDifference(fields, got))
			}
			if ruby == nil {
				continue
			}
			got, err := ruby.load(d)
			if err != nil || !means(plainly(fields), got) {
				t.Fatalf("round %d: Psych reads something else: %v\n%s", round, err, firstDifference(fields, got))
			}
		}
	}
}

// plainly is a value as other libraries hold it.
func plainly(v Value) any {
	switch x := v.(type) {
	case *Object:
		m := make(map[string]any)
		for _, member := range x.Members {
			m[member.Key] = plainly(member.Value)
		}
		return m
	case []Value:
		list := make([]any, len(x))
		for i := range x {
			list[i] = plainly(x[i])
		}
		return list
	}
	return v
}

func firstDifference(fields *Object, got any) string {
	for _, m := range fields.Members {
		all, _ := got.(map[string]any)
		want := plainly(m.Value)
		switch x := want.(type) {
		case []any:
			list, _ := all[m.Key].([]any)
			for i := range x {
				if i >= len(list) || !means(x[i], list[i]) {
					return fmt.Sprintf("%s[%d]: want %q", m.Key, i, x[i])
				}
			}
		case map[string]any:
			for k, v := range x {
				if w, ok := all[m.Key].(map[string]any)[k]; !ok || !means(v, w) {
					return fmt.Sprintf("%s.%q: want %#v, got %#v", m.Key, k, v, w)
				}
			}
		}
	}
	return "nothing to name"
}

func TestWrap(t *testing.T) {
	text := "Le quai sera refait entre le phare et la criée,  par moitiés, sansinterruptionaucunepourlesbateaux du soir"
	for width := 20; width < 60; width++ {
		lines := wrap(text, width)
		if got := strings.Join(lines, " "); got != text {
			t.Errorf("width %d: got %q", width, got)
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > width && strings.Contains(strings.ReplaceAll(line, "  ", ""), " ") {
				t.Errorf("width %d: %q has %d", width, line, n)
			}
		}
	}
}
