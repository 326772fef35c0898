package auth

import (
	"maps"
	"slices"
	"strings"

	"cms/content"
)

// Limits narrow what the roles of a token allow: for each collection, one of [Beside]
// or [Every], the actions that are left. They grant nothing by themselves. Nil
// is no limit.
type Limits map[string][]Action

// LimitsClaim is the claim that holds the limits of a token, whoever issued it:
// {"consultations": ["read"]}.
const LimitsClaim = "cms_limits"

// String says what is left, for people: "everything", "*: read; media: read".
func (l Limits) String() string {
	if l == nil {
		return "everything"
	}
	var parts []string
	for _, target := range slices.Sorted(maps.Keys(l)) {
		var names []string
		for _, a := range l[target] {
			names = append(names, string(a))
		}
		parts = append(parts, target+": "+strings.Join(names, " "))
	}
	return strings.Join(parts, "; ")
}

// Allow says whether a in target, a collection or one of [Beside], is within l.
func (l Limits) Allow(a Action, target string) bool {
	return l == nil || slices.Contains(l[target], a) || !beside(target) && slices.Contains(l[Every], a)
}

// Narrow are the limits of a token that is only for these actions, with these targets;
// naming none of either means all of them, and none of both no limit.
func Narrow(targets []string, actions []Action) Limits {
	if len(targets) == 0 && len(actions) == 0 {
		return nil
	}
	if len(targets) == 0 {
		targets = append(Beside(), Every)
	}
	if len(actions) == 0 {
		actions = Actions()
	}
	l := make(Limits, len(targets))
	for _, target := range targets {
		l[target] = actions
	}
	return l
}

// limitsOf reads the limits among verified claims, which may be nil. What cannot
// be read must not be taken for no limit, so ok is false then.
func limitsOf(claims *content.Object) (l Limits, ok bool) {
	v, there := claims.Get(LimitsClaim)
	if !there {
		return nil, true
	}
	return readLimits(v)
}

// readLimits reads limits as they are written; ok is false where they cannot be read.
func readLimits(v content.Value) (l Limits, ok bool) {
	targets, ok := v.(*content.Object)
	if !ok {
		return nil, false
	}
	l = make(Limits, targets.Len())
	for _, target := range targets.Members {
		names, ok := target.Value.([]content.Value)
		if !ok {
			return nil, false
		}
		for _, name := range names {
			a, ok := name.(string)
			if !ok {
				return nil, false
			}
			l[target.Key] = append(l[target.Key], Action(a))
		}
	}
	return l, true
}
