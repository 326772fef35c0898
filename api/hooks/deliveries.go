package hooks

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cms/api/operation"
	"cms/auth"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/webhooks"
)

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	ID       string     `json:"id"`
	Webhook  string     `json:"webhook" doc:"The endpoint's name." example:"site"`
	State    string     `json:"state" doc:"Failed is given up; superseded is a build whose place a later one took."`
	EventID  string     `json:"event_id,omitempty" doc:"The webhook-id."`
	Type     string     `json:"type" example:"entry.updated"`
	Entry    string     `json:"entry,omitempty" doc:"collection/slug." example:"consultations/plan-velo"`
	Commit   string     `json:"commit,omitempty"`
	Created  time.Time  `json:"created"`
	Next     *time.Time `json:"next,omitempty" doc:"When it is tried next, while it is pending."`
	Finished *time.Time `json:"finished,omitempty"`
	Attempts []Attempt  `json:"attempts" doc:"The first one first."`
}

// Attempt is one try.
type Attempt struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty" doc:"Of the answer; absent when there was none."`
	Error      string    `json:"error,omitempty"`
	Response   string    `json:"response,omitempty" doc:"The beginning of the answer, at most 2 KB."`
}

// deliveryOf is d for someone: those who do not see all that events tell of get its
// states and times alone.
func (a *API) deliveryOf(pr *auth.Principal, d webhooks.Delivery) Delivery {
	sees := a.site.SeesDeliveries(pr)
	if name, media := strings.CutPrefix(d.Subject, auth.Media+"/"); media {
		sees = sees && a.site.SeesMedia(pr, name)
	}
	out := Delivery{
		ID: d.ID, Webhook: d.Endpoint, State: d.State, EventID: d.EventID, Type: d.Type, Entry: d.Subject,
		Commit: d.Commit, Created: d.Created, Finished: maybe(d.Finished), Attempts: []Attempt{},
	}
	if d.State == state.Pending {
		out.Next = maybe(d.Next)
	}
	for _, t := range d.Tries {
		out.Attempts = append(out.Attempts, Attempt{t.At, t.Took.Milliseconds(), t.Status, t.Error, t.Response})
	}
	if !sees {
		out.Entry, out.Commit, out.EventID = "", "", ""
		for i := range out.Attempts {
			at := &out.Attempts[i]
			at.Response = ""
			if at.Error != "" && at.Status == 0 { // which may quote what was answered
				at.Error = "the endpoint gave no answer that could be read"
			}
		}
	}
	return out
}

// Deliveries is a page of them.
type Deliveries struct {
	Items      []Delivery `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"Of the next page; null at the end."`
}

type listDeliveriesInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"The greatest number of deliveries to answer with."`
	Cursor  string `query:"cursor" maxLength:"8192" doc:"The next_cursor of the page before, of the same question."`
	Webhook string `query:"webhook" doc:"Only those to this endpoint." example:"site"`
	State   string `query:"state" enum:"pending,delivered,failed,superseded" doc:"Only those in this state."`
	Entry   string `query:"entry" doc:"Only those about this entry: collection/slug." example:"consultations/plan-velo"`
}

var listDeliveriesDoc = operation.Doc{
	ID: "list-deliveries", Tag: "Webhooks", Summary: "List deliveries",
	Text:      "The newest first, with every attempt. Takes the action read of webhooks; what they are about and what was answered is for those who see every entry with every field.",
	Responses: map[int]any{200: Deliveries{}}, Problems: []int{404},
}

func (a *API) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	if in.Entry != "" && !a.site.SeesDeliveries(web.Principal(ctx)) {
		return nil, &site.Error{Code: site.Forbidden, Detail: say.New("Your roles do not show you every entry with every field, so you cannot ask for the deliveries of one. Leave entry out.")}
	}
	found, err := relay.Deliveries(ctx, state.DeliveryFilter{
		Endpoint: in.Webhook, State: in.State, Subject: strings.TrimPrefix(in.Entry, "/"), Before: in.Cursor, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	page := Deliveries{Items: []Delivery{}}
	for _, d := range found[:min(in.Limit, len(found))] {
		page.Items = append(page.Items, a.deliveryOf(web.Principal(ctx), d))
	}
	if len(found) > in.Limit {
		page.NextCursor = &page.Items[in.Limit-1].ID
	}
	return operation.JSON(http.StatusOK, page)
}

// AtDelivery is the path parameter that names a delivery.
type AtDelivery struct {
	ID string `path:"id" doc:"The delivery's id."`
}

var getDeliveryDoc = operation.Doc{
	ID: "get-delivery", Tag: "Webhooks", Summary: "Read a delivery",
	Text:      "With every attempt. Takes the action read of webhooks.",
	Responses: map[int]any{200: Delivery{}}, Problems: []int{404},
}

func (a *API) getDelivery(ctx context.Context, in *AtDelivery) (*operation.Reply, error) {
	relay, err := a.relay(ctx, auth.Read)
	if err != nil {
		return nil, err
	}
	d, err := relay.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return operation.JSON(http.StatusOK, a.deliveryOf(web.Principal(ctx), d))
}
