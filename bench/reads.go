package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	readClients = 8
	readEntries = 200 // that are read, in turn
)

// reads measures what is read of a site of the second shape, beside a handler
// that writes the same bytes from memory.
func (b *bench) reads(ctx context.Context) error {
	sh := b.plan.shapes[1]
	fmt.Fprintf(os.Stderr, "reads of %s\n", sh.name)
	work := filepath.Join(b.dir, "reads")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	repository := filepath.Join(work, "site.git")
	if _, err := makeSite(ctx, repository, sh); err != nil {
		return err
	}
	svc, _, err := b.start(ctx, work, repository)
	if err != nil {
		return err
	}
	defer svc.kill()
	b.printf("\n## Reads of %s entries, %d clients\n\n", sh.name, readClients)
	b.printf("Each read bears a token, which is verified. *Bare* is a handler of net/http, in a\nprocess of its own, that writes the same bytes from memory to the same clients.\n\n")
	b.printf("| | reads/s | median | 99th percentile | bare, reads/s | bare, 99th percentile | of bare |\n|---|---|---|---|---|---|---|\n")
	var entries []string
	for i := range readEntries {
		entries = append(entries, "/v1/collections/consultations/entries/"+sh.slug(i*7919%sh.entries))
	}
	for _, r := range []struct {
		name  string
		paths []string
	}{
		{"one entry", entries},
		{"100 of a list, filtered and sorted by two fields", []string{
			"/v1/collections/consultations/entries?filter[in_progress]=true&filter[ordre][gte]=0&sort=-date,title&limit=100"}},
		{"search for two words", []string{"/v1/search?q=mobilit%C3%A9s+atelier&limit=20"}},
	} {
		if err := b.read(ctx, svc, r.name, r.paths); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return svc.stop()
}

// read measures reads of paths, in turn.
func (b *bench) read(ctx context.Context, svc *service, name string, paths []string) error {
	bodies := make(map[string]string)
	for _, path := range paths {
		body, err := svc.get(ctx, http.DefaultClient, svc.url+path)
		if err != nil {
			return err
		}
		bodies[path] = string(body)
	}
	bare, err := startBare(ctx, bodies)
	if err != nil {
		return err
	}
	defer bare.kill()
	attack := func(url string) (vegeta.Metrics, error) {
		var targets []vegeta.Target
		for _, path := range paths {
			targets = append(targets, vegeta.Target{Method: http.MethodGet, URL: url + path, Header: http.Header{"Authorization": {"Bearer " + svc.token}}})
		}
		var m vegeta.Metrics
		attacker := vegeta.NewAttacker(vegeta.Workers(readClients), vegeta.MaxWorkers(readClients))
		for res := range attacker.Attack(vegeta.NewStaticTargeter(targets...), vegeta.Rate{}, b.plan.duration, name) { // as fast as the answers come
			m.Add(res)
		}
		m.Close()
		if m.Success < 1 {
			return m, fmt.Errorf("%v: %v", m.StatusCodes, m.Errors)
		}
		return m, nil
	}
	ours, err := attack(svc.url)
	if err != nil {
		return err
	}
	theirs, err := attack(bare.url)
	if err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.printf("| %s | %.0f | %.2f ms | %.2f ms | %.0f | %.2f ms | %.0f %% |\n", name, ours.Throughput, ms(ours.Latencies.P50), ms(ours.Latencies.P99),
		theirs.Throughput, ms(theirs.Latencies.P99), 100*ours.Throughput/theirs.Throughput)
	return nil
}

// bare is the yardstick: a process that writes answers from memory.
type bare struct {
	cmd *exec.Cmd
	url string
}

// startBare runs this program as the yardstick for some answers, by request
// target.
func startBare(ctx context.Context, answers map[string]string) (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	b := &bare{cmd: exec.CommandContext(ctx, self, "-bare")}
	b.cmd.Stdin, b.cmd.Stderr = strings.NewReader(string(raw)), os.Stderr
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(out, &b.url); err != nil {
		b.kill()
		return nil, fmt.Errorf("bare handler: %w", err)
	}
	return b, nil
}

func (b *bare) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// serveBare reads answers from in, says where it serves them on out, and serves.
func serveBare(ctx context.Context, in io.Reader, out io.Writer) error {
	var texts map[string]string
	if err := json.NewDecoder(in).Decode(&texts); err != nil {
		return err
	}
	answers := make(map[string][]byte, len(texts))
	for path, text := range texts {
		answers[path] = []byte(text)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "http://"+l.Addr().String())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answers[r.URL.RequestURI()])
	})}
	return server.Serve(l)
}
