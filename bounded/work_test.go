package bounded

import (
	"context"
	"errors"
	"testing"
)

func TestWork(t *testing.T) {
	fault := errors.New("fault")
	ctx, cancel := context.WithCancel(t.Context())
	w := New(ctx)
	if err := w.Run(func() error { return fault }); !errors.Is(err, fault) {
		t.Errorf("work that fails: got %v, want %v", err, fault)
	}
	w = New(ctx)
	if err := w.Run(func() error { w.End(fault); return nil }); !errors.Is(err, fault) {
		t.Errorf("work that is ended: got %v, want %v", err, fault)
	}
	w = New(ctx)
	err := w.Run(func() error {
		cancel()
		for range 10 * Stride {
			w.Steps++
			w.Look()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || w.Steps != Stride {
		t.Errorf("work whose context ends: got %v after %d steps, want %v after %d", err, w.Steps, context.Canceled, Stride)
	}
	w = New(ctx)
	if err := w.Run(func() error { t.Error("it was begun"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("work whose context has ended: got %v, want %v", err, context.Canceled)
	}
	defer func() {
		if recover() != "a fault of its own" {
			t.Error("a panic of the work itself was caught")
		}
	}()
	w = New(t.Context())
	_ = w.Run(func() error { panic("a fault of its own") })
}
