package search

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slowly counts typing errors by their definition.
func slowly(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			default:
				cost := 1
				if x[i-1] == y[j-1] {
					cost = 0
				}
				rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
				if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
					rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
				}
			}
		}
	}
	return rows[len(x)][len(y)]
}

// TestVocabulary finds in random words what a look at each of them finds.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 7))
	random := func() string {
		letters := []rune("abcдé")
		var b strings.Builder
		for range 1 + r.IntN(7) {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	v, all := &vocabulary{}, map[known]bool{}
	for range 1500 {
		k := known{random(), "t"}
		v.add(k)
		all[k] = true
	}
	names := func(list []known) []string {
		var words []string
		for _, k := range list {
			words = append(words, k.word)
		}
		slices.Sort(words)
		return words
	}
	nearby := func(v *vocabulary, word string) []string {
		found, _ := v.near(word)
		return names(found)
	}
	for round := range 2 {
		for range 60 {
			word := random()
			var near, begin []known
			for k := range all {
				if slowly(word, k.word) <= 1 {
					near = append(near, k)
				}
				if isNear(word, k.word) != (slowly(word, k.word) <= 1) {
					t.Fatalf("%s and %s are %d errors apart", word, k.word, slowly(word, k.word))
				}
				if strings.HasPrefix(k.word, word) {
					begin = append(begin, k)
				}
			}
			if got, want := nearby(v, word), names(near); !slices.Equal(got, want) {
				t.Fatalf("near %s: got %v, want %v", word, got, want)
			}
			if got, want := slices.Collect(v.beginning(word)), names(begin); !slices.Equal(names(got), want) || !slices.IsSortedFunc(got, known.compare) {
				t.Fatalf("from %s on: got %v, want %v", word, got, want)
			}
		}
		if round == 0 {
			stays := func(word string) bool { return len(word)%2 == 0 }
			kept := &vocabulary{}
			for k := range all {
				delete(all, k)
				k.term = map[bool]string{true: "stays", false: "goes"}[stays(k.word)]
				kept.add(k)
			}
			const some = 100
			before, steps := len(kept.settled), 1
			for from, done := kept.keep(known{}, some, func(term string) bool { return term == "stays" }); !done; steps++ {
				from, done = kept.keep(from, some, func(term string) bool { return term == "stays" })
			}
			if want := max(1, (before+some-1)/some); steps != want {
				t.Errorf("%d words are looked at in %d steps, want %d", before, steps, want)
			}
			v = kept
			for k := range kept.from("") {
				all[k] = true
			}
			if len(all) == 0 {
				t.Fatal("nothing stays")
			}
		}
	}
}

// TestNearLooksAtFew: to find what is near a word takes a look at a small part of a large
// vocabulary.
func TestNearLooksAtFew(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 7))
	v := &vocabulary{}
	for range 60_000 {
		var b strings.Builder
		for range 4 + r.IntN(8) {
			b.WriteByte(byte('a' + r.IntN(26)))
		}
		v.settled = append(v.settled, known{b.String(), "t"})
	}
	slices.SortFunc(v.settled, known.compare)
	v.add(known{"partcipation", "t"})
	found, looked := v.near("participation")
	if len(found) != 1 {
		t.Errorf("got %v", found)
	}
	if looked > len(v.settled)/20 {
		t.Errorf("looked at %d of %d words", looked, len(v.settled))
	}
}

// isNear says whether two words are at most one typing error apart.
func isNear(a, b string) bool {
	d := newDistances(a)
	_, ok := d.to(b)
	return ok && d.last() <= 1
}
