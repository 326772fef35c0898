package repo

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// TestMain lets more tests go on at once than there are processors, as many of them wait
// for Git or for the writer's next look at the branch; -parallel says otherwise. And it
// has Git keep the memory that it gave back (mallopt(3)): else each object that it writes
// costs it a mapping of 256 KB, which is most of the work of git fast-import. Nor does Git
// look for upkeep after each command, which is a process more, where there is never any.
func TestMain(m *testing.M) {
	err := errors.Join(
		os.Setenv("MALLOC_MMAP_THRESHOLD_", strconv.Itoa(8<<20)),
		os.Setenv("MALLOC_TRIM_THRESHOLD_", strconv.Itoa(64<<20)),
		os.Setenv("GIT_CONFIG_COUNT", "1"), os.Setenv("GIT_CONFIG_KEY_0", "maintenance.auto"), os.Setenv("GIT_CONFIG_VALUE_0", "false"),
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
