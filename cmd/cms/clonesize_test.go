package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"cms/race"
)

// cloneMemory is by how much the service may grow while somebody clones, whatever the
// repository has.
const cloneMemory = 48 << 20

const cloneConfig = `
server: {listen: "%[1]s", public_url: "http://%[1]s"}
git: {enabled: true}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections: [{name: consultations, folder: _consultations}]
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {"*": [read, create, update, delete], repository: [read]}}
`

// TestCloneOfLargeRepository: the service takes no more memory for a clone of a large
// repository than for one of a small one. CMS_CLONE_MB is how many megabytes it has, that no
// compression makes less of. By default it has few, which shows that it is cloned, and .ci/run
// has it hold more than the service may take.
func TestCloneOfLargeRepository(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	megabytes := 3
	if n, err := strconv.Atoi(os.Getenv("CMS_CLONE_MB")); err == nil {
		megabytes = n
	}
	p := newProcess(t, 1, cloneConfig)
	fill(t, p.git, megabytes)
	p.serve()
	rest := p.memory(t, "VmRSS:")
	into := filepath.Join(t.TempDir(), "clone.git")
	if out, err := git("", "clone", "-q", "--bare", "http://x:"+p.token+"@"+p.addr+"/git/site.git", into); err != nil {
		t.Fatalf("%v %s\n%s", err, out, p.log.String())
	}
	peak := p.memory(t, "VmHWM:")
	t.Logf("a clone of %d MB: the service had %d MB before it, and %d MB at most", megabytes, rest>>20, peak>>20)
	if !race.Enabled && peak-rest > cloneMemory {
		t.Errorf("for a clone of %d MB the service grew from %d MB to %d MB", megabytes, rest>>20, peak>>20)
	}
	want := tipOf(t, p.git)
	if got := tipOf(t, into); got != want {
		t.Errorf("the clone is at %s, want %s", got, want)
	}
	if got := sizeOfPacks(t, into); got < int64(megabytes)<<20 {
		t.Errorf("the clone has %d bytes", got)
	}
	p.stop()
}

// fill commits so many files of a megabyte each, which nothing compresses.
func fill(t *testing.T, repository string, megabytes int) {
	t.Helper()
	tip := tipOf(t, repository)
	in, feed := io.Pipe()
	cmd := exec.Command("git", "-c", "core.compression=0", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = repository, in
	cmd.Env = append(os.Environ(), gitEnv()...)
	var said bytes.Buffer
	cmd.Stderr = &said
	go func() {
		fmt.Fprintf(feed, "commit refs/heads/main\ncommitter Ada Test <ada@example.org> 1700000000 +0000\ndata 8\nPictures\nfrom %s\n", tip)
		noise := rand.NewChaCha8([32]byte{1})
		b := make([]byte, 1<<20)
		for i := range megabytes {
			_, _ = noise.Read(b) // which never fails
			fmt.Fprintf(feed, "M 100644 inline img/%d.bin\ndata %d\n%s\n", i, len(b), b)
		}
		_ = feed.Close() // where it fails, git has ended, and says why
	}()
	if err := cmd.Run(); err != nil {
		t.Fatalf("git fast-import: %v %s", err, said.String())
	}
}

func sizeOfPacks(t *testing.T, repository string) (total int64) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(repository, "objects", "pack", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range packs {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}
