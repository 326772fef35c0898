package site

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"cms/content"
	"cms/repo"
	"cms/say"
)

// Code is the kind of a refusal.
type Code string

// The kinds of refusals.
const (
	Malformed            Code = "malformed"             // the request makes no sense
	Forbidden            Code = "forbidden"             // the caller may not
	NotFound             Code = "not_found"             // there is no such thing, or not for the caller
	Conflict             Code = "conflict"              // it clashes with what is there
	PreconditionRequired Code = "precondition_required" // an edit must say what it edits
	PreconditionFailed   Code = "precondition_failed"   // the entry has moved on
	Invalid              Code = "invalid"               // the content breaks a rule
	Unavailable          Code = "unavailable"           // try again later
	TooLarge             Code = "too_large"             // more than is taken
	Full                 Code = "full"                  // the disk is
	Unsure               Code = "may_be_saved"          // the disk failed so late that nobody can tell yet
	Pointer              Code = "lfs_pointer"           // the content is kept by Git LFS, elsewhere
	Tracked              Code = "lfs_tracked"           // a file there would have to be kept by Git LFS
)

// Codes are all of them: each door says what it makes of each.
func Codes() []Code {
	return []Code{
		Malformed, Forbidden, NotFound, Conflict, PreconditionRequired, PreconditionFailed, Invalid,
		Unavailable, TooLarge, Full, Unsure, Pointer, Tracked,
	}
}

// Error is a refusal that its caller can act on. Detail is a sentence for
// people; it never holds a submitted value.
type Error struct {
	Code       Code
	Detail     say.Text
	Problems   []content.Problem // what is wrong with each field, for Invalid
	Revision   string            // what is there now, for PreconditionFailed
	Clashes    []content.Clash   // for Conflict of a merge
	References []Reference       // to what was to be moved or deleted, those that the caller sees; the first ones
	Retry      time.Duration     // when to try again, for Unavailable; 0 is soon
	Err        error             // the cause, for the log
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Detail) }

func (e *Error) Unwrap() error { return e.Err }

// ErrStorage is the error of what cannot be read from the repository now. Writes are
// refused with an *Error that says what became of them.
var ErrStorage = repo.ErrStorage

// firstReadError refuses what has to wait until entries were read for the first time.
func firstReadError(err error) error {
	var reading *repo.WarmingError
	if !errors.As(err, &reading) {
		return err
	}
	return &Error{Code: Unavailable, Err: err, Retry: 5 * time.Second,
		Detail: say.New("The entries are being read for the first time (%d of %d so far). Try again in a moment.", reading.Done, reading.Total)}
}

// errUnreadable refuses a write that depends on an entry which cannot be read now.
func errUnreadable() error {
	return &Error{Code: Unavailable, Detail: say.New("The repository cannot be read now. Nothing was saved. Try again in a moment.")}
}

// mustExist is the error of reading what the repository must have: a missing object is
// a failure of the storage.
func mustExist(err error) error {
	if errors.Is(err, repo.ErrNotFound) {
		return fmt.Errorf("%w: an object is missing: %s", ErrStorage, err.Error())
	}
	return err
}

// uploadError is the refusal of a write whose scratch file failed.
func uploadError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{Code: Full, Detail: say.New("The disk of the service is full. Nothing was saved. Tell the operator."), Err: err}
	}
	return &Error{Code: Unavailable, Detail: say.New("The file cannot be received now. Nothing was saved. Try again later."), Err: err}
}

// refusedRetry is when to try again what the Git host refused, at the earliest.
const refusedRetry = 30 * time.Second

// asError makes an *Error of the errors of the packages below that a client can act
// on; others are returned as they are.
func asError(err error) error {
	var (
		edit *content.EditError
		told *Error
		of   *OperationError

		remote *repo.RemoteError
	)
	switch {
	case err == nil, errors.As(err, &told), errors.As(err, &of):
		return err
	case errors.As(err, &edit):
		return &Error{Code: Invalid, Detail: edit.Say(), Err: err, Problems: []content.Problem{{
			Field: edit.Path.String(), Pointer: edit.Path.Pointer(), Rule: string(edit.Kind),
			Detail: edit.Detail, Line: edit.Line, Column: edit.Column,
		}}}
	case errors.Is(err, content.ErrTestFailed):
		return &Error{Code: Conflict, Detail: say.New("A test operation of the patch does not hold. Nothing was changed."), Err: err}
	case errors.Is(err, repo.ErrExists):
		return &Error{Code: Conflict, Detail: say.New("An entry with that name already exists."), Err: err}
	case errors.Is(err, repo.ErrNotFound):
		return errNoEntry()
	case errors.Is(err, repo.ErrConflict):
		return &Error{Code: Conflict, Detail: say.New("A folder, a link or a submodule is in the place of the file. Choose another slug."), Err: err}
	case errors.Is(err, repo.ErrUnsure) && errors.Is(err, repo.ErrSent):
		return &Error{Code: Unsure, Detail: say.New("The edit was sent to the Git host, whose answer is missing. It may or may not be saved. Check the current state before you repeat it. With its Idempotency-Key you can safely send the same request again."), Err: err}
	case errors.Is(err, repo.ErrUnsure):
		return &Error{Code: Unsure, Detail: say.New("The storage failed while the edit was taking effect. It may or may not be saved. Check the current state before you repeat it. With its Idempotency-Key you can safely send the same request again."), Err: err}
	case errors.As(err, &remote) && remote.Refused:
		return &Error{Code: Unavailable, Detail: say.New("The Git host refuses the edit. Nothing was saved. Tell the operator: the log has the host's message."), Retry: max(remote.Retry, refusedRetry), Err: err}
	case errors.As(err, &remote):
		return &Error{Code: Unavailable, Detail: say.New("The Git host cannot take edits now. Nothing was saved. Try again later."), Retry: remote.Retry, Err: err}
	case errors.Is(err, repo.ErrFull):
		return &Error{Code: Full, Detail: say.New("The disk of the service is full. Nothing was saved. Tell the operator."), Err: err}
	case errors.Is(err, repo.ErrStorage):
		return &Error{Code: Unavailable, Detail: say.New("The repository cannot be written now. Nothing was saved. Try again later."), Err: err}
	case errors.Is(err, repo.ErrBusy):
		return &Error{Code: Unavailable, Detail: say.New("Too many edits are waiting. Try again in a moment."), Err: err}
	case errors.Is(err, repo.ErrClosed):
		return &Error{Code: Unavailable, Detail: say.New("The service is stopping. Try again in a moment."), Err: err}
	}
	return err
}

// hidePositions is err without positions in a file.
func hidePositions(err error) error {
	var (
		told *Error
		edit *content.EditError
		of   *OperationError
	)
	if errors.As(err, &of) {
		return &OperationError{of.Index, hidePositions(of.Err)}
	}
	if !errors.As(err, &told) {
		return err
	}
	bare := *told
	bare.Problems = withoutPositions(told.Problems)
	if errors.As(told.Err, &edit) {
		bare.Detail = (&content.EditError{Kind: edit.Kind, Path: edit.Path, Detail: edit.Detail}).Say()
	}
	return &bare
}

// isUnavailable says whether the request may succeed later.
func isUnavailable(err error) bool {
	if err == nil { // as for most entries of a list
		return false
	}
	refused := (*Error)(nil)
	return errors.As(err, &refused) && refused.Code == Unavailable
}

func errNoEntry() error { return &Error{Code: NotFound, Detail: say.New("There is no such entry.")} }
