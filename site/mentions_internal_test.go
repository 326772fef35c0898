package site

import (
	"fmt"
	"testing"

	"cms/content"
	"cms/repo"
)

// An entry takes as little room in an index with many mentions as with some, and leaves
// none behind.
func TestMentionsTakeBoundedRoom(t *testing.T) {
	for _, n := range []int{0, 1, maxMentions, maxMentions + 1, 20 * maxMentions} {
		x := &mentionIndex{slugs: map[string]map[content.Slug]struct{}{}, keys: map[content.Slug][]string{}}
		x.keysOf = func(*repo.Entry) (keys []string, cost int, ok bool) {
			for i := range n {
				keys = append(keys, fmt.Sprint(i, "."))
			}
			return keys, n, true
		}
		slug, err := content.ParseSlug("un")
		if err != nil {
			t.Fatal(err)
		}
		e := &repo.Entry{Slug: slug}
		if _, err := x.add(e); err != nil || len(x.slugs) > maxMentions {
			t.Errorf("%d mentions: %d keys, %v", n, len(x.slugs), err)
		}
		if x.remove(slug); len(x.slugs) > 0 || len(x.keys) > 0 {
			t.Errorf("%d mentions: %d are left", n, len(x.slugs))
		}
	}
}
