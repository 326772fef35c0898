package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts requests for Prometheus. Its labels are few: routes are the
// templates of paths, and methods those that HTTP defines.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// MetricsHandler answers with what is registered, in the text format of
// Prometheus.
func MetricsHandler(reg prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true}) // there is one for all
}

// newMetrics registers the metrics in reg, or nowhere if that is nil.
func newMetrics(reg *prometheus.Registry, streams func() int) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cms_http_requests_total", Help: "Requests that were answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cms_http_request_duration_seconds", Help: "How long requests took, by method and route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
	}
	if reg == nil {
		return m, nil
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cms_event_streams", Help: "Event streams that are open.",
	}, func() float64 { return float64(streams()) })
	for _, c := range []prometheus.Collector{m.requests, m.seconds, open} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	if !defined(method) {
		method = "other"
	}
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	if route != eventsPath { // which ends when its client goes
		m.seconds.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

func defined(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}
