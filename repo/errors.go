package repo

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// What callers tell apart. Test with [errors.Is].
var (
	// ErrNotFound: there is no such entry, collection or object.
	ErrNotFound = errors.New("not found")
	// ErrNoRepository: there is none at the path, and none was to be made. It is
	// ErrNotFound too.
	ErrNoRepository = fmt.Errorf("there is no repository: %w", ErrNotFound)
	// ErrExists: an entry is there already.
	ErrExists = errors.New("already exists")
	// ErrConflict: something that is no entry stands in the way of the file: a
	// symbolic link, a submodule, a folder, or a file where a folder is needed.
	ErrConflict = errors.New("something else is in the way")
	// ErrSize: an upload has not as many bytes as was said.
	ErrSize = errors.New("content does not have the size that was announced")
	// ErrBusy: the queue of updates is full. Nothing was done; try again later.
	ErrBusy = errors.New("too many updates are waiting")
	// ErrClosed: the writer has stopped, or stopped before this update.
	ErrClosed = errors.New("repository is closed")
	// ErrUnknownCommit: the commit is not in the history of the branch.
	ErrUnknownCommit = errors.New("commit is not in the branch's history")
	// ErrInUse: another process has the repository open for writing.
	ErrInUse = errors.New("repository is in use")
	// ErrUnsupported: the repository has a form that is refused, by name.
	ErrUnsupported = errors.New("repository is not supported")
	// ErrGone: there is no branch, but its history was saved; see Accept.
	ErrGone = errors.New("the branch is gone")
	// ErrStorage: the disk or the repository's files failed. Nothing was
	// published; the same update may succeed once the cause is gone.
	ErrStorage = errors.New("storage failed")
	// ErrUnsure: the storage failed when the update was taking effect, so that it
	// may be saved, and may not. The branch will tell: what it then holds is
	// published once it is durable. Such an error is not ErrStorage.
	ErrUnsure = errors.New("storage failed late: the update may be saved")
	// ErrFull: the storage failed because the disk or a quota is full. An
	// error that is ErrFull is ErrStorage too.
	ErrFull = errors.New("disk is full")

	// errMoved: the branch is not where it was expected to be.
	errMoved = errors.New("branch moved")
)

// storageError marks err as a failure of the storage, unless it is the end of a
// context, or ErrUnsure.
func storageError(err error) error {
	if err == nil || errors.Is(err, ErrStorage) || errors.Is(err, ErrUnsure) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w: %w", ErrStorage, ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrStorage, err)
}
