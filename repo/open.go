package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// Open opens the bare repository at o.Path and reads its branch; where there is
// none, it makes one, unless o.MustExist, and says so in the log. A repository that Git made is taken as it is, whatever its
// packs, references and files. Refused by name, as ErrUnsupported, are working
// trees, other object formats and reference storages than Git's first ones,
// alternates, and shallow and partial clones. ErrInUse when another process has
// it open.
func Open(ctx context.Context, o Options) (*Repo, error) {
	r := &Repo{
		path: o.Path, readOnly: o.ReadOnly, mustExist: o.MustExist, progress: o.Progress, committer: o.Committer, signer: o.Signer, collections: o.Collections, language: o.Language,
		log: o.Logger, clock: o.Clock, disk: o.disk,
		store: &store{dir: o.Path}, history: newHistory(), pack: newPack(), started: make(chan struct{}), stopped: make(chan struct{}),
		accept: o.accept, allowRewrite: o.AllowRewrite, rebuildBeyond: rebuildBeyond,
		remote: o.Remote.opened(), refUpdates: make(chan *refUpdate), landings: make(chan *refUpdate), lander: make(chan struct{}, 1), parsedBatches: make(chan []record),
		pushBytes: maxOutgoing, pushWake: make(chan struct{}, 1), looks: looks{wake: make(chan struct{}, 1)},
	}
	r.streams = r.store.withOwnCache()
	r.streams.streamFrom = streamBytes
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.disk == nil {
		r.disk = osDisk{}
	}
	if o.BeforeSync != nil {
		r.disk = syncHookDisk{r.disk, o.BeforeSync}
	}
	r.keepFiles = keepFiles{disk: r.disk, folder: r.packFolder()}
	r.lostIndexes.folder = r.packFolder()
	r.syncTracker = syncTracker{disk: r.disk, objects: filepath.Join(r.path, "objects"), folders: make(map[string]*syncedFolder)}
	if o.Queue == 0 {
		o.Queue = 1024
	}
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.KeepPacks == 0 {
		o.KeepPacks = 2 * time.Minute
	}
	r.repacker = &repacker{
		disk: r.disk, folder: r.packFolder(), grace: o.KeepPacks, log: r.log,
		pauseAfter: r.repackPause, lastOpen: r.opens.at, packs: r.store.set(),
	}
	r.queue = newQueue(o.Queue)
	r.budget = &budget{limit: o.Memory}
	if err := r.open(ctx, o.Branch, o.Protect); err != nil {
		if r.lock != nil {
			r.Close()
		}
		if errors.Is(err, errMissing) {
			err = fmt.Errorf("%w; git fsck names all that is missing, and cms doctor what to do", err)
		}
		return nil, fmt.Errorf("open repository %s: %w", o.Path, err)
	}
	r.progress = nil
	return r, nil
}

func (r *Repo) open(ctx context.Context, branchName string, protect bool) error {
	if r.committer == (Person{}) && !r.readOnly {
		return errors.New("no committer is named")
	}
	if err := r.collections.check(); err != nil {
		return err
	}
	if empty, err := isEmpty(r.path); err != nil {
		return err
	} else if empty && (r.readOnly || r.mustExist) {
		return ErrNoRepository
	} else if empty {
		if err := create(r.disk, r.path, branchName); err != nil {
			return fmt.Errorf("create: %w", err)
		}
		r.log.Info("created a new repository", "path", r.path)
		protect = true
	}
	if err := supported(r.path); err != nil {
		return err
	}
	if !r.readOnly {
		lock, err := lockFile(filepath.Join(r.path, "cms.lock"))
		if err != nil {
			return err
		}
		r.lock = lock
	}
	none := &Snapshot{repo: r, superseded: make(chan struct{})}
	tables := make(map[string]table)
	for _, c := range r.collections {
		tables[c.Name] = table{}
	}
	s := none.next(Hash{}, Hash{}, 0, tables)
	r.publish(s)
	if err := r.nameBranch(branchName); err != nil {
		return err
	}
	if !r.readOnly {
		if err := notCheckedOut(r.path, r.branch.name); err != nil {
			return err
		}
		if err := r.removeLeftovers(); err != nil {
			return fmt.Errorf("remove what an earlier process left: %w", err)
		}
	}
	if followed, err := r.followed(); r.remote == nil || err == nil && !followed.IsZero() {
		r.contact.ever, r.contact.has = true, followed
		r.unknownUntil.Store(time.Now().Add(pushTimeout).UnixNano()) // by the process before
	}
	found, known, err := r.readAll(s)
	if err != nil {
		return err
	}
	if err := r.extendToSaved(ctx); err != nil {
		return err
	}
	if err := r.findBranch(); err != nil {
		return err
	}
	if !r.readOnly {
		if err := r.protect(protect); err != nil {
			return err
		}
	}
	tip, err := r.branch.read()
	if err != nil || tip.IsZero() {
		return err
	}
	if found != nil && found.commit != tip { // it was moved just now
		found = nil
	}
	if !r.readOnly {
		if err := r.syncTracker.load(); err != nil {
			return fmt.Errorf("read which packs are durable: %w", err)
		}
		if err := r.syncForeign(); err != nil {
			return err
		}
	}
	a, err := r.prepareIncoming(ctx, s, tip, found, known)
	if err == nil {
		err = r.backupLost(a.extension)
	}
	if err != nil {
		return err
	}
	r.applyIncoming(a)
	if !r.readOnly {
		r.flushIndex(indexEvery, math.MaxInt)
	}
	return nil
}

// readAll does the two halves of a start beside each other: it loads the index, and
// finds the entries of the branch, if there is one.
func (r *Repo) readAll(s *Snapshot) (found *entryDiff, known *recordIndex, err error) {
	tip, err := r.branch.read()
	if err != nil {
		return nil, nil, err
	}
	most := r.history.maxSteps
	var g errgroup.Group
	g.Go(func() error { known = r.loadIndex(); return nil })
	if !tip.IsZero() {
		g.Go(func() (err error) { found, err = r.diffEntries(s, tip, most); return err })
	}
	return found, known, g.Wait()
}

// isEmpty says whether nothing is at path: no folder, or an empty one.
func isEmpty(path string) (bool, error) {
	names, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(names) == 0, err
}

// create makes a bare repository whose HEAD is branch. HEAD comes last: without
// it the folder is no repository. What is pushed to it stays one pack, and durable.
func create(d disk, path, branch string) error {
	if branch == "" {
		branch = "main"
	}
	for _, dir := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags"} {
		if err := d.Mkdir(filepath.Join(path, dir)); err != nil {
			return err
		}
	}
	const settings = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tfsync = committed,reference\n" +
		"[gc]\n\tauto = 0\n[receive]\n\tunpackLimit = 1\n[fetch]\n\tunpackLimit = 1\n"
	for _, f := range [][2]string{{"config", settings}, {"HEAD", "ref: refs/heads/" + branch + "\n"}} {
		if err := writeFile(d, filepath.Join(path, f[0]), []byte(f[1]), 0o666); err != nil {
			return err
		}
	}
	for _, dir := range []string{"objects", "refs", "", ".."} {
		if err := d.SyncDir(filepath.Join(path, dir)); err != nil {
			return err
		}
	}
	return nil
}

// supported refuses what is no repository of the form that this package, and
// go-git below it, read and write rightly.
func supported(path string) error {
	exists := func(name string) bool {
		info, err := os.Stat(filepath.Join(path, name))
		return err == nil && (info.IsDir() || info.Size() > 0)
	}
	head, _ := readReference(filepath.Join(path, "HEAD"))
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
	}
	switch {
	case exists(".git"):
		return refuse("it has a working tree, which would not follow the branch; give a bare clone (git clone --bare)")
	case len(head) == 0 || !exists("objects"):
		return refuse("there are files, but no Git repository")
	case exists("objects/info/alternates"):
		return refuse("it borrows objects from another one; copy them with \"git repack -a -d\" and remove objects/info/alternates")
	case exists("shallow"):
		return refuse("it is a shallow clone; complete it with \"git fetch --unshallow\"")
	}
	if grafted, err := hasGrafts(path); err != nil {
		return err
	} else if grafted {
		return refuse("it has grafts, by which Git shows another history than there is; make them part of it (git replace --convert-graft-file, then rewrite the history) or remove info/grafts")
	}
	if replaced, err := references(path, "refs/replace"); err != nil {
		return err
	} else if len(replaced) > 0 {
		return refuse("it has replacements of objects such as %s, by which Git shows another history than there is; make them part of it (git filter-branch or git filter-repo) or remove them (git replace -d)", replaced[0].name)
	}
	c, err := readGitConfig(path)
	if err != nil {
		return err
	}
	if v := c.last("core", "repositoryformatversion"); !slices.Contains([]string{"", "0", "1"}, v) {
		return refuse("its format is version %s; 0 and 1 are read", v)
	}
	for _, s := range c {
		switch value := strings.ToLower(s.value); {
		case s.section == "remote" && s.key == "promisor" && gitTrue(value):
			return refuse("it is a partial clone, of which objects are missing")
		case s.section != "extensions" || s.subsection != "":
		case s.key == "objectformat" && value != "sha1":
			return refuse("its object format is %s; only sha1 is read", value)
		case s.key == "refstorage" && value != "files":
			return refuse("its references are kept as %s; only files are read (git refs migrate --ref-format=files)", value)
		case s.key == "partialclone":
			return refuse("it is a partial clone, of which objects are missing")
		case !slices.Contains([]string{"objectformat", "refstorage", "noop", "noop-v1", "preciousobjects", "worktreeconfig"}, s.key):
			return refuse("it uses the extension %s", s.key)
		}
	}
	if c.has("core", "bare") && gitFalse(c.last("core", "bare")) || c.last("core", "worktree") != "" {
		return refuse("it has a working tree, which would not follow the branch; give a bare clone (git clone --bare)")
	}
	return nil
}

// notCheckedOut refuses a branch that a linked working tree has (git-worktree): its files would
// not follow the branch, and what is committed there would undo the edits since.
func notCheckedOut(path string, branch plumbing.ReferenceName) error {
	linked := filepath.Join(path, "worktrees")
	names, err := os.ReadDir(linked)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range names {
		head, _ := readReference(filepath.Join(linked, e.Name(), "HEAD"))
		if strings.TrimSpace(string(head)) != "ref: "+string(branch) {
			continue
		}
		at, _ := os.ReadFile(filepath.Join(linked, e.Name(), "gitdir"))
		folder := filepath.Dir(strings.TrimSpace(string(at)))
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) { // it is gone, and git worktree prune forgets it
			continue
		}
		return fmt.Errorf("%w: the branch %s is checked out in %s, which would not follow it, and a commit there would undo edits; have it go elsewhere (git checkout --detach) or away (git worktree remove)",
			ErrUnsupported, branch.Short(), folder)
	}
	return nil
}

// hasGrafts says whether info/grafts gives a commit other parents.
func hasGrafts(path string) (bool, error) {
	raw, err := os.ReadFile(filepath.Join(path, "info", "grafts"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true, nil
		}
	}
	return false, err
}

// lockFile takes the lock that keeps a second process out. It ends with the
// process, so that nothing is left to clean up.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w by process %s", ErrInUse, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unlockFile gives the lock back. Closing alone would not do: a child process that is
// just being started has the file open too, until it runs its program.
func unlockFile(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// nameBranch decides on the branch.
func (r *Repo) nameBranch(short string) error {
	name := plumbing.NewBranchReferenceName(short)
	if short == "" {
		head, err := readReference(filepath.Join(r.path, "HEAD"))
		if err != nil {
			return err
		}
		target, ok := strings.CutPrefix(strings.TrimSpace(string(head)), "ref:")
		if !ok {
			return errors.New("HEAD is detached: name a branch")
		}
		name = plumbing.ReferenceName(strings.TrimSpace(target))
	}
	if err := name.Validate(); err != nil || !name.IsBranch() {
		return fmt.Errorf("%q is no name of a branch", name.Short())
	}
	r.branch = branch{disk: r.disk, dir: r.path, name: name, synced: &r.syncedFolders}
	return nil
}

// findBranch makes sure that the branch exists. In a repository without any, the
// first commit makes it.
func (r *Repo) findBranch() error {
	name := r.branch.name
	tip, err := r.branch.read()
	if err != nil || !tip.IsZero() {
		return err
	}
	names, err := branches(r.path)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("there is no branch %q; there are %s", name.Short(), strings.Join(names, ", "))
	}
	if known := r.history.tip; !known.IsZero() {
		if r.accept == nil {
			return r.branchGone(known)
		}
		return r.accept(r)
	}
	return nil
}

// branches are the short names of the branches that exist, in order.
func branches(path string) ([]string, error) {
	refs, err := packedRefs(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range refs {
		if name.IsBranch() {
			names = append(names, name.Short())
		}
	}
	heads := filepath.Join(path, "refs", "heads")
	err = filepath.WalkDir(heads, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !strings.HasSuffix(p, ".lock") {
			rel, _ := filepath.Rel(heads, p)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// removeLeftovers removes what a process that was killed left, and makes the folder of
// drafts.
func (r *Repo) removeLeftovers() error {
	err := errors.Join(removeStaleLocks(r.disk, r.path), r.keepFiles.releaseStale())
	for _, drafts := range draftFolders(r.path) {
		err = errors.Join(err, removeAllDrafts(r.disk, drafts, r.packFolder()))
	}
	if err != nil {
		return err
	}
	if r.drafts, err = makeDraftFolder(r.disk, r.path); err != nil {
		return err
	}
	r.repacker.drafts = r.drafts
	return repairPacks(r.disk, r.drafts, r.packFolder(), r.log)
}

// clean removes what a write that did not come to its end left behind. The lock is
// held, so nobody else is at it.
func (r *Repo) clean() error {
	if err := r.disk.Mkdir(r.drafts); err != nil { // should somebody have removed it
		return err
	}
	if err := removeDrafts(r.disk, filepath.Join(r.drafts, groupDraft), r.packFolder()); err != nil {
		return err
	}
	if r.inDoubt.Load() == nil {
		if err := r.keepFiles.release(); err != nil {
			return err
		}
	}
	return r.branch.removeStaleLock()
}
