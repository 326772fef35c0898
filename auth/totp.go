package auth

import (
	"crypto/hmac"
	"crypto/sha1" // what apps for codes have; of its weaknesses none is one of HMAC
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// Codes of an app (RFC 6238), as all of them make: of six digits, each for 30 seconds.
const (
	totpStep   = 30 * time.Second
	totpSecret = 20 // bytes
	totpDrift  = 1  // how many steps clocks may differ by, in either direction
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// totpAt is the code of a step.
func totpAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// stepOf is the step whose code it is, of those that count now.
func stepOf(secret []byte, code string, now time.Time) (step int64, ok bool) {
	current := now.Unix() / int64(totpStep/time.Second)
	for at := current - totpDrift; at <= current+totpDrift; at++ {
		if subtle.ConstantTimeCompare([]byte(totpAt(secret, at)), []byte(code)) == 1 {
			step, ok = at, true
		}
	}
	return step, ok
}

// totpURI is what apps read from a picture.
func totpURI(service, email string, secret []byte) string {
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + service + ":" + email}
	u.RawQuery = url.Values{"secret": {base32Text.EncodeToString(secret)}, "issuer": {service}}.Encode()
	return u.String()
}
