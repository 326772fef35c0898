package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What the service may take at any time.
const (
	mostDescriptors = 1500
	mostChaosPacks  = 13_000 // those among them that stay for a while after they were repacked
)

// quietly does something while no client writes, nothing disturbs the service and
// it has seen the branch as it is.
func (c *chaos) quietly(ctx context.Context, do func(tip string) error) error {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.process.Lock()
	defer c.process.Unlock()
	c.repacking.Lock()
	defer c.repacking.Unlock()
	tip, err := c.caughtUp(ctx)
	if err != nil {
		return err
	}
	return do(tip)
}

// caughtUp waits until the service tells the tip of the branch, and gives that.
func (c *chaos) caughtUp(ctx context.Context) (string, error) {
	tip, err := c.git(ctx, "rev-parse", "refs/heads/main")
	if err != nil {
		return "", err
	}
	tip = strings.TrimSpace(tip)
	var until string
	err = c.await(ctx, "the service does not come to the tip "+tip, func() bool {
		_, until, err = c.changes(ctx, tip)
		return err == nil && until == tip
	})
	return tip, err
}

// check examines the repository and the service in a quiet moment.
func (c *chaos) check(ctx context.Context) error {
	return c.quietly(ctx, func(string) error { return c.examine(ctx, false) })
}

// examine holds the repository against what clients were told, and what the service
// tells against the repository, while nobody writes. After a force push entities are
// what the branch says they are.
func (c *chaos) examine(ctx context.Context, rewritten bool) error {
	c.count("check")
	tip, err := c.caughtUp(ctx)
	if err != nil {
		return err
	}
	if err := c.fsck(ctx); err != nil {
		return err
	}
	branch, err := c.log(ctx, tip)
	if err != nil {
		return err
	}
	files, err := c.files(ctx, tip)
	if err != nil {
		return err
	}
	wrong := c.ledger.check(branch, c.initial)
	var entities []*entity
	for _, w := range c.writers {
		entities = append(entities, w.entities...)
	}
	for _, p := range c.pushers {
		entities = append(entities, p.entity)
	}
	is, unlike := checkStates(entities, files)
	if !rewritten {
		wrong = append(wrong, unlike...)
	}
	for _, e := range entities {
		pushed := strings.HasPrefix(e.id, "p")
		switch now := is[e.id]; {
		case pushed && len(e.possible) > 0 && now == e.known: // the commit waits in its clone
		case now == e.known && len(e.possible) == 0 && !rewritten:
		default:
			e.known, e.possible, e.tag = now, nil, ""
		}
	}
	wrong = append(wrong, c.checkService(ctx, tip, branch, rewritten)...)
	wrong = append(wrong, c.bounded()...)
	c.branch = len(branch)
	return errors.Join(wrong...)
}

// fsck wants nothing to be wrong with the repository.
func (c *chaos) fsck(ctx context.Context) error {
	c.count("fsck")
	// A commit-graph, as gc writes one, has 34 bits for a date, and commits of later years are
	// pushed here: Git would find its own file wrong.
	said, err := c.git(ctx, "-c", "core.commitGraph=false", "fsck", "--strict", "--no-dangling", "--no-progress")
	if err == nil && said != "" {
		err = errors.New(said)
	}
	if err != nil {
		return fmt.Errorf("git fsck: %w", err)
	}
	return nil
}

// fsckBeside runs fsck beside writers, again and again, with Git's own upkeep and pushes at
// rest: of a loose object that a push writes once fsck has listed those, it says that it
// is missing.
func (c *chaos) fsckBeside(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, 5*time.Second)
		c.repacking.Lock()
		c.receiving.Lock()
		err := c.fsck(context.WithoutCancel(ctx))
		c.receiving.Unlock()
		c.repacking.Unlock()
		if err != nil {
			c.fail(fmt.Errorf("beside edits: %w", err))
		}
	}
}

// log is commits, the oldest first.
func (c *chaos) log(ctx context.Context, revisions string) (commits []logged, err error) {
	said, err := c.git(ctx, "log", "--reverse", "--format=%H %s", revisions)
	for line := range strings.Lines(said) {
		commit, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		commits = append(commits, logged{commit, subject})
	}
	return commits, err
}

// files are the entities that a commit has.
func (c *chaos) files(ctx context.Context, commit string) (files []found, err error) {
	cmd := exec.CommandContext(ctx, "git", "--git-dir", c.repository, "archive", "--format=tar", commit)
	cmd.Env = environment()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, out)
			return files, errors.Join(err, cmd.Wait())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("git archive: %w", err), cmd.Wait())
		}
		src, err := io.ReadAll(r)
		if err != nil {
			return nil, errors.Join(err, cmd.Wait())
		}
		if f, ok := parseFound(h.Name, src); ok && h.Typeflag == tar.TypeReg {
			files = append(files, f)
		}
	}
}

// checkService holds what the service tells of the branch since the last check against it.
func (c *chaos) checkService(ctx context.Context, tip string, branch []logged, rewritten bool) (wrong []error) {
	there := make(map[string]bool, len(branch))
	for _, b := range branch {
		there[b.commit] = true
	}
	for commit, by := range c.takeTold() {
		if !there[commit] && !c.dropped[commit] {
			wrong = append(wrong, fmt.Errorf("%s told commit %s, which the branch never had", by, commit))
		}
	}
	since := c.checkedAt()
	if rewritten || !there[since] {
		since = ""
	}
	expected := branch
	for i, b := range branch {
		if b.commit == since {
			expected = branch[i+1:]
		}
	}
	var told []string
	for at := since; ; {
		some, until, err := c.changes(ctx, at)
		if err != nil {
			return append(wrong, err)
		}
		told = append(told, some...)
		if at == until || until == tip && len(some) == 0 {
			break
		}
		at = until
	}
	c.setChecked(tip)
	var visible []logged
	for _, b := range expected {
		if !strings.HasPrefix(b.subject, "force-") { // those change no file
			visible = append(visible, b)
		}
	}
	return append(wrong, checkTold(told, visible)...)
}

// changes are the commits that a page of changes after since names, and where it
// ends.
func (c *chaos) changes(ctx context.Context, since string) (commits []string, until string, err error) {
	query := url.Values{"limit": {"1000"}}
	if since != "" {
		query.Set("since", since)
	}
	svc := c.service.Load()
	raw, err := svc.get(ctx, c.observer, svc.url+"/v1/changes?"+query.Encode())
	if err != nil {
		return nil, "", err
	}
	var page struct {
		Items []struct{ Commit string }
		Until string
	}
	err = json.Unmarshal(raw, &page)
	for _, i := range page.Items {
		commits = append(commits, i.Commit)
	}
	return commits, page.Until, err
}

// bounded looks at what the service takes.
func (c *chaos) bounded() (wrong []error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.service.Load().cmd.Process.Pid))
	if err != nil {
		return []error{err}
	}
	packs, err := filepath.Glob(filepath.Join(c.repository, "objects", "pack", "*.pack"))
	if err != nil {
		return []error{err}
	}
	c.descriptors, c.packs = max(c.descriptors, len(open)), max(c.packs, len(packs))
	if len(open) > mostDescriptors {
		wrong = append(wrong, fmt.Errorf("the service has %d descriptors", len(open)))
	}
	if len(packs) > mostChaosPacks {
		wrong = append(wrong, fmt.Errorf("there are %d packs", len(packs)))
	}
	return wrong
}

// foreignFiles is how many files the folder of packs has that belong to no pack, or hold
// one against Git's upkeep.
func (c *chaos) foreignFiles() (n int) {
	all, _ := filepath.Glob(filepath.Join(c.repository, "objects", "pack", "*")) // the pattern is right
	for _, name := range all {
		switch filepath.Ext(name) {
		case ".pack", ".idx", ".rev", ".bitmap", ".mtimes":
		default:
			if filepath.Base(name) != "multi-pack-index" {
				n++
			}
		}
	}
	return n
}

// backups looks for the old tips of force pushes, which the service keeps under
// names of its own.
func (c *chaos) backups(ctx context.Context) (wrong []error) {
	for _, tip := range c.oldTips {
		kept, err := c.git(ctx, "for-each-ref", "--contains", tip, "refs/cms/backup/")
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case kept == "":
			wrong = append(wrong, fmt.Errorf("a force push took %s off the branch, and no refs/cms/backup/ keeps it", tip))
		}
	}
	return wrong
}
