package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bounded is what the document says of an operation's bounds.
type bounded struct {
	OperationID string
	RequestBody *struct{ Content map[string]any }
	Timeout     float64 `json:"x-timeout-seconds"`
	MaxBody     int     `json:"x-max-body-bytes"`
}

func (s *server) bounded() map[string]map[string]bounded {
	s.Helper()
	var document struct {
		Paths map[string]map[string]bounded
	}
	if err := json.Unmarshal(s.do(request{method: "GET", path: "/openapi.json"}).body, &document); err != nil {
		s.Fatal(err)
	}
	return document.Paths
}

func TestEveryOperationHasBounds(t *testing.T) {
	t.Parallel()
	s := newWholeServer(t)
	s.create("consultations", "plan", sample) // or there would be nothing to send a body to
	s.setAside("0123456789ab", "consultations", "plan", "", sample)
	for path, operations := range s.bounded() {
		for method, op := range operations {
			if stream := op.OperationID == "stream-events"; stream != (op.Timeout == 0) {
				t.Errorf("%s: got a timeout of %v seconds", op.OperationID, op.Timeout)
			}
			if (op.RequestBody != nil) != (op.MaxBody > 0) {
				t.Errorf("%s: got at most %d bytes", op.OperationID, op.MaxBody)
			}
			if op.MaxBody == 0 {
				continue
			}
			sent := strings.NewReplacer("{collection}", "consultations", "{slug}", "plan", "{path}", "a.svg", "{name}", "a", "{provider}", "github", "{conflict}", "0123456789ab").Replace(path)
			for _, length := range []int{-1, op.MaxBody + 1} { // chunked, and announced
				req, err := http.NewRequest(strings.ToUpper(method), s.url+sent, io.LimitReader(endless{}, int64(op.MaxBody+1)))
				if err != nil {
					t.Fatal(err)
				}
				req.ContentLength = int64(length)
				token := s.token
				if strings.HasPrefix(path, "/v1/webhooks") || strings.HasPrefix(path, "/v1/deployments") {
					token = s.operator
				}
				req.Header.Set("Authorization", "Bearer "+token)
				if method == "put" {
					req.Header.Set("If-None-Match", "*")
				}
				for media := range op.RequestBody.Content {
					req.Header.Set("Content-Type", media)
				}
				req.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatalf("%s: %v", op.OperationID, err)
				}
				if res.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("%s with %d bytes (length %d): got %d, want 413", op.OperationID, op.MaxBody+1, length, res.StatusCode)
				}
				res.Body.Close()
			}
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// trickle sends a request whose body of length bytes comes slowly, as far as it
// is given, and reads the answer.
func (s *server) trickle(head string, length int, body string, pause time.Duration) *http.Response {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nIf-None-Match: *\r\nContent-Type: application/json\r\n\r\n", head, s.token, length)
	go func() {
		for _, b := range []byte(body) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return // answered already
			}
			time.Sleep(pause)
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatalf("%s: %v", head, err)
	}
	s.Cleanup(func() { res.Body.Close() })
	return res
}

func TestSlowBodiesAreCutOffAndFilesAreNot(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	s := newServerWith(t, func(o *options) { o.Timeout, o.Heartbeat = timeout, timeout/4 })
	stream := s.watch(s.token, "")

	res := s.trickle("POST /v1/collections/consultations/entries", 100, `{"fields"`, time.Millisecond)
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("half a body: got %d %s, %v, want 408", res.StatusCode, body, err)
	}
	if !strings.Contains(string(body), `"code":"timeout"`) {
		t.Errorf("got %s", body)
	}
	if res.Close == false {
		t.Error("the connection is kept, with half a body on it")
	}

	const file = "%PDF-1.4\nbcdefgh\n"
	if res := s.trickle("PUT /v1/media/plan.pdf", len(file), file, timeout/8); res.StatusCode != http.StatusCreated {
		t.Errorf("a file that comes slowly: got %d, want 201", res.StatusCode)
	}
	for stream.next().event.Media != "plan.pdf" { // comments come before it, for longer than the timeout
	}
	for range 6 {
		if m := stream.next(); m.comment != "alive" {
			t.Errorf("got %+v", m)
		}
	}
	if got := s.do(request{method: "GET", path: "/v1/media/plan.pdf"}); string(got.body) != file {
		t.Errorf("got %q", got.body)
	}
}
