package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// A Copy is a copy of a repository that is being made, while others write to it: its
// references as they were at one moment, and files that hold all that they lead to. It
// changes nothing, and needs no lock. Some of the files may hold more, of later edits.
type Copy struct {
	path  string
	head  []byte
	refs  map[plumbing.ReferenceName]Hash
	loose map[Hash]bool // that were given
	packs []heldPack
	held  map[string]bool // by name
}

// A heldPack can be read whatever became of its name.
type heldPack struct {
	name        string // without folder and extension
	pack, index *os.File
}

// A CopiedFile is a file of a copy; its name is relative to the repository, with slashes.
type CopiedFile struct {
	Name    string
	Mode    fs.FileMode
	Size    int64
	Content io.Reader
}

// settle is how long a pack is waited for whose index is missing: it is coming, or comes
// back. maxPasses is how often packs may go while they are listed.
const (
	settle      = 10 * time.Second
	settlePause = 50 * time.Millisecond
	maxPasses   = 1000
)

// NewCopy reads the references of the repository at path. The copy must be closed.
func NewCopy(path string) (*Copy, error) {
	if empty, err := isEmpty(path); err != nil {
		return nil, err
	} else if empty {
		return nil, ErrNoRepository
	}
	if err := supported(path); err != nil {
		return nil, err
	}
	c := &Copy{path: path, loose: make(map[Hash]bool), held: make(map[string]bool)}
	var err error
	if c.head, err = readReference(filepath.Join(path, "HEAD")); err != nil {
		return nil, err
	}
	if c.refs, err = allReferences(path); err != nil {
		return nil, fmt.Errorf("read references: %w", err)
	}
	return c, nil
}

// allReferences are where the references lead, but for those that stand for others. Git
// packs them before it removes their files, so that files are read first.
func allReferences(path string) (map[plumbing.ReferenceName]Hash, error) {
	refs := make(map[plumbing.ReferenceName]Hash)
	var files []plumbing.ReferenceName
	err := filepath.WalkDir(filepath.Join(path, "refs"), func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil || !e.Type().IsRegular() || strings.HasSuffix(p, ".lock") {
			return err
		}
		rel, _ := filepath.Rel(path, p)
		files = append(files, plumbing.ReferenceName(filepath.ToSlash(rel)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		raw, err := os.ReadFile(filepath.Join(path, filepath.FromSlash(string(name))))
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.HasPrefix(raw, []byte("ref:")) {
			continue
		} else if err != nil {
			return nil, err
		}
		if refs[name], err = parseRef(name, raw); err != nil {
			return nil, err
		}
	}
	packed, err := packedRefs(path)
	for name, h := range packed {
		if _, newer := refs[name]; !newer {
			refs[name] = h
		}
	}
	return refs, err
}

// Branch is the one that HEAD names, in short, and the commit that it is at, zero where
// it has none.
func (c *Copy) Branch() (string, Hash) {
	name := plumbing.ReferenceName(strings.TrimSpace(strings.TrimPrefix(string(c.head), "ref:")))
	return name.Short(), c.refs[name]
}

// References is how many there are.
func (c *Copy) References() int { return len(c.refs) }

// Close gives back the files that are held open.
func (c *Copy) Close() error {
	var err error
	for _, p := range c.packs {
		err = errors.Join(err, p.pack.Close(), p.index.Close())
	}
	c.packs = nil
	return err
}

// Files gives each file of the copy once, HEAD as the last one. What Git packs meanwhile
// is found loose or in the pack, what it takes out of a pack again, too.
func (c *Copy) Files(ctx context.Context, each func(CopiedFile) error) error {
	if err := c.giveLoose(ctx, each); err != nil {
		return fmt.Errorf("copy loose objects: %w", err)
	}
	if err := c.hold(ctx); err != nil {
		return fmt.Errorf("open the packs: %w", err)
	}
	if err := c.giveLoose(ctx, each); err != nil {
		return fmt.Errorf("copy loose objects: %w", err)
	}
	if err := c.complete(); err != nil {
		return err
	}
	for _, p := range c.packs {
		for _, f := range []struct {
			*os.File
			extension string
		}{{p.pack, ".pack"}, {p.index, ".idx"}} {
			if err := c.giveFile(ctx, "objects/pack/"+p.name+f.extension, f.File, 0o444, each); err != nil {
				return err
			}
		}
	}
	if err := c.giveSettings(ctx, each); err != nil {
		return err
	}
	packed := []byte("# pack-refs with: sorted \n")
	for _, name := range slices.Sorted(maps.Keys(c.refs)) {
		packed = fmt.Appendf(packed, "%s %s\n", c.refs[name], name)
	}
	if err := each(CopiedFile{"packed-refs", 0o644, int64(len(packed)), bytes.NewReader(packed)}); err != nil {
		return err
	}
	return each(CopiedFile{"HEAD", 0o644, int64(len(c.head)), bytes.NewReader(c.head)})
}

// giveLoose gives the objects that are files of their own, but for those that were given.
func (c *Copy) giveLoose(ctx context.Context, each func(CopiedFile) error) error {
	for first := range 256 {
		folder := fmt.Sprintf("%02x", first)
		items, err := os.ReadDir(filepath.Join(c.path, "objects", folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, item := range items {
			if !plumbing.IsHash(folder + item.Name()) {
				continue
			}
			h := plumbing.NewHash(folder + item.Name())
			if c.loose[h] {
				continue
			}
			err := c.giveNamed(ctx, "objects/"+folder+"/"+item.Name(), each)
			if errors.Is(err, fs.ErrNotExist) { // packed by now
				continue
			} else if err != nil {
				return err
			}
			c.loose[h] = true
		}
	}
	return nil
}

// hold opens the packs. One listing of a folder that changes may show neither the packs
// that went nor the one that holds their objects by now: what went is looked for again,
// until two listings in a row have lost nothing.
func (c *Copy) hold(ctx context.Context) error {
	deadline := time.Now().Add(settle)
	for quiet, passes := 0, 0; quiet < 2; passes++ {
		gone, coming, err := c.holdListed()
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case passes == maxPasses:
			return errors.New("packs are removed faster than they can be opened")
		case coming && time.Now().Before(deadline):
			quiet = 0
			select {
			case <-time.After(settlePause):
			case <-ctx.Done():
				return ctx.Err()
			}
		case gone:
			quiet = 0
		default:
			quiet++
		}
	}
	return nil
}

// holdListed opens the packs of one listing that are not held yet. It says whether one
// was gone, and whether one has no index.
func (c *Copy) holdListed() (gone, coming bool, err error) {
	folder := filepath.Join(c.path, "objects", "pack")
	items, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	} else if err != nil {
		return false, false, err
	}
	for _, item := range items {
		name, ok := strings.CutSuffix(item.Name(), ".pack")
		if !ok || strings.HasPrefix(name, ".") || c.held[name] { // git repack is about to give that another name
			continue
		}
		p := heldPack{name: name}
		if p.pack, err = os.Open(filepath.Join(folder, name+".pack")); errors.Is(err, fs.ErrNotExist) {
			gone = true
			continue
		} else if err != nil {
			return false, false, err
		}
		if p.index, err = os.Open(filepath.Join(folder, name+".idx")); err != nil {
			p.pack.Close()
			if !errors.Is(err, fs.ErrNotExist) {
				return false, false, err
			}
			if exists(filepath.Join(folder, name+".pack")) {
				coming = true
			} else {
				gone = true
			}
			continue
		}
		c.packs, c.held[name] = append(c.packs, p), true
	}
	return gone, coming, nil
}

// complete makes sure that the copy has what the references lead to first. All that
// follows is looked at by who takes the copy into use.
func (c *Copy) complete() error {
	var packs []*knownPack
	for _, p := range c.packs {
		known, err := loadPack(filepath.Join(c.path, "objects", "pack", p.name), p.index)
		if err != nil {
			return err
		}
		if _, err := p.index.Seek(0, io.SeekStart); err != nil {
			return err
		}
		packs = append(packs, known)
	}
	for _, name := range slices.Sorted(maps.Keys(c.refs)) {
		h := c.refs[name]
		if c.loose[h] || slices.ContainsFunc(packs, func(p *knownPack) bool { _, _, ok, err := p.find(h); return ok && err == nil }) {
			continue
		}
		return fmt.Errorf("%s leads to %s: %w", name, h, ErrNotFound)
	}
	return nil
}

// giveSettings gives what a repository has beside its history, as far as it is there.
func (c *Copy) giveSettings(ctx context.Context, each func(CopiedFile) error) error {
	names := []string{"config", worktreeSettings, "description", "info/attributes", "info/exclude"}
	hooks, err := os.ReadDir(filepath.Join(c.path, "hooks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, hook := range hooks {
		if hook.Type().IsRegular() && !strings.HasSuffix(hook.Name(), ".sample") {
			names = append(names, "hooks/"+hook.Name())
		}
	}
	for _, name := range names {
		if err := c.giveNamed(ctx, name, each); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// giveNamed gives the file of that name, or fails with fs.ErrNotExist.
func (c *Copy) giveNamed(ctx context.Context, name string, each func(CopiedFile) error) error {
	f, err := os.Open(filepath.Join(c.path, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return c.giveFile(ctx, name, f, info.Mode().Perm(), each)
}

func (c *Copy) giveFile(ctx context.Context, name string, f *os.File, mode fs.FileMode, each func(CopiedFile) error) error {
	info, err := f.Stat()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := each(CopiedFile{name, mode, info.Size(), io.LimitReader(f, info.Size())}); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return nil
}
