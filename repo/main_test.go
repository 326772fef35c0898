package repo

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// gitSettings is the configuration of Git in these tests, whoever runs it, and no other.
// Git does not look for upkeep after each command, and after each push that it takes,
// which is a process more, where there is never any.
const gitSettings = "[maintenance]\n\tauto = false\n[receive]\n\tautogc = false\n"

// TestMain lets more tests go on at once than there are processors, as many of them wait
// for Git or for the writer's next look at the branch; -parallel says otherwise. And it
// has Git keep the memory that it gave back (mallopt(3)): else each object that it writes
// costs it a mapping of 256 KB, which is most of the work of git fast-import.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "repo")
		if err == nil {
			defer os.RemoveAll(dir)
			settings := filepath.Join(dir, "gitconfig")
			err = errors.Join(
				os.WriteFile(settings, []byte(gitSettings), 0o600),
				os.Setenv("GIT_CONFIG_GLOBAL", settings), os.Setenv("GIT_CONFIG_NOSYSTEM", "1"),
				os.Setenv("MALLOC_MMAP_THRESHOLD_", strconv.Itoa(8<<20)),
				os.Setenv("MALLOC_TRIM_THRESHOLD_", strconv.Itoa(64<<20)),
				flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))),
			)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}
