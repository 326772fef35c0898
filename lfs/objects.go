package lfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Folder is where a repository has what is of Git LFS, as git-lfs itself has it.
const Folder = "lfs"

// Errors of [Objects].
var (
	ErrMissing  = errors.New("nobody has the object")
	ErrTooLarge = errors.New("the object is larger than is accepted")
	ErrNoRoom   = errors.New("there is no room for the object beside those that are kept here")
	ErrMismatch = errors.New("the content does not have the announced size or hash")
)

// Defaults of [Options].
const (
	DefaultMaxObject = 512 << 20
	DefaultCache     = 1 << 30
	DefaultStore     = 10 << 30
)

// fetchTime is how long an object may be on its way from the remote, for all who wait; and
// maxFetches how many are at once.
const (
	fetchTime  = 15 * time.Minute
	maxFetches = 4
)

// Options of [Objects]. Path is required.
type Options struct {
	Path      string  // of the repository
	Remote    *Remote // nil: what is put is kept here
	MaxObject int64   // bytes of one; DefaultMaxObject when 0
	Cache     int64   // bytes of what is kept of the remote's; DefaultCache when 0
	Store     int64   // bytes of what is kept here because nobody else has it, all together; DefaultStore when 0
}

// Objects are the files that a repository's pointers stand for: those that it has itself,
// and those that its remote has, of which some are kept here for a while. They may be used
// by several goroutines.
type Objects struct {
	o        Options
	own      kept
	drafts   string
	cache    cache
	fetching singleflight.Group
	fetches  *semaphore.Weighted
}

// NewObjects looks at nothing yet.
func NewObjects(o Options) (*Objects, error) {
	if o.Path == "" {
		return nil, errors.New("lfs: the path of the repository is required")
	}
	if o.MaxObject == 0 {
		o.MaxObject = DefaultMaxObject
	}
	if o.Cache == 0 {
		o.Cache = DefaultCache
	}
	if o.Store == 0 {
		o.Store = DefaultStore
	}
	if o.Cache < o.MaxObject {
		return nil, errors.New("lfs: the cache has to have room for the largest object")
	}
	at := filepath.Join(o.Path, Folder)
	return &Objects{
		o: o, own: kept{folder: filepath.Join(at, objectsFolder), most: o.Store}, drafts: filepath.Join(at, draftsFolder),
		cache: cache{folder: filepath.Join(at, cacheFolder), most: o.Cache}, fetches: semaphore.NewWeighted(maxFetches),
	}, nil
}

// Clean removes what a process that was killed had begun to receive. Nobody else may use the
// repository meanwhile.
func (o *Objects) Clean() error { return os.RemoveAll(o.drafts) }

// Max is how many bytes an object may have.
func (o *Objects) Max() int64 { return o.o.MaxObject }

// keepsHere says whether what is put is kept here, as far as that is known without asking.
func (o *Objects) keepsHere() bool { return o.o.Remote == nil || o.o.Remote.ReadOnly }

// Stored is how many bytes the objects have that are kept here because nobody else has them.
func (o *Objects) Stored() (int64, error) { return o.own.stored() }

// Room says whether an object of so many bytes may be put, as far as that is known without
// asking the remote.
func (o *Objects) Room(size int64) (bool, error) {
	if !o.keepsHere() {
		return true, nil
	}
	stored, err := o.own.stored()
	return err == nil && size <= o.own.most-stored, err
}

// here opens an object that is here; fs.ErrNotExist for none.
func (o *Objects) here(p Pointer) (*os.File, error) {
	f, err := openObject(place(o.own.folder, p.Hash()), p.Size)
	if errors.Is(err, fs.ErrNotExist) && o.o.Remote != nil {
		f, err = o.cache.open(p)
	}
	return f, err
}

// Open opens the object of a pointer, which comes from the remote if need be. ErrMissing when
// nobody has it, ErrTooLarge when it is not fetched for its size, a [RemoteError] when the
// remote does not give it now.
func (o *Objects) Open(ctx context.Context, p Pointer) (*os.File, error) {
	for tries := 1; ; tries++ {
		f, err := o.here(p)
		switch {
		case !errors.Is(err, fs.ErrNotExist):
			return f, err
		case o.o.Remote == nil:
			return nil, ErrMissing
		case p.Size > o.o.MaxObject:
			return nil, ErrTooLarge
		case tries > 3: // others have pushed it out of the cache as soon as it came
			return nil, &RemoteError{Text: "too many objects are asked for at once"}
		}
		if err := o.fetch(ctx, p); err != nil {
			return nil, err
		}
	}
}

// fetch brings an object into the cache. Whoever asks for it meanwhile waits for the same.
func (o *Objects) fetch(ctx context.Context, p Pointer) error {
	done := o.fetching.DoChan(fmt.Sprint(p.OID, p.Size), func() (any, error) { // for all, so that none of them ends it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		if err := o.fetches.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer o.fetches.Release(1)
		body, err := o.o.Remote.download(ctx, p)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		draft, err := o.receive(ctx, p, body)
		if err != nil {
			if errors.Is(err, ErrMismatch) {
				err = &RemoteError{Text: "the host's object is not what the pointer says"}
			}
			return nil, err
		}
		defer os.Remove(draft)
		return nil, o.cache.put(p, draft)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive writes an object to a draft, which is durable when it returns.
func (o *Objects) receive(ctx context.Context, p Pointer, content io.Reader) (draft string, err error) {
	if err := os.MkdirAll(o.drafts, 0o777); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(o.drafts, p.Hash()[:8]+"-*")
	if err != nil {
		return "", err
	}
	in := &source{ctx: ctx, r: io.LimitReader(content, p.Size+1)}
	got, err := PointerOf(io.TeeReader(in, f))
	switch {
	case in.err != nil:
		err = in.err
	case err == nil && got != p:
		err = ErrMismatch
	}
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// source is what is received: it ends with its context, and its errors are told from those of
// the disk.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Put stores an object where the repository's are, durably: at the remote, or here where that
// has no API of Git LFS, or there is none. ErrTooLarge and ErrNoRoom where it is not taken,
// before content is read if that is known by then, and ErrMismatch when it is not what
// the pointer says; errors of content come back as they are.
func (o *Objects) Put(ctx context.Context, p Pointer, content io.Reader) error {
	if p.Size > o.o.MaxObject {
		return ErrTooLarge
	}
	here := o.keepsHere()
	if here {
		release, err := o.own.reserve(p)
		if err != nil {
			return err
		}
		defer release()
	}
	draft, err := o.receive(ctx, p, content)
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	if !here {
		err := o.o.Remote.upload(ctx, p, draft)
		if err == nil {
			return o.cache.put(p, draft)
		}
		if !errors.Is(err, ErrNoAPI) {
			return err
		}
		release, err := o.own.reserve(p)
		if err != nil {
			return err
		}
		defer release()
	}
	return o.own.put(p, draft)
}

// Have says for each pointer whether its object is here or at the remote.
func (o *Objects) Have(ctx context.Context, all []Pointer) ([]bool, error) {
	have := make([]bool, len(all))
	var ask []Pointer
	var at []int
	for i, p := range all {
		f, err := o.here(p)
		switch {
		case err == nil:
			have[i] = true
			_ = f.Close() // nothing was written
		case errors.Is(err, fs.ErrNotExist):
			ask, at = append(ask, p), append(at, i)
		default:
			return nil, err
		}
	}
	if o.o.Remote == nil || len(ask) == 0 {
		return have, nil
	}
	there, err := o.o.Remote.have(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, is := range there {
		have[at[i]] = is
	}
	return have, nil
}

// PointerOf is the pointer that stands for a content, which is read to its end.
func PointerOf(content io.Reader) (Pointer, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, content)
	return Pointer{OID: hashName + hex.EncodeToString(sum.Sum(nil)), Size: n}, err
}
