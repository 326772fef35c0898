package trace

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"time"
)

// Kind is the side of a request that a span is.
type Kind int

// The kinds, by their numbers in OTLP.
const (
	Internal Kind = 1
	Server   Kind = 2
	Client   Kind = 3
)

// A Span is a piece of work. The methods of a nil one do nothing. It belongs to one
// goroutine at a time.
type Span struct {
	context  Context
	tracer   *Tracer // nil where it is not told of
	parent   [8]byte // zero for the root of its trace
	name     string
	kind     Kind
	began    time.Time
	attrs    []attribute
	failed   string
	finished bool
}

type attribute struct {
	key   string
	value any // a string or an int
}

// Start begins a span below parent, which may be of another service, or, where that names
// none, a trace. The context has it.
func (t *Tracer) Start(ctx context.Context, parent Context, name string, kind Kind) (context.Context, *Span) {
	s := &Span{context: parent}
	switch {
	case t != nil && !parent.Valid():
		_, _ = rand.Read(s.context.Trace[:]) // never fails
		s.context.Flags = knownFlags &^ sampled
		if t.samples(s.context.Trace) {
			s.context.Flags = knownFlags
		}
		s.begin(t, name, kind)
	case t != nil && parent.Sampled():
		s.parent = parent.Span
		s.begin(t, name, kind)
	}
	if !s.context.Valid() {
		return ctx, nil
	}
	return context.WithValue(ctx, contextKey{}, s), s
}

// Start begins a span below that of ctx, of which there may be none.
func Start(ctx context.Context, name string) (context.Context, *Span) {
	above, _ := ctx.Value(contextKey{}).(*Span)
	if above == nil || above.tracer == nil {
		return ctx, above.bystander()
	}
	return above.tracer.Start(ctx, above.context, name, Internal)
}

// bystander is a span that passes on the context of s and is not told of.
func (s *Span) bystander() *Span {
	if s == nil {
		return nil
	}
	return &Span{context: s.context}
}

func (s *Span) begin(t *Tracer, name string, kind Kind) {
	_, _ = rand.Read(s.context.Span[:])
	s.name, s.kind, s.began = name, kind, time.Now()
	if s.context.Sampled() {
		s.tracer = t
	}
}

// samples says whether a trace that begins here is told of, by its id, so that all
// services that sample as much of a trace agree.
func (t *Tracer) samples(trace [16]byte) bool {
	const random = 1 << 56 // the last seven bytes are random by the recommendation
	return float64(binary.BigEndian.Uint64(trace[8:])&(random-1)) < math.Ldexp(t.sample, 56)
}

// Context names s to others.
func (s *Span) Context() Context {
	if s == nil {
		return Context{}
	}
	return s.context
}

// Rename says better what s is.
func (s *Span) Rename(name string) {
	if s != nil {
		s.name = name
	}
}

// Set says something about s: a string or an int. It must be fit for a third party to
// read.
func (s *Span) Set(key string, value any) {
	if s != nil && s.tracer != nil {
		s.attrs = append(s.attrs, attribute{key, value})
	}
}

// Fail says that s did not succeed, and why, in words that are fit for a third party.
func (s *Span) Fail(why string) {
	if s != nil {
		s.failed = why
	}
}

// Drop lets s not be told of. Spans below it are.
func (s *Span) Drop() {
	if s != nil {
		s.finished = true
	}
}

// Remote says whether s continues the trace of another service.
func (s *Span) Remote() bool { return s != nil && s.parent != [8]byte{} }

// End ends s. What is done with it afterwards counts for nothing.
func (s *Span) End() {
	if s == nil || s.tracer == nil || s.finished {
		return
	}
	s.finished = true
	s.tracer.add(s, time.Now())
}
