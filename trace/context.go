// Package trace follows a request from service to service, as W3C's Trace Context has it,
// and tells a collector of OpenTelemetry of the spans of it that were made here.
//
//	ctx, span := tracer.Start(ctx, trace.FromHeader(r.Header), "GET /notes", trace.Server)
//	defer span.End()
//	…
//	ctx, part := trace.Start(ctx, "save") // a child of it
//
// Without a tracer nothing is told, and what came in is passed on as it came.
package trace

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"cms/pattern"
)

// Context names a span, which may be of another service, and its trace. The zero value
// names none.
type Context struct {
	Trace [16]byte
	Span  [8]byte
	Flags byte   // sampled, and random
	State string // what other services keep in the trace, as tracestate has it
}

// The flags that are known.
const (
	sampled    = 1
	knownFlags = 3
)

// The headers, by which a context travels.
const (
	parentHeader = "Traceparent"
	stateHeader  = "Tracestate"
)

// Valid says whether c names a span.
func (c Context) Valid() bool { return c.Trace != [16]byte{} && c.Span != [8]byte{} }

// Sampled says whether the spans of the trace are told of.
func (c Context) Sampled() bool { return c.Flags&sampled != 0 }

// Parent is c as traceparent has it, "" if it names no span.
func (c Context) Parent() string {
	if !c.Valid() {
		return ""
	}
	return "00-" + hex.EncodeToString(c.Trace[:]) + "-" + hex.EncodeToString(c.Span[:]) + "-" + hex.EncodeToString([]byte{c.Flags})
}

// Set writes c into the headers of a request, unless they name a span.
func (c Context) Set(h http.Header) {
	if !c.Valid() || h.Get(parentHeader) != "" {
		return
	}
	h.Set(parentHeader, c.Parent())
	if c.State != "" {
		h.Set(stateHeader, c.State)
	}
}

// FromHeader is the context that the headers of a request name. What is not as the
// recommendation has it names none.
func FromHeader(h http.Header) Context {
	if parents := h.Values(parentHeader); len(parents) == 1 {
		return Parse(parents[0], strings.Join(h.Values(stateHeader), ","))
	}
	return Context{}
}

var parent = pattern.Lazy(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)

// Parse is the context that the values of traceparent and tracestate name. A version that
// is not known is read as far as it is like the first one.
func Parse(traceparent, tracestate string) Context {
	m := parent().FindStringSubmatch(traceparent)
	if m == nil || m[1] == "ff" || m[1] == "00" && m[5] != "" {
		return Context{}
	}
	var (
		c     Context
		flags [1]byte
	)
	_, _ = hex.Decode(c.Trace[:], []byte(m[2]))
	_, _ = hex.Decode(c.Span[:], []byte(m[3]))
	_, _ = hex.Decode(flags[:], []byte(m[4]))
	if !c.Valid() {
		return Context{}
	}
	c.Flags, c.State = flags[0]&knownFlags, bounded(tracestate)
	return c
}

// Bounds of a tracestate: what everybody has to pass on, and no more.
const (
	maxState   = 512 // bytes
	maxMembers = 32
	longMember = 128 // bytes; longer ones go first
)

var member = pattern.Lazy(`^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]$`)

// bounded is a tracestate without what is too much: members that are long, then the last
// ones. One that is malformed is dropped as a whole.
func bounded(state string) string {
	if len(state) > maxMembers*maxState {
		return ""
	}
	var members []string
	for m := range strings.SplitSeq(state, ",") {
		m = strings.Trim(m, " \t")
		if m == "" {
			continue
		}
		if !member().MatchString(m) {
			return ""
		}
		members = append(members, m)
	}
	if len(members) > maxMembers {
		return ""
	}
	if size(members) > maxState {
		members = slices.DeleteFunc(members, func(m string) bool { return len(m) > longMember })
	}
	for size(members) > maxState {
		members = members[:len(members)-1]
	}
	return strings.Join(members, ",")
}

func size(members []string) int { return len(strings.Join(members, ",")) }

type contextKey struct{}

// Of is the span that ctx belongs to.
func Of(ctx context.Context) Context {
	s, _ := ctx.Value(contextKey{}).(*Span)
	return s.Context()
}

// Duration is how long something took, as each line of the log has it: in milliseconds,
// by the microsecond.
func Duration(d time.Duration) slog.Attr {
	return slog.Float64("duration_ms", float64(d.Microseconds())/1000)
}

// Logged adds to each line that belongs to a span its trace and its id, as trace_id and
// span_id.
func Logged(h slog.Handler) slog.Handler { return logged{h} }

type logged struct{ slog.Handler }

func (l logged) Handle(ctx context.Context, r slog.Record) error {
	if c := Of(ctx); c.Valid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", hex.EncodeToString(c.Trace[:])), slog.String("span_id", hex.EncodeToString(c.Span[:])))
	}
	return l.Handler.Handle(ctx, r)
}

func (l logged) WithAttrs(attrs []slog.Attr) slog.Handler { return logged{l.Handler.WithAttrs(attrs)} }

func (l logged) WithGroup(name string) slog.Handler { return logged{l.Handler.WithGroup(name)} }
