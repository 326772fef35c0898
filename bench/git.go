package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// result is the rate of a load, and how long its edits took.
type result struct {
	rate        float64 // per second
	median, p99 time.Duration
}

// resultOf sums up edits that took so long each, done in so long a time.
func resultOf(took []time.Duration, total time.Duration) result {
	if len(took) == 0 {
		return result{}
	}
	slices.Sort(took)
	return result{float64(len(took)) / total.Seconds(), took[len(took)/2], took[len(took)*99/100]}
}

func (s shape) path(i int) string { return "_consultations/" + s.slug(i) + ".md" }

func (s shape) slug(i int) string {
	if s.folders == 0 {
		return fmt.Sprintf("consultation-%06d", i)
	}
	return fmt.Sprintf("dossier-%03d/consultation-%06d", i%s.folders, i)
}

// file is the i-th entry at its n-th edit.
func file(i, n int) []byte {
	return fmt.Appendf(nil, `---
title: Consultation n°%d sur les mobilités du quotidien
link:
description: Métropole de Valmont
organisateur : Métropole de Valmont
methodes:
- L'atelier citoyen
- Les consultations en ligne
screenshot: mobilites-%d.png
date: 2019-01-15 09:29:08 +0000
in_progress: true
note-citoyenne: 3
note-decidee: 4
ordre: %d
---

**Information sur la démarche**

* Contexte : la métropole revoit le plan de ses mobilités, et demande leur avis
  à celles et ceux qui y vivent et y travaillent, quartier par quartier.

* Durée : de janvier à juillet.

* Modalités de participation : une consultation en ligne et trois ateliers.
`, i, i, n)
}

// makeSite imports a site in one commit, and gives the size of its files.
func makeSite(ctx context.Context, repository string, s shape) (int64, error) {
	if _, err := command(ctx, "", "git", "init", "-q", "--bare", "-b", "main", repository); err != nil {
		return 0, err
	}
	var size int64
	err := stream(ctx, repository, func(w *bufio.Writer) error {
		fmt.Fprint(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 6\nImport\n")
		for i := range s.entries {
			b := file(i, 0)
			size += int64(len(b))
			fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", s.path(i), len(b), b)
		}
		return nil
	})
	return size, err
}

// stream feeds git fast-import.
func stream(ctx context.Context, repository string, write func(*bufio.Writer) error) error {
	cmd := exec.CommandContext(ctx, "git", "--git-dir", repository, "fast-import", "--quiet", "--done")
	cmd.Env = environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w := bufio.NewWriterSize(in, 1<<20)
	err = write(w)
	fmt.Fprint(w, "done\n")
	if err == nil {
		err = w.Flush()
	}
	in.Close()
	if waited := cmd.Wait(); waited != nil {
		return fmt.Errorf("git fast-import: %w: %s", waited, said.Bytes())
	}
	return err
}

// gitCommits edits a worktree, a commit for each edit.
func gitCommits(ctx context.Context, work, repository string, s shape, d time.Duration) (result, error) {
	tree := filepath.Join(work, "tree")
	if _, err := command(ctx, "", "git", "clone", "-q", repository, tree); err != nil {
		return result{}, err
	}
	var took []time.Duration
	start := time.Now()
	for n := 0; time.Since(start) < d; n++ {
		began := time.Now()
		i := n * 7919 % s.entries
		if err := os.WriteFile(filepath.Join(tree, s.path(i)), file(i, n+1), 0o644); err != nil {
			return result{}, err
		}
		if _, err := command(ctx, tree, "git", "commit", "-q", "-a", "-m", "Edit"); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
	}
	return resultOf(took, time.Since(start)), nil
}

// imported is what fast-import did.
type imported struct {
	result
	bytesPerCommit int64
}

// fastImport makes as many edits as fit in about d, in one stream to a copy.
func fastImport(ctx context.Context, work, repository string, s shape, d time.Duration) (imported, error) {
	dir := filepath.Join(work, "import.git")
	defer os.RemoveAll(dir)
	n := 200
	for {
		os.RemoveAll(dir)
		if _, err := command(ctx, "", "git", "clone", "-q", "--bare", repository, dir); err != nil {
			return imported{}, err
		}
		before, err := folderSize(dir)
		if err != nil {
			return imported{}, err
		}
		start := time.Now()
		err = stream(ctx, dir, func(w *bufio.Writer) error {
			from := "from refs/heads/main^0\n"
			for k := range n {
				i := k * 7919 % s.entries
				b := file(i, k+1)
				fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 4\nEdit%sM 100644 inline %s\ndata %d\n%s\n", 1700000001+k, from, s.path(i), len(b), b)
				from = ""
			}
			return nil
		})
		if err != nil {
			return imported{}, err
		}
		took := time.Since(start)
		after, err := folderSize(dir)
		if err != nil {
			return imported{}, err
		}
		if took >= d/3 || n > 1_000_000 {
			return imported{result{rate: float64(n) / took.Seconds()}, (after - before) / int64(n)}, nil
		}
		n = int(float64(n) * min(20, max(2, 0.7*d.Seconds()/took.Seconds())))
	}
}

func folderSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// appendSync is what the disk allows: the bytes of a commit appended to one
// file and fsynced, again and again.
func appendSync(work string, size int64, d time.Duration) (result, error) {
	f, err := os.Create(filepath.Join(work, "append"))
	if err != nil {
		return result{}, err
	}
	defer f.Close()
	chunk := bytes.Repeat([]byte{'x'}, int(max(size, 1)))
	var took []time.Duration
	start := time.Now()
	for time.Since(start) < d {
		began := time.Now()
		if _, err := io.Copy(f, bytes.NewReader(chunk)); err != nil {
			return result{}, err
		}
		if err := f.Sync(); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
	}
	return resultOf(took, time.Since(start)), nil
}
