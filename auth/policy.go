package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Action is what a role may do in a collection or with media.
type Action string

// The actions that a role can be granted.
const (
	Read    Action = "read"
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Publish Action = "publish"
)

// Actions lists every action, in the order in which they are explained.
func Actions() []Action { return []Action{Read, Create, Update, Delete, Publish} }

// Two names stand beside those of the collections in a role.
const (
	Media = "media" // the media folder
	Every = "*"     // every collection, but not media
)

// Policy says what each role may do. It never changes.
type Policy struct {
	roles map[string]map[string][]Action
}

// NewPolicy makes a policy of roles: for each role, and each collection,
// [Media] or [Every], the actions. What it does not grant is refused. Who may
// change a collection must be able to read it too, because the answer to a
// change shows the entry. The error names everything that is wrong.
func NewPolicy(roles map[string]map[string][]string, collections []string) (*Policy, error) {
	p := &Policy{roles: make(map[string]map[string][]Action, len(roles))}
	var errs []error
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		grants := make(map[string][]Action, len(roles[role]))
		for _, target := range slices.Sorted(maps.Keys(roles[role])) {
			if target != Every && target != Media && !slices.Contains(collections, target) {
				errs = append(errs, fmt.Errorf("role %q: there is no collection %q", role, target))
			}
			actions := roles[role][target]
			if target != Media && len(actions) > 0 && !slices.Contains(actions, string(Read)) {
				errs = append(errs, fmt.Errorf("role %q, %q: there is no %q, without which nothing can be edited or answered", role, target, Read))
			}
			for _, name := range actions {
				a := Action(name)
				if !slices.Contains(Actions(), a) {
					errs = append(errs, fmt.Errorf("role %q, %q: there is no action %q; use %s", role, target, name, actionNames()))
				}
				grants[target] = append(grants[target], a)
			}
		}
		p.roles[role] = grants
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// Can says whether one of pr's roles allows a in collection, which may also be
// [Media], and pr's limits leave it. Roles that the policy does not know allow
// nothing; nor does a nil Principal.
func (p *Policy) Can(pr *Principal, a Action, collection string) bool {
	if pr == nil || !pr.Limits.Allow(a, collection) {
		return false
	}
	for _, role := range pr.Roles {
		grants := p.roles[role]
		if slices.Contains(grants[collection], a) ||
			collection != Media && slices.Contains(grants[Every], a) {
			return true
		}
	}
	return false
}

// Actions are those that pr may do in collection, in the order of [Actions].
func (p *Policy) Actions(pr *Principal, collection string) []Action {
	return slices.DeleteFunc(Actions(), func(a Action) bool { return !p.Can(pr, a, collection) })
}

// Knows says whether pr has a role that the policy knows.
func (p *Policy) Knows(pr *Principal) bool {
	return pr != nil && slices.ContainsFunc(pr.Roles, func(role string) bool {
		_, ok := p.roles[role]
		return ok
	})
}

func actionNames() string {
	var names []string
	for _, a := range Actions() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}
