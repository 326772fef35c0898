package webhooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cms/state"
	"cms/state/statetest"
)

// bench is a database, a history and a receiver over real sockets.
type bench struct {
	*testing.T
	db      *state.DB
	address string
	h       *history
	log     *logged
	site    *receiver
	e       Endpoint
}

// each runs test on each kind of database.
func each(t *testing.T, test func(b *bench)) {
	t.Parallel() // most of them wait for the next attempt
	statetest.Each(t, func(t *testing.T, address string) {
		b := &bench{T: t, address: address, db: statetest.Open(t, address), h: &history{}, log: &logged{}, site: &receiver{}}
		s := httptest.NewServer(b.site)
		t.Cleanup(s.Close)
		b.e = local("site", s)
		test(b)
	})
}

// relay is a service that delivers to endpoints, b.e when there are none.
func (b *bench) relay(endpoints ...Endpoint) *Relay {
	b.Helper()
	if endpoints == nil {
		endpoints = []Endpoint{b.e}
	}
	r, err := New(b.Context(), Options{Source: b.h, State: b.db, Endpoints: endpoints, PublicURL: "https://cms.example.org", Logger: b.log.logger()})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// until waits for ok, which looks at what has happened.
func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("waited in vain for %s; the log says\n%s", what, b.log)
		}
	}
}

// row is b.e in the database.
func (b *bench) row() state.Endpoint {
	b.Helper()
	return b.endpoints()[0]
}

// endpoints are those in the database, by name: one at least.
func (b *bench) endpoints() []state.Endpoint {
	b.Helper()
	all, err := b.db.Webhooks().Endpoints(context.Background())
	if err != nil || len(all) == 0 {
		b.Fatalf("no endpoints: %v", err)
	}
	return all
}

func (b *bench) done() bool {
	row, tip := b.row(), ""
	tip, _ = b.h.Head()
	return row.Commit == tip && row.Pending == 0
}

// A new endpoint gets what comes after it, and what was committed while no
// service ran.
func TestEventsOutliveTheService(t *testing.T) {
	each(t, func(b *bench) {
		b.h.commit("avant")
		stop := start(b.relay())
		b.h.commit("plan-velo")
		b.until("the first event", b.done)
		stop()
		b.h.commit("budget", "plan-velo")
		b.h.commit("/_config.yml")
		stop = start(b.relay())
		b.until("the events of the pause", b.done)
		stop()
		got := subjects(b.site.arrivals(t))
		slices.Sort(got[1:])
		if want := []string{"consultations/plan-velo", "consultations/budget", "consultations/plan-velo", "repository.updated"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Whatever the receiver does, and however often the service ends, each entry's
// events arrive, in order, signed, and a repeated one under the same id.
func TestEveryChangeArrivesInOrder(t *testing.T) {
	each(t, func(b *bench) {
		var refused sync.Map // of what was refused, which is so once at most: the waits of more add up
		b.site.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
			if rand.N(10) >= 3 {
				return
			}
			if _, again := refused.LoadOrStore(r.Header.Get("webhook-id"), true); !again {
				w.WriteHeader(http.StatusBadGateway)
			}
		}
		want := map[string][]string{} // commits by subject
		r := b.relay()
		for range 3 {
			stop := start(r)
			for range 20 {
				slug := fmt.Sprint("consultation-", rand.N(7))
				want["consultations/"+slug] = append(want["consultations/"+slug], b.h.commit(slug))
			}
			b.until("an event", func() bool { return len(b.site.arrivals(t)) > 0 })
			stop()
			r = b.relay()
		}
		stop := start(r)
		b.until("all events", b.done)
		stop()
		got, ids := map[string][]string{}, map[string]string{}
		for _, a := range b.site.arrivals(t) {
			key := a.event.Subject + a.event.Data.Commit
			if id, ok := ids[key]; ok && id != a.id {
				t.Errorf("%s came as %s and as %s", key, id, a.id)
			}
			ids[key] = a.id
			if a.status/100 == 2 && !slices.Contains(got[a.event.Subject], a.event.Data.Commit) {
				got[a.event.Subject] = append(got[a.event.Subject], a.event.Data.Commit)
			}
		}
		for subject, commits := range want {
			if !slices.Equal(got[subject], commits) {
				t.Errorf("%s: got %q, want %q", subject, got[subject], commits)
			}
		}
	})
}

// One entry whose events are refused holds its own back, and no other's.
func TestOrderIsKeptPerEntry(t *testing.T) {
	each(t, func(b *bench) {
		open := make(chan struct{})
		var first atomic.Value // the id of the first event
		b.site.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
			first.CompareAndSwap(nil, r.Header.Get("webhook-id"))
			select {
			case <-open:
			default:
				if r.Header.Get("webhook-id") == first.Load() {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}
		}
		stop := start(b.relay())
		defer stop()
		b.h.commit("bloquee")
		b.h.commit("bloquee")
		b.until("the first event", func() bool { return first.Load() != nil })
		b.h.commit("libre")
		b.until("the other entry", func() bool { return slices.Contains(subjects(accepted(b.site.arrivals(t))), "consultations/libre") })
		if got := subjects(accepted(b.site.arrivals(t))); slices.Contains(got, "consultations/bloquee") {
			t.Errorf("an event overtook an earlier one of its entry: %q", got)
		}
		close(open)
		b.until("the entry that was held back", b.done)
	})
}

func accepted(all []arrival) []arrival {
	return slices.DeleteFunc(all, func(a arrival) bool { return a.status/100 != 2 })
}

// 410 disables an endpoint; enabled again, it gets all that it missed.
func TestGoneDisables(t *testing.T) {
	each(t, func(b *bench) {
		b.site.answer = func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.WriteHeader(http.StatusGone)
			}
		}
		r := b.relay()
		stop := start(r)
		b.h.commit("premiere")
		b.until("the end", func() bool { return !b.row().Disabled.IsZero() })
		b.h.commit("deuxieme")
		stop()
		stop = start(b.relay())
		defer stop()
		if row := b.row(); !strings.Contains(row.Reason, "410") || row.Disabled.IsZero() {
			t.Errorf("after a restart the endpoint is %+v", row)
		}
		if err := b.db.Webhooks().Enable(t.Context(), "site", time.Now()); err != nil {
			t.Fatal(err)
		}
		b.h.commit("troisieme")
		b.until("what was missed", b.done)
		if got := subjects(accepted(b.site.arrivals(t))); len(got) != 2 || got[0] == got[1] {
			t.Errorf("got %q, want the second and the third", got)
		}
	})
}

func TestRewrittenHistory(t *testing.T) {
	each(t, func(b *bench) {
		b.h.commit("ancienne")
		r := b.relay()
		if b.db.Postgres() { // there, another service could be ahead
			if _, err := b.db.SQL().ExecContext(t.Context(), `UPDATE webhook_endpoints SET moved_at = 1`); err != nil {
				t.Fatal(err)
			}
		}
		b.h.rewrite("nouvelle")
		stop := start(r)
		b.until("the event", b.done)
		stop()
		got := b.site.arrivals(t)
		if len(got) != 1 || got[0].event.Type != repositoryUpdated || got[0].event.Data.Previous == "" ||
			got[0].event.Data.Backup != "refs/cms/backup/"+got[0].event.Data.Previous {
			t.Errorf("got %+v, want one repository.updated that names the commit that was left, and what keeps it", got)
		}
	})
}

// Edits that come together lead to one build of the last commit; an edit during
// a trigger leads to one more.
func TestBuildsCoalesce(t *testing.T) {
	each(t, func(b *bench) {
		running, answer := make(chan struct{}, 10), make(chan struct{})
		b.site.answer = func(_ int, _ http.ResponseWriter, r *http.Request) {
			running <- struct{}{}
			select {
			case <-answer:
			case <-r.Context().Done():
			}
		}
		b.e.Type, b.e.Coalesce = generic, 300*time.Millisecond
		stop := start(b.relay())
		defer stop()
		var last string
		for i := range 500 {
			last = b.h.commit(fmt.Sprint("consultation-", i%50))
		}
		b.until("the cursor", func() bool { tip, _ := b.h.Head(); return b.row().Commit == tip })
		b.until("the first build", func() bool { return len(running) == 1 })
		during := b.h.commit("pendant")
		b.until("the cursor", func() bool { tip, _ := b.h.Head(); return b.row().Commit == tip })
		close(answer)
		b.until("both builds", b.done)
		var built []string
		for _, a := range b.site.arrivals(t) {
			built = append(built, a.event.Data.Commit)
		}
		if want := []string{last, during}; !slices.Equal(built, want) {
			t.Errorf("built %q, want %q", built, want)
		}
	})
}

// Two services that share a database enqueue each event once, and one of them
// delivers.
func TestTwoServices(t *testing.T) {
	each(t, func(b *bench) {
		if !b.db.Postgres() {
			b.Skip("services share a database of PostgreSQL only")
		}
		stopOne := start(b.relay())
		b.until("the lock", func() bool { b.h.commit("debut"); return len(b.site.arrivals(t)) > 0 })
		stopTwo := start(b.relay())
		for i := range 200 {
			b.h.commit(fmt.Sprint("consultation-", i%20))
		}
		b.until("some events", func() bool { return len(b.site.arrivals(t)) > 20 })
		stopOne() // the other one takes over
		defer stopTwo()
		for i := range 100 {
			b.h.commit(fmt.Sprint("consultation-", i%20))
		}
		b.until("all events", b.done)
		enqueued, err := b.db.Webhooks().Deliveries(t.Context(), state.DeliveryFilter{Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, d := range enqueued {
			seen[d.EventID]++
		}
		b.h.mu.Lock()
		defer b.h.mu.Unlock()
		if len(seen) != b.h.made || len(enqueued) != b.h.made {
			t.Errorf("%d events were enqueued %d times, want each of %d once", len(seen), len(enqueued), b.h.made)
		}
	})
}

// Why a private address was not dialled stands in the delivery's log.
func TestRefusedAddressIsLogged(t *testing.T) {
	each(t, func(b *bench) {
		b.e.AllowPrivate, b.e.URL = false, "https://127.0.0.1:9/hook"
		stop := start(b.relay())
		defer stop()
		b.h.commit("plan-velo")
		var attempts []state.Attempt
		b.until("an attempt", func() bool {
			ds, err := b.db.Webhooks().Deliveries(t.Context(), state.DeliveryFilter{Limit: 1})
			if err != nil || len(ds) == 0 {
				return false
			}
			all, err := b.db.Webhooks().Attempts(t.Context(), ds[0].ID)
			attempts = all[ds[0].ID]
			return err == nil && len(attempts) > 0
		})
		if !strings.Contains(attempts[0].Error, "prohibited IP") {
			t.Errorf("the log says %q", attempts[0].Error)
		}
	})
}

// What each service is sent is what it documents.
func TestBuildRequests(t *testing.T) {
	event, err := buildEvent(epoch{"https://cms.example.org", 7}, "abc123", 12, time.Now()).encode()
	if err != nil {
		t.Fatal(err)
	}
	type buildTest struct {
		e          Endpoint
		path, body string
		header     map[string]string
	}
	tests := []buildTest{
		{Endpoint{Type: "netlify", URL: "/build_hooks/5c23"}, "/build_hooks/5c23", "{}", nil},
		{Endpoint{Type: "cloudflare-pages", URL: "/client/v4/pages/webhooks/deploy_hooks/7"}, "/client/v4/pages/webhooks/deploy_hooks/7", "", nil},
		{Endpoint{Type: "vercel", URL: "/v1/integrations/deploy/prj_1/x"}, "/v1/integrations/deploy/prj_1/x", "", nil},
		{Endpoint{Type: "github", URL: "/repos/o/r/dispatches", Token: "jeton"}, "/repos/o/r/dispatches",
			`{"client_payload":{"commit":"abc123","event":"` + eventID("7", "build", "abc123") + `"},"event_type":"cms"}`,
			map[string]string{"Authorization": "Bearer jeton", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}},
		{Endpoint{Type: "gitlab", URL: "/api/v4/projects/1/trigger/pipeline", Token: "jeton", Ref: "site"}, "/api/v4/projects/1/trigger/pipeline",
			"ref=site&token=jeton&variables%5BCMS_COMMIT%5D=abc123", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		{Endpoint{Type: "jenkins", URL: "/job/site/buildWithParameters?token=t", Token: "cms:jeton"}, "/job/site/buildWithParameters?CMS_COMMIT=abc123&token=t", "",
			map[string]string{"Authorization": "Basic Y21zOmpldG9u"}},
		{Endpoint{Type: generic, URL: "/hook", Secret: secret}, "/hook", string(event), map[string]string{"Content-Type": "application/cloudevents+json"}},
	}
	for _, name := range Kinds() {
		if !slices.ContainsFunc(tests, func(tt buildTest) bool { return tt.e.Type == name }) {
			t.Errorf("nothing shows what %s is sent", name)
		}
	}
	for _, tt := range tests {
		t.Run(tt.e.Type, func(t *testing.T) {
			var got *http.Request
			body := make([]byte, 4096)
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				n, _ := r.Body.Read(body)
				got, body = r, body[:n]
			}))
			defer s.Close()
			tt.e.Name, tt.e.URL, tt.e.AllowPrivate = "site", s.URL+tt.e.URL, true
			if !tt.e.signed() {
				tt.e.Secret = ""
			}
			if err := tt.e.Check(); err != nil {
				t.Fatal(err)
			}
			sender, err := newSender(tt.e)
			if err != nil {
				t.Fatal(err)
			}
			defer sender.close()
			if _, err := sender.post(t.Context(), "evt_1", event); err != nil {
				t.Fatal(err)
			}
			if got.Method != http.MethodPost || got.URL.RequestURI() != tt.path || string(body) != tt.body {
				t.Errorf("got %s %s with %s, want POST %s with %s", got.Method, got.URL.RequestURI(), body, tt.path, tt.body)
			}
			for k, v := range tt.header {
				if got.Header.Get(k) != v {
					t.Errorf("got %s: %q, want %q", k, got.Header.Get(k), v)
				}
			}
			if signed := got.Header.Get("webhook-signature") != ""; signed != tt.e.signed() {
				t.Errorf("signed: %v", signed)
			}
		})
	}
}

// While a secret is changed, an event has the signatures of both.
func TestTwoSecretsSign(t *testing.T) {
	each(t, func(b *bench) {
		b.e.OldSecret, b.e.Secret = b.e.Secret, "un autre secret, assez long"
		stop := start(b.relay())
		defer stop()
		b.h.commit("plan-velo")
		b.until("the event", b.done)
		for _, a := range b.site.arrivals(t) { // verified with the old secret
			if n := len(strings.Fields(a.signature)); n != 2 {
				t.Errorf("there are %d signatures, want 2", n)
			}
		}
	})
}
