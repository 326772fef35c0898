package repo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// tipFile, in the repository's folder, has the commit that was published last, and the name
// of the branch. The index is saved now and then: without the file, a start after a kill
// could not tell what was acknowledged since from what never was. It is not synced, as
// that would cost each group: a power cut leaves an older one, or none that can be read. It
// can be deleted at any time.
const tipFile = "cms.tip"

// saveTip notes what is about to be published. It is written in place, which costs no more
// than that: to rename a new file has some file systems write it at once.
func (r *Repo) saveTip(tip Hash) {
	if r.lock == nil || tip.IsZero() {
		return
	}
	err := r.disk.Overwrite(filepath.Join(r.path, tipFile), []byte(tip.String()+" "+string(r.branch.name)+"\n"))
	if err != nil && !r.tipUnsaved {
		r.log.Warn("the tip cannot be noted: after a kill, a start may miss commits that were taken from the branch meanwhile", "error", err)
	}
	r.tipUnsaved = err != nil
}

// savedTip is the commit of the branch that was noted last; zero when none was, or what is
// there cannot be read.
func (r *Repo) savedTip() Hash {
	raw, err := os.ReadFile(filepath.Join(r.path, tipFile))
	line, _, whole := strings.Cut(string(raw), "\n")
	commit, name, _ := strings.Cut(line, " ")
	if err != nil || !whole || name != string(r.branch.name) {
		return Hash{}
	}
	return NewHash(commit)
}

// extendToSaved has the history go on to the commit that was noted last, if its index does
// not know it and the branch is elsewhere: what leads to it was told of.
func (r *Repo) extendToSaved(ctx context.Context) error {
	saved := r.savedTip()
	tip, err := r.branch.read()
	if err != nil || saved.IsZero() || saved == tip || r.Has(saved) {
		return err
	}
	r.history.committer = r.committer
	e, err := r.history.extension(ctx, r.store, saved, r.progress)
	if ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil { // it was removed, or is damaged; neither keeps what there is from being read
		r.log.Error("the commits that the branch was at last cannot be read, and are not kept if it was taken from them", "last", saved.String(), "error", err)
		return nil
	}
	if err := r.backupLost(e); err != nil { // by a file that is older than the index
		return err
	}
	r.history.apply(e)
	return nil
}
