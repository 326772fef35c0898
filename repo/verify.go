package repo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// Verified is what a repository was found to hold.
type Verified struct {
	References, Commits, Objects int // of what the references lead to
}

// Verify reads all of a repository that nobody writes to: each pack and index as a whole
// has the sum that it ends with, all that the references lead to is there, and each object
// of it has the content that its name says. The error tells the first thing that is not
// so. It takes a bit of memory for each packed object.
func Verify(ctx context.Context, path string) (Verified, error) {
	if err := supported(path); err != nil {
		return Verified{}, err
	}
	refs, err := allReferences(path)
	if err != nil {
		return Verified{}, fmt.Errorf("read references: %w", err)
	}
	v := &verifier{store: &store{dir: path, streamFrom: streamBytes}, seen: make(map[*knownPack][]uint64), loose: make(map[Hash]bool)}
	defer v.store.Close()
	if v.packs, err = v.store.set().list(); err != nil {
		return Verified{}, fmt.Errorf("list packs: %w", err)
	}
	for _, p := range v.packs.packs {
		if p.damage != nil {
			return Verified{}, p.damage
		}
		for _, name := range []string{p.name + ".pack", p.name + ".idx"} {
			if err := verifySum(ctx, name); err != nil {
				return Verified{}, fmt.Errorf("%s: %w", filepath.Base(name), err)
			}
		}
	}
	v.found.References = len(refs)
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if err := v.follow(ctx, refs[name]); err != nil {
			return Verified{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return v.found, nil
}

// verifySum reads a file that ends with the SHA-1 of what stands before.
func verifySum(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha1.New()
	if _, err := io.CopyN(sum, &endingReader{ctx, f}, info.Size()-sha1.Size); err != nil {
		return errors.Join(errDamaged, ctx.Err())
	}
	end, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(end, sum.Sum(nil)) {
		return errDamaged
	}
	return nil
}

// An endingReader reads until ctx ends.
type endingReader struct {
	ctx context.Context
	io.Reader
}

func (r *endingReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// A verifier goes through all that references lead to, each object once.
type verifier struct {
	store *store
	packs *packList
	seen  map[*knownPack][]uint64 // a bit for each object of the pack
	loose map[Hash]bool           // that were seen
	next  []linked                // to be looked at
	found Verified
}

// A linked object is one that another one, or a reference, leads to.
type linked struct {
	kind plumbing.ObjectType // AnyObject for that of a reference
	hash Hash
	by   Hash
}

// met says whether the object was met before. From now on it was.
func (v *verifier) met(h Hash) bool {
	for _, p := range v.packs.packs {
		var (
			i  int
			ok bool
		)
		if p.guarded(func() error { i, ok = p.index.place(h); return nil }) != nil || !ok {
			continue
		}
		if v.seen[p] == nil {
			v.seen[p] = make([]uint64, p.index.objects/64+1)
		}
		was := v.seen[p][i/64]&(1<<(i%64)) != 0
		v.seen[p][i/64] |= 1 << (i % 64)
		return was
	}
	was := v.loose[h]
	v.loose[h] = true
	return was
}

func (v *verifier) add(kind plumbing.ObjectType, h, by Hash) {
	if !v.met(h) {
		v.next = append(v.next, linked{kind, h, by})
	}
}

// follow looks at all that h leads to and that was not met before.
func (v *verifier) follow(ctx context.Context, h Hash) error {
	v.add(plumbing.AnyObject, h, Hash{})
	for len(v.next) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := v.next[len(v.next)-1]
		v.next = v.next[:len(v.next)-1]
		if err := v.look(at); err != nil {
			if at.by.IsZero() {
				return err
			}
			return fmt.Errorf("%w, to which %s leads", err, at.by)
		}
		v.found.Objects++
	}
	return nil
}

func (v *verifier) look(at linked) error {
	if at.kind == plumbing.AnyObject {
		a, err := v.store.read(at.hash, -1)
		if err != nil {
			return fmt.Errorf("object %s: %w", at.hash, err)
		}
		at.kind = a.kind
	}
	if at.kind == plumbing.TreeObject && at.hash == hashObject(plumbing.TreeObject, nil) {
		return nil // which Git knows without having it
	}
	if at.kind == plumbing.BlobObject {
		return v.blob(at.hash)
	}
	raw, err := v.store.object(at.kind, at.hash)
	if err != nil {
		return err
	}
	if hashObject(at.kind, raw) != at.hash {
		return fmt.Errorf("%s %s: %w", at.kind, at.hash, errDamaged)
	}
	switch at.kind {
	case plumbing.CommitObject:
		c, err := parseCommit(raw)
		if err != nil {
			return fmt.Errorf("commit %s: %w", at.hash, err)
		}
		v.found.Commits++
		for _, parent := range c.parents {
			v.add(plumbing.CommitObject, parent, at.hash)
		}
		v.add(plumbing.TreeObject, c.tree, at.hash) // the last one is looked at first, so that few wait
	case plumbing.TreeObject:
		for len(raw) > 0 {
			item, err := nextItem(raw)
			if err != nil {
				return fmt.Errorf("tree %s: %w", at.hash, err)
			}
			switch raw = raw[len(item):]; item.mode() {
			case filemode.Submodule:
			case filemode.Dir:
				v.add(plumbing.TreeObject, item.hash(), at.hash)
			default:
				v.add(plumbing.BlobObject, item.hash(), at.hash)
			}
		}
	case plumbing.TagObject:
		return v.tag(at.hash, raw)
	}
	return nil
}

// blob reads one bit by bit, if it is large.
func (v *verifier) blob(h Hash) error {
	in, size, err := v.store.stream(plumbing.BlobObject, h)
	if err != nil {
		return err
	}
	sum := newHasher(plumbing.BlobObject, size)
	_, err = io.Copy(sum, in)
	if err = errors.Join(err, in.Close()); err == nil {
		err = checkName(sum, h)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", h, err)
	}
	return nil
}

// tag follows what a tag with a text names.
func (v *verifier) tag(h Hash, raw []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	var values [2]string
	for i, key := range []string{"object ", "type "} {
		if lines.Scan() {
			line, ok := bytes.CutPrefix(lines.Bytes(), []byte(key))
			if ok {
				values[i] = string(line)
			}
		}
	}
	kind, err := plumbing.ParseObjectType(values[1])
	if err != nil || !plumbing.IsHash(values[0]) {
		return fmt.Errorf("tag %s: malformed", h)
	}
	v.add(kind, plumbing.NewHash(values[0]), h)
	return nil
}
