package stream

import (
	"context"
	"math"
	"net/http"
	"time"

	"cms/auth"
	"cms/web"
)

// A Watcher is who is told what happens by one stream. It belongs to the goroutine that
// serves that.
type Watcher interface {
	// Tell writes what has happened since it was last called, if there is anything. An
	// error ends the stream.
	Tell(ctx context.Context, w *Writer) error

	// Check finds out again whether the caller of the stream's request may still listen,
	// and to what. An error ends the stream.
	Check(r *http.Request) error

	// Expires is from when on the caller may listen no more, as far as is known; the
	// zero time where nothing says so.
	Expires() time.Time
}

// Stream is one that is open.
type Stream struct {
	streams *Streams
	caller  string
}

// Serve answers a request with the stream, which begins with hello, until the client goes,
// its caller may not listen any more, or the streams end.
func (s *Stream) Serve(w http.ResponseWriter, r *http.Request, hello []byte, watcher Watcher) {
	defer s.streams.leave(s.caller)
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a server without deadlines has none to lift
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out := NewWriter(w)
	if out.send(hello) != nil {
		return
	}
	s.serve(r, out, watcher)
}

// serve tells what happens until the stream ends.
func (s *Stream) serve(r *http.Request, out *Writer, watcher Watcher) {
	ctx := r.Context()
	expiry := time.NewTimer(untilExpiry(watcher))
	defer expiry.Stop()
	beat := time.NewTicker(s.streams.heartbeat)
	defer beat.Stop()
	look := time.NewTicker(auth.RevocationDelay)
	defer look.Stop()
	for {
		news := s.streams.next()
		if out.flush(watcher.Tell(ctx, out)) != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-news:
				waiting = false
			case <-beat.C:
				if out.send([]byte(": alive\n\n")) != nil {
					return
				}
			case <-expiry.C: // a leeway may still let it in
				if watcher.Check(r) != nil {
					return
				}
				expiry.Reset(untilExpiry(watcher))
			case <-look.C:
				if err := watcher.Check(r); err != nil {
					s.streams.log.InfoContext(ctx, "event stream ends: its caller may not listen any more", "cause", err, "request_id", web.RequestID(ctx))
					return
				}
			case <-ctx.Done():
				return
			case <-s.streams.ended:
				return
			}
		}
	}
}

// untilExpiry is when to look again whether a watcher may still listen: when that expires
// and, within a leeway, each second.
func untilExpiry(w Watcher) time.Duration {
	expires := w.Expires()
	if expires.IsZero() {
		return math.MaxInt64
	}
	return max(time.Second, time.Until(expires))
}

// writeTime is for one write to a client. One that does not take it in time is given up,
// and goes on behind the last id that it got when it comes back.
const writeTime = 30 * time.Second

// Writer is what a stream is written to.
type Writer struct {
	out     http.ResponseWriter
	control *http.ResponseController
	unsent  bool
}

// NewWriter writes the events of a stream to w.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{out: w, control: http.NewResponseController(w)}
}

// Write implements [io.Writer]. What is written is sent when the watcher has told
// everything, or before.
func (w *Writer) Write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	w.unsent = true
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTime))
	return w.out.Write(text)
}

// send sends text at once.
func (w *Writer) send(text []byte) error {
	_, err := w.Write(text)
	return w.flush(err)
}

// flush sends what was written, if anything was, before the stream ends with err.
func (w *Writer) flush(err error) error {
	if w.unsent {
		w.unsent = false
		if sent := w.control.Flush(); err == nil {
			err = sent
		}
	}
	return err
}
