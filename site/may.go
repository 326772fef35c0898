package site

import (
	"slices"

	"cms/auth"
	"cms/say"
)

// What a caller may do before anything is known of the edit that they want, so that
// it can be refused unread. Whoever may, is asked again with the edit itself.

// MayEdit refuses who may do none of these actions in a collection, with some entries
// at least.
func (s *Site) MayEdit(pr *auth.Principal, collection string, actions ...auth.Action) error {
	var refused error
	for _, a := range actions {
		_, err := s.access(pr, collection, a)
		if err == nil {
			return nil
		}
		if refused == nil {
			refused = err
		}
	}
	return refused
}

// MayUpdate refuses who may not change an entry, as readers see it now. One that is
// out of sight is refused as one that is not there.
func (s *Site) MayUpdate(pr *auth.Principal, ref Ref) error {
	acc, err := s.access(pr, ref.Collection, auth.Update)
	if err != nil {
		return err
	}
	e, ok := s.repo.View().Entry(ref.Collection, ref.Slug)
	if !ok || !acc.canRead(e) {
		return errNothingToUpdate()
	}
	if acc.hasConditions() && !acc.grantsFor(e.Fields()).allows(auth.Update) {
		return &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to %s this entry.", auth.Update)}
	}
	return nil
}

func errNothingToUpdate() error {
	return &Error{Code: NotFound, Detail: say.New("There is no such entry. To create it, send If-None-Match: * instead.")}
}

// MayWrite refuses who may change neither a collection nor media.
func (s *Site) MayWrite(pr *auth.Principal) error {
	if !s.policy.Knows(pr) {
		return errNoRole()
	}
	if slices.ContainsFunc([]auth.Action{auth.Create, auth.Update, auth.Delete}, func(a auth.Action) bool { return s.policy.Can(pr, a, auth.Media) }) {
		return nil
	}
	for _, c := range s.collections {
		if s.MayEdit(pr, c.Name, auth.Create, auth.Update, auth.Delete) == nil {
			return nil
		}
	}
	return &Error{Code: Forbidden, Detail: say.New("Your roles do not allow you to create, update or delete anything.")}
}

// MayMedia refuses who may not do a with the file of that name, and names that
// cannot be.
func (s *Site) MayMedia(pr *auth.Principal, name string, a auth.Action) error {
	_, err := s.mediaPath(pr, name, a)
	return err
}
