package web

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"cms/say"
)

// Limit is how many requests are answered in a window. The zero Limit is none.
type Limit struct {
	Requests int
	Window   time.Duration
}

// Limiter holds each of many clients to a limit: a bucket for each, which holds
// the requests of a window and fills evenly. It remembers the buckets that were
// used last, up to a number.
type Limiter struct {
	policy  string // its name in the RateLimit headers
	limit   Limit
	buckets *lru.Cache[string, *rate.Limiter]
}

// maxBuckets bounds what a limiter remembers, to some 10 MB. Who is forgotten
// has a full bucket again.
const maxBuckets = 1 << 16

// NewLimiter is nil for the zero Limit.
func NewLimiter(policy string, limit Limit) (*Limiter, error) {
	if limit.Requests <= 0 || limit.Window <= 0 {
		return nil, nil
	}
	buckets, err := lru.New[string, *rate.Limiter](maxBuckets)
	return &Limiter{policy, limit, buckets}, err
}

// quota is what a client may still ask for.
type quota struct {
	left  int           // requests, now
	reset time.Duration // until the bucket is full or, if it is empty, until the next request is answered
	over  bool          // this request is too much
}

// take takes a request out of the bucket of a client.
func (l *Limiter) take(client string, now time.Time) quota {
	bucket, ok := l.buckets.Get(client)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(l.limit.Requests)/l.limit.Window.Seconds()), l.limit.Requests)
		if other, taken, _ := l.buckets.PeekOrAdd(client, bucket); taken {
			bucket = other
		}
	}
	over := !bucket.AllowN(now, 1)
	tokens := bucket.TokensAt(now)
	want := float64(l.limit.Requests)
	if tokens < 1 {
		want = 1
	}
	wait := time.Duration((want - tokens) / float64(bucket.Limit()) * float64(time.Second))
	return quota{left: max(0, int(tokens)), reset: max(0, wait), over: over}
}

// Admit takes a request of a client, says in the headers what is left
// (draft-ietf-httpapi-ratelimit-headers) and refuses it if it is too much. A nil
// Limiter admits everything.
func (l *Limiter) Admit(h http.Header, client string) error {
	if l == nil {
		return nil
	}
	q := l.take(client, time.Now())
	seconds := int(math.Ceil(q.reset.Seconds()))
	h.Add("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", l.policy, l.limit.Requests, int(math.Ceil(l.limit.Window.Seconds()))))
	h.Add("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", l.policy, q.left, seconds))
	if !q.over {
		return nil
	}
	return NewProblem(http.StatusTooManyRequests, say.New("Too many requests. Try again after the seconds in Retry-After, and send fewer.")).
		With("Retry-After", strconv.Itoa(max(1, seconds)))
}

// limitAddresses bounds what each address may ask of the service, at every door but
// those of its health.
func (f *Floor) limitAddresses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.perAddress != nil && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			if err := f.perAddress.Admit(w.Header(), Network(CallOf(r.Context()).Address)); err != nil {
				f.refuse(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Network is what a client's address counts by: of IPv6 the network of 64 bits, of
// which a client may have all addresses.
func Network(a netip.Addr) string {
	if a.Is6() {
		if n, err := a.Prefix(64); err == nil {
			return n.String()
		}
	}
	return a.String()
}
