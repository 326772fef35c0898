package repo

import (
	"fmt"
	"os"
	"testing"
)

// TestCompact: few packs are left and every object, that nothing refers to too;
// loose ones are packed where Git is.
func TestCompact(t *testing.T) {
	found := os.Getenv("PATH")
	for name, path := range map[string]string{"with git": "", "without git": "/nowhere"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, stop := run(t, options(dir))
			for i := range 12 {
				put(t, r, "consultations", "parc", fmt.Sprint(i))
			}
			if _, _, err := r.Compact(t.Context()); err == nil {
				t.Error("compacted beside the writer")
			}
			stop()
			git(t, dir, "hash-object", "-w", "--stdin") // nothing refers to it
			const loose = 1
			was := objects(t, dir)
			r, err := Open(t.Context(), options(dir))
			if err != nil {
				t.Fatal(err)
			}
			if path != "" {
				t.Setenv("PATH", path)
			}
			before, after, err := r.Compact(t.Context())
			if err != nil || before.Packs != 12 || before.Loose != loose || after.Packs > 2 || after.Bytes >= before.Bytes {
				t.Errorf("before %+v, after %+v, error %v", before, after, err)
			}
			if path == "" && after.Loose != 0 || path != "" && after.Loose != loose {
				t.Errorf("%d loose objects are left of %d", after.Loose, loose)
			}
			t.Setenv("PATH", found)
			if got := objects(t, dir); got != was {
				t.Errorf("objects after:\n%s\nbefore:\n%s", got, was)
			}
			verify(t, r)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
