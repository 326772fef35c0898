package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cms/say"
)

// Action is what a role may do in a collection or with media.
type Action string

// The actions that a role can be granted. Publish is the right to change the
// fields that a collection names as those which publish an entry; it comes on
// top of Create and Update.
const (
	Read    Action = "read"
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Publish Action = "publish"
)

// actions are those that there are, in the order in which they are explained, and what each
// does, in the sentence of a refusal.
var actions = []struct {
	name Action
	says say.Text
}{
	{Read, say.New("read")},
	{Create, say.New("create")},
	{Update, say.New("update")},
	{Delete, say.New("delete")},
	{Publish, say.New("publish")},
}

// Say is what the action does, in the sentence of a refusal.
func (a Action) Say() say.Text {
	for _, known := range actions {
		if known.name == a {
			return known.says
		}
	}
	return say.Verbatim(string(a))
}

// Actions lists every action, in the order in which they are explained.
func Actions() []Action {
	all := make([]Action, len(actions))
	for i, a := range actions {
		all[i] = a.name
	}
	return all
}

// These names stand beside those of the collections in a role.
const (
	Media    = "media"    // the media folder
	Webhooks = "webhooks" // the service's webhooks: endpoints, deliveries, deployments
	Every    = "*"        // every collection that the role does not name, and nothing else

	// Repository is the Git repository itself: Read is to clone it, Update to change files
	// that are of no collection and no media, Create and Delete are about other branches
	// and tags.
	Repository = "repository"
)

// Beside are the names in roles that are of no collection.
func Beside() []string { return []string{Media, Webhooks, Repository} }

// beside says whether target is not a collection.
func beside(target string) bool { return slices.Contains(Beside(), target) }

// Policy says what each role may do. It never changes.
type Policy struct {
	roles map[string]map[string]Grant
}

// NewPolicy makes a policy of roles: for each role, and each collection,
// one of [Beside] or [Every], what is granted. What it does not grant is refused. Who
// may change a collection must be able to read it too, because the answer to a
// change shows the entry. The error names everything that is wrong.
func NewPolicy(roles map[string]map[string]Grant, collections []string) (*Policy, error) {
	var errs []error
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		for _, target := range slices.Sorted(maps.Keys(roles[role])) {
			if target != Every && !beside(target) && !slices.Contains(collections, target) {
				errs = append(errs, fmt.Errorf("role %q: there is no collection %q", role, target))
			}
			for _, wrong := range roles[role][target].check(target) {
				errs = append(errs, fmt.Errorf("role %q, %q: %w", role, target, wrong))
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Policy{roles: roles}, nil
}

// Grants are what pr's roles grant in collection, one for each role that grants
// something there, less what pr's limits take away, with the claims in their
// conditions replaced by what pr's token says. Roles that the policy does not
// know grant nothing; nor does a nil Principal.
//
// Together they grant what at least one of them does. In one role, what stands
// under a collection's name stands instead of what stands under [Every].
func (p *Policy) Grants(pr *Principal, collection string) []Grant {
	if pr == nil {
		return nil
	}
	var grants []Grant
	for _, role := range pr.Roles {
		g, ok := p.roles[role][collection]
		if !ok && !beside(collection) {
			g = p.roles[role][Every]
		}
		g.Actions = slices.DeleteFunc(slices.Clone(g.Actions), func(a Action) bool { return !pr.Limits.Allow(a, collection) })
		if len(g.Actions) > 0 {
			grants = append(grants, g.resolve(pr))
		}
	}
	return grants
}

// Can says whether one of pr's roles allows a in collection, for some entries
// at least. The collection may also be one of [Beside].
func (p *Policy) Can(pr *Principal, a Action, collection string) bool {
	return slices.ContainsFunc(p.Grants(pr, collection), func(g Grant) bool { return g.Allows(a) })
}

// CanMedia says whether one of pr's roles allows a for the file at path, below
// the media folder and separated by slashes.
func (p *Policy) CanMedia(pr *Principal, a Action, path string) bool {
	return slices.ContainsFunc(p.Grants(pr, Media), func(g Grant) bool { return g.Allows(a) && g.reaches(path) })
}

// Actions are those that pr may do in collection, in the order of [Actions].
func (p *Policy) Actions(pr *Principal, collection string) []Action {
	grants := p.Grants(pr, collection)
	return slices.DeleteFunc(Actions(), func(a Action) bool {
		return !slices.ContainsFunc(grants, func(g Grant) bool { return g.Allows(a) })
	})
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
