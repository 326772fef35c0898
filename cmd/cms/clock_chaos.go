//go:build chaos

package main

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// chaosClock is the variable that names a file with the seconds by which clock is
// ahead of the system's. Only a program built for "make chaos" reads it.
const chaosClock = "CMS_CHAOS_CLOCK"

// ahead is what the file said last, for when it cannot be read.
var ahead atomic.Int64

// clock dates commits. What is written beyond the limit of a file's size is an
// error here, as on a full disk, and not the end of the process.
var clock = func() func() time.Time {
	signal.Ignore(syscall.SIGXFSZ)
	name := os.Getenv(chaosClock)
	return func() time.Time {
		if said, err := os.ReadFile(name); err == nil {
			if seconds, err := strconv.ParseInt(strings.TrimSpace(string(said)), 10, 64); err == nil {
				ahead.Store(seconds)
			}
		}
		return time.Now().Add(time.Duration(ahead.Load()) * time.Second)
	}
}()
