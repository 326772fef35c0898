package auth

import (
	"slices"

	"cms/content"
)

// Limits narrow what the roles of a token allow: for each collection, [Media]
// or [Every], the actions that are left. They grant nothing by themselves. Nil
// is no limit.
type Limits map[string][]Action

// LimitsClaim is the claim that holds the limits of a token, whoever issued it:
// {"consultations": ["read"]}.
const LimitsClaim = "cms_limits"

// Allow says whether a in target, a collection, [Media] or [Webhooks], is within l.
func (l Limits) Allow(a Action, target string) bool {
	return l == nil || slices.Contains(l[target], a) || !beside(target) && slices.Contains(l[Every], a)
}

// limitsOf reads the limits among verified claims, which may be nil. What cannot
// be read must not be taken for no limit, so ok is false then.
func limitsOf(claims *content.Object) (l Limits, ok bool) {
	v, there := claims.Get(LimitsClaim)
	if !there {
		return nil, true
	}
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
