package api

import (
	"encoding/base64"
	"net/http"

	"cms/say"
	"cms/web"
)

// cursorTo is the cursor of a page that goes on behind a name, nil at the end of a list.
func cursorTo(name string) *string {
	if name == "" {
		return nil
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(name))
	return &cursor
}

// behind is the name that a cursor of cursorTo goes on behind.
func behind(cursor string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", web.NewProblem(http.StatusBadRequest, say.New("The cursor is not one that this list gave. Leave it out to start from the beginning."))
	}
	return string(name), nil
}
