package repo

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"cms/race"
)

// TestLargeFolders: groups of edits, additions and deletions in folders that are
// large enough for deltas, whose names sort otherwise as folders than as files.
func TestLargeFolders(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	r := start(t, options(t.TempDir()))
	random := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		shape := []string{"projet-%d", "projet.%d", "projet/%d", "projet/%d/a", "projet0%d"}[random.IntN(5)]
		return fmt.Sprintf(shape, random.IntN(400))
	}
	update(t, r, func(tx *Tx) error {
		for range 1500 {
			if _, err := tx.Put("consultations", slug(t, name()), document("x")); err != nil {
				return err
			}
		}
		return nil
	})
	for group := range 6 {
		release := hold(t, r)
		var wg sync.WaitGroup
		for i := range 70 {
			op, a, b := random.IntN(4), slug(t, name()), slug(t, name())
			wg.Go(func() {
				_, err := r.Update(t.Context(), Meta{Author: ann}, func(tx *Tx) error {
					switch op {
					case 0:
						return tx.Delete("consultations", a)
					case 1:
						return tx.Move("consultations", a, "consultations", b)
					}
					_, err := tx.Put("consultations", a, document(fmt.Sprint(group, i)))
					return err
				})
				if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExists) {
					t.Errorf("update of %s: %v", a, err)
				}
			})
			waiting(r, i+1)
		}
		release()
		wg.Wait()
	}
	list := git(t, r.path, "verify-pack", "-v", newestPack(t, r))
	if !strings.Contains(list, "chain length = 20:") {
		t.Errorf("the trees of a group are no chain of deltas:\n%s", list)
	}
}

func newestPack(t *testing.T, r *Repo) string {
	t.Helper()
	packs, err := listPacks(r.packFolder())
	if err != nil {
		t.Fatal(err)
	}
	newest := slices.MaxFunc(packs, func(a, b packFile) int { return cmp.Compare(a.made, b.made) })
	return newest.name + ".idx"
}
