package repo

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"golang.org/x/crypto/ssh"

	"cms/signing"
)

// BenchmarkUpdate edits entries of one folder of 10,000, a commit each, from 1,
// 16 and 64 clients that each wait for their answer. Beside the rate it reports
// how that compares with git fast-import of such commits, and with appending the
// bytes of a group to a file and syncing it, which is as fast as the disk gets.
//
//	go test ./repo -run '^$' -bench Update -benchtime 5s
func BenchmarkUpdate(b *testing.B) {
	const entries = 10_000
	base := filepath.Join(b.TempDir(), "site.git")
	r, stop := run(b, durable(base))
	_, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
		for i := range entries {
			if _, err := tx.Put("consultations", slug(b, fmt.Sprintf("c%05d", i)), document("Le parc")); err != nil {
				return err
			}
		}
		return nil
	})
	stop()
	if err != nil {
		b.Fatal(err)
	}
	imported := fastImport(b, base, entries)
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				b.Fatal(err)
			}
			r, stop := run(b, durable(dir))
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						_, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
							_, err := tx.Put("consultations", slug(b, fmt.Sprintf("c%05d", i*7919%entries)), document(fmt.Sprint("Le parc ", i)))
							return err
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.StopTimer()
			stop()
			last := 0 // commits in the last group
			for n := range r.history.commits.len() {
				if _, ok := r.pack.index[r.history.commits.at(int32(n)).hash]; ok {
					last++
				}
			}
			b.ReportMetric(rate, "commits/s")
			b.ReportMetric(rate/imported, "x-fast-import")
			b.ReportMetric(rate/appended(b, r.pack, last), "x-append")
		})
	}
}

// BenchmarkSigned is what a signature by SSH with a key of Ed25519 costs an edit: its
// time is x-unsigned of one without, by one client and by 16, in turn in the same run.
//
//	go test ./repo -run '^$' -bench Signed -benchtime 5s
func BenchmarkSigned(b *testing.B) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		b.Fatal(err)
	}
	key, err := signing.Open("ssh", pem.EncodeToMemory(block), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			var took [2]time.Duration
			for i, signer := range []Signer{nil, key} {
				o := durable(b.TempDir())
				o.Signer = signer
				r, stop := run(b, o)
				var next atomic.Int64
				var wg sync.WaitGroup
				began := time.Now()
				for range clients {
					wg.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							_, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
								_, err := tx.Put("consultations", slug(b, fmt.Sprintf("c%03d", n%1000)), document(fmt.Sprint("Le parc ", n)))
								return err
							})
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				took[i] = time.Since(began)
				stop()
			}
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-unsigned")
		})
	}
}

// fastImport is how many such commits git fast-import makes in a second.
func fastImport(b *testing.B, base string, entries int) float64 {
	b.Helper()
	const commits = 500
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
		b.Fatal(err)
	}
	var in bytes.Buffer
	for i := range commits {
		from := ""
		if i == 0 {
			from = "from refs/heads/main^0\n"
		}
		src := document(fmt.Sprint("Le parc ", i)).Source()
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter CMS <cms@ville.example> %d +0000\ndata 6\nUpdate\n%s", 1790000000+i, from)
		fmt.Fprintf(&in, "M 100644 inline _consultations/c%05d.md\ndata %d\n%s\n", i*7919%entries, len(src), src)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &in
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return commits / time.Since(start).Seconds()
}

// appended is how many commits a second appending the bytes of p, which holds
// that many, and syncing them would make.
func appended(b *testing.B, p *pack, commits int) float64 {
	b.Helper()
	const times = 100
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	for range times {
		if _, err := f.Write(p.buf.Bytes()); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(times*commits) / time.Since(start).Seconds()
}

// BenchmarkHistory builds the history of 2,000 commits from nothing.
func BenchmarkHistory(b *testing.B) {
	dir := b.TempDir()
	r, stop := run(b, durable(dir))
	for i := range 2000 {
		_, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
			_, err := tx.Put("consultations", slug(b, fmt.Sprint("c", i%200)), document(fmt.Sprint(i)))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	stop()
	tip := r.View().Commit()
	for b.Loop() {
		if _, _, err := newHistory().extend(b.Context(), &store{dir: dir}, tip); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkReadAfterCommit reads what an edit has just committed, beside so many
// objects in one pack.
func BenchmarkReadAfterCommit(b *testing.B) {
	for _, n := range []int{1000, 300_000} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			r, stop := run(b, durable(manyObjects(b, n)))
			defer stop()
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				var e *Entry
				res, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
					_, err := tx.Put("consultations", slug(b, "parc"), document(fmt.Sprint("Le parc ", i)))
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				e, _ = res.Snapshot.Entry("consultations", slug(b, "parc"))
				b.StartTimer()
				if _, err := r.Blob(b.Context(), e.Revision); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyObjects is a repository of n small files that are no entries, in one pack.
func manyObjects(tb testing.TB, n int) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "site.git")
	if err := create(osDisk{}, dir, "main"); err != nil {
		tb.Fatal(err)
	}
	p, root := newPack(), &folder{children: make(map[string]*folder)}
	var edits []edit
	for i := range n {
		raw := fmt.Appendf(nil, "file %d\n", i)
		h := hashObject(plumbing.BlobObject, raw)
		p.add(plumbing.BlobObject, h, raw)
		edits = append(edits, edit{fmt.Sprintf("data/%03d/%06d.bin", i/1000, i), file{filemode.Regular, h}})
	}
	if err := root.apply(edits, p, nil); err != nil {
		tb.Fatal(err)
	}
	raw := encodeCommit(root.hash, Hash{}, ann, ann, 1790000000, 1790000000, "x\n")
	tip := hashObject(plumbing.CommitObject, raw)
	p.add(plumbing.CommitObject, tip, raw)
	if err := p.save(osDisk{}, dir, &keepFiles{disk: osDisk{}, folder: filepath.Join(dir, "objects/pack")}); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "refs/heads/main"), []byte(tip.String()+"\n"), 0o666); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkStart opens a site of 10,000 entries without its saved index.
func BenchmarkStart(b *testing.B) {
	o := durable(filepath.Join(b.TempDir(), "site.git"))
	r, stop := run(b, o)
	_, err := r.Update(b.Context(), Meta{Author: ann}, func(tx *Tx) error {
		for i := range 10_000 {
			if _, err := tx.Put("consultations", slug(b, fmt.Sprintf("c%05d", i)), document(fmt.Sprint("Le parc ", i))); err != nil {
				return err
			}
		}
		return nil
	})
	stop()
	if err != nil {
		b.Fatal(err)
	}
	o.ReadOnly = true
	for b.Loop() {
		if err := removeIfExists(osDisk{}, filepath.Join(r.path, indexFile)); err != nil {
			b.Fatal(err)
		}
		r, err := Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
