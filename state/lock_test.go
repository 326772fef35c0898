package state_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cms/state/statetest"
)

// TestLock: who waits for a lock gets it once it is given back or its holder is lost, and
// before those who came later; and is told that others had it.
func TestLock(t *testing.T) {
	address := statetest.Postgres(t)
	first, second := statetest.Open(t, address), statetest.Open(t, address)
	l, waited, err := first.Lock(t.Context(), "turn")
	if err != nil || waited {
		t.Fatalf("a free lock: waited %t, %v", waited, err)
	}
	if other, _, err := second.Lock(t.Context(), "another"); err != nil {
		t.Error(err)
	} else {
		other.Release()
	}
	ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, _, err := second.Lock(ended, "turn"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time left: got %v", err)
	}
	waits := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			var got int
			err := first.SQL().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_locks JOIN pg_database d ON d.oid = database
				WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`).Scan(&got)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%d wait, want %d: %v", got, n, err)
			}
			if got == n {
				return
			}
		}
	}
	waits(0)
	order := make(chan int, 2)
	done := make(chan error, 2)
	for i := range 2 {
		go func() {
			l, waited, err := second.Lock(t.Context(), "turn")
			if err == nil && !waited {
				err = errors.New("nobody is said to have had it")
			}
			order <- i
			if l != nil {
				l.Release()
			}
			done <- err
		}()
		waits(i + 1)
	}
	if none, err := first.TryLock(t.Context(), "turn"); err != nil || none != nil {
		t.Errorf("somebody has it: got %v %v", none, err)
	}
	l.Release()
	for i := range 2 {
		if got := <-order; got != i {
			t.Errorf("number %d got it, want number %d", got, i)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestLockOfOne: a database of one service has its locks at once.
func TestLockOfOne(t *testing.T) {
	db := statetest.Open(t, "sqlite:"+t.TempDir()+"/state.db")
	for range 2 {
		if l, waited, err := db.Lock(t.Context(), "turn"); l == nil || waited || err != nil {
			t.Errorf("got %v, waited %t, %v", l, waited, err)
		}
	}
}
