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
// begins with the zero Time, and gives up, without a word, where that cannot be seen, or
// no longer, as of a folder that was moved away.
func watchOpens(ctx context.Context, path string, note func(time.Time)) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer context.AfterFunc(ctx, func() { events.Close() })()
	defer events.Close()
	const what = unix.IN_OPEN | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, path, what); err != nil {
		return
	}
	note(time.Time{})
	buf := make([]byte, 64<<10)
	for {
		n, err := events.Read(buf)
		if err != nil {
			return
		}
		opened, ended := readEvents(buf[:n])
		if opened {
			note(time.Now())
		}
		if ended {
			return
		}
	}
}

// readEvents says whether the configuration was opened, which it may have been where
// events were lost, and whether there will be no more of them.
func readEvents(events []byte) (opened, ended bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		size := int(binary.NativeEndian.Uint32(events[12:])) // of the name, which ends with zeros
		name := events[unix.SizeofInotifyEvent:][:size]
		opened = opened || mask&unix.IN_Q_OVERFLOW != 0 || string(bytes.TrimRight(name, "\x00")) == "config"
		ended = ended || mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF) != 0
		events = events[unix.SizeofInotifyEvent+size:]
	}
	return opened, ended
}
