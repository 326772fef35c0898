package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// pushedConflicts holds a reference for each branch of a conflict that was pushed, so that
// the ones of other services at the remote are left alone.
const pushedConflicts = "refs/cms/pushed-conflicts/"

// pushConflicts brings to the remote what was set aside, if that is asked for, and removes
// there what is resolved. It asks the remote only where there is something to do.
func (r *Repo) pushConflicts(ctx context.Context) error {
	if !r.remote.PushConflicts {
		return nil
	}
	r.fetching.Lock()
	defer r.fetching.Unlock()
	here, err := r.tipsBelow(conflicts)
	if err != nil {
		return storageError(err)
	}
	pushed, err := r.tipsBelow(pushedConflicts)
	if err != nil {
		return storageError(err)
	}
	var due []string
	for id, at := range here {
		if pushed[id] != at {
			due = append(due, id)
		}
	}
	for id := range pushed {
		if here[id].IsZero() {
			due = append(due, id)
		}
	}
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	session, err := r.remote.openPush(ctx)
	if err != nil {
		return err
	}
	defer session.close()
	if err := r.sendConflicts(ctx, session, due, here, pushed); err != nil {
		return err
	}
	for _, id := range due {
		b := branch{disk: r.disk, dir: r.path, name: plumbing.ReferenceName(pushedConflicts + id)}
		if here[id].IsZero() {
			if err = b.remove(pushed[id]); errors.Is(err, fs.ErrExist) {
				continue // somebody has packed-refs locked, as a push that waits for the writer: the next time will do
			}
		} else {
			err = b.move(pushed[id], here[id])
		}
		if err != nil {
			return storageError(fmt.Errorf("note that conflict %s was pushed: %w", id, err))
		}
	}
	return nil
}

// sendConflicts has the remote's branches of the conflicts due be as they are here. One that
// is elsewhere than it was pushed to is somebody's work, and stays when it is resolved here.
func (r *Repo) sendConflicts(ctx context.Context, session *pushSession, due []string, here, pushed map[string]Hash) error {
	own := r.store.withOwnCache()
	defer own.Close()
	o := &objectWalk{store: own, pack: newPack(), seen: make(map[Hash]bool)}
	var commands []*packp.Command
	for _, id := range due {
		name := plumbing.ReferenceName(conflicts + id)
		switch to, there := here[id], session.tip(name); {
		case to == there:
		case to.IsZero():
			if there == pushed[id] && session.offered.Capabilities.Supports(capability.DeleteRefs) {
				commands = append(commands, &packp.Command{Name: name, Old: there})
			}
		default:
			if _, err := o.commit(to); err != nil {
				return storageError(err)
			}
			commands = append(commands, &packp.Command{Name: name, Old: there, New: to})
		}
	}
	if len(commands) == 0 {
		return nil
	}
	var pack io.Reader
	if len(o.pack.objects) > 0 {
		o.pack.finish()
		pack = bytes.NewReader(o.pack.buf.Bytes())
	}
	if err := session.send(ctx, commands, pack); err != nil {
		return fmt.Errorf("push what was set aside: %w", err)
	}
	return nil
}

// tipsBelow are the references below a prefix, by the rest of their names.
func (r *Repo) tipsBelow(prefix string) (map[string]Hash, error) {
	refs, err := references(r.path, strings.TrimSuffix(prefix, "/"))
	tips := make(map[string]Hash)
	for _, ref := range refs {
		if ref.err != nil {
			return nil, ref.err
		}
		tips[strings.TrimPrefix(string(ref.name), prefix)] = ref.at
	}
	return tips, err
}
