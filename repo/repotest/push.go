package repotest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotPlain is why Push leaves something to git.
var ErrNotPlain = errors.New("not a plain push")

// Push brings what the working tree in work is at to a branch of the bare repository that
// it was cloned from, as "git push origin HEAD:branch" does and without its seven
// processes: objects first, loose, then the branch. For tests of what comes after a push.
// It is ErrNotPlain, and nothing has been done, where the branch is not known to be where
// work saw it last, where objects are packed that the clone did not bring, or where there
// are hooks.
func Push(work, branch string) error {
	bare, err := origin(work)
	if err != nil {
		return err
	}
	seen := filepath.Join(work, ".git/refs/remotes/origin", branch)
	was, err := os.ReadFile(seen)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tip := Tip(work, "HEAD")
	if at := Tip(bare, branch); tip == "" || at == "" || at != strings.TrimSpace(string(was)) {
		return ErrNotPlain
	}
	packs, err := ownPacks(work)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(work, brought)); err != nil {
		packs-- // that of git's clone, if there was anything
	}
	hooks, err := filepath.Glob(filepath.Join(bare, "hooks", "*"))
	if err != nil {
		return err
	}
	hooks = slices.DeleteFunc(hooks, func(name string) bool { return filepath.Ext(name) == ".sample" })
	if packs > 0 || len(hooks) > 0 {
		return ErrNotPlain
	}
	loose, err := filepath.Glob(filepath.Join(work, ".git/objects/??/*"))
	if err != nil {
		return err
	}
	for _, file := range loose {
		to := filepath.Join(bare, "objects", filepath.Base(filepath.Dir(file)), filepath.Base(file))
		if _, err := os.Stat(to); err == nil {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := put(to, filepath.Join(filepath.Dir(to), "tmp_obj_"+filepath.Base(to)), raw); err != nil {
			return err
		}
	}
	if err := SetBranch(bare, branch, tip); err != nil {
		return err
	}
	return os.WriteFile(seen, []byte(tip+"\n"), 0o666)
}

// SetBranch puts a branch of a bare repository at a commit that is there, as "git
// update-ref" does.
func SetBranch(bare, branch, commit string) error {
	ref := filepath.Join(bare, "refs/heads", branch)
	if err := os.MkdirAll(filepath.Dir(ref), 0o777); err != nil {
		return err
	}
	return put(ref, ref+".lock", []byte(commit+"\n"))
}

// put makes a file appear as a whole, by way of one that nobody else makes.
func put(name, by string, raw []byte) error {
	f, err := os.OpenFile(by, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(by, name)
}
