package site_test

import (
	"strings"
	"testing"

	"cms/auth"
	"cms/site"
)

// Blocks are for whoever may preview, and refused as the preview is.
func TestBlocks(t *testing.T) {
	t.Parallel()
	f := newSite(t)
	page, err := f.Blocks(t.Context(), f.editor, "# Un\n\n<script>a()</script>\n\nDeux [a]\n\n[a]: /b\n")
	if err != nil || len(page.Blocks) != 4 || page.Blocks[2].HTML != "<p>Deux <a href=\"/b\">a</a></p>\n" || page.Blocks[1].HTML != "\n" {
		t.Errorf("got %+v, %v", page, err)
	}
	_, err = f.Blocks(t.Context(), &auth.Principal{Subject: "eve", Roles: []string{"stranger"}}, "a")
	refused(t, err, site.Forbidden, "")
	_, err = f.Blocks(t.Context(), f.editor, strings.Repeat("- ", 8000)+"a")
	refused(t, err, site.Invalid, "")
	_, err = f.Blocks(t.Context(), f.editor, strings.Repeat("a", site.MaxPreviewBytes+1))
	refused(t, err, site.Invalid, "")
}
