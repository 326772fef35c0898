package inbound

import (
	"net/http"
	"slices"
	"strings"
)

// A provider is how one Git host signs and tells a push.
type provider struct {
	name     string
	verifier func(secret string, header http.Header) verifier // nil where the header cannot be valid for the secret
	event    string                                           // the header that says what happened
	pushes   []string                                         // what it says of a push
	refs     func(*movedRefs) *pick
}

func (p *provider) isPush(header http.Header) bool {
	return slices.Contains(p.pushes, header.Get(p.event))
}

// providers are the hosts whose hooks are understood, as their documentation of
// webhooks says.
var providers = []provider{
	{"github", hexHMAC("X-Hub-Signature-256", "sha256="), "X-GitHub-Event", []string{"push"}, oneRef},
	{"gitlab", gitlabVerifier, "X-Gitlab-Event", []string{"Push Hook", "System Hook"}, oneRef},
	{"gitea", hexHMAC("X-Gitea-Signature", ""), "X-Gitea-Event", []string{"push"}, oneRef},
	{"forgejo", hexHMAC("X-Forgejo-Signature", ""), "X-Forgejo-Event", []string{"push"}, oneRef},
	{"bitbucket", hexHMAC("X-Hub-Signature", "sha256="), "X-Event-Key", []string{"repo:push", "repo:refs_changed"}, changedRefs},
}

// Providers are the names of the Git hosts whose hooks are understood.
func Providers() []string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.name
	}
	return names
}

// providerOf is the provider of that name, nil for one that is not known.
func providerOf(name string) *provider {
	if i := slices.IndexFunc(providers, func(p provider) bool { return p.name == name }); i >= 0 {
		return &providers[i]
	}
	return nil
}

// oneRef picks from the push of a host that tells each reference by itself. Of
// GitLab's system hooks, event_name says which are pushes.
func oneRef(m *movedRefs) *pick {
	var ref, event string
	return &pick{
		members: map[string]*pick{
			"ref":        {text: func(s string) { ref = s }},
			"event_name": {text: func(s string) { event = s }},
		},
		end: func() {
			if event == "" || event == "push" {
				m.add(ref)
			} else {
				m.told = true
			}
		},
	}
}

// changedRefs picks from a push of Bitbucket: the cloud's changes have a new and an
// old branch, of which a deleted one has the old alone, those of a data center a
// reference.
func changedRefs(m *movedRefs) *pick {
	type target struct {
		there      bool
		kind, name string
	}
	var now, before target
	side := func(t *target) *pick {
		return &pick{
			members: map[string]*pick{
				"type": {text: func(s string) { t.kind = s }},
				"name": {text: func(s string) { t.name = s }},
			},
			end: func() { t.there = true },
		}
	}
	return &pick{members: map[string]*pick{
		"push": {members: map[string]*pick{"changes": {
			members: map[string]*pick{"new": side(&now), "old": side(&before)},
			end: func() {
				t := now
				if !t.there {
					t = before
				}
				if m.told = true; t.kind == "branch" {
					m.add("refs/heads/" + t.name)
				}
				now, before = target{}, target{}
			},
		}}},
		"changes": {members: map[string]*pick{"refId": {text: m.add}}, end: func() { m.told = true }},
	}}
}

// maxBranches is how many names of moved branches are told of one push.
const maxBranches = 100

// movedRefs are the references that a push moved.
type movedRefs struct {
	branch      string // whose move matters
	branchMoved bool   // it was among them
	told        bool   // the body had the place where references stand, if only an empty one
	branches    []string
}

func (m *movedRefs) add(ref string) {
	m.told = m.told || ref != ""
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return
	}
	m.branchMoved = m.branchMoved || name == m.branch
	if len(m.branches) < maxBranches {
		m.branches = append(m.branches, name)
	}
}
