package api_test

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestBadInput holds every kind of bad request against its status, and the
// repository against what it was.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	before := s.head()

	const entry = "/v1/collections/consultations/entries/plan-velo"
	mergePatch := map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}
	markdown := map[string]string{"Content-Type": "text/markdown", "If-Match": tag}
	json := map[string]string{"Content-Type": "application/json"}
	with := func(h map[string]string, k, v string) map[string]string {
		out := map[string]string{k: v}
		for hk, hv := range h {
			if _, set := out[hk]; !set {
				out[hk] = hv
			}
		}
		return out
	}
	without := func(h map[string]string, k string) map[string]string {
		out := with(h, k, "")
		delete(out, k)
		return out
	}
	good := `{"fields": {"in_progress": false}}`
	patch := func(token string) request {
		return request{method: "PATCH", path: entry, header: mergePatch, body: good, token: token}
	}
	at := func(slug string) request {
		return request{method: "PUT", path: "/v1/collections/consultations/entries/" + slug,
			header: map[string]string{"Content-Type": "text/markdown", "If-None-Match": "*"}, body: sample}
	}

	for name, tt := range map[string]struct {
		request
		status int
		code   string
	}{
		// Who asks.
		"no token":           {patch("-"), 401, "unauthenticated"},
		"garbage":            {patch("garbage"), 401, "unauthenticated"},
		"expired":            {patch(s.sign(jwt.SigningMethodHS256, s.issuer.Secret, claims("exp", time.Now().Add(-time.Hour).Unix()))), 401, "unauthenticated"},
		"never expires":      {patch(s.sign(jwt.SigningMethodHS256, s.issuer.Secret, claims("exp", nil))), 401, "unauthenticated"},
		"wrong audience":     {patch(s.sign(jwt.SigningMethodHS256, s.issuer.Secret, claims("aud", "another"))), 401, "unauthenticated"},
		"unknown issuer":     {patch(s.sign(jwt.SigningMethodHS256, s.issuer.Secret, claims("iss", "another"))), 401, "unauthenticated"},
		"alg none":           {patch(s.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims("", nil))), 401, "unauthenticated"},
		"public key as HMAC": {patch(s.sign(jwt.SigningMethodHS256, s.ecKey, claims("iss", s.ec.Issuer))), 401, "unauthenticated"},
		"another's secret":   {patch(s.sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), claims("", nil))), 401, "unauthenticated"},
		"unknown role":       {patch(s.mint("stranger")), 403, "forbidden"},
		"no role":            {patch(s.mint()), 403, "forbidden"},
		"reader writes":      {patch(s.mint("reader")), 403, "forbidden"},
		"hidden collection":  {request{method: "GET", path: "/v1/collections/pages/entries", token: s.mint("reader")}, 404, "not_found"},

		// Where.
		"dots":               {at(".."), 400, "malformed"},
		"dots above":         {at("../../../etc/passwd"), 400, "malformed"},
		"dots inside":        {at("a/../../b"), 400, "malformed"},
		"encoded dots":       {at("%2e%2e"), 400, "malformed"},
		"encoded dots above": {at("%2e%2e%2f%2e%2e%2fetc"), 400, "malformed"},
		"NUL":                {at("a%00b"), 400, "malformed"},
		"newline":            {at("a%0ab"), 400, "malformed"},
		"backslash":          {at(`a%5c..%5cb`), 400, "malformed"},
		"git folder":         {at(".git/hooks/post-update"), 400, "malformed"},
		"git folder inside":  {at("a/.GIT/config"), 400, "malformed"},
		"git short name":     {at("git~1/config"), 400, "malformed"},
		"hidden file":        {at(".hidden"), 400, "malformed"},
		"not UTF-8":          {at("a%ffb"), 400, "malformed"},
		"broken escape":      {at("a%25zz%2f"), 400, "malformed"},
		"double slash":       {at("a//b"), 400, "malformed"},
		"Windows device":     {at("a/nul.x"), 400, "malformed"},
		"reserved character": {at("a%3Ab"), 400, "malformed"},
		"final dot":          {at("a."), 400, "malformed"},
		"final blank":        {at("a%20"), 400, "malformed"},
		"invisible":          {at("a%E2%80%8Bb"), 400, "malformed"},
		"decomposed":         {at("e%CC%81"), 400, "malformed"},
		"5000 characters":    {at(strings.Repeat("a", 5000)), 400, "malformed"},
		"unknown collection": {request{method: "GET", path: "/v1/collections/nothing/entries"}, 404, "not_found"},
		"unknown entry":      {request{method: "GET", path: entryPath("nothing")}, 404, "not_found"},
		"unknown path":       {request{method: "GET", path: "/v2/"}, 404, "not_found"},
		"wrong method":       {request{method: "POST", path: entry}, 405, "method_not_allowed"},

		// What.
		"too large":              {request{method: "PATCH", path: entry, header: mergePatch, body: `{"body": "` + strings.Repeat("a", maxBody) + `"}`}, 413, "too_large"},
		"no content type":        {request{method: "PATCH", path: entry, header: without(mergePatch, "Content-Type"), body: good}, 415, "unsupported_media_type"},
		"wrong content type":     {request{method: "PATCH", path: entry, header: with(mergePatch, "Content-Type", "application/vnd.api+json"), body: good}, 415, "unsupported_media_type"},
		"wrong charset":          {request{method: "PUT", path: entry, header: with(markdown, "Content-Type", "text/markdown; charset=latin1"), body: sample}, 415, "unsupported_media_type"},
		"form":                   {request{method: "POST", path: "/v1/collections/consultations/entries", header: with(json, "Content-Type", "application/x-www-form-urlencoded"), body: "title=x"}, 415, "unsupported_media_type"},
		"invalid JSON":           {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": `}, 400, "malformed"},
		"JSON twice":             {request{method: "PATCH", path: entry, header: mergePatch, body: good + good}, 400, "malformed"},
		"duplicate member":       {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": {"a": 1, "a": 2}}`}, 400, "malformed"},
		"empty body":             {request{method: "PATCH", path: entry, header: mergePatch}, 400, "malformed"},
		"not an object":          {request{method: "PATCH", path: entry, header: mergePatch, body: `[1]`}, 422, "invalid"},
		"unknown member":         {request{method: "PATCH", path: entry, header: mergePatch, body: `{"in_progress": false}`}, 422, "invalid"},
		"fields not an object":   {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": 3}`}, 422, "invalid"},
		"body not a string":      {request{method: "PATCH", path: entry, header: mergePatch, body: `{"body": 3}`}, 422, "invalid"},
		"wrong type of field":    {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": {"in_progress": "perhaps"}}`}, 422, "invalid"},
		"required field removed": {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": {"title": null}}`}, 422, "invalid"},
		"out of range":           {request{method: "PATCH", path: entry, header: mergePatch, body: `{"fields": {"note": 6}}`}, 422, "invalid"},
		"invalid front matter":   {request{method: "PUT", path: entry, header: markdown, body: "---\ntitle: a: b: c\n---\n"}, 422, "invalid"},
		"front matter not UTF-8": {request{method: "PUT", path: entry, header: markdown, body: "---\ntitle: \xe9\n---\n"}, 422, "invalid"},
		"PUT without a body":     {request{method: "PUT", path: entry, header: with(json, "If-Match", tag), body: `{"fields": {"title": "x"}}`}, 422, "invalid"},
		"no title for a slug":    {request{method: "POST", path: "/v1/collections/consultations/entries", header: json, body: `{"fields": {}}`}, 422, "invalid"},
		"bad slug":               {request{method: "POST", path: "/v1/collections/consultations/entries", header: json, body: `{"slug": "../x", "fields": {"title": "x"}}`}, 422, "invalid"},
		"taken slug":             {request{method: "POST", path: "/v1/collections/consultations/entries", header: json, body: `{"slug": "plan-velo", "fields": {"title": "x"}}`}, 409, "conflict"},
		"message of two lines":   {request{method: "PATCH", path: entry + "?message=a%0ab", header: mergePatch, body: good}, 400, "malformed"},
		"unknown parameter":      {request{method: "GET", path: "/v1/collections/consultations/entries?sorted=date"}, 422, "invalid"},
		"broken query":           {request{method: "PATCH", path: entry + "?dry_run=true%zz", header: mergePatch, body: good}, 400, "malformed"},
		"empty parameter":        {request{method: "PATCH", path: entry + "?dry_run=", header: mergePatch, body: good}, 400, "malformed"},
		"parameter twice":        {request{method: "PATCH", path: entry + "?dry_run=true&dry_run=false", header: mergePatch, body: good}, 400, "malformed"},
		"dry run, perhaps":       {request{method: "PATCH", path: entry + "?dry_run=perhaps", header: mergePatch, body: good}, 422, "invalid"},
		"duplicate keys":         {request{method: "PUT", path: entry, header: markdown, body: "---\ntitle: a\ntitle: b\n---\n"}, 422, "invalid"},
		"limit too high":         {request{method: "GET", path: "/v1/collections/consultations/entries?limit=1001"}, 422, "invalid"},
		"wrong cursor":           {request{method: "GET", path: "/v1/collections/consultations/entries?cursor=*"}, 400, "malformed"},
		"not acceptable":         {request{method: "GET", path: entry, header: map[string]string{"Accept": "image/png"}}, 406, "not_acceptable"},

		// On what condition.
		"PATCH without If-Match":  {request{method: "PATCH", path: entry, header: without(mergePatch, "If-Match"), body: good}, 428, "precondition_required"},
		"PUT without If-Match":    {request{method: "PUT", path: entry, header: without(markdown, "If-Match"), body: sample + "x"}, 428, "precondition_required"},
		"DELETE without If-Match": {request{method: "DELETE", path: entry}, 428, "precondition_required"},
		"stale":                   {request{method: "PATCH", path: entry, header: with(mergePatch, "If-Match", `"0123456789012345678901234567890123456789"`), body: good}, 412, "precondition_failed"},
		"stale, weak":             {request{method: "PATCH", path: entry, header: with(mergePatch, "If-Match", `W/"0123456789012345678901234567890123456789"`), body: good}, 412, "precondition_failed"},
		"tag without quotes":      {request{method: "PATCH", path: entry, header: with(mergePatch, "If-Match", strings.Trim(tag, `"`)), body: good}, 400, "malformed"},
		"base of nothing":         {request{method: "PATCH", path: entry + "?base=0123456789012345678901234567890123456789", header: without(mergePatch, "If-Match"), body: good}, 400, "malformed"},
		"base and If-Match":       {request{method: "PATCH", path: entry + "?base=" + strings.Trim(tag, `"`), header: mergePatch, body: good}, 400, "malformed"},
		"created twice":           {at("plan-velo"), 412, "precondition_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			res := s.do(tt.request)
			if res.status != tt.status {
				t.Fatalf("got %d %s, want %d", res.status, res.body, tt.status)
			}
			p := s.problem(res)
			if p.Code != tt.code {
				t.Errorf("got code %q, want %q", p.Code, tt.code)
			}
			s.inFrench(tt.request, res)
			switch tt.status {
			case http.StatusUnauthorized:
				if got := res.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="cms"`) {
					t.Errorf("got WWW-Authenticate %q", got)
				}
			case http.StatusMethodNotAllowed:
				if got, want := res.header.Get("Allow"), "GET, HEAD, PUT, PATCH, DELETE"; got != want {
					t.Errorf("got Allow %q, want %q", got, want)
				}
			case http.StatusPreconditionFailed:
				if got := res.header.Get("ETag"); got != tag {
					t.Errorf("got ETag %q, want %q", got, tag)
				}
			}
			if tt.request.token != "" && tt.request.token != "-" && strings.Contains(string(res.body), tt.request.token) {
				t.Errorf("the answer holds the token: %s", res.body)
			}
		})
	}
	if after := s.head(); after != before {
		t.Errorf("the branch has moved from %s to %s", before, after)
	}
}

// TestBrokenTransfers sends requests that no HTTP library would.
func TestBrokenTransfers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan-velo", sample)
	before := s.head()
	head := "PATCH " + entryPath("plan-velo") + " HTTP/1.1\r\nHost: cms\r\nIf-Match: *\r\nContent-Type: application/merge-patch+json\r\n"
	bearer := "Authorization: Bearer " + s.token + "\r\n"
	for name, tt := range map[string]struct {
		raw  string
		want int
	}{
		"cut short":          {head + bearer + "Content-Length: 100\r\n\r\n{\"fi", 400},
		"bad chunk":          {head + bearer + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400},
		"two authorizations": {head + bearer + bearer + "Content-Length: 2\r\n\r\n{}", 400},
		"chunked, too large": {head + bearer + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" + strings.Repeat("a", 0x200000) + "\r\n0\r\n\r\n", 413},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { // the answer may come before all is sent
				io.WriteString(conn, tt.raw)
				conn.(*net.TCPConn).CloseWrite()
			}()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := (response{res.StatusCode, res.Header, body}); got.status != tt.want {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.want)
			} else {
				s.problem(got)
			}
		})
	}
	if after := s.head(); after != before {
		t.Errorf("the branch has moved from %s to %s", before, after)
	}
}

// TestUnsupportedPatchTellsWhatIs checks the header that RFC 5789 asks for.
func TestUnsupportedPatchTellsWhatIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create("consultations", "plan-velo", sample)
	res := s.do(request{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "text/plain", "If-Match": "*"}, body: "x"})
	if got, want := res.header.Get("Accept-Patch"), "application/json, application/merge-patch+json, application/json-patch+json"; res.status != 415 || got != want {
		t.Errorf("got %d with Accept-Patch %q, want 415 with %q", res.status, got, want)
	}
}

// TestProblemsEchoNothing sends a secret in every place where a refusal could
// repeat it.
func TestProblemsEchoNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tag := s.create("consultations", "plan-velo", sample)
	const secret = "s3cr3t-value"
	for _, r := range []request{
		{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}, body: `{"fields": {"note": "` + secret + `"}}`},
		{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": tag}, body: `{"fields": "` + secret + `"}`},
		{method: "PATCH", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": "application/merge-patch+json", "If-Match": secret}, body: `{}`},
		{method: "GET", path: "/v1/collections/consultations/entries?limit=" + secret},
		{method: "GET", path: "/v1/collections/consultations/entries?cursor=" + secret + "*"},
		{method: "GET", path: "/v1/me", token: secret},
		{method: "GET", path: entryPath("../" + secret)},
		{method: "PUT", path: entryPath("plan-velo"), header: map[string]string{"Content-Type": secret, "If-Match": tag}},
	} {
		res := s.do(r)
		if res.status < 400 || strings.Contains(string(res.body), secret) {
			t.Errorf("%s %s: got %d %s, want a refusal that does not repeat the value", r.method, r.path, res.status, res.body)
		}
	}
}

// claims are those of a good token, with one of them changed or, for nil, left
// out.
func claims(name string, value any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": "cms", "aud": "cms", "sub": "ann", "roles": []string{"editor"},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if name != "" {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

func (s *server) sign(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	s.Helper()
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		s.Fatal(err)
	}
	return token
}

// TestAsymmetricIssuer shows that the tokens of a key pair work beside those of
// a secret, so that the refusals above are not of all such tokens.
func TestAsymmetricIssuer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	res := s.do(request{method: "GET", path: "/v1/me", token: s.mintOf(s.ec, "editor")})
	if res.status != 200 || !strings.Contains(string(res.body), `"subject":"ann"`) {
		t.Errorf("got %d %s, want 200 with the subject ann", res.status, res.body)
	}
	token := s.mintOf(s.ec, "editor")
	head, rest, _ := strings.Cut(token, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + "." + rest
	if res := s.do(request{method: "GET", path: "/v1/me", token: forged}); res.status != 401 {
		t.Errorf("header %s replaced: got %d %s, want 401", head, res.status, res.body)
	}
}
