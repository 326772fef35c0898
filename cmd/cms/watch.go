package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cms/config"
	"cms/webhooks"
)

// A watch tells of the parts of the service what one would be woken for. It names nothing
// and nobody, and asks the database and the disk once in watchEvery, whoever looks.
type watch struct {
	service *service
	config  *config.Config
	invalid atomic.Int64 // entries, -1 until they were looked at

	mu   sync.Mutex // guards what follows
	at   time.Time
	last []prometheus.Metric
}

const (
	watchEvery   = 10 * time.Second
	watchTimeout = 3 * time.Second
)

func newWatch(s *service, c *config.Config) *watch {
	w := &watch{service: s, config: c}
	w.invalid.Store(-1)
	return w
}

func about(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What a watch tells.
var (
	watched []*prometheus.Desc // all that follow

	readyDesc         = watching("cms_ready", "1 while a part of the service works, 0 while it keeps the service from being ready.", "part")
	endpointsDesc     = watching("cms_webhook_endpoints", "Endpoints of webhooks, by whether they are enabled or disabled.", "state")
	waitingDesc       = watching("cms_webhook_waiting", "Deliveries to endpoints that are on their way.")
	waitingAgeDesc    = watching("cms_webhook_waiting_age_seconds", "How long the oldest of those has been; 0 for none.")
	failedDesc        = watching("cms_webhook_failed", "Deliveries that were given up, of those that are kept.")
	sessionsDesc      = watching("cms_sessions", "Sessions of people who are logged in.")
	buildDesc         = watching("cms_build_state", "1 for the state of the newest build that was reported.", "state")
	buildAtDesc       = watching("cms_build_reported_timestamp_seconds", "When the newest build was last reported, in Unix seconds; 0 for never.")
	buildLiveDesc     = watching("cms_build_live_timestamp_seconds", "When a build was last told to be live, in Unix seconds; 0 for never.")
	invalidDesc       = watching("cms_invalid_entries", "Entries that are not as their fields expect, of the last look.")
	diskDesc          = watching("cms_disk_free_bytes", "Bytes that are left to the service on the disk of a part.", "part")
	objectsDesc       = watching("cms_lfs_stored_bytes", "Bytes of the files of Git LFS that are kept here alone.")
	remoteDesc        = watching("cms_remote_configured", "1 where a Git host is configured.")
	remotePushDesc    = watching("cms_remote_pushes", "1 where edits are pushed to the Git host.")
	remoteFailingDesc = watching("cms_remote_failing", "1 while the last fetch or push of that kind failed.", "kind")
)

// watching makes one of what a watch tells.
func watching(name, help string, labels ...string) *prometheus.Desc {
	d := about(name, help, labels...)
	watched = append(watched, d)
	return d
}

// Describe implements [prometheus.Collector].
func (w *watch) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range watched {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (w *watch) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || time.Since(w.at) >= watchEvery {
		w.last, w.at = w.look(), time.Now()
	}
	for _, m := range w.last {
		ch <- m
	}
}

// look asks all parts. What cannot be told is left out.
func (w *watch) look() []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), watchTimeout)
	defer cancel()
	var all []prometheus.Metric
	is := func(d *prometheus.Desc, value float64, labels ...string) {
		all = append(all, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
	}
	for _, check := range w.service.checks() {
		is(readyDesc, truth(check.Run() == nil), strings.TrimSuffix(check.Code, "_unavailable"))
	}
	if t, err := w.service.state.Webhooks().Tally(ctx); err == nil {
		is(endpointsDesc, float64(t.Enabled), "enabled")
		is(endpointsDesc, float64(t.Disabled), "disabled")
		is(waitingDesc, float64(t.Waiting))
		is(waitingAgeDesc, age(t.Oldest))
		is(failedDesc, float64(t.Failed))
	}
	if n, err := w.service.state.Sessions().Count(ctx, time.Now()); err == nil {
		is(sessionsDesc, float64(n))
	}
	builds, _ := w.service.builds.Since(ctx, time.Time{})
	newest, live, at := "", time.Time{}, time.Time{}
	for _, b := range builds { // in the order of the reports
		newest, at = b.State, b.At
		if b.LiveAt.After(live) {
			live = b.LiveAt
		}
	}
	for _, state := range webhooks.BuildStates() {
		is(buildDesc, truth(state == newest), state)
	}
	is(buildAtDesc, seconds(at))
	is(buildLiveDesc, seconds(live))
	if n := w.invalid.Load(); n >= 0 {
		is(invalidDesc, float64(n))
	}
	parts := map[string]string{"repository": w.config.Repository.Path}
	if path, lite := strings.CutPrefix(string(w.config.State.URL), "sqlite:"); lite {
		parts["state"] = filepath.Dir(path)
	}
	for part, path := range parts {
		if free, err := diskFree(path); err == nil {
			is(diskDesc, float64(free), part)
		}
	}
	if bytes, err := w.service.site.StoredObjects(); err == nil {
		is(objectsDesc, float64(bytes))
	}
	m := w.config.Repository.Remote
	is(remoteDesc, truth(m != nil))
	is(remotePushDesc, truth(m.Pushes()))
	r := w.service.repo.Remote()
	is(remoteFailingDesc, truth(r.FetchErr != nil), "fetch")
	is(remoteFailingDesc, truth(r.PushErr != nil), "push")
	return all
}

// How often the entries are looked at that changed: a hundredth of the time at most.
const (
	invalidEvery = time.Minute
	invalidPart  = 100
	invalidFirst = 2 * time.Second // after the start, which has more to do
)

// run counts the entries that are not as they should be until ctx ends, whenever some may
// have changed.
func (w *watch) run(ctx context.Context) error {
	seen := ""
	for pause := invalidFirst; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = invalidEvery
		head, _ := w.service.site.Head()
		if head == seen && w.invalid.Load() >= 0 {
			continue
		}
		began := time.Now()
		if broken, _, err := w.service.site.Check(ctx); err == nil { // else it is tried again
			w.invalid.Store(int64(len(broken)))
			seen = head
		}
		pause = max(pause, invalidPart*time.Since(began))
	}
}

// endpointsOf tells of each endpoint by its name, which is not for everybody.
type endpointsOf struct{ service *service }

var (
	endpointWaitingDesc  = about("cms_webhook_endpoint_waiting", "Deliveries that are on their way, by endpoint.", "endpoint")
	endpointDisabledDesc = about("cms_webhook_endpoint_disabled", "1 while an endpoint is disabled.", "endpoint")
)

// Describe implements [prometheus.Collector].
func (e endpointsOf) Describe(ch chan<- *prometheus.Desc) {
	ch <- endpointWaitingDesc
	ch <- endpointDisabledDesc
}

// Collect implements [prometheus.Collector].
func (e endpointsOf) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), watchTimeout)
	defer cancel()
	all, err := e.service.hooks.Endpoints(ctx)
	if err != nil {
		return
	}
	for _, s := range all {
		ch <- prometheus.MustNewConstMetric(endpointWaitingDesc, prometheus.GaugeValue, float64(s.Pending), s.Endpoint.Name)
		ch <- prometheus.MustNewConstMetric(endpointDisabledDesc, prometheus.GaugeValue, truth(!s.Disabled.IsZero()), s.Endpoint.Name)
	}
}
