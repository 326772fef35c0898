package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// relay is a Relay of h with an endpoint for each receiver, reached in memory.
func relay(t testing.TB, h *history, log *logged, receivers ...*receiver) *Relay {
	t.Helper()
	o := Options{Source: h, PublicURL: "https://cms.example.org", Logger: log.logger()}
	for i := range receivers {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: fmt.Sprint("site", i), URL: "http://127.0.0.1/hook", Secret: secret, AllowPrivate: true})
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Over real sockets: what is committed after New arrives signed, in order, and
// nothing of before.
func TestRelayOverHTTP(t *testing.T) {
	h := &history{}
	h.commit("avant")
	arrived := make(chan struct{}, 10)
	all := &receiver{answer: func(_ int, w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		w.WriteHeader(http.StatusAccepted)
		arrived <- struct{}{}
	}}
	s := httptest.NewServer(all)
	defer s.Close()
	r, err := New(Options{Source: h, PublicURL: "https://cms.example.org", Endpoints: []Endpoint{local("site", s)}})
	if err != nil {
		t.Fatal(err)
	}
	h.commit("un")
	stop := start(r)
	h.commit("deux", "/index.html", "trois")
	h.commit("quatre")
	for range 5 {
		<-arrived
	}
	stop()

	got := all.arrivals(t)
	if s, want := subjects(got), []string{"consultations/un", "consultations/deux", "consultations/trois", "repository.updated", "consultations/quatre"}; !slices.Equal(s, want) {
		t.Errorf("got events of %q, want %q", s, want)
	}
	for _, a := range got {
		if a.id != a.event.ID {
			t.Errorf("webhook-id is %q, the event's id %q", a.id, a.event.ID)
		}
		if ct := a.header.Get("Content-Type"); ct != "application/cloudevents+json" {
			t.Errorf("got content type %q", ct)
		}
		if c := a.header.Get("Cookie"); c != "" {
			t.Errorf("got cookie %q, want none", c)
		}
	}
}

func TestBranchWithoutCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rc := &history{}, &receiver{}
		r := relay(t, h, &logged{}, rc)
		defer onPipes(r, rc)()
		defer start(r)()
		h.commit("premier")
		synctest.Wait()
		if got, want := subjects(rc.arrivals(t)), []string{"consultations/premier"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A retry is the same event under the same id, with a timestamp and a
// signature of its own, after a wait that grows up to five minutes.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failing = 40
		h := &history{}
		rc := &receiver{answer: func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < failing {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}}
		r := relay(t, h, &logged{}, rc)
		defer onPipes(r, rc)()
		defer start(r)()
		h.commit("un")
		h.commit("deux")
		time.Sleep(failing * maxBackoff)
		synctest.Wait()

		got := rc.arrivals(t)
		if len(got) != failing+2 {
			t.Fatalf("got %d requests, want %d", len(got), failing+2)
		}
		var longest time.Duration
		for i, a := range got[:failing+1] {
			if a.id != got[0].id || a.body != got[0].body {
				t.Fatalf("attempt %d is %s %s, the first %s %s", i, a.id, a.body, got[0].id, got[0].body)
			}
			if a.stamp != fmt.Sprint(a.at.Unix()) {
				t.Errorf("attempt %d at %d has the timestamp %s", i, a.at.Unix(), a.stamp)
			}
			if i == 0 {
				continue
			}
			wait := a.at.Sub(got[i-1].at)
			longest = max(longest, wait)
			if ceiling := min(maxBackoff, time.Second<<min(i-1, 20)); wait > ceiling {
				t.Errorf("waited %s before attempt %d, want at most %s", wait, i, ceiling)
			}
		}
		if got[0].signature == got[failing].signature {
			t.Error("the last attempt has the signature of the first")
		}
		if longest < maxBackoff/2 {
			t.Errorf("the longest wait was %s, want some beyond %s", longest, maxBackoff/2)
		}
		if got[failing+1].event.Subject != "consultations/deux" {
			t.Errorf("got %s after the retries", got[failing+1].event.Subject)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		header   string
		min, max time.Duration
	}{
		{"120", 120 * time.Second, 121 * time.Second},
		{"999999", maxRetryAfter, maxRetryAfter + time.Second},
		{"-5", 0, time.Second},
		{"demain", 0, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &history{}
			rc := &receiver{answer: func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 0 {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(http.StatusTooManyRequests)
				}
			}}
			r := relay(t, h, &logged{}, rc)
			defer onPipes(r, rc)()
			defer start(r)()
			h.commit("un")
			time.Sleep(2 * time.Hour)
			got := rc.arrivals(t)
			if len(got) != 2 {
				t.Fatalf("Retry-After: %s: got %d requests, want 2", tt.header, len(got))
			}
			if wait := got[1].at.Sub(got[0].at); wait < tt.min || wait > tt.max {
				t.Errorf("Retry-After: %s: waited %s, want %s to %s", tt.header, wait, tt.min, tt.max)
			}
		})
	}
}

// One endpoint hangs, one is refused, and the third gets everything at once.
func TestDeadEndpointHoldsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &history{}
		hangs := &receiver{answer: func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		fails := &receiver{answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }}
		works := &receiver{}
		r := relay(t, h, &logged{}, hangs, fails, works)
		defer onPipes(r, hangs, fails, works)()
		defer start(r)()
		began := time.Now()
		for i := range 50 {
			h.commit(fmt.Sprint("c", i))
		}
		synctest.Wait()
		if got := len(works.arrivals(t)); got != 50 || time.Since(began) != 0 {
			t.Errorf("got %d events after %s, want 50 at once", got, time.Since(began))
		}
		time.Sleep(attemptTimeout + maxBackoff)
		if got := hangs.arrivals(t); len(got) < 2 || got[1].at.Sub(got[0].at).Round(2*minBackoff) != attemptTimeout {
			t.Errorf("a hanging endpoint got %d requests, want another one after about %s", len(got), attemptTimeout)
		}
	})
}

func TestGoneDisables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := &history{}, &logged{}
		rc := &receiver{answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }}
		r := relay(t, h, log, rc)
		defer onPipes(r, rc)()
		stop := start(r)
		h.commit("un")
		time.Sleep(time.Hour)
		h.commit("deux")
		time.Sleep(time.Hour)
		stop()
		if got := len(rc.arrivals(t)); got != 1 {
			t.Errorf("got %d requests, want 1", got)
		}
		if got := log.String(); strings.Count(got, "disabled") != 1 || !strings.Contains(got, "endpoint=site0") {
			t.Errorf("logged %q, want one line that names the endpoint", got)
		}
	})
}

func TestUnreadableHistoryIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rc, log := &history{failures: 3}, &receiver{}, &logged{}
		r := relay(t, h, log, rc)
		defer onPipes(r, rc)()
		defer start(r)()
		h.commit("un")
		time.Sleep(time.Minute)
		if got := len(rc.arrivals(t)); got != 1 {
			t.Errorf("got %d events, want 1", got)
		}
		if got := strings.Count(log.String(), "disque illisible"); got != 3 {
			t.Errorf("logged %d failures, want 3", got)
		}
	})
}

// After history was rewritten, one event tells of it, whatever was asked for,
// and later commits are events again.
func TestRewrittenHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rc := &history{}, &receiver{}
		r := relay(t, h, &logged{}, rc)
		r.workers[0].endpoint.Events = []string{"entry.updated"}
		defer onPipes(r, rc)()
		defer start(r)()
		before := h.commit("un")
		synctest.Wait()
		after := h.rewrite("un")
		synctest.Wait()
		h.commit("deux")
		synctest.Wait()
		got := rc.arrivals(t)
		if s, want := subjects(got), []string{"consultations/un", "repository.updated", "consultations/deux"}; !slices.Equal(s, want) {
			t.Fatalf("got %q, want %q", s, want)
		}
		if d := got[1].event.Data; d.Previous != before || d.Commit != after {
			t.Errorf("got %s after %s, want %s after %s", d.Commit, d.Previous, after, before)
		}
	})
}

// A backlog of pages is read once and arrives whole and in order, also when a
// failure falls into the middle of a commit.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &history{}
		rc := &receiver{answer: func(n int, w http.ResponseWriter, _ *http.Request) {
			if n%(3*pageSize/2) == 3 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}}
		r := relay(t, h, &logged{}, rc)
		defer onPipes(r, rc)()
		var want []string
		for i := range pageSize / 2 {
			var slugs []string
			for j := range 7 {
				slugs = append(slugs, fmt.Sprintf("c%d-%d", i, j))
				want = append(want, "consultations/"+slugs[j])
			}
			h.commit(slugs...)
		}
		defer start(r)()
		time.Sleep(time.Duration(len(want)) * time.Second)
		if got := subjects(accepted(rc.arrivals(t))); !slices.Equal(got, want) {
			t.Errorf("got %d events, want %d, or another order", len(got), len(want))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.read != len(want) {
			t.Errorf("read %d changes, want each of %d once", h.read, len(want))
		}
	})
}

func TestStopDeliversWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := &history{}, &logged{}
		rc := &receiver{answer: func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.Header().Set("Retry-After", "600")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}}
		r := relay(t, h, log, rc)
		defer onPipes(r, rc)()
		stop := start(r)
		h.commit("un")
		h.commit("deux")
		synctest.Wait()
		began := time.Now()
		stop()
		if got, want := subjects(accepted(rc.arrivals(t))), []string{"consultations/un", "consultations/deux"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Run took %s to end, want none", took)
		}
		if got := log.String(); strings.Contains(got, "undelivered") {
			t.Errorf("logged %q", got)
		}
	})
}

// A commit made just before the end is not missed, whichever of the two the
// worker sees first.
func TestStopAfterCommit(t *testing.T) {
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			h, rc := &history{}, &receiver{}
			r := relay(t, h, &logged{}, rc)
			defer onPipes(r, rc)()
			r.workers[0].source = &hooked{history: h, afterHead: func() { h.commit("dernier"); cancel() }}
			r.Run(ctx)
			if got := len(rc.arrivals(t)); got != 1 {
				t.Fatalf("got %d events, want 1", got)
			}
		})
	}
}

func TestStopLeavesWhatCannotBeDelivered(t *testing.T) {
	hang := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	fail := func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	for _, tt := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		want   time.Duration
	}{{"hangs", hang, 5 * time.Second}, {"fails", fail, 0}} {
		synctest.Test(t, func(t *testing.T) {
			h, log, rc := &history{}, &logged{}, &receiver{}
			rc.answer = func(n int, w http.ResponseWriter, r *http.Request) {
				if n > 0 {
					tt.answer(n, w, r)
				}
			}
			r := relay(t, h, log, rc)
			defer onPipes(r, rc)()
			stop := start(r)
			h.commit("arrive", "reste", "reste-aussi")
			h.commit("/index.html", "et-encore")
			synctest.Wait()
			began := time.Now()
			stop()
			if took := time.Since(began); took != tt.want {
				t.Errorf("%s: Run took %s to end, want %s", tt.name, took, tt.want)
			}
			if got := log.String(); !strings.Contains(got, "left=4") {
				t.Errorf("%s: logged %q, want left=4", tt.name, got)
			}
		})
	}
}

// No failure tells what the URL or the secret is.
func TestLogsHoldNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := &logged{}, &history{}
		r, err := New(Options{Source: h, PublicURL: "https://cms.example.org", Logger: log.logger(), Endpoints: []Endpoint{
			{Name: "site", URL: "http://ann:hunter2@127.0.0.1/k3y?token=t0k3n", Secret: secret, AllowPrivate: true}}})
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		rc := &receiver{answer: func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 0:
				http.Redirect(w, r, "/ailleurs?token=t0k3n", http.StatusFound)
			case 1:
				panic(http.ErrAbortHandler)
			case 2:
				w.WriteHeader(http.StatusTeapot)
			}
		}}
		defer onPipes(r, rc)()
		transport := r.workers[0].sender.client.Transport.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if calls++; calls == 1 {
				return nil, errors.New("réseau coupé")
			}
			return dial(ctx, network, address)
		}
		defer start(r)()
		h.commit("un")
		time.Sleep(time.Hour)
		got := log.String()
		for _, want := range []string{"réseau coupé", "302 Found", "EOF", "418", "webhook delivered"} {
			if !strings.Contains(got, want) {
				t.Errorf("logged %q, want %q in it", got, want)
			}
		}
		for _, leak := range []string{"hunter2", "k3y", "t0k3n", secret, strings.TrimPrefix(secret, "whsec_")} {
			if strings.Contains(got, leak) {
				t.Errorf("logged %q, which gives away %q", got, leak)
			}
		}
	})
}

// accepted are the arrivals that were answered with 2xx.
func accepted(all []arrival) []arrival {
	return slices.DeleteFunc(all, func(a arrival) bool { return a.status/100 != 2 })
}

// Under random failures, each endpoint gets every event that it asked for once
// with a 2xx, in the order of history, and repeats it under one id until then.
func TestEveryChangeArrivesInOrder(t *testing.T) {
	type filter struct {
		events         []string
		entries, files bool // whether they let updates of entries and of other files pass
	}
	filters := []filter{{nil, true, true}, {[]string{"*"}, true, true}, {[]string{"entry.*"}, true, false},
		{[]string{"repository.updated"}, false, true}, {[]string{"entry.created", "repository.*"}, false, true}}
	answers := map[string]func(w http.ResponseWriter, r *http.Request){
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
		"400": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"503": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut in 200": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		},
	}
	answer := rapid.SampledFrom([]string{"204", "204", "204", "302", "400", "503", "cut", "cut in 200", "slow"})
	slug := rapid.SampledFrom([]string{"a", "b", "c", "/index.html", "/img/logo.svg"})
	commit := rapid.SliceOfNDistinct(slug, 1, 4, rapid.ID)
	pause := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Minute})

	rapid.Check(t, func(rt *rapid.T) {
		plans := rapid.SliceOfN(rapid.SliceOfN(answer, 0, 20), 1, 3).Draw(rt, "answers of each endpoint")
		commits := rapid.SliceOfN(commit, 1, 12).Draw(rt, "commits")
		pauses := rapid.SliceOfN(pause, len(commits), len(commits)).Draw(rt, "pauses")
		asked := rapid.SliceOfN(rapid.SampledFrom(filters), len(plans), len(plans)).Draw(rt, "events asked for")
		var wrong error
		synctest.Test(t, func(t *testing.T) {
			h := &history{}
			var receivers []*receiver
			for _, plan := range plans {
				receivers = append(receivers, &receiver{answer: func(n int, w http.ResponseWriter, r *http.Request) {
					if n < len(plan) {
						answers[plan[n]](w, r)
					}
				}})
			}
			r := relay(t, h, &logged{}, receivers...)
			for i, w := range r.workers {
				w.endpoint.Events = asked[i].events
			}
			defer onPipes(r, receivers...)()
			defer start(r)()
			want := make([][]string, len(plans))
			for i, slugs := range commits {
				id := h.commit(slugs...)
				files := slices.ContainsFunc(slugs, func(s string) bool { return s[0] == '/' })
				for i, f := range asked {
					for _, s := range slugs {
						if f.entries && s[0] != '/' {
							want[i] = append(want[i], id+" consultations/"+s)
						}
					}
					if f.files && files {
						want[i] = append(want[i], id+" repository.updated")
					}
				}
				time.Sleep(pauses[i])
			}
			time.Sleep(24 * time.Hour)
			for i, rc := range receivers {
				wrong = errors.Join(wrong, compare(rc.arrivals(t), want[i]))
			}
		})
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

// compare says where what was accepted of got is not want, events as commit
// and subject, and where an id stands for more than one body.
func compare(got []arrival, want []string) error {
	bodies := map[string]string{}
	for _, a := range got {
		if b, seen := bodies[a.id]; seen && b != a.body {
			return fmt.Errorf("%s is both %s and %s", a.id, b, a.body)
		}
		bodies[a.id] = a.body
	}
	var order []string
	for _, a := range accepted(got) {
		order = append(order, a.event.Data.Commit+" "+subjects([]arrival{a})[0])
	}
	if !slices.Equal(order, want) {
		return fmt.Errorf("got %q, want %q", order, want)
	}
	if len(bodies) != len(want) {
		return fmt.Errorf("got %d ids for %d events", len(bodies), len(want))
	}
	return nil
}
