package repo

import (
	"errors"
	"os"
	"testing"
)

// TestDryRun: beside a writer that is busy, a dry run sees what the snapshot
// holds and what it did itself, meets what would stand in its way, and leaves
// nothing behind.
func TestDryRun(t *testing.T) {
	t.Parallel()
	r := start(t, options(t.TempDir()))
	update(t, r, func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, "2026/parc"), document("Le parc"))
		return err
	})
	before := r.View()
	release := hold(t, r)
	defer release()
	err := r.DryRun(before, true, func(tx *Tx) error {
		if err := tx.Move("consultations", slug(t, "2026/parc"), "consultations", slug(t, "parc")); err != nil {
			return err
		}
		e, err := tx.Put("consultations", slug(t, "parc"), document("Le grand parc"))
		if err != nil {
			return err
		}
		if now, ok := tx.Entry("consultations", slug(t, "parc")); !ok || now != e {
			t.Errorf("got %v, want what was put", now)
		}
		if _, err := tx.Put("consultations", slug(t, "bus"), document("Le bus")); err != nil {
			return err
		}
		return tx.Delete("consultations", slug(t, "bus"))
	})
	if err != nil {
		t.Error(err)
	}
	below := func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, "2026/parc.md/x"), document("x"))
		return err
	}
	if err := r.DryRun(before, true, below); !errors.Is(err, ErrConflict) {
		t.Errorf("a file below a file: got %v, want %v", err, ErrConflict)
	}
	if err := r.DryRun(before, false, below); err != nil {
		t.Errorf("a file below a file, taken for granted not to be: got %v", err)
	}
	if err := r.DryRun(before, true, func(*Tx) error { return os.ErrDeadlineExceeded }); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the function's error", err)
	}
	if now := r.View(); now != before || len(now.Entries("consultations")) != 1 {
		t.Error("the dry run has left something behind")
	}
}
