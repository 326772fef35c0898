package listener

import (
	"io"
	"sync"
)

// maxTail is how many bytes of a command's output are remembered.
const maxTail = 64 << 10

// A tail passes on what is written to it, and remembers the end of that.
type tail struct {
	to io.Writer

	mu   sync.Mutex
	last []byte
}

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.last = append(t.last, p[max(0, len(p)-maxTail):]...)
	if len(t.last) > 2*maxTail {
		t.last = append(t.last[:0], t.last[len(t.last)-maxTail:]...)
	}
	t.mu.Unlock()
	return t.to.Write(p)
}

// end is the end of what was written.
func (t *tail) end() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last[max(0, len(t.last)-maxTail):])
}
