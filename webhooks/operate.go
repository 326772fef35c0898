package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"cms/state"
	"cms/trace"
)

// Status is an endpoint and how it does.
type Status struct {
	Endpoint   Endpoint
	Configured bool      // it is in the configuration, and can be changed only there
	Disabled   time.Time // zero while it is enabled
	Reason     string    // why it is disabled
	Succeeded  time.Time // the last time that it took something; zero when never
	Commit     string    // the events up to it are enqueued; "" before the first
	Pending    int       // deliveries on their way
}

// What operators can be told.
var (
	ErrUnknownEndpoint = errors.New("there is no such endpoint")
	ErrUnknownDelivery = errors.New("there is no such delivery")
	ErrDisabled        = errors.New("the endpoint is disabled")
	ErrPending         = state.ErrPending // it is still on its way
	ErrTooMany         = state.ErrTooMany
)

// MaxRedelivered is how many deliveries a range may have.
const MaxRedelivered = 10_000

// testEvent is the type of the event that tries an endpoint out, whatever events
// it asked for.
const testEvent = "webhook.test"

// Endpoints are those of the configuration and those that operators made, by name.
func (r *Relay) Endpoints(ctx context.Context) ([]Status, error) {
	rows, err := r.store.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	var all []Status
	for _, row := range rows {
		if e, ok := r.endpoint(row); ok {
			all = append(all, Status{e, row.Configured, row.Disabled, row.Reason, row.Succeeded, row.Commit, row.Pending})
		}
	}
	return all, nil
}

// Endpoint is the one called name, or ErrUnknownEndpoint.
func (r *Relay) Endpoint(ctx context.Context, name string) (Status, error) {
	all, err := r.Endpoints(ctx)
	if err != nil {
		return Status{}, err
	}
	if i := slices.IndexFunc(all, func(s Status) bool { return s.Endpoint.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Status{}, ErrUnknownEndpoint
}

// Enable lets an endpoint have what it missed, and what is on its way to it at
// once. It is no error when it is enabled.
func (r *Relay) Enable(ctx context.Context, name string) (Status, error) {
	return r.set(ctx, name, func(now time.Time) error { return r.store.Enable(ctx, name, now) })
}

// Disable keeps an endpoint from getting more; attempts under way come to their
// end. It is no error when it is disabled.
func (r *Relay) Disable(ctx context.Context, name string) (Status, error) {
	return r.set(ctx, name, func(now time.Time) error {
		_, err := r.store.Disable(ctx, name, "an operator disabled it", now)
		return err
	})
}

// set enables or disables an endpoint.
func (r *Relay) set(ctx context.Context, name string, set func(now time.Time) error) (Status, error) {
	if _, err := r.Endpoint(ctx, name); err != nil {
		return Status{}, err
	}
	if err := set(time.Now()); err != nil {
		return Status{}, err
	}
	poke(r.changed)
	return r.Endpoint(ctx, name)
}

// Test sends an event to an endpoint that says nothing but that it can be sent,
// or asks a service that builds for a build. It gives the delivery's id.
func (r *Relay) Test(ctx context.Context, name string) (delivery string, err error) {
	s, err := r.Endpoint(ctx, name)
	if err != nil {
		return "", err
	}
	if !s.Disabled.IsZero() {
		return "", ErrDisabled
	}
	tip, _ := r.source.Head()
	in, err := r.epochAt(ctx, tip)
	if err != nil {
		return "", err
	}
	depth, err := r.depth(tip)
	if err != nil {
		return "", err
	}
	now := time.Now()
	ev := buildEvent(in, tip, depth, now)
	ev.ID, ev.trace = eventID("test", uuid.NewString()), trace.Of(ctx)
	if !s.Endpoint.builds() {
		ev.Type, ev.Data.Action = testEvent, "tested"
	}
	d, err := s.Endpoint.delivery(ev, now)
	if err != nil {
		return "", err
	}
	d.Path = ev.ID // so that nothing holds it back, and it holds back nothing
	defer poke(r.changed)
	return r.store.Enqueue(ctx, name, d)
}

// Delivery is an event on its way, or delivered, and the attempts at it.
type Delivery struct {
	state.Delivery
	Tries []state.Attempt // the first one first
}

// Deliveries are those that f chooses, the newest first.
func (r *Relay) Deliveries(ctx context.Context, f state.DeliveryFilter) ([]Delivery, error) {
	found, err := r.store.Deliveries(ctx, f)
	if err != nil {
		return nil, err
	}
	return r.withTries(ctx, found...)
}

// Delivery is the one with id, or ErrUnknownDelivery.
func (r *Relay) Delivery(ctx context.Context, id string) (Delivery, error) {
	d, err := r.store.Delivery(ctx, id)
	if err != nil {
		return Delivery{}, unknownDelivery(err)
	}
	with, err := r.withTries(ctx, d)
	if err != nil {
		return Delivery{}, err
	}
	return with[0], nil
}

func (r *Relay) withTries(ctx context.Context, found ...state.Delivery) ([]Delivery, error) {
	ids := make([]string, len(found))
	for i, d := range found {
		ids[i] = d.ID
	}
	tries, err := r.store.Attempts(ctx, ids...)
	if err != nil {
		return nil, err
	}
	all := make([]Delivery, len(found))
	for i, d := range found {
		all[i] = Delivery{d, tries[d.ID]}
	}
	return all, nil
}

// Redeliver sends the event of a delivery again, under its id, behind what is on
// its way. It gives the new delivery's id. The error may be ErrUnknownDelivery
// or ErrPending.
func (r *Relay) Redeliver(ctx context.Context, id string) (delivery string, err error) {
	defer poke(r.changed)
	delivery, err = r.store.Redeliver(ctx, id, time.Now())
	return delivery, unknownDelivery(err)
}

// RedeliverRange is Redeliver for the deliveries to an endpoint that were made
// in [since, until); those that are on their way are left alone. It says how many
// there are; ErrTooMany, and none, by more than [MaxRedelivered].
func (r *Relay) RedeliverRange(ctx context.Context, name string, since, until time.Time) (n int, err error) {
	if _, err := r.Endpoint(ctx, name); err != nil {
		return 0, err
	}
	defer poke(r.changed)
	return r.store.RedeliverRange(ctx, name, since, until, MaxRedelivered, time.Now())
}

func unknownDelivery(err error) error {
	if errors.Is(err, state.ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrUnknownDelivery, err)
	}
	return err
}
