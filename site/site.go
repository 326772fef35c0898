// Package site is what the product does: it reads, lists, edits and deletes
// the entries of a site's collections, for someone, by the rules of the site.
//
// Each operation is authorized, validated and committed here and nowhere else,
// so that the HTTP API, the form and the command line give the same answers.
package site

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"cms/advice"
	"cms/auth"
	"cms/content"
	"cms/lfs"
	"cms/preview"
	"cms/repo"
	"cms/say"
	"cms/trace"
)

// Site is the collections of one repository. It is safe for concurrent use.
type Site struct {
	repo        *repo.Repo
	policy      *auth.Policy
	collections []*content.Collection // in the order of the configuration
	byName      map[string]*content.Collection
	crossRules  map[string]*content.Schema // by collection; see [crossRules]
	preview     *preview.Renderer
	adviceOff   []advice.Rule
	advices     adviceCache
	looks       looks
	thumbs      thumbs
	media       MediaOptions
	objects     *lfs.Objects  // nil: what Git LFS keeps is neither served nor stored
	language    string        // of the subjects of commits
	uploads     chan struct{} // holds one value for each file that is made ready
	words       *wordIndex
	languages   []string // of the collections, each once
	log         *slog.Logger
	selections  selectionCache
	facets      facetCache
	views       *viewCache
	documents   documentCache
	commits     commitCache
	revisions   *revisionCache
	budgets     *budgets
	unique      uniqueIndexes
	mentions    mentionIndexes // of entries, by their references
	usedFiles   mentionIndexes // of files, by what is like a name of one in entries
	updates     updateCache
	head        atomic.Pointer[headName]
	traces      *lru.Cache[repo.Hash, trace.Context] // of the requests that made the last commits
}

// headName is a commit that readers see, and its name, which many ask for.
type headName struct {
	hash repo.Hash
	name string
}

// Options are what a Site is made of. All but AdviceOff, Media, Objects and Logger are required.
type Options struct {
	Repo        *repo.Repo
	Policy      *auth.Policy
	Collections []content.Collection
	AdviceOff   []advice.Rule // which nobody is told of
	Media       MediaOptions
	Objects     *lfs.Objects // of the repository; without, what Git LFS keeps is neither served nor stored
	Language    string       // of the subjects of commits, one of [say.Languages]; "" is English
	Logger      *slog.Logger
}

// New makes the site of o.Repo.
func New(o Options) (*Site, error) {
	if o.Repo == nil || o.Policy == nil {
		return nil, errors.New("site: a repository and a policy are required")
	}
	s := &Site{
		repo:       o.Repo,
		policy:     o.Policy,
		byName:     make(map[string]*content.Collection, len(o.Collections)),
		crossRules: make(map[string]*content.Schema, len(o.Collections)),
		preview:    preview.New(),
		adviceOff:  o.AdviceOff,
		advices:    newAdviceCache(),
		looks:      newLooks(),
		thumbs:     newThumbs(),
		media:      o.Media,
		objects:    o.Objects,
		language:   o.Language,
		uploads:    make(chan struct{}, maxUploads),
		log:        o.Logger,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for i := range o.Collections {
		c := &o.Collections[i]
		if s.byName[c.Name] != nil {
			return nil, fmt.Errorf("site: two collections are called %q", c.Name)
		}
		s.collections = append(s.collections, c)
		s.byName[c.Name] = c
		s.crossRules[c.Name] = crossRules(&c.Schema)
	}
	s.words = newWordIndex(s.collections, s.awaitWarm, &s.selections.gate)
	for _, c := range s.collections {
		if code := languageOf(c); !slices.Contains(s.languages, code) {
			s.languages = append(s.languages, code)
		}
	}
	s.views, s.revisions, s.budgets = newViewCache(), newRevisionCache(), newBudgets()
	s.traces, _ = lru.New[repo.Hash, trace.Context](maxTraced) // whose only error is a size of 0
	s.unique.reading = s.repo.Warming
	s.mentions.keysOf, s.usedFiles.keysOf = s.referenceKeys, s.fileKeys
	return s, nil
}

// Collection is one collection as a caller sees it: without the fields that are
// hidden from them, and with those read-only that they may not set.
type Collection struct {
	*content.Collection
	Total   int           // entries
	Actions []auth.Action // what the caller may do there, with some entries at least
}

// Collections are those that pr may do something in, in the order of the
// configuration.
func (s *Site) Collections(ctx context.Context, pr *auth.Principal) ([]Collection, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	var cs []Collection
	for _, c := range s.collections {
		seen, err := s.Collection(ctx, pr, c.Name)
		switch refused := (*Error)(nil); {
		case err == nil:
			cs = append(cs, seen)
		case !errors.As(err, &refused) || refused.Code == Unavailable:
			return nil, err
		}
	}
	return cs, nil
}

// Permissions are what pr may do in each collection, and with each of [auth.Beside]; for some entries at least. What pr may do nothing in is not there.
func (s *Site) Permissions(pr *auth.Principal) map[string][]auth.Action {
	all := map[string][]auth.Action{}
	add := func(target string) {
		if actions := s.policy.Actions(pr, target); len(actions) > 0 {
			all[target] = actions
		}
	}
	for _, c := range s.collections {
		add(c.Name)
	}
	for _, target := range auth.Beside() {
		add(target)
	}
	return all
}

// MayOperate says whether pr may do a with the service's webhooks; Forbidden when
// not.
func (s *Site) MayOperate(pr *auth.Principal, a auth.Action) error {
	switch {
	case !s.policy.Knows(pr):
		return errNoRole()
	case !s.policy.Can(pr, a, auth.Webhooks):
		return &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s webhooks. Ask for a token with a role that does.", a)}
	}
	return nil
}

// SeesDeliveries says whether pr may be told what events are about and what was
// answered to them, which may repeat them: who sees every entry with every field.
func (s *Site) SeesDeliveries(pr *auth.Principal) bool { return s.seesAll(pr) }

// SeesMedia says whether pr may read a file of the media folder.
func (s *Site) SeesMedia(pr *auth.Principal, name string) bool {
	return s.policy.CanMedia(pr, auth.Read, name)
}

// Has says whether there is a collection called name, whoever may see it.
func (s *Site) Has(name string) bool {
	return slices.ContainsFunc(s.collections, func(c *content.Collection) bool { return c.Name == name })
}

// Collection is the collection called name. To count the entries that pr sees, where
// that is not all of them, may take longer than ctx, and then what was done for it is
// not lost to the next one who asks.
func (s *Site) Collection(ctx context.Context, pr *auth.Principal, name string) (Collection, error) {
	acc, err := s.access(pr, name)
	if err != nil {
		return Collection{}, err
	}
	c := Collection{acc.describe(), 0, s.policy.Actions(pr, name)}
	if c.Total = s.repo.View().Len(name); acc.full {
		return c, nil
	}
	acc.budget = s.budget(ctx, pr, scanBudget)
	seen, err := s.find(ctx, &list{access: acc})
	c.Total = seen.len()
	return c, err
}

func errNoRole() error {
	return &Error{Code: Forbidden, Detail: say.New("Your token has no role of this site. Ask for a token with one of its roles.")}
}

// Head is the commit that readers see, in hexadecimal, empty before the first
// one, and a channel that is closed when there is a newer one.
func (s *Site) Head() (commit string, superseded <-chan struct{}) {
	snap := s.repo.View()
	known := s.head.Load()
	if known == nil || known.hash != snap.Commit() {
		known = &headName{snap.Commit(), hexOrEmpty(snap.Commit())}
		s.head.Store(known)
	}
	return known.name, snap.Superseded()
}

// Await returns once entries are read from a snapshot that has a commit, or when ctx
// ends. ErrGone for a commit that will not come.
func (s *Site) Await(ctx context.Context, commit string) error {
	err := s.repo.Await(ctx, repo.NewHash(commit))
	if errors.Is(err, repo.ErrUnknownCommit) {
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// Position is the place of a commit in the history of the branch, as
// [repo.Repo.Position] has it; false for one that is not there.
func (s *Site) Position(commit string) (int, bool) { return s.repo.Position(hashOf(commit)) }

// hashOf is [repo.NewHash] without what it allocates: streams ask for each of their watchers.
func hashOf(commit string) (hash repo.Hash) {
	if len(commit) != hex.EncodedLen(len(hash)) {
		return hash
	}
	if _, err := hex.Decode(hash[:], []byte(commit)); err != nil {
		return repo.Hash{}
	}
	return hash
}

// Depth is how deep in the history a commit is, as [repo.Repo.Depth] has it; false
// for one that is not there.
func (s *Site) Depth(commit string) (int, bool) { return s.repo.Depth(repo.NewHash(commit)) }

// Backup is the name of the reference that keeps a commit which the branch no longer
// leads to, as [repo.Repo.Backup] has it.
func (s *Site) Backup(ctx context.Context, commit string) (string, error) {
	return s.repo.Backup(ctx, repo.NewHash(commit))
}

// Continues says whether one can catch up from a commit, as [repo.Repo.Continues] has it.
func (s *Site) Continues(commit string) bool { return s.repo.Continues(hashOf(commit)) }

// HasCommit says whether the branch has a commit itself, as [repo.Repo.Has] has it.
func (s *Site) HasCommit(commit string) bool { return s.repo.Has(repo.NewHash(commit)) }

// Rewritten is how often commits were taken from the branch, as [repo.Repo.Rewritten] has it.
func (s *Site) Rewritten() int { return s.repo.Rewritten() }

func hexOrEmpty(h repo.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}
