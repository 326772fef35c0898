package webhooks

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"cms/site"
	"cms/state"
)

// look makes relays enqueue what the history is by now, as if the last look was
// long ago.
func (b *bench) look(relays ...*Relay) {
	b.Helper()
	for _, r := range relays {
		for _, statement := range []string{`UPDATE webhook_endpoints SET moved_at = 1`, `UPDATE webhook_history SET seen_at = 1`} {
			if _, err := b.db.SQL().ExecContext(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
		r.looked = time.Time{}
		tip, _ := b.h.Head()
		if err := r.enqueueAll(b.Context(), tip); err != nil {
			b.Fatal(err)
		}
	}
}

// enqueued are the events for an endpoint, in the order of their enqueueing.
func (b *bench) enqueued(endpoint string) []Event {
	b.Helper()
	ds, err := b.db.Webhooks().Deliveries(b.Context(), state.DeliveryFilter{Endpoint: endpoint, Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	slices.SortFunc(ds, func(x, y state.Delivery) int { return int(x.Seq - y.Seq) })
	events := make([]Event, len(ds))
	for i, d := range ds {
		if err := json.Unmarshal([]byte(d.Body), &events[i]); err != nil {
			b.Fatal(err)
		}
		if events[i].ID != d.EventID {
			b.Errorf("delivery %s of event %s holds event %s", d.ID, d.EventID, events[i].ID)
		}
	}
	return events
}

// The branch goes to a commit, back, and to the same commit again: what is told
// has ids of its own each time, is told once by services that share a database,
// and has the same id for every endpoint; and its sequence grows.
func TestThereAndBackAgain(t *testing.T) {
	each(t, func(b *bench) {
		second, builds := b.e, b.e
		second.Name, builds.Name, builds.Type = "second", "builds", generic
		endpoints := []Endpoint{b.e, second, builds}
		b.h.commit("avant")
		base := b.h.state()
		one, two := b.relay(endpoints...), b.relay(endpoints...)
		b.look(one, two)
		b.h.commit("plan-velo", "/_config.yml")
		b.h.mu.Lock()
		b.h.changes = append(b.h.changes, site.FileChange{Change: site.Change{Commit: b.h.tip, Depth: 2, Action: "created", Path: path("img/a.jpg")}, Media: "a.jpg"})
		b.h.mu.Unlock()
		there := b.h.state()
		want := []string{"consultations/plan-velo", "media/a.jpg", ""} // and of the way back ""
		record := func() {                                             // so that a build is one of its own
			for _, name := range []string{"site", "second", "builds"} {
				heads, err := b.db.Webhooks().Heads(b.Context(), name, 100)
				for err == nil && len(heads) > 0 {
					for _, d := range heads {
						if err := b.db.Webhooks().Record(b.Context(), []state.Result{{Delivery: d, State: state.Delivered, Attempt: state.Attempt{N: 1, At: time.Now()}}}); err != nil {
							b.Fatal(err)
						}
					}
					heads, err = b.db.Webhooks().Heads(b.Context(), name, 100)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		var expected []string
		for i := range 4 {
			if i == 2 { // after a restart
				one, two = b.relay(endpoints...), b.relay(endpoints...)
			}
			if i > 0 {
				b.h.force(there)
			}
			b.look(one, two)
			record()
			b.h.force(base)
			b.look(two, one)
			record()
			expected = append(append(expected, want...), "")
		}
		site := b.enqueued("site")
		if got := subjectsOf(site); !slices.Equal(got, expected) {
			t.Fatalf("got %q, want %q", got, expected)
		}
		var ids []string
		last := ""
		for _, ev := range site {
			if slices.Contains(ids, ev.ID) {
				t.Errorf("%s of %s has the id of an earlier event: %s", ev.Type, ev.Data.Commit, ev.ID)
			}
			ids = append(ids, ev.ID)
			if ev.Sequence < last {
				t.Errorf("%s of %s has the sequence %s, after %s", ev.Type, ev.Data.Commit, ev.Sequence, last)
			}
			last = ev.Sequence
		}
		var other []string
		for _, ev := range b.enqueued("second") {
			other = append(other, ev.ID)
		}
		if !slices.Equal(other, ids) {
			t.Errorf("another endpoint got the ids\n%q, want\n%q", other, ids)
		}
		made := b.enqueued("builds")
		if len(made) != 8 {
			t.Fatalf("%d builds were asked for, want 8", len(made))
		}
		for i := range made {
			if i > 0 && (made[i].Sequence <= made[i-1].Sequence || slices.ContainsFunc(made[:i], func(ev Event) bool { return ev.ID == made[i].ID })) {
				t.Errorf("build %d is %s %s, after %s %s", i, made[i].ID, made[i].Sequence, made[i-1].ID, made[i-1].Sequence)
			}
		}
	})
}

// Who asked for the head just before an edit is in the epoch of those who come behind it:
// nothing was rewritten. A branch that is taken back to that head begins one.
func TestStaleHeadBeginsNoEpoch(t *testing.T) {
	each(t, func(b *bench) {
		head := b.h.commit("avant")
		base := b.h.state()
		r := b.relay(b.e)
		sequence := func(tip string) string {
			b.Helper()
			tell, err := r.Sequences(b.Context(), tip)
			if err != nil {
				b.Fatal(err)
			}
			depth, _ := b.h.Depth(tip)
			return tell(depth)
		}
		before := sequence(head)
		tip := b.h.commit("après")
		b.look(r)
		if got := sequence(head); got != before {
			t.Errorf("the sequence of the head became %s, was %s", got, before)
		}
		after := sequence(tip)
		if now := b.enqueued("site"); len(now) != 1 || now[0].Sequence != after || after <= before {
			t.Errorf("the sequence of the tip is %s, after %s; its events are %+v", after, before, now)
		}
		b.h.force(base)
		b.look(r)
		if got := sequence(head); got <= after {
			t.Errorf("the history was taken back, and its head has the sequence %s, after %s", got, after)
		}
	})
}

// A commit that is made again upon what others pushed may be less deep than before, as one
// takes the place of all that a merge brought. What is told from then on is later all the same.
func TestMadeAgainBeginsEpoch(t *testing.T) {
	each(t, func(b *bench) {
		b.h.commit("avant")
		base := b.h.state()
		one, two := b.relay(), b.relay()
		merge := b.h.commit("fusion")
		b.h.mu.Lock()
		b.h.changes[len(b.h.changes)-1].Depth = 9
		b.h.mu.Unlock()
		b.look(one, two)
		b.h.force(base)
		b.h.commit("leur")
		b.h.again = map[string]string{merge: b.h.commit("fusion")}
		b.look(two, one)
		b.h.commit("après")
		b.look(one, two)
		events := b.enqueued("site")
		if got, want := subjectsOf(events), []string{"consultations/fusion", "consultations/fusion", "consultations/après"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i := 1; i < len(events); i++ {
			if events[i].Sequence <= events[i-1].Sequence || events[i].Data.Previous != "" {
				t.Errorf("event %d has the sequence %s, after %s, and is of a rewriting from %q", i, events[i].Sequence, events[i-1].Sequence, events[i].Data.Previous)
			}
		}
	})
}

// Without an enabled endpoint sequences are told by the API alone, and do not go back either
// where the history is rewritten while the service is down.
func TestSequencesWithoutEndpoints(t *testing.T) {
	each(t, func(b *bench) {
		for name, endpoints := range map[string][]Endpoint{"none": {}, "a disabled one": {b.e}} {
			b.h.commit("avant")
			base := b.h.state()
			start := func() *Relay {
				r := b.relay(endpoints...)
				for _, e := range endpoints {
					if _, err := r.Disable(b.Context(), e.Name); err != nil {
						b.Fatal(err)
					}
				}
				return r
			}
			tell := func(r *Relay) string {
				b.Helper()
				tip, _ := b.h.Head()
				sequence, err := r.Sequences(b.Context(), tip)
				if err != nil {
					b.Fatal(err)
				}
				depth, _ := b.h.Depth(tip)
				return sequence(depth)
			}
			r := start()
			b.h.commit("plan-velo")
			b.h.commit("parc")
			told := tell(r)
			if got := tell(start()); got != told {
				t.Errorf("%s: after a restart the sequence of the tip is %s, was %s", name, got, told)
			}
			b.h.force(base)
			b.h.commit("autre")
			if _, err := b.db.SQL().ExecContext(b.Context(), `UPDATE webhook_history SET seen_at = 1`); err != nil { // long ago
				b.Fatal(err)
			}
			if got := tell(start()); got <= told {
				t.Errorf("%s: what happened later has the sequence %s, after %s was told", name, got, told)
			}
		}
	})
}

func subjectsOf(events []Event) []string {
	var all []string
	for _, ev := range events {
		all = append(all, ev.Subject)
	}
	return all
}

// A service that read an endpoint's cursor before the branch went there and back
// does not take what comes for what it has read.
func TestCursorsKnowTheirEpoch(t *testing.T) {
	each(t, func(b *bench) {
		b.h.commit("avant")
		base := b.h.state()
		slow, quick := b.relay(), b.relay()
		b.look(slow, quick)
		row := b.row()
		was, err := slow.epochAt(t.Context(), row.Commit)
		if err != nil {
			t.Fatal(err)
		}
		tip := b.h.commit("plan-velo")
		there := b.h.state()
		b.look(quick)
		b.h.force(base)
		b.look(quick)
		b.h.force(there)
		n := len(b.enqueued("site"))
		if err := slow.advance(t.Context(), b.e, row, tip, was); err != nil {
			t.Fatal(err)
		}
		if got := len(b.enqueued("site")); got != n {
			t.Errorf("the slow service enqueued %d events by a cursor of an earlier epoch", got-n)
		}
		b.look(slow, quick)
		if got := len(b.enqueued("site")); got != n+1 {
			t.Errorf("of the commit that came again %d events were enqueued, want 1", got-n)
		}
	})
}

// A database that was lost does not take sequences back.
func TestSequencesOutliveTheDatabase(t *testing.T) {
	each(t, func(b *bench) {
		b.h.commit("avant")
		r := b.relay()
		for range 3 {
			b.h.rewrite("apres")
			b.look(r)
		}
		before := b.enqueued("site")
		if _, err := b.db.SQL().ExecContext(t.Context(), `DELETE FROM webhook_history`); err != nil {
			t.Fatal(err)
		}
		// An hour later, as epochs begin with the time.
		again, err := b.db.Webhooks().History(t.Context(), "", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		next := epoch{"", again.Epoch}.sequence(1)
		if last := before[len(before)-1].Sequence; next <= last {
			t.Errorf("the first sequence of a new database is %s, after %s", next, last)
		}
	})
}

// Sequences compare as texts as their epochs and depths do.
func TestSequencesAreOrdered(t *testing.T) {
	in := []string{
		epoch{"", 1}.sequence(1), epoch{"", 1}.sequence(2), epoch{"", 1}.sequence(10), epoch{"", 1}.sequence(2_000_000_000),
		epoch{"", 2}.sequence(1), epoch{"", 10}.sequence(1), epoch{"", 1_800_000_000}.sequence(1), epoch{"", 9_999_999_999}.sequence(1),
	}
	if !slices.IsSorted(in) {
		t.Errorf("not in order: %q", in)
	}
}
