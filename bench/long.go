package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// long measures what a long history costs: a commit that is taken back, and pages of
// changes.
func (b *bench) long(ctx context.Context) error {
	sh := shape{name: "2,000 in 100 folders", entries: 2000, folders: 100}
	svc, work, repository, err := b.site(ctx, "long", sh)
	if err != nil {
		return err
	}
	defer func() { svc.kill() }()
	if err := svc.stop(); err != nil {
		return err
	}
	if err := pushEdits(ctx, repository, sh, b.plan.takenBack); err != nil {
		return err
	}
	if svc, _, err = b.start(ctx, work, repository); err != nil {
		return err
	}
	rows, err := svc.takeBack(ctx, repository, sh)
	if err != nil {
		return err
	}
	if err := svc.stop(); err != nil {
		return err
	}
	b.printf("\n## A commit is taken back, of %d\n\nThe branch is set one commit forward or back with plain Git, and an edit is sent at\nonce: it is answered when the service has taken that in.\n\n| an edit | median | slowest |\n|---|---|---|\n", b.plan.takenBack)
	for _, r := range rows {
		b.printf("| %s | %.1f ms | %.1f ms |\n", r.name, milliseconds(r.median), milliseconds(r.p99))
	}

	fmt.Fprintf(os.Stderr, "long: %d commits\n", b.plan.long)
	if err := pushEdits(ctx, repository, sh, b.plan.long-b.plan.takenBack); err != nil {
		return err
	}
	if svc, _, err = b.start(ctx, work, repository); err != nil {
		return err
	}
	recent, err := command(ctx, "", "git", "--git-dir", repository, "rev-parse", "main~100")
	if err != nil {
		return err
	}
	git, err := timed(5, func(int) error {
		_, err := command(ctx, "", "git", "--git-dir", repository, "rev-list", "--reverse", "main")
		return err
	})
	if err != nil {
		return err
	}
	b.printf("\n## Changes of %d commits, 100 at a time\n\n| | median | 99th percentile | allocated | × the last page |\n|---|---|---|---|---|\n| git rev-list --reverse | %.1f ms | – | – | – |\n", b.plan.long, milliseconds(git.median))
	var last float64
	for _, page := range []struct{ name, query string }{{"last", "&since=" + strings.TrimSpace(recent)}, {"first", ""}} {
		r, bytes, err := svc.repeatedly(ctx, 30, "/v1/changes?limit=100"+page.query)
		if err != nil {
			return err
		}
		if page.query != "" {
			last = r.median.Seconds()
		}
		b.printf("| **cms**, the %s page | %.1f ms | %.1f ms | %.1f MB | %.1f |\n", page.name, milliseconds(r.median), milliseconds(r.p99), bytes/(1<<20), r.median.Seconds()/last)
	}
	return svc.stop()
}

// named is a result with its name.
type named struct {
	name string
	result
}

// takeBack sets the branch forward and back, and edits at once.
func (s *service) takeBack(ctx context.Context, repository string, sh shape) ([]named, error) {
	edit := func(i int) error {
		_, _, err := s.patch(ctx, http.DefaultClient, sh.slug(i), i)
		return err
	}
	back := func() error {
		_, err := command(ctx, "", "git", "--git-dir", repository, "update-ref", "refs/heads/main", "main~1")
		return err
	}
	var rows []named
	for _, row := range []struct {
		name   string
		before func() error
	}{
		{"when nobody else writes", func() error { return nil }},
		{"after one commit more", func() error { return pushEdits(ctx, repository, sh, 1) }},
		{"after one commit less", back},
	} {
		var all []result
		for i := range 5 {
			if err := row.before(); err != nil {
				return nil, err
			}
			one, err := timed(1, func(int) error { return edit(i) })
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		rows = append(rows, named{row.name, together(all)})
	}
	return rows, nil
}
