package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// get asks without following where it is sent.
func get(ctx context.Context, url string, transport *http.Transport) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = &http.Transport{}
	}
	transport.DisableKeepAlives = true
	c := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c.Do(req)
}

// An address is one that the service or its clients use.
type address struct {
	part, name, url string
	ask             bool // by GET; otherwise it is only connected to
}

// expires is how long before its end a certificate is to be renewed.
const expires = 14 * 24 * time.Hour

// reachable looks at all addresses at once: whether they can be reached, how long their
// certificates are good, and what their clocks say.
func (d *doctor) reachable(ctx context.Context) {
	var all []address
	c := d.config
	if u, err := url.Parse(c.Server.PublicURL); err == nil && (d.running || u.Scheme == "https") {
		all = append(all, address{"address", "server.public_url", c.Server.PublicURL + "/healthz", true})
	}
	for _, w := range c.Webhooks {
		all = append(all, address{"endpoint", "webhook " + w.Name, w.URL, false})
	}
	for _, is := range c.Auth.Issuers {
		switch {
		case is.JWKSURL != "":
			all = append(all, address{"identity", "issuer " + is.Issuer, is.JWKSURL, true})
		case is.Discovery:
			all = append(all, address{"identity", "issuer " + is.Issuer, strings.TrimSuffix(is.Issuer, "/") + "/.well-known/openid-configuration", true})
		}
	}
	if c.Tracing.Endpoint != "" {
		all = append(all, address{"endpoint", "tracing.endpoint", c.Tracing.Endpoint, false})
	}
	found := make([]*doctor, len(all))
	var g errgroup.Group
	g.SetLimit(8)
	for i, a := range all {
		found[i] = &doctor{config: c, now: d.now, running: d.running}
		g.Go(func() error {
			found[i].look(ctx, a)
			return nil
		})
	}
	_ = g.Wait()
	for _, f := range found {
		d.findings = append(d.findings, f.findings...)
	}
}

// look looks at one address. What it sends changes nothing there: to an endpoint, nothing.
func (d *doctor) look(ctx context.Context, a address) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	u, err := url.Parse(a.url)
	if err != nil || u.Hostname() == "" {
		return // of which the configuration tells
	}
	host := u.Hostname()
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
		if port == "" {
			port = "80"
		}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		d.todo(a.part, "Look whether it runs, and whether this machine may reach it.", "%s (%s) cannot be reached: %v", a.name, u.Host, err)
		return
	}
	defer conn.Close()
	before := len(d.findings)
	if u.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			action := "Look at its TLS."
			if bad := (*tls.CertificateVerificationError)(nil); errors.As(err, &bad) {
				action = "Renew the certificate, or have this machine trust who made it."
			}
			d.todo("certificate", action, "%s (%s): %v", a.name, u.Host, err)
			return
		}
		d.certificate(a, secure.ConnectionState().PeerCertificates[0])
	}
	if a.ask {
		d.ask(ctx, a)
	}
	if len(d.findings) == before {
		d.well(a.part, "%s (%s) can be reached.", a.name, u.Host)
	}
}

func (d *doctor) certificate(a address, c *x509.Certificate) {
	if left := c.NotAfter.Sub(d.now); left < expires {
		d.todo("certificate", "Renew it, and look why that was not done by itself.", "That of %s ends on %s.", a.name, c.NotAfter.UTC().Format(time.RFC3339))
	}
}

func (d *doctor) ask(ctx context.Context, a address) {
	res, err := get(ctx, a.url, &http.Transport{Proxy: http.ProxyFromEnvironment})
	if err != nil {
		d.todo(a.part, "Look whether it runs.", "%s does not answer: %v", a.name, err)
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		d.todo(a.part, "Look whether the address is right, and what stands before it.", "%s answers %s.", a.name, res.Status)
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		d.ahead(a.name, time.Until(at))
	}
}

// What the service takes beside what is configured: the program, the index for searches,
// requests.
const otherMemory = 256 << 20

// memory holds what the configuration lets the service take against what there is.
func (d *doctor) memory() {
	there := memoryHere()
	if there == 0 {
		return
	}
	wanted := uint64(d.config.Repository.Memory+d.config.Server.BodyMemory) + otherMemory
	if there < wanted {
		d.todo("memory", "Give it more, or lower repository.memory and server.body_memory; GOMEMLIMIT bounds the heap.",
			"There are %s here, and the configuration lets the service take some %s.", size(there), size(wanted))
		return
	}
	d.well("memory", "There are %s here; the configuration lets the service take some %s.", size(there), size(wanted))
}

// memoryHere is how much memory this process may have, as Linux tells; 0 where that is not
// known.
func memoryHere() uint64 {
	least := uint64(0)
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if raw, err := os.ReadFile(name); err == nil {
			if n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil && n > 0 {
				least = n
			}
		}
	}
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil && (least == 0 || n<<10 < least) {
				least = n << 10
			}
		}
	}
	return least
}
