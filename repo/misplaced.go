package repo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"

	"cms/content"
)

// A MisplacedFile is a file that stands where the entries of a collection do, has their
// extension in some case, and is none of them.
type MisplacedFile struct {
	Path   string // as the tree has it, which may be any bytes
	Reason string // a clause: "the path is not UTF-8"
}

// Misplaced are the misplaced files of all collections, ordered as in the tree. What is
// hidden, by a dot at the beginning of its name or of a folder's, is meant to be
// no entry, and is none.
func (s *Snapshot) Misplaced() ([]MisplacedFile, error) {
	d := treeDiff{tree: s.repo.store.tree, want: s.repo.collections.within, budget: newStepBudget(s.repo.history.maxSteps)}
	if err := d.diff(Hash{}, s.tree, ""); err != nil {
		return nil, fmt.Errorf("read tree of %s: %w", s.commit, err)
	}
	var found []MisplacedFile
	for _, ch := range d.out {
		if reason := s.repo.collections.misplaced(ch.path, ch.after); reason != "" {
			found = append(found, MisplacedFile{ch.path, reason})
		}
	}
	return found, nil
}

// misplaced says why f at path is a misplaced file, or "".
func (cs collections) misplaced(path string, f file) string {
	i := slices.IndexFunc(cs, func(c content.Collection) bool { return looksLikeEntry(c, path) })
	if i < 0 {
		return ""
	}
	p, err := content.ParsePath(path)
	if err != nil {
		return "the " + err.Error()
	}
	switch _, _, ok := cs.owner(p); {
	case !ok:
		return "the extension is not written " + cs[i].Extension
	case f.mode == filemode.Symlink:
		return "it is a symbolic link"
	case !f.regular():
		return "it is a submodule"
	}
	return ""
}

// looksLikeEntry says whether path is in the folder of c, not hidden, and has the
// extension of c in some case.
func looksLikeEntry(c content.Collection, path string) bool {
	rest, inside := path, true
	if c.Folder != "" {
		rest, inside = strings.CutPrefix(path, c.Folder+"/")
	}
	at := len(rest) - len(c.Extension)
	return inside && at > 0 && strings.EqualFold(rest[at:], c.Extension) &&
		rest[0] != '.' && !strings.Contains(rest, "/.")
}
