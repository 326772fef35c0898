package site

import (
	"cms/auth"
	"cms/repo"
)

// Misplaced are the files that stand where entries do and are none, for who sees every
// entry of every collection: of others nothing could say whether they would see them.
func (s *Site) Misplaced(pr *auth.Principal) ([]repo.MisplacedFile, error) {
	if !s.policy.Knows(pr) {
		return nil, errNoRole()
	}
	if !s.seesAll(pr) {
		return nil, nil
	}
	return s.repo.View().Misplaced()
}
