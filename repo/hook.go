package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hookMark is the line by which a hook is known as ours.
const hookMark = "# Made by cms, which keeps it up to date; without this line it leaves it alone."

// hook is Git's update hook: it lets nobody delete the branch by a push or, unless
// rewriting is allowed, take commits away from it, whether by its name or by a symbolic
// reference to it. Where it is, those are kept. What is kept below refs/cms/ is the service's alone, and replacements
// (git-replace(1)) would have Git read another history. Other references are free. It needs
// a shell and git, which run it.
func (r *Repo) hook() string {
	name := strings.ReplaceAll(string(r.branch.name), "'", `'\''`)
	s := "#!/bin/sh\n" + hookMark + "\n" +
		"export GIT_NO_REPLACE_OBJECTS=1\n" +
		"case $1 in refs/cms/*|refs/remotes/cms|refs/remotes/cms/*|refs/replace/*)\n" +
		"\techo 'This reference is kept by the service: it takes no pushes to it.' >&2\n" +
		"\texit 1\n" +
		"esac\n" +
		"[ \"$(git symbolic-ref -q \"$1\" || echo \"$1\")\" = '" + name + "' ] || exit 0\n" +
		"case $3 in *[!0]*) ;; *)\n" +
		"\techo 'This branch is being served, and cannot be deleted.' >&2\n" +
		"\texit 1\n" +
		"esac\n"
	rewritten := "\techo 'This branch is being served: commits cannot be taken away from it. Fetch, merge or rebase, and push again.' >&2\n" +
		"\texit 1\n"
	if r.allowRewrite { // what is taken away is kept before git gc can drop it, whether anybody serves it now or not
		rewritten = "\tgit update-ref \"" + backups + "$(date -u +%Y-%m-%d)-$(printf %.12s \"$2\")\" \"$2\" || exit 1\n"
	}
	return s + "case $2 in *[!0]*) ;; *) exit 0 ;; esac\n" +
		"if ! git merge-base --is-ancestor \"$2\" \"$3\"; then\n" + rewritten + "fi\n"
}

// protect puts the hook into a repository that was made here, or when it is asked
// to, and brings one up to date that is ours. One of somebody else stays.
func (r *Repo) protect(install bool) error {
	folder := filepath.Join(r.path, "hooks")
	name := filepath.Join(folder, "update")
	found, err := os.ReadFile(name)
	switch {
	case err == nil && string(found) == r.hook(), errors.Is(err, fs.ErrNotExist) && !install:
		return nil
	case err == nil && !strings.Contains(string(found), hookMark+"\n"):
		if install {
			r.log.Warn("pushes may delete and rewrite the branch: there is another update hook", "hook", name)
		}
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read hook: %w", err)
	}
	err = r.disk.Mkdir(folder)
	if err == nil {
		err = removeIfExists(r.disk, name+".tmp")
	}
	if err == nil {
		err = writeFile(r.disk, name+".tmp", []byte(r.hook()), 0o777)
	}
	if err == nil {
		err = r.disk.Rename(name+".tmp", name)
	}
	if err == nil {
		err = r.disk.SyncDir(folder)
	}
	if err != nil {
		return fmt.Errorf("write hook: %w", err)
	}
	return nil
}
