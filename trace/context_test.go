package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		given: given,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00":            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff":            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":            given,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes": given,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what-comes": "",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":            "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more":       "",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":            "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":            "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":            "",
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":             "",
		" " + given: "", given + "\n": "", "": "",
	} {
		if got := Parse(in, "").Parent(); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	h := http.Header{"Traceparent": {given, given}}
	if FromHeader(h).Valid() {
		t.Error("of two parents one is believed")
	}
	h = http.Header{"Traceparent": {given}, "Tracestate": {"a=1", "b=2"}}
	if got := FromHeader(h); got.Parent() != given || got.State != "a=1,b=2" {
		t.Errorf("got %+v", got)
	}
	// What names a span in the header is left alone.
	out := http.Header{"Traceparent": {"mine"}}
	if FromHeader(h).Set(out); out.Get("Traceparent") != "mine" || out.Get("Tracestate") != "" {
		t.Errorf("got %v", out)
	}
}

// TestStateIsBounded: long members go first, then the last ones; what is malformed goes as
// a whole.
func TestStateIsBounded(t *testing.T) {
	long := "long=" + strings.Repeat("x", 200)
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	short := strings.Repeat("x", 100)
	five := fmt.Sprintf("a=%[1]s,b=%[1]s,c=%[1]s,d=%[1]s,e=%[1]s", short)
	for in, want := range map[string]string{
		"rojo=00f067aa0ba902b7, congo=t61rcWkgMzE": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
		"tenant@vendor=1,,b=a b ":                  "tenant@vendor=1,b=a b",
		long:                                       long,
		five:                                       strings.TrimSuffix(five, ",e="+short),
		long + "," + five:                          strings.TrimSuffix(five, ",e="+short),
		strings.Join(many, ","):                    "",
		strings.Join(many[:32], ","):               strings.Join(many[:32], ","),
		"A=1":                                      "",
		"a=1,b":                                    "",
		"a=\x01":                                   "",
		"a=é":                                      "",
		"a=b=c":                                    "",
		"a=1\r\nx: y":                              "",
		strings.Repeat(",", 1<<20):                 "",
	} {
		if got := Parse(given, in).State; got != want {
			t.Errorf("%.60q: got %q, want %q", in, got, want)
		}
	}
}

func TestLogged(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(Logged(slog.NewJSONHandler(&out, nil))).With("a", 1)
	ctx, _ := (*Tracer)(nil).Start(context.Background(), Parse(given, ""), "", Server)
	log.InfoContext(ctx, "with")
	log.InfoContext(context.Background(), "without")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var with, without map[string]any
	for i, to := range []*map[string]any{&with, &without} {
		if err := json.Unmarshal([]byte(lines[i]), to); err != nil {
			t.Fatal(err)
		}
	}
	if with["trace_id"] != given[3:35] || with["span_id"] != given[36:52] || with["a"] != 1.0 || without["trace_id"] != nil {
		t.Errorf("got %s", out.String())
	}
}
