package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"cms/api"
	"cms/config"
	"cms/repo"
)

// newRegistry has the metrics of the program and of what the service holds.
// The API adds those of its requests.
func newRegistry(r *repo.Repo, collections []config.Collection) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cms_build_info", Help: "Always 1; its labels tell the version.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&contents{r, collections})
	return reg
}

// contents counts what is in the repository, and what its writer does, when it is
// asked.
type contents struct {
	repo        *repo.Repo
	collections []config.Collection
}

// entriesDesc describes the one metric that has labels.
func entriesDesc() *prometheus.Desc {
	return prometheus.NewDesc("cms_entries", "Entries in the index, by collection.", []string{"collection"}, nil)
}

// A reading is one of the numbers that the repository tells of itself.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	is   float64
}

func readings(s repo.Stats) []reading {
	about := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return []reading{
		{about("cms_commits_total", "Commits made since the start."), prometheus.CounterValue, float64(s.Commits)},
		{about("cms_commit_groups_total", "Groups in which those became durable."), prometheus.CounterValue, float64(s.Groups)},
		{about("cms_write_queue", "Writes that wait."), prometheus.GaugeValue, float64(s.Queue)},
		{about("cms_packs", "Packs that are small enough to be joined, about."), prometheus.GaugeValue, float64(s.Packs)},
		{about("cms_packs_kept", "Packs that were joined, kept for a while for who reads them."), prometheus.GaugeValue, float64(s.Kept)},
		{about("cms_packs_held", "Packs that are neither joined nor removed because Git's index over several packs names them."), prometheus.GaugeValue, float64(s.Held)},
		{about("cms_pack_failures_total", "Times that packs could not be joined or removed since the start."), prometheus.CounterValue, float64(s.JoinFailures)},
		{about("cms_history_commits", "Commits in the index of history."), prometheus.GaugeValue, float64(s.Indexed)},
	}
}

// Describe implements [prometheus.Collector].
func (c *contents) Describe(ch chan<- *prometheus.Desc) {
	ch <- entriesDesc()
	for _, r := range readings(repo.Stats{}) {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *contents) Collect(ch chan<- prometheus.Metric) {
	view, desc := c.repo.View(), entriesDesc()
	for _, col := range c.collections {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(view.Len(col.Name)), col.Name)
	}
	for _, r := range readings(c.repo.Stats()) {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.is)
	}
}

// debugHandler serves profiles, and the metrics also where the public address
// does not.
func debugHandler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", api.MetricsHandler(reg))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
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
