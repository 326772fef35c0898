package repotest

import (
	"io/fs"
	"os"
	"testing/fstest"
)

// Files reads a folder into memory, so that a repository which is made once can be copied for
// each test by [os.CopyFS].
func Files(dir string) (fstest.MapFS, error) {
	folder, files := os.DirFS(dir), make(fstest.MapFS)
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		file := &fstest.MapFile{Mode: info.Mode()}
		if !d.IsDir() {
			file.Data, err = fs.ReadFile(folder, name)
		}
		files[name] = file
		return err
	})
	return files, err
}
