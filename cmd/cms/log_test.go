package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestLogTellsTimes: how long something takes is told for people, in every form of the log.
func TestLogTellsTimes(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"again_in":"2.5s"`, "text": "again_in=2.5s"} {
		var b bytes.Buffer
		newLogger(&b, slog.LevelInfo, format).Warn("later", "again_in", 2500*time.Millisecond)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: got %q, want %s in it", format, b.String(), want)
		}
	}
}
