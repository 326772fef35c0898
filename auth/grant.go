package auth

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"cms/content"
)

// Grant is what a role may do in a collection, or with one of [Beside].
type Grant struct {
	Actions []Action

	// Of a collection. Fields are the top-level ones of the front matter.
	Hide     []string    // fields that the role neither sees nor sets
	ReadOnly []string    // fields that it sees and does not set
	Where    []Condition // the entries that the grant is for: those that meet all of them

	// Of media: the folders that the grant is for, below the media folder. None
	// is the whole of it.
	Paths []string
}

// Condition holds for the entries whose field has one of some values, or is a
// list with one of them.
type Condition struct {
	Field  string          // a top-level one
	Values []content.Value // texts, numbers and booleans
	Claim  string          // the claim of the caller's token that holds the values, instead of Values
}

// Allows says whether the grant is of the action a.
func (g Grant) Allows(a Action) bool { return slices.Contains(g.Actions, a) }

// Whole says whether the grant is for every entry, with every field.
func (g Grant) Whole() bool { return g.EveryEntry() && len(g.Hide) == 0 }

// EveryEntry says whether the grant is for every entry, whatever it holds.
func (g Grant) EveryEntry() bool { return len(g.Where) == 0 }

// ConditionFields are the fields in which the entries of the grant have certain values.
func (g Grant) ConditionFields() (names []string) {
	for _, c := range g.Where {
		names = append(names, c.Field)
	}
	return names
}

// Unlimited says whether the grant is for all that there is, and for every part of it.
func (g Grant) Unlimited() bool { return g.Whole() && len(g.ReadOnly) == 0 && len(g.Paths) == 0 }

// Covers says whether the grant is for an entry with these fields. The claims
// of its conditions must have been replaced, as [Policy.Grants] does.
func (g Grant) Covers(fields *content.Object) bool {
	for _, c := range g.Where {
		if v, ok := fields.Get(c.Field); !ok || !c.holds(v) {
			return false
		}
	}
	return true
}

func (c Condition) holds(v content.Value) bool {
	if list, ok := v.([]content.Value); ok {
		return slices.ContainsFunc(list, c.has)
	}
	return c.has(v)
}

func (c Condition) has(v content.Value) bool {
	return slices.ContainsFunc(c.Values, func(w content.Value) bool { return content.Equal(v, w) })
}

// reaches says whether the grant is for the file at name, a path below the
// media folder.
func (g Grant) reaches(name string) bool {
	return len(g.Paths) == 0 || slices.ContainsFunc(g.Paths, func(folder string) bool {
		return strings.HasPrefix(name, folder+"/")
	})
}

// resolve is g with the claims of pr in its conditions.
func (g Grant) resolve(pr *Principal) Grant {
	resolved := slices.Clone(g.Where)
	for i := range resolved {
		if c := &resolved[i]; c.Claim != "" {
			c.Values = valuesOf(claimAt(pr.Claims, c.Claim))
		}
	}
	g.Where = resolved
	return g
}

// valuesOf are the values of a claim: itself, or the items of a list. What is
// neither a text, a number nor a boolean is none.
func valuesOf(claim content.Value) []content.Value {
	list, ok := claim.([]content.Value)
	if !ok {
		list = []content.Value{claim}
	}
	return slices.DeleteFunc(slices.Clone(list), func(v content.Value) bool { return !plain(v) })
}

// plain says whether a field of an entry can be compared with v.
func plain(v content.Value) bool {
	switch v.(type) {
	case string, bool, content.Number:
		return true
	}
	return false
}

// check says what is wrong with a grant for target.
func (g Grant) check(target string) []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !beside(target) && len(g.Actions) > 0 && !g.Allows(Read) {
		wrong("there is no %q, without which nothing can be edited or answered", Read)
	}
	for _, a := range g.Actions {
		if !slices.Contains(Actions(), a) {
			wrong("there is no action %q; use %s", a, actionNames())
		}
	}
	if (target == Webhooks || target == Repository) && g.Allows(Publish) {
		wrong("%s cannot be granted %s", target, Publish)
	}
	if target == Repository && len(g.Actions) > 0 && !g.Allows(Read) {
		wrong("there is no %q, without which nothing can be pushed", Read)
	}
	if beside(target) && (len(g.Hide) > 0 || len(g.ReadOnly) > 0 || !g.EveryEntry()) {
		wrong("hide, read_only and where are for collections; media is limited by paths")
	}
	if target != Media && len(g.Paths) > 0 {
		wrong("paths are for media; limit a collection by where")
	}
	for _, p := range g.Paths {
		if p == "" || p == "." || p != path.Clean(p) || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "..") {
			wrong("the path %q is not a folder below the media folder, such as photos/valmont", p)
		}
	}
	for _, c := range g.Where {
		if err := c.check(g.Hide); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (c Condition) check(hidden []string) error {
	switch {
	case slices.Contains(hidden, c.Field):
		return fmt.Errorf("where asks for the field %q, which hide takes away", c.Field)
	case (c.Claim == "") == (len(c.Values) == 0):
		return fmt.Errorf("where has to give the values of the field %q, or the claim that holds them", c.Field)
	}
	if slices.ContainsFunc(c.Values, func(v content.Value) bool { return !plain(v) }) {
		return errors.New("where compares with texts, numbers and booleans only")
	}
	return nil
}
