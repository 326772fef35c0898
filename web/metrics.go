package web

import (
	"cmp"
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

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cms_http_requests_total", Help: "Requests that were answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cms_http_request_duration_seconds", Help: "How long requests took, by method and route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
	}
}

func (m *metrics) all() []prometheus.Collector { return []prometheus.Collector{m.requests, m.seconds} }

func (m *metrics) observe(method string, op Operation, status int, took time.Duration) {
	if !defined(method) {
		method = "other"
	}
	route := cmp.Or(op.Route, "none")
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	if !op.Stream {
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
