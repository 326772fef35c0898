package editor

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"

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
