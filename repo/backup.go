package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// backups holds a reference for each tip that the branch was taken away from, so
// that no maintenance of Git drops what was told of, and edits that were acknowledged.
const backups = "refs/cms/backup/"

// otherBackups takes their place while a reference is called as that folder is, as Git has
// none below another one.
const otherBackups = "refs/cms/backups/"

// backupLost keeps the tip that the branch was at before what e says, durably, if the
// new one does not follow upon it.
func (r *Repo) backupLost(e *extension) error {
	if len(e.lost) == 0 || r.readOnly {
		return nil
	}
	tip := r.history.tip
	name, err := r.makeBackup(tip)
	switch {
	case errors.Is(err, ErrNotFound):
		r.log.Error("the branch was rewritten, and the commits that it was taken from are gone", "from", tip.String(), "to", e.tip.String(), "commits", len(e.lost))
		return nil
	case errors.Is(err, ErrUnsure): // about the reference, and not about any update
		return fmt.Errorf("%w: keep the commits that the branch was taken from: %s", ErrStorage, err.Error())
	case err != nil:
		return fmt.Errorf("keep the commits that the branch was taken from: %w", err)
	}
	r.log.Warn("the branch was rewritten", "from", tip.String(), "to", e.tip.String(), "commits", len(e.lost), "backup", string(name))
	return nil
}

// makeBackup makes a backup of the commit, unless there is one, and says which.
// ErrNotFound when the commit is not there.
func (r *Repo) makeBackup(commit Hash) (plumbing.ReferenceName, error) {
	fresh := &store{dir: r.path}
	defer fresh.Close()
	if _, err := fresh.commit(commit); err != nil {
		return "", err
	}
	folder, err := r.backupFolder()
	if err != nil {
		return "", err
	}
	kept, err := r.backups()
	if err != nil {
		return "", err
	}
	for _, ref := range kept {
		if ref.at == commit {
			return ref.name, nil
		}
	}
	first := folder + r.clock().UTC().Format("2006-01-02") + "-" + commit.String()[:12]
	for n, name := 1, first; ; name = fmt.Sprintf("%s-%d", first, n) {
		n++
		if slices.ContainsFunc(kept, func(taken reference) bool { return strings.HasPrefix(string(taken.name)+"/", name+"/") }) {
			continue
		}
		b := branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(name)}
		if err := b.removeStaleLock(); err != nil {
			return "", err
		}
		if err := b.move(Hash{}, commit); !errors.Is(err, errMoved) { // else somebody has just taken the name
			return b.name, err
		}
	}
}

// backups are those that there are, by name. Branches and tags at the same commits are none:
// their owners move and delete them.
func (r *Repo) backups() ([]reference, error) {
	folders := []string{strings.TrimSuffix(backups, "/"), strings.TrimSuffix(otherBackups, "/")}
	refs, err := references(r.path, folders...)
	return slices.DeleteFunc(refs, func(ref reference) bool { return slices.Contains(folders, string(ref.name)) }), err
}

// backupFolder is where a new backup can be.
func (r *Repo) backupFolder() (string, error) {
	packed, err := packedRefs(r.path)
	if err != nil {
		return "", err
	}
	taken := func(folder string) bool {
		b := branch{dir: r.path, name: plumbing.ReferenceName(strings.TrimSuffix(folder, "/"))}
		return isFile(b.path()) || !packed[b.name].IsZero()
	}
	inTheWay := "refs/cms/"
	if !taken(inTheWay) {
		for _, folder := range []string{backups, otherBackups} {
			if !taken(folder) {
				return folder, nil
			}
		}
		inTheWay = backups
	}
	return "", fmt.Errorf("a reference is called %s, so that there can be none below it: delete it with \"git update-ref -d\"", strings.TrimSuffix(inTheWay, "/"))
}

// Backup is the name of the reference below refs/cms/backup/ that keeps a commit which
// the branch led to once and does no longer; "" when none does. It costs as many commits
// as were taken away.
func (r *Repo) Backup(ctx context.Context, commit Hash) (string, error) {
	if r.Has(commit) {
		return "", nil
	}
	kept, err := r.backups()
	if err != nil {
		return "", storageError(fmt.Errorf("look for a backup of %s: %w", commit, err))
	}
	commits := r.store.withOwnCache()
	defer commits.Close()
	seen := make(map[Hash]bool)
	for _, ref := range slices.Backward(kept) { // the newest first
		if ref.err != nil { // not one of ours
			continue
		}
		if found, err := r.leadsAside(ctx, commits, ref.at, commit, seen); err != nil {
			return "", err
		} else if found {
			return string(ref.name), nil
		}
	}
	return "", nil
}

// leadsAside says whether a commit leads to another one by way of commits that the branch has
// not, none of which is in seen: there it notes those that it has looked at. Those that are
// no more lead nowhere.
func (r *Repo) leadsAside(ctx context.Context, commits *store, from, to Hash, seen map[Hash]bool) (bool, error) {
	for next := []Hash{from}; len(next) > 0; next = next[1:] {
		if next[0] == to {
			return true, nil
		}
		if r.Has(next[0]) || seen[next[0]] {
			continue
		}
		seen[next[0]] = true
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c, err := commits.commit(next[0])
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return false, err
		}
		next = append(next, c.parents...)
	}
	return false, nil
}

// branchGone says that the branch is not there any more, which was at the commit known or
// further.
func (r *Repo) branchGone(known Hash) error {
	return fmt.Errorf("%w: %s, which was at %s when that was last saved; "+
		"put it back with \"git --git-dir %s update-ref %s %s\", or at a later commit of those that git fsck names as dangling",
		ErrGone, r.Branch(), known, r.path, r.branch.name, known)
}

// Accept takes a repository as it is whose branch is gone, which Open refuses: the
// newest commit that is known of it is kept by a reference, whose name it gives, and
// the next start begins with an empty branch. The name is "" when the commit is gone
// too, and the error nil and known zero when there is nothing to accept.
func Accept(ctx context.Context, o Options) (known Hash, kept string, err error) {
	o.ReadOnly = false
	o.accept = func(r *Repo) error {
		known = r.history.tip
		name, err := r.makeBackup(known)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		for _, file := range []string{indexFile, tipFile} {
			if err == nil {
				err = removeIfExists(r.disk, filepath.Join(r.path, file))
			}
		}
		if err == nil {
			err = r.disk.SyncDir(r.path)
		}
		kept = string(name)
		r.history, r.indexed, r.sections = newHistory(), 0, 0
		return err
	}
	if _, err := os.Lstat(filepath.Join(o.Path, "HEAD")); err != nil {
		return Hash{}, "", fmt.Errorf("there is no repository: %w", err)
	}
	r, err := Open(ctx, o)
	if err != nil {
		return Hash{}, "", err
	}
	return known, kept, r.Close()
}
