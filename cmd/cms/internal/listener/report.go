package listener

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// state is what became of a build.
type state string

const (
	building state = "building"
	live     state = "live"
	failed   state = "failed"
)

// A report is tried a few times: the service may be restarting.
const (
	reportTimeout  = 5 * time.Second
	reportAttempts = 4
)

// reporter tells the service of builds, by POST /v1/deployments signed as a
// webhook with the endpoint's own secret.
type reporter struct {
	sign    *standardwebhooks.Webhook
	service string // its public URL; "": where the event came from
	site    string
	client  *http.Client
}

func newReporter(sign *standardwebhooks.Webhook, service, site string) *reporter {
	return &reporter{
		sign: sign, service: strings.TrimSuffix(service, "/"), site: site,
		client: &http.Client{
			Timeout:       reportTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// report is what is told of a build.
type report struct {
	Commit  string   `json:"commit"`
	State   state    `json:"state"`
	URL     string   `json:"url,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Found   []string `json:"found,omitempty"`   // entries whose pages are on the site
	Missing []string `json:"missing,omitempty"` // and those that have none
}

// send reports to the service, or to the source of the event that led to the build.
func (r *reporter) send(ctx context.Context, source string, told report) error {
	to := r.service
	if to == "" {
		to = strings.TrimSuffix(source, "/")
	}
	told.URL = r.site
	body, err := json.Marshal(told)
	if err != nil {
		return err
	}
	// The end of a build is reported even when this program is told to stop.
	ctx = context.WithoutCancel(ctx)
	for attempt := range reportAttempts {
		if attempt > 0 {
			<-time.After(time.Second << (attempt - 1))
		}
		var again bool
		if again, err = r.post(ctx, to+"/v1/deployments", body); err == nil || !again || told.State == building {
			return err
		}
	}
	return err
}

// post sends a report once. It says whether to try again.
func (r *reporter) post(ctx context.Context, to string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	id, now := "dep_"+uuid.NewString(), time.Now()
	signature, err := r.sign.Sign(id, now, body)
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	res, err := r.client.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxHook)); err != nil {
		return true, err
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests, fmt.Errorf("%s answered %s", to, res.Status)
	}
	return false, nil
}
