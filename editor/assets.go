package editor

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"cms/web"
)

//go:embed assets
var assetFiles embed.FS

// loadAssets reads the style sheet and the scripts. What they are called changes with
// what they are, so that browsers may keep them for good.
func (e *Editor) loadAssets() error {
	e.assets = map[string]web.File{}
	sum := sha256.New()
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := fs.ReadFile(assetFiles, "assets/"+file.Name())
		if err != nil {
			return err
		}
		sum.Write(b)
		e.assets[file.Name()] = web.NewFile(mime.TypeByExtension(path.Ext(file.Name())), b, nil)
	}
	e.version = hex.EncodeToString(sum.Sum(nil))[:16]
	return nil
}

// loadTheme finds out which version of the theme there is.
func (e *Editor) loadTheme() error {
	if e.o.Theme == nil {
		return nil
	}
	sum := sha256.New()
	err := fs.WalkDir(e.o.Theme, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case isHidden(d.Name()) && d.IsDir():
			return fs.SkipDir
		case d.IsDir() || isHidden(d.Name()):
			return nil
		}
		b, err := fs.ReadFile(e.o.Theme, name)
		fmt.Fprintf(sum, "%s\x00%d\x00%s", name, len(b), b)
		return err
	})
	if err != nil {
		return fmt.Errorf("the theme: %w", err)
	}
	e.themed = hex.EncodeToString(sum.Sum(nil))[:16]
	return nil
}

// themePath is the address of a file of the theme, "" where there is none.
func (e *Editor) themePath(name string) string {
	if e.o.Theme == nil {
		return ""
	}
	if _, err := fs.Stat(e.o.Theme, name); err != nil {
		return ""
	}
	return Prefix + "theme/" + e.themed + "/" + name
}

// themeTypes are the files of a theme that anyone may have.
var themeTypes = map[string]bool{
	".css": true, ".svg": true, ".png": true, ".jpg": true, ".jpeg": true, ".webp": true, ".avif": true, ".gif": true, ".ico": true, ".woff": true, ".woff2": true,
}

// isHidden says whether a file or a folder is not for others, such as .git.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") && name != "." }

// theme answers with a file of the theme.
func (e *Editor) theme(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("path")
	if e.o.Theme == nil || !fs.ValidPath(name) || !themeTypes[strings.ToLower(path.Ext(name))] || slices.ContainsFunc(strings.Split(name, "/"), isHidden) {
		return web.NotFound()
	}
	b, err := fs.ReadFile(e.o.Theme, name)
	if err != nil {
		return web.NotFound()
	}
	if r.PathValue("version") == e.themed {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	web.NewFile(cmp.Or(mime.TypeByExtension(path.Ext(name)), "application/octet-stream"), b, nil).ServeHTTP(w, r)
	return nil
}

func (e *Editor) assetPath(name string) string { return Prefix + "assets/" + e.version + "/" + name }

func (e *Editor) asset(w http.ResponseWriter, r *http.Request) error {
	file, ok := e.assets[r.PathValue("name")]
	if !ok {
		return web.NotFound()
	}
	if r.PathValue("version") == e.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	file.ServeHTTP(w, r)
	return nil
}
