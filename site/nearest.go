package site

import (
	"context"
	"strings"

	"cms/content"
	"cms/say"
)

// nearest is the one of names that a name is the least typing errors away from, in lower
// case; "" when none is near.
func nearest(name string, names []string) string {
	best, distance := "", 1+max(1, min(3, len(name)/3))
	name = strings.ToLower(name)
	for _, known := range names {
		if d := edits(name, strings.ToLower(known)); d < distance {
			best, distance = known, d
		}
	}
	return best
}

// edits counts the bytes to insert, remove, replace or swap with the next one to make b
// of a.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// didYouMean is a sentence that names the name which a caller may have meant, "" for none.
func didYouMean(name string, names []string) say.Text {
	if best := nearest(name, names); best != "" && len(name) <= MaxFieldPath {
		return say.New("Did you mean %q?", best)
	}
	return say.Text{}
}

// names are those that the caller can filter and sort by: of the schema, of what is the
// entries' own, and of the fields that entries have which they see.
func (acc *access) names(ctx context.Context) []string {
	var names []string
	var walk func(fields []content.Field, in string)
	walk = func(fields []content.Field, in string) {
		for i := range fields {
			f := &fields[i]
			if in == "" && acc.alwaysHides(f.Name) {
				continue
			}
			names = append(names, in+f.Name)
			for f.Type == content.TypeList && f.Of != nil {
				f = f.Of
			}
			walk(f.Fields, in+fields[i].Name+".")
		}
	}
	walk(acc.Schema.Fields, "")
	names = append(names, ownList()...)
	all := &list{access: acc, snap: acc.site.repo.View()}
	if keys, err := acc.site.facets.count(ctx, acc.site, all, typedPath{path: keysOfEntries}, MaxFacetValues); err == nil { // otherwise fewer are known
		for _, v := range keys.Values {
			if key, ok := v.Value.(string); ok {
				names = append(names, key)
			}
		}
	}
	return names
}
