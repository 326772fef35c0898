package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"cms/config"
	"cms/repo"
	"cms/web"
)

// registries are the metrics of the service: those for everybody, and what tells more.
type registries struct {
	common *prometheus.Registry // the API adds those of its requests
	public prometheus.Gatherer  // beside common, for whoever reaches the service
	named  *prometheus.Registry // beside common, for who is on this machine
}

// newRegistry has the metrics of the program and of what the service holds.
func newRegistry(r *repo.Repo, collections []config.Collection) registries {
	common, public, named := prometheus.NewRegistry(), prometheus.NewRegistry(), prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cms_build_info", Help: "Always 1; its labels tell the version.",
		ConstLabels: prometheus.Labels{"version": versionOf(), "goversion": runtime.Version()},
	})
	build.Set(1)
	common.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &contents{r})
	public.MustRegister(&entries{repo: r, collections: collections})
	named.MustRegister(&entries{repo: r, collections: collections, named: true})
	return registries{common, public, named}
}

// entries counts them when it is asked. The names of collections are not for
// everybody.
type entries struct {
	repo        *repo.Repo
	collections []config.Collection
	named       bool
}

func (e *entries) desc() *prometheus.Desc {
	if e.named {
		return prometheus.NewDesc("cms_entries", "Entries in the index, by collection.", []string{"collection"}, nil)
	}
	return prometheus.NewDesc("cms_entries", "Entries in the index.", nil, nil)
}

// Describe implements [prometheus.Collector].
func (e *entries) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc() }

// Collect implements [prometheus.Collector].
func (e *entries) Collect(ch chan<- prometheus.Metric) {
	view, desc, all := e.repo.View(), e.desc(), 0
	for _, col := range e.collections {
		n := view.Len(col.Name)
		if all += n; e.named {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), col.Name)
		}
	}
	if !e.named {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(all))
	}
}

// contents tells what the repository's writer does, when it is asked.
type contents struct{ repo *repo.Repo }

// A reading is one of the numbers that the repository tells of itself.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	is   float64
}

func readings(s repo.Stats) []reading {
	return []reading{
		{about("cms_commits_total", "Commits made since the start."), prometheus.CounterValue, float64(s.Commits)},
		{about("cms_commit_groups_total", "Groups in which those became durable."), prometheus.CounterValue, float64(s.Groups)},
		{about("cms_write_queue", "Writes that wait."), prometheus.GaugeValue, float64(s.Queue)},
		{about("cms_packs", "About how many packs are small enough to be repacked."), prometheus.GaugeValue, float64(s.Packs)},
		{about("cms_packs_kept", "Obsolete packs, whose objects were repacked, and which stay for repository.keep_packs."), prometheus.GaugeValue, float64(s.Kept)},
		{about("cms_packs_held", "Packs that are neither repacked nor removed because a multi-pack-index of Git's names them."), prometheus.GaugeValue, float64(s.Held)},
		{about("cms_pack_failures_total", "Times that packs could not be repacked or removed since the start."), prometheus.CounterValue, float64(s.RepackFailures)},
		{about("cms_remote_fetched_timestamp_seconds", "When the Git host's branch was last fetched, in Unix seconds; 0 for never since the start."), prometheus.GaugeValue, seconds(s.Remote.Fetched)},
		{about("cms_remote_pushed_timestamp_seconds", "When there was last nothing left to push to the Git host, in Unix seconds; 0 for never since the start."), prometheus.GaugeValue, seconds(s.Remote.Pushed)},
		{about("cms_remote_unpushed_commits", "Commits that the Git host is not known to have."), prometheus.GaugeValue, float64(s.Remote.Unpushed)},
		{about("cms_remote_unpushed_age_seconds", "How old the first of those is."), prometheus.GaugeValue, age(s.Remote.Oldest)},
		{about("cms_remote_diverged", "1 while the branch and the Git host's have diverged and nothing joins them."), prometheus.GaugeValue, truth(s.Remote.Diverged)},
		{about("cms_history_commits", "Commits in the index of history."), prometheus.GaugeValue, float64(s.Indexed)},
	}
}

// seconds is a time in Unix seconds, 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// age is how long ago a time is, in seconds, 0 for the zero time.
func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (c *contents) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range readings(repo.Stats{}) {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *contents) Collect(ch chan<- prometheus.Metric) {
	for _, r := range readings(c.repo.Stats()) {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.is)
	}
}

// debugHandler serves profiles, and the metrics also where the public address
// does not. It answers only to names of this machine: any other one is that of a page
// that has its name lead here, to read what this browser's machine tells.
func debugHandler(reg registries) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", web.MetricsHandler(prometheus.Gatherers{reg.common, reg.named}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r.Host) {
			http.Error(w, "This address answers to localhost and to loopback addresses only.", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// local says whether the Host of a request names this machine.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// serveDebug serves profiles until ctx ends.
func (s *service) serveDebug(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.debug.Addr)
	if err != nil {
		return fmt.Errorf("%w; set server.debug_listen to another address, or leave it out", err)
	}
	s.log.Info("serving profiles", "address", l.Addr().String())
	defer context.AfterFunc(ctx, func() { s.debug.Close() })()
	if err := s.debug.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve profiles: %w", err)
	}
	return nil
}
