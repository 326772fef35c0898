package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"cms/content"
)

// ImportWorktree makes, in the empty or missing folder to, a repository of one commit that
// has the files of a checkout, whether that is one of Git's or not, so that what is in it
// can be looked at as what is on a branch. Files that a .gitignore passes over are left out.
// What cannot be an entry of the collections is there by its name alone, empty, but for the
// attributes of Git. It is for a look, and not durable.
func ImportWorktree(ctx context.Context, to, from string, all []content.Collection) error {
	if err := create(osDisk{}, to, "main"); err != nil {
		return fmt.Errorf("make a repository of %s: %w", from, err)
	}
	im := &importer{ctx: ctx, collections: all, pack: newPack()}
	tree, err := im.folder(from, "", nil)
	if err != nil {
		return fmt.Errorf("read the checkout %s: %w", from, err)
	}
	if tree.IsZero() {
		tree = hashObject(plumbing.TreeObject, nil)
		im.add(plumbing.TreeObject, tree, nil)
	}
	who := Person{"CMS", "cms@localhost"}
	now := time.Now().Unix()
	raw := encodeCommit(tree, Hash{}, who, who, now, now, "Look at a checkout\n")
	commit := hashObject(plumbing.CommitObject, raw)
	im.add(plumbing.CommitObject, commit, raw)
	sum := im.pack.finish()
	index, err := encodePackIndex(im.pack.objects, sum)
	if err != nil {
		return fmt.Errorf("make a repository of %s: %w", from, err)
	}
	name := filepath.Join(to, "objects", "pack", "pack-"+sum.String())
	return errors.Join(
		os.WriteFile(name+".pack", im.pack.buf.Bytes(), 0o444),
		os.WriteFile(name+".idx", index, 0o444),
		os.WriteFile(filepath.Join(to, "refs", "heads", "main"), []byte(commit.String()+"\n"), 0o666),
	)
}

// An importer makes objects of files.
type importer struct {
	ctx         context.Context
	collections collections
	pack        *pack
}

// add puts an object into the pack, once.
func (im *importer) add(kind plumbing.ObjectType, h Hash, raw []byte) {
	if _, known := im.pack.index[h]; !known {
		im.pack.add(kind, h, raw)
	}
}

// folder makes the tree of a folder that is at the path at below the checkout, zero of an
// empty one. The patterns are those of files to pass over of the folders above.
func (im *importer) folder(dir, at string, ignored []gitignore.Pattern) (Hash, error) {
	items, err := os.ReadDir(dir)
	if err != nil {
		return Hash{}, err
	}
	var above []string
	if at != "" {
		above = strings.Split(at, "/")
	}
	ignored = append(slices.Clip(ignored), ignorePatterns(filepath.Join(dir, ".gitignore"), above)...)
	passed := gitignore.NewMatcher(ignored)
	var edits []edit
	for _, item := range items {
		if err := im.ctx.Err(); err != nil {
			return Hash{}, err
		}
		name := item.Name()
		if name == ".git" || passed.Match(append(slices.Clip(above), name), item.IsDir()) {
			continue
		}
		f, err := im.item(filepath.Join(dir, name), path.Join(at, name), item, ignored)
		if err != nil {
			return Hash{}, err
		}
		if !f.hash.IsZero() {
			edits = append(edits, edit{name, f})
		}
	}
	if len(edits) == 0 {
		return Hash{}, nil
	}
	slices.SortFunc(edits, func(a, b edit) int {
		return compareNames([]byte(a.path), a.file.mode == filemode.Dir, []byte(b.path), b.file.mode == filemode.Dir)
	})
	var raw []byte
	for _, e := range edits {
		raw = append(raw, newItem(e)...)
	}
	tree := hashObject(plumbing.TreeObject, raw)
	im.add(plumbing.TreeObject, tree, raw)
	return tree, nil
}

// item makes what is to stand in a tree for one of the things in a folder, nothing of what
// Git does not keep.
func (im *importer) item(name, at string, item fs.DirEntry, ignored []gitignore.Pattern) (file, error) {
	var (
		raw  []byte
		mode = filemode.Regular
		err  error
	)
	switch {
	case item.IsDir():
		tree, err := im.folder(name, at, ignored)
		return file{filemode.Dir, tree}, err
	case item.Type()&fs.ModeSymlink != 0:
		mode = filemode.Symlink
		var target string
		target, err = os.Readlink(name)
		raw = []byte(target)
	case !item.Type().IsRegular():
		return file{}, nil
	case path.Base(at) == ".gitattributes" || slices.ContainsFunc(im.collections, func(c content.Collection) bool { return looksLikeEntry(c, at) }):
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return file{}, err
	}
	h := hashObject(plumbing.BlobObject, raw)
	im.add(plumbing.BlobObject, h, raw)
	return file{mode, h}, nil
}

// ignorePatterns are those of a file .gitignore, none where there is none. They are meant
// from the folder that has it.
func ignorePatterns(name string, folder []string) (patterns []gitignore.Pattern) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	for s := bufio.NewScanner(bytes.NewReader(src)); s.Scan(); {
		if line := s.Text(); strings.TrimSpace(line) != "" && line[0] != '#' {
			patterns = append(patterns, gitignore.ParsePattern(line, folder))
		}
	}
	return patterns
}
