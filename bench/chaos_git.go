package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// upkeep is all that Git does to keep a repository small.
var upkeep = [][]string{
	{"gc", "-q"}, {"gc", "-q", "--prune=now"}, {"repack", "-q", "-a", "-d"}, {"repack", "-q", "--geometric=2", "-d"},
	{"maintenance", "run", "--quiet"}, {"maintenance", "run", "--quiet", "--task=loose-objects"}, {"maintenance", "run", "--quiet", "--task=commit-graph"},
	{"prune"}, {"multi-pack-index", "write"}, {"pack-refs", "--all"},
}

// git runs Git on the repository.
func (c *chaos) git(ctx context.Context, args ...string) (string, error) {
	return command(ctx, "", "git", append([]string{"--git-dir", c.repository}, args...)...)
}

// maintain runs Git's upkeep in a loop, in any order. One that fails,
// as where a pack was repacked meanwhile, is counted: what counts is what it leaves.
func (c *chaos) maintain(ctx context.Context) {
	for ctx.Err() == nil {
		kind := upkeep[roll(len(upkeep))]
		name := "git " + strings.Join(kind, " ")
		c.repacking.Lock()
		// Git itself may drop what a push stands on and has not yet named, where it unpacks pushes.
		drops := !c.pushedPacks && (strings.Contains(name, "prune") || slices.Contains(kind, "-a"))
		if drops {
			c.receiving.Lock()
		}
		_, err := c.git(context.WithoutCancel(ctx), kind...)
		if drops {
			c.receiving.Unlock()
		}
		c.repacking.Unlock()
		c.count(name)
		if err != nil {
			c.note(name+", failed", err)
		}
		rest(ctx, upTo(300*time.Millisecond))
	}
}

// pusher is a developer with a clone, who edits an entry of their own.
type pusher struct {
	*chaos
	name, tree string
	entity     *entity
	n, failed  int
}

func (c *chaos) newPusher(ctx context.Context, i int) (*pusher, error) {
	p := &pusher{chaos: c, name: fmt.Sprintf("p%d", i), tree: filepath.Join(c.dir, fmt.Sprintf("clone-%d", i))}
	p.entity = &entity{id: p.name + "-e0"}
	_, err := command(ctx, "", "git", "clone", "-q", "--no-local", c.repository, p.tree)
	return p, err
}

func (p *pusher) run(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, 500*time.Millisecond+upTo(time.Second))
		if p.failed < 5 {
			p.gate.RLock()
			p.push(context.WithoutCancel(ctx))
			p.gate.RUnlock()
			continue
		}
		p.gate.Lock() // it starves: let it through while nobody writes
		if p.push(context.WithoutCancel(ctx)) {
			p.count("push that took a pause of the writers")
		}
		p.gate.Unlock()
	}
}

// push makes a commit, or takes the one that did not get through, and pushes it.
func (p *pusher) push(ctx context.Context) bool {
	if len(p.entity.possible) == 0 {
		if err := p.commit(ctx); err != nil {
			p.fail(fmt.Errorf("%s: %w", p.name, err))
			return false
		}
	}
	p.count("push")
	p.receiving.RLock()
	defer p.receiving.RUnlock()
	if _, err := command(ctx, p.tree, "git", "pull", "-q", "--rebase"); err != nil {
		p.failed++
		p.note("pull, failed", err)
		_, _ = command(ctx, p.tree, "git", "rebase", "--abort") // if it came to one
		return false
	}
	if _, err := command(ctx, p.tree, "git", "push", "-q", "origin", "HEAD:main"); err != nil {
		p.failed++
		p.note("push, failed", err)
		return false
	}
	p.failed = 0
	p.count("push that got through")
	to := p.entity.possible[0].to
	p.ledger.settle(to.mark, acked, "", "")
	p.entity.became(to, "")
	return true
}

func (p *pusher) commit(ctx context.Context) error {
	p.n++
	subject := fmt.Sprintf("%s-%06d push", p.name, p.n)
	to := state{fmt.Sprintf("%spushed/%s.md", entryFolder, p.name), subject, "none"}
	p.ledger.begin(subject)
	p.entity.mayBecome(to)
	file := filepath.Join(p.tree, to.path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, source(p.entity.id, subject, "none"), 0o644); err != nil {
		return err
	}
	if _, err := command(ctx, p.tree, "git", "add", "-A"); err != nil {
		return err
	}
	date := time.Now().Unix()
	if p.with("dates") && p.n%4 == 3 {
		date = []int64{0, 4102444800, 253402300800}[roll(3)] // 1970, 2100, 10000
		p.count("push of an odd date")
	}
	_, err := command(ctx, p.tree, "env", fmt.Sprintf("GIT_COMMITTER_DATE=@%d +0000", date), "git", "commit", "-q", "-m", subject, "--date", fmt.Sprintf("@%d +0000", date))
	return err
}

// reset takes the clone to the branch, as after a force push.
func (p *pusher) reset(ctx context.Context) error {
	for _, args := range [][]string{{"fetch", "-q"}, {"reset", "-q", "--hard", "origin/main"}} {
		if _, err := command(ctx, p.tree, "git", args...); err != nil {
			return err
		}
	}
	p.entity.possible = nil
	return nil
}

// rewrite takes up to five commits off the branch by a force push, in a moment in
// which nobody writes, and notes which.
func (c *chaos) rewrite(ctx context.Context) error {
	return c.quietly(ctx, func(tip string) error {
		c.rewrites++
		p := c.pushers[0]
		if err := p.reset(ctx); err != nil {
			return err
		}
		base := fmt.Sprintf("%s~%d", tip, 1+roll(5))
		dropped, err := c.log(ctx, base+".."+tip)
		if err != nil {
			return err
		}
		subject := fmt.Sprintf("force-%06d", c.rewrites)
		c.ledger.begin(subject)
		c.ledger.drop(dropped)
		for _, d := range dropped {
			c.dropped[d.commit] = true
		}
		for _, args := range [][]string{{"reset", "-q", "--hard", base}, {"commit", "-q", "--allow-empty", "-m", subject}} {
			if _, err := command(ctx, p.tree, "git", args...); err != nil {
				return err
			}
		}
		if _, err := command(ctx, p.tree, "git", "push", "-q", "--force", "origin", "HEAD:main"); err != nil {
			// Where the repository refuses that, whoever looks after it can still do it.
			c.note("force push, refused", err)
			if _, err := command(ctx, p.tree, "git", "push", "-q", "--force", "origin", "HEAD:refs/heads/rewritten"); err != nil {
				return err
			}
			if _, err := c.git(ctx, "update-ref", "refs/heads/main", "refs/heads/rewritten", tip); err != nil {
				return err
			}
		}
		c.count("force push")
		c.ledger.settle(subject, acked, "", "")
		c.oldTips = append(c.oldTips, tip)
		for _, p := range c.pushers {
			if err := p.reset(ctx); err != nil {
				return err
			}
		}
		return c.examine(ctx, true)
	})
}
