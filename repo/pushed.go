package repo

import (
	"context"
	"errors"
	"fmt"
)

// errPackFull says that a pack would become larger than it may.
var errPackFull = errors.New("too much for one pack")

// maxCopied is how many commits of a push are copied. What is no pack has fewer
// objects than receive.unpackLimit, 100 unless named.
const maxCopied = 1000

// copyPushed packs the objects of commits that a push brought, so that they are the
// service's own before anything stands on them. Git does not unpack an object that is there
// already, though nothing may lead to it (of a push that was refused, the folders and files
// stay), and a git repack or git prune that began before the branch led to it drops it as
// it ends. What was placed later, it leaves alone.
//
// Many commits, and more than one push to a remote would send, are left as they are: so
// much comes as one pack, which Git keeps until the branch leads to it.
func (r *Repo) copyPushed(ctx context.Context, pushed []newCommit) error {
	if len(pushed) == 0 || len(pushed) > maxCopied { // none where the branch went back
		return nil
	}
	own := r.store.withOwnCache()
	defer own.Close()
	o := &objectWalk{store: own, pack: newPack(), seen: make(map[Hash]bool), most: r.pushBytes}
	for _, c := range pushed {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch _, err := o.commit(c.hash); {
		case errors.Is(err, errPackFull):
			return nil
		case errors.Is(err, errMissing):
			r.log.Error("a push is not whole: see what git fsck misses, and push it again from a clone that has it", "commit", c.hash.String(), "error", err)
			return nil
		case err != nil:
			return err
		}
	}
	keep := keepFiles{disk: r.disk, folder: r.packFolder()} // for no longer than it takes: the branch leads to it
	err := o.pack.save(r.disk, r.drafts, &keep)
	if err == nil {
		r.know(o.pack, keep.names)
	}
	if err = errors.Join(err, keep.release()); err != nil {
		r.dirty = true
		return fmt.Errorf("copy what was pushed: %w", err)
	}
	return nil
}
