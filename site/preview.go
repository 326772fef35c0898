package site

import (
	"context"
	"errors"

	"cms/auth"
	"cms/preview"
)

// MaxPreviewBytes is the longest text that is shown.
const MaxPreviewBytes = preview.MaxBytes

// MayPreview refuses who holds no role here. It needs no text.
func (s *Site) MayPreview(pr *auth.Principal) error {
	if !s.policy.Knows(pr) {
		return errNoRole()
	}
	return nil
}

// Preview is Markdown as safe HTML, roughly as the site will show it, for
// whoever holds a role here. It ends with ctx.
func (s *Site) Preview(ctx context.Context, pr *auth.Principal, markdown string) (string, error) {
	if err := s.MayPreview(pr); err != nil {
		return "", err
	}
	html, err := s.preview.HTML(ctx, markdown)
	return html, notShown(err)
}

// notShown is what a preview fails with, for who asked for it.
func notShown(err error) error {
	if refused := (*preview.RefusedError)(nil); errors.As(err, &refused) {
		return &Error{Code: Invalid, Detail: refused.Detail, Err: err}
	}
	if errors.Is(err, preview.ErrBusy) {
		return &Error{Code: Unavailable, Detail: "Too many previews are being made. Try again in a moment.", Err: err}
	}
	return err
}
