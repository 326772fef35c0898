package api

import (
	"net/http"

	"cms/content"
	"cms/say"
	"cms/site"
	"cms/web"
)

// InCollection is the path parameter that names a collection.
type InCollection struct {
	Collection string `path:"collection" doc:"The collection's name." example:"consultations"`
}

// AtEntry is the path parameters that name an entry.
type AtEntry struct {
	InCollection
	Slug string `path:"slug" doc:"The entry's slug; may hold slashes, encoded or not." example:"plan-velo"`
}

func (p AtEntry) ref() (site.Ref, error) {
	slug, err := parseSlug(p.Slug)
	return site.Ref{Collection: p.Collection, Slug: slug}, err
}

func parseSlug(s string) (content.Slug, error) {
	slug, err := content.ParseSlug(s)
	if err != nil {
		p := web.NewProblem(http.StatusBadRequest, say.New("The slug cannot name a file of the collection."))
		p.Errors = []web.Fault{{Pointer: "slug", Rule: "slug", Detail: say.New("The %s.", err)}}
		return slug, p
	}
	return slug, nil
}

// AtMedia is the path parameter that names a file.
type AtMedia struct {
	Path string `path:"path" doc:"Of the file, below the media folder; may hold slashes." example:"photos/atelier.jpg"`
}
