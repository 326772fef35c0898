package site

import (
	"errors"

	"cms/auth"
	"cms/preview"
)

// Preview is Markdown as safe HTML, roughly as the site will show it, for
// whoever holds a role here.
func (s *Site) Preview(pr *auth.Principal, markdown string) (string, error) {
	if !s.policy.Knows(pr) {
		return "", noRole()
	}
	html, err := s.preview.HTML(markdown)
	if refused := (*preview.RefusedError)(nil); errors.As(err, &refused) {
		return "", &Error{Code: Invalid, Detail: refused.Detail, Err: err}
	}
	return html, err
}
