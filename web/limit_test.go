package web

import (
	"strconv"
	"testing"
	"time"
)

func TestLimiterFillsAgain(t *testing.T) {
	l, err := NewLimiter("caller", Limit{Requests: 2, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		at   time.Duration
		want quota
	}{
		{0, quota{left: 1, reset: 30 * time.Second}},
		{0, quota{left: 0, reset: 30 * time.Second}},
		{0, quota{left: 0, reset: 30 * time.Second, over: true}},
		{15 * time.Second, quota{left: 0, reset: 15 * time.Second, over: true}},
		{30 * time.Second, quota{left: 0, reset: 30 * time.Second}},
		{time.Hour, quota{left: 1, reset: 30 * time.Second}},
	} {
		got := l.take("ann", start.Add(c.at))
		if got.left != c.want.left || got.over != c.want.over || (got.reset-c.want.reset).Abs() > time.Millisecond {
			t.Errorf("after %s: got %+v, want %+v", c.at, got, c.want)
		}
	}
}

func TestLimiterForgets(t *testing.T) {
	l, err := NewLimiter("address", Limit{Requests: 1, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	for i := range maxBuckets + 1000 {
		l.take(strconv.Itoa(i), now)
	}
	if got := l.buckets.Len(); got != maxBuckets {
		t.Errorf("remembers %d clients, want %d", got, maxBuckets)
	}
	if q := l.take(strconv.Itoa(maxBuckets+999), now); !q.over {
		t.Error("has forgotten the last client")
	}
}
