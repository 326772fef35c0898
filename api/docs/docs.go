// Package docs is the page that shows the OpenAPI document to people: Swagger UI, started
// by a script of ours. All of it is in the program, and it asks nobody but this service.
package docs

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5/static"

	"cms/say"
	"cms/web"
)

//go:embed index.html start.js
var files embed.FS

// policy allows what the page is made of and nothing else. Swagger UI sets
// styles from scripts and draws its icons from data: URLs; it needs neither inline
// scripts nor eval.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page has the files of the page, which are read, and summed, for who asks first.
var page = sync.OnceValues(func() (map[string]web.File, error) {
	p := map[string]web.File{}
	for _, f := range []struct {
		name, media string
		from        fs.FS
		path        string
	}{
		{"", "text/html; charset=utf-8", files, "index.html"},
		{"start.js", "text/javascript; charset=utf-8", files, "start.js"},
		{"swagger-ui.css", "text/css; charset=utf-8", static.FS, "swagger-ui.css.gz"},
		{"swagger-ui-bundle.js", "text/javascript; charset=utf-8", static.FS, "swagger-ui-bundle.js.gz"},
		{"favicon-32x32.png", "image/png", static.FS, "favicon-32x32.png"},
	} {
		b, err := fs.ReadFile(f.from, f.path)
		if err != nil {
			return nil, fmt.Errorf("docs: %w", err)
		}
		if strings.HasSuffix(f.path, ".gz") {
			p[f.name] = web.NewFile(f.media, nil, b)
		} else {
			p[f.name] = web.NewFile(f.media, b, nil)
		}
	}
	return p, nil
})

// Serve answers with a file of the page; "" names the page itself.
func Serve(w http.ResponseWriter, r *http.Request, file string) error {
	all, err := page()
	if err != nil {
		return err
	}
	f, ok := all[file]
	if !ok {
		return web.NewProblem(http.StatusNotFound, say.New("The page at /docs has no such file."))
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	f.ServeHTTP(w, r)
	return nil
}
