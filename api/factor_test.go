package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"cms/auth"
	"cms/site/sitetest"
)

// TestLoginWithSecondFactor asks for its code behind the password, which counts once.
func TestLoginWithSecondFactor(t *testing.T) {
	t.Parallel()
	var (
		needed atomic.Bool
		now    atomic.Int64 // seconds since 1970
	)
	now.Store(time.Now().Unix())
	sessions, err := auth.NewSessions(auth.SessionOptions{
		Hash: sitetest.CheapHash, State: openAccounts(t), Now: func() time.Time { return time.Unix(now.Load(), 0) }, NeedFactor: func([]string) bool { return needed.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newServerWith(t, func(o *options) { o.Sessions = sessions })
	login := func(code string) response {
		t.Helper()
		body, err := json.Marshal(map[string]string{"email": email, "password": password, "code": code})
		if err != nil {
			t.Fatal(err)
		}
		return s.browser().send(request{method: "POST", path: "/v1/auth/login", body: string(body), header: map[string]string{"Content-Type": "application/json"}})
	}
	want := func(why string, res response, status int, code string) {
		t.Helper()
		if p := s.problem(res); res.status != status || p.Code != code || len(res.header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: got %d %s, want %d %s", why, res.status, res.body, status, code)
		}
	}
	needed.Store(true)
	want("none is set up", login(""), http.StatusForbidden, "second_factor")
	want("none is set up, and a code", login("123456"), http.StatusForbidden, "second_factor")
	needed.Store(false)

	own, err := sessions.Login(t.Context(), auth.Attempt{Email: email, Password: password, From: netip.MustParseAddr("192.0.2.1"), Stay: true})
	if err != nil {
		t.Fatal(err)
	}
	set, err := sessions.EnrolOwn(t.Context(), own.Principal)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.DecodeString(set.Secret)
	if err != nil {
		t.Fatal(err)
	}
	code := func() string {
		mac := hmac.New(sha1.New, secret)
		_ = binary.Write(mac, binary.BigEndian, now.Load()/30)
		sum := mac.Sum(nil)
		return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:])&0x7fffffff%1_000_000)
	}
	if _, err := sessions.EnrolledOwn(t.Context(), own.Principal, own.Access, set.Token, code()); err != nil {
		t.Fatal(err)
	}
	now.Add(30)
	want("without a code", s.browser().send(loginRequest(email, password)), http.StatusUnauthorized, "second_factor")
	if p := s.problem(s.browser().send(loginRequest(email, "nicht das richtige Wort"))); p.Code != "unauthenticated" {
		t.Errorf("a wrong password is told as %s", p.Code)
	}
	if res := login(code()); res.status != http.StatusOK || len(res.header.Values("Set-Cookie")) == 0 {
		t.Errorf("with a code: got %d %s", res.status, res.body)
	}
	want("the code again", login(code()), http.StatusUnauthorized, "second_factor")
}
