package inbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// counted counts what is read of a body.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// Nothing of a body is read where no body could make the request a true one.
func TestRefusesBeforeTheBody(t *testing.T) {
	for _, v := range vectors() {
		proof := v.header.Get(v.signed)
		with := func(value ...string) http.Header {
			h := v.header.Clone()
			h[http.CanonicalHeaderKey(v.signed)] = value
			return h
		}
		refused := map[string]http.Header{
			"none": with(), "empty": with(""), "twice": with(proof, proof), "cut short": with(proof[:len(proof)-1]),
			"too long": with(proof + "0"), "no digits": with(strings.Repeat("z", len(proof))), "nothing at all": {},
		}
		if v.header.Get("webhook-id") != "" { // also signed long ago
			refused["now"], refused["no time"] = v.header, with(proof)
			refused["no time"].Del("webhook-timestamp")
		}
		for name, header := range refused {
			in := receiver(t, v.provider, nil, v.secret, "another secret of theirs")
			body := &counted{Reader: strings.NewReader(v.body)}
			if _, err := in.Receive(v.provider, header, body); !errors.Is(err, ErrForged) || body.n > 0 {
				t.Errorf("%s/%s: got %v and %d bytes read, want %v and none", v.name, name, err, body.n, ErrForged)
			}
			if err := in.CheckHeader(v.provider, header); !errors.Is(err, ErrForged) {
				t.Errorf("%s/%s: got %v expected", v.name, name, err)
			}
		}
		for _, provider := range append(Providers(), "sourceforge", "") {
			body := &counted{Reader: strings.NewReader(v.body)}
			if provider == v.provider {
				continue
			}
			if _, err := receiver(t, v.provider, nil, v.secret).Receive(provider, v.header, body); !errors.Is(err, ErrUnknown) || body.n > 0 {
				t.Errorf("%s at %q: got %v and %d bytes read", v.name, provider, err, body.n)
			}
		}
	}
}

// Of a long push next to nothing is held.
func TestHoldsLittle(t *testing.T) {
	long := strings.Repeat("x", 4<<20)
	deep := strings.Repeat(`{"a":[`, 20) + "1" + strings.Repeat(`]}`, 20)
	many := `[` + strings.Repeat(`"0123456789abcdef0123456789abcdef01234567",`, (4<<20)/43) + `1]`
	for name, body := range map[string]string{
		"a long text": `{"head_commit":{"message":"` + long + `"},"ref":"refs/heads/main"}`,
		"a long key":  `{"` + long + `":1,"ref":"refs/heads/main"}`,
		"many":        `{"commits":` + many + `,"a":` + deep + `,"ref":"refs/heads/main"}`,
	} {
		in := receiver(t, "github", nil, agreed)
		mac := hmac.New(sha256.New, []byte(agreed))
		io.WriteString(mac, body)
		header := http.Header{"X-Github-Event": {"push"}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
		reader := strings.NewReader(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		push, err := in.Receive("github", header, reader)
		runtime.ReadMemStats(&after)
		if err != nil || !push.Fetch {
			t.Fatalf("%s: got %+v, %v", name, push, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10 {
			t.Errorf("%s: %d bytes were allocated for %d, want less than 256 KB", name, got, len(body))
		}
		header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		if _, err := in.Receive("github", header, strings.NewReader(body)); !errors.Is(err, ErrForged) {
			t.Errorf("%s: got %v, want %v", name, err, ErrForged)
		}
	}
}

// A body that cannot be read to its end says so, whatever came of it.
func TestTellsWhyABodyEnds(t *testing.T) {
	cut := errors.New("cut off")
	in := receiver(t, "gitlab", nil, agreed)
	header := http.Header{"X-Gitlab-Event": {"Push Hook"}, "X-Gitlab-Token": {agreed}}
	for _, part := range []string{"", pushBody[:20], pushBody} {
		body := io.MultiReader(strings.NewReader(part), failingReader{cut})
		if push, err := in.Receive("gitlab", header, body); !errors.Is(err, cut) {
			t.Errorf("after %q: got %+v, %v", part, push, err)
		}
	}
}

type failingReader struct{ error }

func (e failingReader) Read([]byte) (int, error) { return 0, e.error }

// The scanner takes what encoding/json takes, and picks the same.
func TestPickReadsAsJSON(t *testing.T) {
	documents := []string{
		pushBody, cloudBody, dcBody, "", "{", "{}", "[]", "[{}]", `{"ref":}`, `{"ref":"a",}`, `{"ref":"a"}x`, `{"ref":"a"} `, "null",
		`{"ref":1}`, `{"ref":null}`, `{"ref":{}}`, `{"ref":[]}`, `{"ref":true}`, `{"ref" "a"}`, `{ref:"a"}`, `{"ref":"a" "b":1}`, `[1 2]`,
		`{"ref":"\u00e9\n\\\"}"}`, `{"r\u0065f":"a"}`, `{"ref":"a","ref":"b"}`, `{"x":{"ref":"a"}}`, `{"x":[1,2.5e-3,-0,[[]],{"a":[null]}],"ref":"a"}`,
		`{"x":01}`, `{"x":tru}`, `{"x":+1}`, `{"x":"\x"}`, `{"x":"a`, `{"x":1`, `{"ref":"a\"}`, `{"ref":"\\"}`, `{"":"","ref":"\""}`, `{"x":[,1]}`, `{"x":[1,]}`, `{,}`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 { // and what is nearly so
		b := []byte(documents[random.IntN(6)] + `{"ref":"a","x":[1,{"y":null}],"z":"\""}`)
		for range 1 + random.IntN(3) {
			i := random.IntN(len(b))
			b[i] = `{}[]":,\ nt1eu`[random.IntN(14)]
		}
		documents = append(documents, string(b))
	}
	for _, doc := range documents {
		var want struct {
			Ref *string `json:"ref"`
		}
		members := map[string]json.RawMessage{}
		err := json.Unmarshal([]byte(doc), &members)
		if err == nil && members != nil {
			if raw, ok := members["ref"]; ok { // exactly so, which a struct does not ask for
				err = json.Unmarshal(raw, &want.Ref)
			}
		}
		var got *string
		p := &pick{members: map[string]*pick{"ref": {text: func(s string) { got = &s }}}}
		scanned := p.scan(strings.NewReader(doc))
		if lax := strings.Contains(doc, `\`) || strings.HasPrefix(doc, "["); (scanned == nil) != (err == nil) && !(lax && scanned == nil) {
			t.Errorf("%s: got %v, want %v", doc, scanned, err)
		}
		if err == nil && scanned == nil && fmt.Sprint(deref(got)) != fmt.Sprint(deref(want.Ref)) && !strings.Contains(doc, `"ref":null`) {
			t.Errorf("%s: picked %q, want %q", doc, deref(got), deref(want.Ref))
		}
	}
	deep := strings.Repeat("[", maxPickDepth+2) + strings.Repeat("]", maxPickDepth+2)
	if err := (*pick)(nil).scan(strings.NewReader(deep)); err == nil {
		t.Error("nesting without end was read")
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestManyBranches(t *testing.T) {
	in := receiver(t, "bitbucket", nil, agreed)
	var changes []string
	for i := range 500 {
		changes = append(changes, fmt.Sprintf(`{"refId":"refs/heads/b%d"}`, i))
	}
	changes = append(changes, `{"refId":"refs/heads/main"}`)
	body := `{"changes":[` + strings.Join(changes, ",") + `]}`
	mac := hmac.New(sha256.New, []byte(agreed))
	io.WriteString(mac, body)
	header := http.Header{"X-Event-Key": {"repo:refs_changed"}, "X-Hub-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
	push, err := in.Receive("bitbucket", header, strings.NewReader(body))
	if err != nil || !push.Fetch || len(push.Branches) != maxBranches || slices.Contains(push.Branches, "main") {
		t.Errorf("got %d branches, fetch %v, %v", len(push.Branches), push.Fetch, err)
	}
}
