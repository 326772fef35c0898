package repotest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// brought names the packs of a working tree that were copied from the bare repository, a
// line each.
const brought = ".git/objects/info/brought"

// Clone makes a working tree in the folder work, which is empty or not there, of the branch
// of the bare repository that its HEAD names, as "git clone" does and without its six
// processes. It is ErrNotPlain, and nothing has been done, where there is no commit, where
// there are other references, or where packs go meanwhile.
func Clone(bare, work string) (err error) {
	head, err := os.ReadFile(filepath.Join(bare, "HEAD"))
	if err != nil {
		return err
	}
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(head)), "ref: refs/heads/")
	tip := Tip(bare, branch)
	if !ok || tip == "" || !alone(bare, branch) {
		return ErrNotPlain
	}
	dir := filepath.Join(work, ".git")
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	config := "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n" +
		"[remote \"origin\"]\n\turl = " + bare + "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n" +
		"[branch \"" + branch + "\"]\n\tremote = origin\n\tmerge = refs/heads/" + branch + "\n"
	for name, text := range map[string]string{
		"HEAD": string(head), "config": config, "objects/info/": "", "objects/pack/": "", "refs/tags/": "", "refs/heads/" + branch: tip + "\n",
		"refs/remotes/origin/" + branch: tip + "\n", "refs/remotes/origin/HEAD": "ref: refs/remotes/origin/" + branch + "\n",
	} {
		file := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(file, 0o777)
		} else if err = os.MkdirAll(filepath.Dir(file), 0o777); err == nil {
			err = os.WriteFile(file, []byte(text), 0o666)
		}
		if err != nil {
			return err
		}
	}
	if err := bring(bare, work); err != nil {
		return err
	}
	return reset(work, tip)
}

// Commit commits all that differs in the working tree, as "git add -A" and "git commit" do
// where no filter is configured, and gives the commit.
func Commit(work, name, email, message string) (string, error) {
	tree, err := open(work)
	if err == nil {
		err = tree.AddWithOptions(&git.AddOptions{All: true})
	}
	if err != nil {
		return "", err
	}
	by := &object.Signature{Name: name, Email: email, When: time.Now()}
	h, err := tree.Commit(strings.TrimRight(message, "\n")+"\n", &git.CommitOptions{Author: by, Committer: by})
	return h.String(), err
}

// Pull has the working tree, in which nothing differs from its branch, go on to where that
// is in the bare repository, as "git pull" does. It is ErrNotPlain, and no more has been done
// than to bring objects, where more than that is to be done.
func Pull(work, branch string) error {
	bare, err := origin(work)
	if err != nil {
		return err
	}
	tip, was := Tip(bare, branch), Tip(work, "HEAD")
	if tip == "" || was == "" {
		return ErrNotPlain
	}
	tree, err := open(work)
	if err != nil {
		return err
	}
	if status, err := tree.Status(); err != nil || !status.IsClean() {
		return errors.Join(err, ErrNotPlain)
	}
	if err := bring(bare, work); err != nil {
		return err
	}
	r, err := git.PlainOpen(work) // with what was brought
	if err != nil {
		return err
	}
	old, err := r.CommitObject(plumbing.NewHash(was))
	if err != nil {
		return err
	}
	now, err := r.CommitObject(plumbing.NewHash(tip))
	if err != nil {
		return err
	}
	if follows, err := old.IsAncestor(now); err != nil || !follows {
		return errors.Join(err, ErrNotPlain)
	}
	return follow(work, branch, tip)
}

// Follow makes the working tree what the branch is in the bare repository, whatever it was,
// as "git fetch" and "git reset --hard" do. It is ErrNotPlain, and nothing has been done,
// where only git knows what that is.
func Follow(work, branch string) error {
	bare, err := origin(work)
	if err != nil {
		return err
	}
	tip := Tip(bare, branch)
	if tip == "" {
		return ErrNotPlain
	}
	if err := bring(bare, work); err != nil {
		return err
	}
	return follow(work, branch, tip)
}

func follow(work, branch, tip string) error {
	if err := os.WriteFile(filepath.Join(work, ".git/refs/remotes/origin", branch), []byte(tip+"\n"), 0o666); err != nil {
		return err
	}
	return reset(work, tip)
}

func reset(work, tip string) error {
	tree, err := open(work)
	if err != nil {
		return err
	}
	return tree.Reset(&git.ResetOptions{Commit: plumbing.NewHash(tip), Mode: git.HardReset})
}

// open opens a working tree.
func open(work string) (*git.Worktree, error) {
	r, err := git.PlainOpen(work)
	if err != nil {
		return nil, err
	}
	return r.Worktree()
}

// origin is the bare repository that a working tree comes from.
func origin(work string) (string, error) {
	config, err := os.ReadFile(filepath.Join(work, ".git", "config"))
	if err != nil {
		return "", err
	}
	_, after, ok := strings.Cut(string(config), "\turl = ")
	bare, _, end := strings.Cut(after, "\n")
	if !ok || !end {
		return "", ErrNotPlain
	}
	return bare, nil
}

// alone says whether a repository has no other reference than the branch.
func alone(bare, branch string) bool {
	if raw, err := os.ReadFile(filepath.Join(bare, "packed-refs")); err == nil && len(raw) > 0 {
		return false
	}
	err := filepath.WalkDir(filepath.Join(bare, "refs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && name != filepath.Join(bare, "refs/heads", branch) {
			err = ErrNotPlain
		}
		return err
	})
	return err == nil
}

// bring copies what objects a bare repository has and the working tree has not. It is
// ErrNotPlain where they go meanwhile, or are elsewhere.
func bring(bare, work string) error {
	if _, err := os.Stat(filepath.Join(bare, "objects/info/alternates")); err == nil {
		return ErrNotPlain
	}
	own, err := ownPacks(work)
	if err != nil || own > 0 {
		return errors.Join(err, ErrNotPlain) // or it could not be told what Git packed here
	}
	loose, err := filepath.Glob(filepath.Join(bare, "objects/[0-9a-f][0-9a-f]/*"))
	if err != nil {
		return err
	}
	indexes, err := filepath.Glob(filepath.Join(bare, "objects/pack/*.idx"))
	if err != nil {
		return err
	}
	var packs strings.Builder
	files := loose
	for _, index := range indexes { // which Git looks for
		files = append(files, strings.TrimSuffix(index, ".idx")+".pack", index)
		fmt.Fprintln(&packs, filepath.Base(index))
	}
	for _, file := range files {
		rel, err := filepath.Rel(bare, file)
		if err != nil {
			return err
		}
		to := filepath.Join(work, ".git", rel)
		if strings.HasPrefix(filepath.Base(file), "tmp_") {
			continue
		}
		if _, err := os.Stat(to); err == nil {
			continue
		}
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return ErrNotPlain
		} else if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(to, raw, 0o444); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(work, brought), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(packs.String())
	return errors.Join(err, f.Close())
}

// ownPacks is how many packs a working tree has that were not copied from the bare
// repository.
func ownPacks(work string) (n int, err error) {
	packs, err := filepath.Glob(filepath.Join(work, ".git/objects/pack/*.idx"))
	if err != nil {
		return 0, err
	}
	raw, err := os.ReadFile(filepath.Join(work, brought))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, name := range packs {
		if !strings.Contains(string(raw), filepath.Base(name)+"\n") {
			n++
		}
	}
	return n, nil
}
