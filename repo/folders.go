package repo

import (
	"fmt"
	"path"

	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// A FolderNames is a folder of the branch, and how often the names of the files in it
// have each extension, ".md" and "" among them.
type FolderNames struct {
	Path       string // below the root, which is ""; as the tree has it, which may be any bytes
	Extensions map[string]int
}

// Folders are the folders of the branch, those that are less deep first: some of them, of
// a branch that has more than most. A branch without commits has none.
func (s *Snapshot) Folders(most int) ([]FolderNames, error) {
	if s.tree.IsZero() {
		return nil, nil
	}
	trees := []Hash{s.tree}
	folders := []FolderNames{{}}
	for i := 0; i < len(folders); i++ {
		rest, err := s.repo.store.tree(trees[i])
		if err != nil {
			return nil, fmt.Errorf("read the folder %q of %s: %w", folders[i].Path, s.commit, err)
		}
		folders[i].Extensions = map[string]int{}
		for len(rest) > 0 {
			item, err := nextItem(rest)
			if err != nil {
				return nil, fmt.Errorf("read the folder %q of %s: %w", folders[i].Path, s.commit, err)
			}
			rest = rest[len(item):]
			name := string(item.name())
			switch {
			case item.mode() != filemode.Dir:
				folders[i].Extensions[path.Ext(name)]++
			case len(folders) < most && len(folders[i].Path)+len(name) < maxPathLen:
				folders = append(folders, FolderNames{Path: path.Join(folders[i].Path, name)})
				trees = append(trees, item.hash())
			}
		}
	}
	return folders, nil
}
