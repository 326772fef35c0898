package githttp

import "golang.org/x/sys/unix"

// limitMemory bounds the address space of a process that has just been started, and of those
// that it starts.
func limitMemory(pid int, bytes uint64) {
	_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: bytes, Max: bytes}, nil) // or it has ended
}
