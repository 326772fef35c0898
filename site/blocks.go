package site

import (
	"context"

	"cms/auth"
	"cms/preview"
)

// Blocks are the blocks that a Markdown text is made of, with the HTML that [Site.Preview]
// has for each, for whoever may preview. It ends with ctx.
func (s *Site) Blocks(ctx context.Context, pr *auth.Principal, markdown string) (*preview.Page, error) {
	if err := s.MayPreview(pr); err != nil {
		return nil, err
	}
	page, err := s.preview.Blocks(ctx, markdown)
	return page, notShown(err)
}
