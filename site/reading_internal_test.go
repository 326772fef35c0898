package site

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cms/content"
	"cms/repo"
)

// While entries are read for the first time a list says how far that has come, and when
// to ask again.
func TestReadingFirst(t *testing.T) {
	t.Parallel()
	var refused *Error
	err := firstReadError(&repo.WarmingError{Done: 1200, Total: 50_000})
	if !errors.As(err, &refused) || refused.Code != Unavailable || refused.Retry < time.Second || !strings.Contains(refused.Detail.String(), "1200 of 50000") {
		t.Errorf("got %+v", err)
	}
}

// A unique value is not taken for free while entries are read for the first time, nor
// are they all read for it.
func TestUniqueIndexWhileReading(t *testing.T) {
	t.Parallel()
	all := uniqueIndexes{reading: func(collection string) bool { return collection == "pages" }}
	code := &content.Field{Name: "code", Type: content.TypeString}
	if taken, sure := all.taken(&repo.Snapshot{}, Ref{Collection: "pages"}, code, "a"); taken || sure {
		t.Errorf("taken: %t, sure: %t; want neither", taken, sure)
	}
	if taken, sure := all.taken(&repo.Snapshot{}, Ref{Collection: "posts"}, code, "a"); taken || !sure {
		t.Errorf("of another collection, taken: %t, sure: %t", taken, sure)
	}
}
