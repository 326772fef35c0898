package auth

import "slices"

// Limits narrow what the roles of a token allow: for each collection, [Media]
// or [Every], the actions that are left. They grant nothing by themselves. Nil
// is no limit.
type Limits map[string][]Action

// LimitsClaim is the claim that holds the limits of a token, whoever issued it:
// {"consultations": ["read"]}.
const LimitsClaim = "cms_limits"

// Allow says whether a in target, a collection or [Media], is within l.
func (l Limits) Allow(a Action, target string) bool {
	return l == nil || slices.Contains(l[target], a) || target != Media && slices.Contains(l[Every], a)
}

// limitsOf reads the limits of verified claims. What cannot be read must not
// be taken for no limit, so ok is false then.
func limitsOf(claims map[string]any) (l Limits, ok bool) {
	v, there := claims[LimitsClaim]
	if !there {
		return nil, true
	}
	targets, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	l = make(Limits, len(targets))
	for target, v := range targets {
		names, ok := v.([]any)
		if !ok {
			return nil, false
		}
		for _, name := range names {
			a, ok := name.(string)
			if !ok {
				return nil, false
			}
			l[target] = append(l[target], Action(a))
		}
	}
	return l, true
}
