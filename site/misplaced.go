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

// Twins are entries of a collection that are one file on some systems, as their slugs
// differ in case or in the Unicode form of accents alone: those alike one after the other,
// for who sees every entry of every collection.
func (s *Site) Twins(pr *auth.Principal, collection string) ([]Ref, error) {
	if _, err := s.access(pr, collection); err != nil {
		return nil, err
	}
	if !s.seesAll(pr) {
		return nil, nil
	}
	return s.unique.twins(s.repo.View(), collection), nil
}
