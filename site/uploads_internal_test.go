package site

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"cms/media"
)

// A file that is on its way takes nobody's turn; one that is there waits for its own,
// as long as its request lasts.
func TestUploadsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	s := &Site{media: MediaOptions{MaxBytes: 100, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"svg"}}}, uploads: make(chan struct{}, maxUploads)}
	slow, end := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.receive(t.Context(), "a.svg", slow, false)
		done <- err
	}()
	io.WriteString(end, "<svg") // and no more for now
	if n := len(s.uploads); n != 0 {
		t.Errorf("%d turns are taken by a body on its way", n)
	}
	for range maxUploads {
		s.uploads <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.receive(ctx, "b.svg", strings.NewReader("<svg/>"), false)
	if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Code != Unavailable {
		t.Errorf("got %v, want that it is refused for now", err)
	}
	end.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// TestSpooledFilesAreTakenOver: a file that was taken in stands on the disk once, and not once
// more when it is put.
func TestSpooledFilesAreTakenOver(t *testing.T) {
	t.Parallel()
	s := &Site{media: MediaOptions{MaxBytes: 100, Scratch: t.TempDir(), Rules: media.Rules{Extensions: []string{"svg"}}}, uploads: make(chan struct{})}
	file, err := s.spool(strings.NewReader("<svg/>"))
	if err != nil {
		t.Fatal(err)
	}
	s.media.Scratch = "/nowhere" // for another one
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.receive(ctx, "a.svg", file, false) // which waits for its turn
	if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Code != Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it waited", err)
	}
	if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v, want that it is closed already", err)
	}
}
