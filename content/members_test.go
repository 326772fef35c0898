package content

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Members are added, renamed and removed as in a slice of them.
func TestMembersKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"})
		it, want := fresh(&Object{}), []string{}
		for _, name := range rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "names") {
			it.value.(*Object).Members = append(it.value.(*Object).Members, Member{Key: name})
			want = append(want, name)
		}
		it.open()
		for range rapid.IntRange(0, 12).Draw(t, "edits") {
			name, other := names.Draw(t, "name"), names.Draw(t, "other")
			at := slices.Index(want, name)
			i, several := it.member(name)
			if (i >= 0) != (at >= 0) || several {
				t.Fatalf("%s is at %d (several: %v) where the members are %q", name, i, several, want)
			}
			switch {
			case at < 0 && slices.Contains(want, other):
				it.addMember(name, other)
				want = slices.Insert(want, slices.Index(want, other)+1, name)
			case at < 0:
				it.addMember(name, other)
				want = append(want, name)
			case rapid.Bool().Draw(t, "remove"):
				it.removeMember(i)
				want = slices.Delete(want, at, at+1)
			case !slices.Contains(want, other):
				it.renameMember(i, other)
				want[at] = other
			}
			if rapid.IntRange(0, 5).Draw(t, "compact") == 0 {
				it.compact()
			}
		}
		it.compact()
		got := []string{}
		for i := range it.parts {
			got = append(got, it.parts[i].name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
