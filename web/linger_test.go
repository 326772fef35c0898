package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cms/web"
)

// pipes is a listener whose connections are pipes, which hold nothing themselves.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that goes on to send what was refused is not listened to for long: however
// slowly it sends, and not at all by a server that shuts down.
func TestRefusedBodiesAreNotAwaited(t *testing.T) {
	const bound = 10 * time.Second
	for _, c := range []struct {
		name, head string
		stop       bool // the server, after the answer
		chunk      string
		most       int // bytes that are taken after the answer
	}{
		{"slow", "Content-Length: 1000000", false, "x", 10},
		{"slow, in chunks", "Transfer-Encoding: chunked", false, "1\r\nx\r\n", 100},
		{"silent", "Content-Length: 1000000", false, "", 0},
		{"without end", "Transfer-Encoding: chunked", false, "100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n", 34 << 20},
		{"announced as longer", "Content-Length: 100000000", false, strings.Repeat("x", 1<<20), 0},
		{"slow, at a shutdown", "Content-Length: 1000000", true, "x", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				floor := doors(t, web.Options{})
				floor.Mount("/unread", door{floor.Handle(web.Operation{Caller: web.Anyone, Body: 100}, func(http.ResponseWriter, *http.Request) error { return web.NotFound() })})
				listener := pipes{make(chan net.Conn), make(chan struct{})}
				server := &http.Server{Handler: floor, ReadHeaderTimeout: time.Minute}
				server.RegisterOnShutdown(floor.EndLingering)
				go server.Serve(listener)
				defer server.Close()
				conn, theirs := net.Pipe()
				defer conn.Close()
				listener.conns <- theirs
				fmt.Fprintf(conn, "POST /unread HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", c.head)
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				var p web.Problem
				if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Status != 404 || !res.Close {
					t.Fatalf("got %+v, close %v, %v", p, res.Close, err)
				}
				start := time.Now()
				hungUp := make(chan struct{})
				go func() {
					defer close(hungUp)
					var rest [1 << 10]byte
					for err := error(nil); err == nil; {
						_, err = conn.Read(rest[:])
					}
				}()
				if c.stop {
					if err := server.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				}
				sent := 0
				for c.chunk != "" && time.Since(start) < bound {
					n, err := conn.Write([]byte(c.chunk))
					if sent += n; err != nil {
						break
					}
					if len(c.chunk) < 100 {
						time.Sleep(time.Second)
					}
				}
				<-hungUp
				if took := time.Since(start); took > bound || c.stop && took > time.Second || sent > c.most {
					t.Errorf("the server took %d bytes in %s", sent, took)
				}
			})
		})
	}
}
