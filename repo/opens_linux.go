package repo

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watchOpens calls note whenever a program opens the configuration of the repository
// at path, which each command of Git does first, until ctx ends; see inotify(7). It
// begins with the zero Time, and gives up, without a word, where that cannot be seen.
func watchOpens(ctx context.Context, path string, note func(time.Time)) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer context.AfterFunc(ctx, func() { events.Close() })()
	defer events.Close()
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_ONLYDIR); err != nil {
		return
	}
	note(time.Time{})
	buf := make([]byte, 64<<10)
	for {
		n, err := events.Read(buf)
		if err != nil {
			return
		}
		if configOpened(buf[:n]) {
			note(time.Now())
		}
	}
}

// configOpened looks for the configuration in events.
func configOpened(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(events[12:])) // of the name, which ends with zeros
		name := events[unix.SizeofInotifyEvent:][:size]
		if string(bytes.TrimRight(name, "\x00")) == "config" {
			return true
		}
		events = events[unix.SizeofInotifyEvent+size:]
	}
	return false
}
