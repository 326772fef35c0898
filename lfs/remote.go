package lfs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// MediaType is that of requests and answers of the API of Git LFS
// (https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md).
const MediaType = "application/vnd.git-lfs+json"

// The operations of the batch API.
const (
	Download = "download"
	Upload   = "upload"
)

// An Endpoint is where a host has the API, and what lets one in there.
type Endpoint struct {
	URL    string
	Header http.Header
	Reject func() // says that the host did not take the header: the next one is another; nil where there is no other
}

// Access gives the endpoint for an operation.
type Access func(ctx context.Context, operation string) (Endpoint, error)

// A Remote is a host that may have the API.
type Remote struct {
	Access Access
	Ref    string // that objects are for, such as refs/heads/main; "" is not told

	ReadOnly bool // nothing is stored there
}

// A RemoteError is what a host answers, or that it does not.
type RemoteError struct {
	Text  string
	After time.Duration // after which it asks to be tried again; 0 where it does not say
	Err   error
}

func (e *RemoteError) Error() string { return "Git LFS at the remote: " + e.Text }

func (e *RemoteError) Unwrap() error { return e.Err }

// ErrNoAPI says that a host has no such API. An [Access] may say so, too.
var ErrNoAPI = errors.New("the remote has no API of Git LFS")

const (
	batchTime  = time.Minute
	headerTime = time.Minute
	maxAnswer  = 8 << 20
	maxTold    = 300 // bytes of the host's words
	batchMost  = 100 // objects of one request, as git-lfs has it
	maxHops    = 5   // redirects
	basic      = "basic"
)

// client asks hosts. A redirect leads neither to where nothing is encrypted, nor takes along
// what lets one in at another host.
var client = &http.Client{
	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // as net/http documents it
		t.ResponseHeaderTimeout = headerTime
		return t
	}(),
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		last := via[len(via)-1].URL
		switch {
		case len(via) > maxHops:
			return errors.New("too many redirects")
		case last.Scheme == "https" && r.URL.Scheme != "https":
			return errors.New("a redirect leads to where nothing is encrypted")
		case last.Host != r.URL.Host:
			r.Header.Del("Authorization")
		}
		return nil
	},
}

// BatchRequest is what a client asks of the batch API.
type BatchRequest struct {
	Operation string        `json:"operation"`
	Transfers []string      `json:"transfers,omitempty"`
	Ref       *BatchRef     `json:"ref,omitempty"`
	Objects   []BatchObject `json:"objects"`
	HashAlgo  string        `json:"hash_algo,omitempty"`
}

// BatchRef is the reference that objects are for.
type BatchRef struct {
	Name string `json:"name"`
}

// BatchAnswer is what the batch API answers.
type BatchAnswer struct {
	Transfer string        `json:"transfer,omitempty"`
	Objects  []BatchObject `json:"objects"`
	HashAlgo string        `json:"hash_algo,omitempty"`
}

// BatchObject is an object that is asked for, or what may be done with it.
type BatchObject struct {
	OID           string                 `json:"oid"`
	Size          int64                  `json:"size"`
	Authenticated bool                   `json:"authenticated,omitempty"`
	Actions       map[string]BatchAction `json:"actions,omitempty"`
	Error         *BatchError            `json:"error,omitempty"`
}

// BatchAction is a request that a client makes for an object.
type BatchAction struct {
	Href      string            `json:"href"`
	Header    map[string]string `json:"header,omitempty"`
	ExpiresIn int               `json:"expires_in,omitempty"`
}

// BatchError is why nothing can be done with an object.
type BatchError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// batch asks what may be done with objects, which come back in their order.
func (m *Remote) batch(ctx context.Context, operation string, all ...Pointer) ([]BatchObject, Endpoint, error) {
	asked := BatchRequest{Operation: operation, Transfers: []string{basic}, HashAlgo: strings.TrimSuffix(hashName, ":")}
	if m.Ref != "" {
		asked.Ref = &BatchRef{m.Ref}
	}
	for _, p := range all {
		asked.Objects = append(asked.Objects, BatchObject{OID: p.Hash(), Size: p.Size})
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, Endpoint{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	for tries := 1; ; tries++ {
		at, err := m.Access(ctx, operation)
		if err != nil {
			return nil, at, asRemote(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(at.URL, "/")+"/objects/batch", bytes.NewReader(body))
		if err != nil {
			return nil, at, asRemote(err)
		}
		for name, values := range at.Header {
			req.Header[name] = values
		}
		req.Header.Set("Accept", MediaType)
		req.Header.Set("Content-Type", MediaType)
		req.Header.Set("User-Agent", "git-lfs/3 (cms)") // some hosts answer no other
		res, err := client.Do(req)
		if err != nil {
			return nil, at, asRemote(err)
		}
		switch {
		case res.StatusCode == http.StatusUnauthorized && at.Reject != nil && tries == 1:
			_ = res.Body.Close()
			at.Reject()
			continue
		case res.StatusCode != http.StatusOK:
			return nil, at, refusedBy(res)
		}
		found, err := readBatch(res, all)
		return found, at, err
	}
}

// readBatch reads the answer about objects, whose order is the host's own.
func readBatch(res *http.Response, all []Pointer) ([]BatchObject, error) {
	defer res.Body.Close()
	var a BatchAnswer
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&a); err != nil {
		return nil, &RemoteError{Text: "its answer cannot be read", Err: err}
	}
	if a.Transfer != "" && a.Transfer != basic {
		return nil, &RemoteError{Text: "it has no transfer of the kind basic"}
	}
	by := make(map[string]BatchObject, len(a.Objects))
	for _, o := range a.Objects {
		by[o.OID] = o
	}
	found := make([]BatchObject, len(all))
	for i, p := range all {
		o, ok := by[p.Hash()]
		if !ok {
			return nil, &RemoteError{Text: "its answer lacks an object that was asked for"}
		}
		found[i] = o
	}
	return found, nil
}

// do makes the request of an action, within the host's rules of who is let in where.
func do(ctx context.Context, method string, at Endpoint, o BatchObject, a BatchAction, body io.Reader, size int64, mediaType string) (*http.Response, error) {
	to, err := url.Parse(a.Href)
	from, failed := url.Parse(at.URL)
	switch {
	case err != nil || failed != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return nil, &RemoteError{Text: "it names an address that cannot be asked"}
	case from.Scheme == "https" && to.Scheme != "https":
		return nil, &RemoteError{Text: "it names an address where nothing is encrypted"}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Href, body)
	if err != nil {
		return nil, asRemote(err)
	}
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", mediaType)
	}
	if mediaType == MediaType {
		req.Header.Set("Accept", MediaType)
	}
	req.Header.Set("User-Agent", "git-lfs/3 (cms)")
	req.Header.Set("Accept-Encoding", "identity") // the object itself
	for name, value := range a.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Transfer-Encoding":
			if value == "chunked" {
				req.ContentLength = -1
			}
		case "Content-Length", "Host":
		default:
			req.Header.Set(name, value)
		}
	}
	if req.Header.Get("Authorization") == "" && !o.Authenticated && to.Scheme == from.Scheme && to.Host == from.Host {
		for name, values := range at.Header {
			req.Header[name] = values
		}
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, asRemote(err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		err := refusedBy(res)
		if errors.Is(err, ErrNoAPI) {
			err = &RemoteError{Text: fmt.Sprintf("%d for an object that it told of", res.StatusCode)}
		}
		return nil, err
	}
	return res, nil
}

// one is the error of an object.
func (o BatchObject) one() error {
	switch e := o.Error; {
	case e == nil:
		return nil
	case e.Code == http.StatusNotFound, e.Code == http.StatusGone:
		return ErrMissing
	default:
		return &RemoteError{Text: fmt.Sprintf("%d %s", e.Code, told(e.Message))}
	}
}

// download is an object's content. ErrMissing when the host has not got it, or has no API.
func (m *Remote) download(ctx context.Context, p Pointer) (io.ReadCloser, error) {
	found, at, err := m.batch(ctx, Download, p)
	if errors.Is(err, ErrNoAPI) {
		return nil, ErrMissing
	} else if err != nil {
		return nil, err
	}
	if err := found[0].one(); err != nil {
		return nil, err
	}
	action, ok := found[0].Actions[Download]
	if !ok {
		return nil, ErrMissing
	}
	res, err := do(ctx, http.MethodGet, at, found[0], action, nil, 0, "") //nolint:bodyclose // whoever reads it closes it
	if err != nil {
		return nil, err
	}
	return remoteBody{res.Body}, nil
}

// remoteBody is what a host sends; that it breaks off is the host's error.
type remoteBody struct{ io.ReadCloser }

func (r remoteBody) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = asRemote(err)
	}
	return n, err
}

// upload has the host store an object that is in a file; ErrNoAPI when it has no API.
func (m *Remote) upload(ctx context.Context, p Pointer, file string) error {
	found, at, err := m.batch(ctx, Upload, p)
	if err != nil {
		return err
	}
	o := found[0]
	if o.Error != nil {
		return &RemoteError{Text: fmt.Sprintf("%d %s", o.Error.Code, told(o.Error.Message))}
	}
	action, ok := o.Actions[Upload]
	if !ok { // it has the object
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var content io.Reader = io.NopCloser(f) // which the client does not close under us
	if p.Size == 0 {
		content = http.NoBody
	}
	res, err := do(ctx, http.MethodPut, at, o, action, content, p.Size, "application/octet-stream")
	if err != nil {
		return err
	}
	_ = res.Body.Close() // of what it says nothing is asked for
	verify, ok := o.Actions["verify"]
	if !ok {
		return nil
	}
	body, err := json.Marshal(BatchObject{OID: p.Hash(), Size: p.Size})
	if err != nil {
		return err
	}
	if res, err = do(ctx, http.MethodPost, at, o, verify, bytes.NewReader(body), int64(len(body)), MediaType); err != nil {
		return err
	}
	return res.Body.Close()
}

// have says for each object whether the host has it.
func (m *Remote) have(ctx context.Context, all []Pointer) ([]bool, error) {
	have := make([]bool, 0, len(all))
	for len(have) < len(all) {
		some := all[len(have):min(len(all), len(have)+batchMost)]
		found, _, err := m.batch(ctx, Download, some...)
		if errors.Is(err, ErrNoAPI) {
			return make([]bool, len(all)), nil
		} else if err != nil {
			return nil, err
		}
		for _, o := range found {
			_, ok := o.Actions[Download]
			have = append(have, ok && o.Error == nil)
		}
	}
	return have, nil
}

// refusedBy is the error of an answer, which it closes.
func refusedBy(res *http.Response) error {
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented:
		return ErrNoAPI
	}
	var said struct {
		Message string `json:"message"`
	}
	raw, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // without its words the status says enough
	_ = json.Unmarshal(raw, &said)
	e := &RemoteError{Text: strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + cmp.Or(told(said.Message), http.StatusText(res.StatusCode)))}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.After = time.Duration(min(seconds, 3600)) * time.Second
	}
	return e
}

// asRemote is an error of asking a host, without the address, which may hold a secret.
func asRemote(err error) error {
	if e := (*RemoteError)(nil); errors.As(err, &e) {
		return err
	}
	if asking := (*url.Error)(nil); errors.As(err, &asking) {
		err = asking.Err
	}
	return &RemoteError{Text: err.Error(), Err: err}
}

// told is what a host says, on one line and not at length.
func told(message string) string {
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "")), " ")
	if len(message) > maxTold {
		message = strings.ToValidUTF8(message[:maxTold], "") + "…"
	}
	return message
}
