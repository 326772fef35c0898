package demosite

import (
	"embed"
	"io/fs"
)

// The "all:" takes in what begins with an underscore.
//
//go:embed all:samples
var samples embed.FS

// Files are the sample site: consultations below _consultations, written as
// people write front matter by hand, and a text of welcome in index.md.
func Files() fs.FS {
	files, err := fs.Sub(samples, "samples")
	if err != nil {
		panic(err) // the name is constant and valid
	}
	return files
}
