package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// service is the program under test, in a process of its own.
type service struct {
	cmd   *exec.Cmd
	url   string
	debug string // where its profiles are
	token string
	log   *os.File

	edited atomic.Int64 // how many edits were made by [service.edits], each of which differs from those before
}

const configuration = `
server: {listen: "%s", debug_listen: "%s"}
repository: {path: "%s"}
state: {url: "sqlite:%s.state.db"}
collections:
  - name: consultations
    folder: _consultations
    fields:
      - {name: title, type: string, required: true}
      - {name: date, type: datetime, required: true}
      - {name: ordre, type: integer}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete]}}
log: {level: warn}
`

// start starts the service and says how long it took to be ready.
func (b *bench) start(ctx context.Context, work, repository string) (*service, time.Duration, error) {
	return b.startWith(ctx, work, func(addr, debug string) []byte {
		return fmt.Appendf(nil, configuration, addr, debug, repository, repository)
	})
}

// startWith is start with the configuration for two addresses, of the service
// and of its profiles.
func (b *bench) startWith(ctx context.Context, work string, configure func(addr, debug string) []byte) (*service, time.Duration, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, 0, err
	}
	debug, err := freeAddress(ctx)
	if err != nil {
		return nil, 0, err
	}
	config := filepath.Join(work, "config.yaml")
	if err := os.WriteFile(config, configure(addr, debug), 0o644); err != nil {
		return nil, 0, err
	}
	os.Setenv("CMS_JWT_SECRET", strings.Repeat("s", 32))
	issue := exec.CommandContext(ctx, b.binary, "token", "--config", config, "--subject", "ann", "--name", "Ann", "--email", "ann@example.org", "--role", "editor", "--ttl", "12h")
	issue.Env = environment()
	token, err := issue.Output() // how to take it back goes to standard error
	if err != nil {
		return nil, 0, fmt.Errorf("cms token: %w", err)
	}
	s := &service{cmd: exec.CommandContext(ctx, b.binary, "serve", "--config", config), url: "http://" + addr, debug: "http://" + debug, token: strings.TrimSpace(string(token))}
	if s.log, err = os.Create(filepath.Join(work, "log")); err != nil {
		return nil, 0, err
	}
	s.cmd.Env, s.cmd.Stderr = environment(), struct{ io.Writer }{s.log} // by a pipe: a limit of its files is none of its log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	for {
		res, err := http.Get(s.url + "/readyz") //nolint:noctx // on this machine
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s, time.Since(began), nil
			}
		}
		if time.Since(began) > 2*time.Minute || ctx.Err() != nil {
			s.kill()
			return nil, 0, fmt.Errorf("the service does not get ready, see %s", s.log.Name())
		}
		time.Sleep(2 * time.Millisecond) //nolint:forbidigo // the service has no other way to say it
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.log.Close()
}

func (s *service) stop() error {
	defer s.log.Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// memory is what the process holds now, and peakMemory what it held at most,
// in bytes; 0 where the system does not tell.
func (s *service) memory() int64     { return s.status("VmRSS:") }
func (s *service) peakMemory() int64 { return s.status("VmHWM:") }

// ownMemory is what the process holds for itself, and mappedMemory what it has mapped of
// files, which the system takes back where it needs it.
func (s *service) ownMemory() int64    { return s.status("RssAnon:") }
func (s *service) mappedMemory() int64 { return s.status("RssFile:") }

func (s *service) status(key string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// cpu is the time that the process has computed; 0 where the system does not tell.
func (s *service) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // Linux counts hundredths of a second
}

// live is how many bytes the process keeps, without what waits to be collected,
// once every entry is read, parsed and indexed.
func (s *service) live(ctx context.Context) (float64, error) {
	const all = "/v1/collections/consultations/entries?limit=1&sort=ordre"
	for _, path := range []string{all, "/v1/search?q=atelier&limit=1"} {
		if err := s.until(ctx, path); err != nil { // what answers it may still be made
			return 0, err
		}
	}
	if _, err := s.get(ctx, http.DefaultClient, s.debug+"/debug/pprof/heap?gc=1"); err != nil {
		return 0, err
	}
	return s.metric(ctx, "go_memstats_heap_alloc_bytes")
}

// metric is one of the process, without labels.
func (s *service) metric(ctx context.Context, name string) (float64, error) {
	raw, err := s.get(ctx, http.DefaultClient, s.url+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

func (s *service) get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", address, res.Status, raw)
	}
	return raw, err
}

// edit lets clients edit entries of their own for a while.
func (s *service) edit(ctx context.Context, sh shape, clients int, d time.Duration) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex
		took []time.Duration
		wg   sync.WaitGroup
	)
	start := time.Now()
	for c := range clients {
		wg.Go(func() {
			mine, err := s.client(ctx, sh, c, clients, start.Add(d))
			if err != nil {
				cancel(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	wg.Wait()
	return resultOf(took, time.Since(start)), context.Cause(ctx)
}

// client edits every clients-th entry in turn, under the ETag of its last edit.
func (s *service) client(ctx context.Context, sh shape, c, clients int, until time.Time) ([]time.Duration, error) {
	http := &http.Client{Transport: &http.Transport{}}
	tags := map[int]string{}
	var took []time.Duration
	for n := 1; time.Now().Before(until); n++ {
		i := n*7%max(1, sh.entries/clients)*clients + c
		tag, known := tags[i]
		if !known {
			var err error
			if tag, err = s.do(ctx, http, "GET", sh.slug(i), "", nil); err != nil {
				return nil, err
			}
		}
		patch := fmt.Appendf(nil, `{"fields": {"ordre": %d}}`, time.Now().UnixNano()%1_000_000_000)
		began := time.Now()
		tag, err := s.do(ctx, http, "PATCH", sh.slug(i), tag, patch)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		tags[i] = tag
	}
	return took, nil
}

// do makes a request for an entry and gives its ETag.
func (s *service) do(ctx context.Context, client *http.Client, method, slug, tag string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+"/v1/collections/consultations/entries/"+slug, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if tag != "" {
		req.Header.Set("If-Match", tag)
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s: %s", method, slug, res.Status, answer)
	}
	return res.Header.Get("ETag"), nil
}

// history asks for the history of an entry and gives the number of its commits.
func (s *service) history(ctx context.Context, slug string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/collections/consultations/history/"+slug, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var page struct{ Total int }
	return page.Total, json.NewDecoder(res.Body).Decode(&page)
}
