package repo

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Examined is what can be seen of a repository without its lock.
type Examined struct {
	Branch    string    // in short
	Commit    Hash      // zero where there is no such branch
	Branches  []string  // those that there are
	Committed time.Time // when its newest commit was made; zero for none
	Usage     Usage
	Settings  map[string]string // of its configuration, by section.key in lower case; "" for what is not set
	Hidden    []string          // packs whose index is missing
	Multi     bool              // it has a multi-pack-index, which pins packs
	Locks     []string          // locks of Git's that are older than any work takes
	Holder    string            // the process that last wrote to it, as cms.lock says; "" for none

	Missing      int      // files of its newest commit whose content is not there
	MissingNamed []string // the first of them
}

// oldLock is how old a lock is that nobody holds any more.
const oldLock = 10 * time.Minute

// Examine looks at the repository at path and changes nothing; branch is "" for that of its
// HEAD. The error is ErrNoRepository, ErrUnsupported, or of the disk.
func Examine(path, branchName string) (*Examined, error) {
	if empty, err := isEmpty(path); err != nil {
		return nil, err
	} else if empty {
		return nil, ErrNoRepository
	}
	if err := supported(path); err != nil {
		return nil, err
	}
	r := &Repo{path: path, disk: osDisk{}, store: &store{dir: path}}
	defer r.store.Close()
	if err := r.nameBranch(branchName); err != nil {
		return nil, err
	}
	x := &Examined{Branch: r.branch.name.Short()}
	var err error
	if x.Commit, err = r.branch.read(); err != nil {
		return nil, err
	}
	if x.Branches, err = branches(path); err != nil {
		return nil, err
	}
	if !x.Commit.IsZero() {
		c, err := r.store.commit(x.Commit)
		if err != nil {
			return nil, err
		}
		x.Committed = instant(c.committed)
		if err := x.lookForMissing(r.store, c.tree); err != nil {
			return nil, err
		}
	}
	if x.Usage, err = r.usage(); err != nil {
		return nil, err
	}
	if x.Settings, err = settingsOf(path); err != nil {
		return nil, err
	}
	hidden, err := packsWithoutIndex(filepath.Join(path, "objects", "pack"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	x.Hidden = slices.Sorted(maps.Keys(hidden))
	x.Multi = exists(filepath.Join(path, "objects", "pack", "multi-pack-index"))
	if x.Locks, err = oldLocks(path); err != nil {
		return nil, err
	}
	if raw, err := os.ReadFile(filepath.Join(path, "cms.lock")); err == nil {
		x.Holder = strings.TrimSpace(string(raw))
	}
	return x, nil
}

// settingsOf are the settings of a repository's own that matter to those who write to it.
func settingsOf(path string) (map[string]string, error) {
	c, err := readGitConfig(path)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, name := range []string{"core.fsync", "core.hooksPath", "gc.auto", "receive.unpackLimit"} {
		name = strings.ToLower(name)
		section, key, _ := strings.Cut(name, ".")
		found[name] = c.last(section, key)
	}
	return found, nil
}

// oldLocks are the locks of Git's on references and settings that a killed program left.
func oldLocks(path string) (old []string, err error) {
	look := func(name string) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > oldLock {
			rel, _ := filepath.Rel(path, name)
			old = append(old, rel)
		}
	}
	for _, name := range []string{"HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"} {
		look(filepath.Join(path, name))
	}
	err = filepath.WalkDir(filepath.Join(path, "refs"), func(name string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".lock") && !strings.HasSuffix(name, "~cms.lock") {
			look(name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return old, err
}

// Look asks the remote where its branch is, zero where it has none. Errors hold nothing
// that authenticates there.
func (m *Remote) Look(ctx context.Context, branch string) (Hash, error) {
	remote := gogit.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "cms", URLs: []string{m.URL}})
	var refs []*plumbing.Reference
	err := m.asking(ctx, func(auth transport.AuthMethod) (err error) {
		refs, err = remote.ListContext(ctx, &gogit.ListOptions{Auth: auth})
		return err
	})
	if err != nil {
		return Hash{}, m.plain(err)
	}
	for _, ref := range refs {
		if ref.Name() == plumbing.NewBranchReferenceName(branch) {
			return ref.Hash(), nil
		}
	}
	return Hash{}, nil
}

// LookPush makes sure that the remote takes pushes from who this side is there, as far as it
// tells before there is one: what it protects, it tells then. Errors are as those of Look.
func (m *Remote) LookPush(ctx context.Context) error {
	session, err := m.openPush(ctx)
	if err != nil {
		return err
	}
	session.close()
	return nil
}
