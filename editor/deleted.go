package editor

import (
	"errors"
	"net/http"

	"cms/site"
)

// deletedView are the entries of a collection that are not there any more.
type deletedView struct {
	Collection site.Collection
	Label      string
	Items      []site.Deleted
	Next       string
	First      string
}

// deleted shows what was deleted, with the histories that it can be brought back from.
func (e *Editor) deleted(v *visit) error {
	ctx := v.r.Context()
	c, err := e.site.Collection(ctx, v.caller, v.r.PathValue("collection"))
	if err != nil {
		return err
	}
	cursor := v.r.URL.Query().Get("cursor")
	page, err := e.site.Deleted(ctx, v.caller, c.Name, cursor, pageSize)
	if refused := (*site.Error)(nil); errors.As(err, &refused) && refused.Code == site.Malformed && cursor != "" {
		return v.leadTo(v.address(map[string]string{"cursor": ""})) // of another history
	}
	if err != nil {
		return err
	}
	view := &deletedView{Collection: c, Label: v.label(c), Items: page.Items}
	if page.Next != "" {
		view.Next = v.address(map[string]string{"cursor": page.Next})
	}
	if cursor != "" {
		view.First = v.address(map[string]string{"cursor": ""})
	}
	return e.show(v, http.StatusOK, "deleted", v.T("deleted.title"), c.Name, view)
}
