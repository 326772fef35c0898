package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSlowHeadersAreCutOff(t *testing.T) {
	srv := newServer("", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{
		"headers": srv.ReadHeaderTimeout, "a request": srv.ReadTimeout, "an answer": srv.WriteTimeout, "a connection at rest": srv.IdleTimeout,
	} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s may take %s", name, d)
		}
	}
	if srv.MaxHeaderBytes > 1<<20 {
		t.Errorf("headers may have %d bytes", srv.MaxHeaderBytes)
	}
	srv.ReadHeaderTimeout = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		<-done
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // until the server hangs up
		t.Errorf("the connection is left open: %v", err)
	}
}

// TestLongHeadersAreRefused, with the connection, before they are read.
func TestLongHeadersAreRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer("", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		<-done
	}()
	for name, head := range map[string]string{
		"address": "GET /?" + strings.Repeat("x", 900_000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"header":  "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 900_000) + "\r\n\r\n",
		"headers": "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-Short: x\r\n", 50_000) + "\r\n",
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, head) // until the server hangs up
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !res.Close {
			t.Errorf("%s: got %d", name, res.StatusCode)
		}
		conn.Close()
	}
}
