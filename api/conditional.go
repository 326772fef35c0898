package api

import (
	"net/http"

	"cms/say"
	"cms/site"
	"cms/web"
)

// Preconditions are the headers of a conditional write.
type Preconditions struct {
	IfMatch     string `header:"If-Match" doc:"The ETag of the revision that the edit is for, or * for whatever is there." example:"*"`
	IfNoneMatch string `header:"If-None-Match" doc:"* for what is not there yet: to create. ETags of revisions that must not be there."`
}

// parse joins the headers with the base of a merge.
func (c Preconditions) parse(base string) (site.Precondition, error) {
	pre := site.Precondition{Base: base}
	if base != "" && (c.IfMatch != "" || c.IfNoneMatch != "") {
		return pre, web.NewProblem(http.StatusBadRequest, say.New("The parameter base replaces If-Match and If-None-Match. Give one of them."))
	}
	if c.IfMatch != "" {
		t, err := web.ParseTags("If-Match", c.IfMatch)
		if err != nil {
			return pre, err
		}
		pre.Any, pre.Revisions = t.Any, t.Revisions()
	}
	if c.IfNoneMatch != "" {
		t, err := web.ParseTags("If-None-Match", c.IfNoneMatch)
		if err != nil {
			return pre, err
		}
		pre.Absent, pre.Not = t.Any, t.Revisions()
	}
	return pre, nil
}

// ofCollection holds the headers against the target of a request that adds to a
// collection: it is there, and has no entity tag.
func (c Preconditions) ofCollection() error {
	pre, err := c.parse("")
	if err != nil {
		return err
	}
	if pre.Revisions != nil && !pre.Any || pre.Absent {
		return web.NewProblem(http.StatusPreconditionFailed, say.New("If-Match and If-None-Match are about the path of the request, which is a collection and has no ETag. Leave them out; a slug that is taken is refused anyway."))
	}
	return nil
}
