package content

import (
	"strings"
	"time"
)

// Time is a date or a date-time. In JSON it is RFC 3339: a full-date or a
// date-time. On disk it keeps the layout of the file.
type Time struct {
	time.Time
	DateOnly bool

	loose bool // it was read from a text that only some readers take for a time
}

const (
	dateLayout = "2006-01-02"
	rubyLayout = "2006-01-02 15:04:05 -0700" // what Jekyll writes and reads
	goLayout   = "2006-01-02 15:04:05.999999999 -0700 MST"
)

// MarshalJSON gives the RFC 3339 form.
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// String is the RFC 3339 form.
func (t Time) String() string {
	if t.DateOnly {
		return t.Format(dateLayout)
	}
	return t.Format(time.RFC3339Nano)
}

// What counts as the same time depends on who says it. A time in another zone, or
// a date in the place of a date-time, is a change. But programs that keep an
// instant and no zone write it in UTC, and those that decode a whole front matter
// and write it anew make a date-time of a date and may choose a zone of their own.

// sameTime says whether two times are the same and would be written the same.
func sameTime(a, b Time) bool { return sameInstant(a, b) && a.offset() == b.offset() }

// sameInstant is sameTime in whatever zone.
func sameInstant(a, b Time) bool { return a.Equal(b.Time) && a.DateOnly == b.DateOnly }

// repeats says whether now, a value that was sent, is only was again, perhaps in
// UTC.
func repeats(was, now Time) bool {
	return sameInstant(was, now) && (now.offset() == 0 || now.offset() == was.offset())
}

// reserialized says whether now, in a file that was written anew, is only was
// again: of the same instant, and no date in the place of a date-time.
func reserialized(was, now Time) bool {
	return was.Equal(now.Time) && (was.DateOnly || !now.DateOnly)
}

func (t Time) offset() int {
	_, seconds := t.Zone()
	return seconds
}

// ParseTime reads a time that is written as RFC 3339 (a date-time or a
// full-date), as YAML 1.1 allows it plain (Ruby's "2019-01-15 09:29:08 +0000"
// among its forms), or as Go prints it; and what is text to readers of YAML and
// a time to the templates of a site: one without seconds, as HTML forms send it, or
// with UTC or GMT as its zone. Without a zone it is UTC.
func ParseTime(s string) (Time, bool) {
	if t, _, ok := scanTime(s); ok {
		return t, true
	}
	if t, _, ok := scan(s, true); ok {
		t.loose = true
		return t, true
	}
	if len(s) > len(rubyLayout) && s[4] == '-' {
		if t, err := time.Parse(goLayout, s); err == nil {
			_, offset := t.Zone()
			return Time{Time: t.In(zone(offset)), loose: true}, true
		}
	}
	return Time{}, false
}

func zone(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", offset)
}

// scanTime reads a plain YAML 1.1 timestamp, in the forms that Ruby's Psych
// takes for a time, and tells its layout in the manner of package time.
func scanTime(s string) (t Time, layout string, ok bool) { return scan(s, false) }

// scan is scanTime, with the forms that only templates take for times if they are loose.
func scan(s string, loose bool) (t Time, layout string, ok bool) {
	if len(s) < len("2006-1-2") || s[4] != '-' {
		return Time{}, "", false
	}
	c := timeScanner{s: s, ok: true}
	year := c.number(4, 4)
	c.expect('-')
	month := c.number(1, 2)
	narrow := c.width == 1
	c.expect('-')
	day := c.number(1, 2)
	layout = dateLayout
	if narrow || c.width == 1 {
		layout = "2006-1-2"
	}
	if c.ok && c.s == "" {
		t = Time{Time: time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC), DateOnly: true}
		return t, layout, t.Day() == day && int(t.Month()) == month
	}
	switch gap := c.blanks(); {
	case gap != "":
		layout += gap
	case c.skip('T'):
		layout += "T"
	case c.skip('t'):
		layout += "t"
	default:
		return Time{}, "", false
	}
	hour := c.number(1, 2)
	c.expect(':')
	minute := c.number(2, 2)
	layout += "15:04"
	second := 0
	if seconds := c.skip(':'); seconds || !loose {
		c.ok = c.ok && seconds
		second = c.number(2, 2)
		layout += ":05"
	}
	nanos := 0
	if c.skip('.') {
		digits := len(c.s) - len(strings.TrimLeft(c.s, "0123456789"))
		for i := range 9 {
			nanos *= 10
			if i < digits {
				nanos += int(c.s[i] - '0')
			}
		}
		if c.s = c.s[digits:]; digits > 0 {
			layout += "." + strings.Repeat("0", min(digits, 9))
		}
	}
	offset, zoneLayout := c.zone(loose)
	t.Time = time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone(offset))
	ok = c.ok && c.s == "" && t.Day() == day && int(t.Month()) == month && t.Hour() == hour && t.Second() == second
	return t, layout + zoneLayout, ok
}

// timeScanner eats a timestamp from the left; ok turns false at what does not
// belong there.
type timeScanner struct {
	s     string
	width int // of the last number, in digits
	ok    bool
}

func (c *timeScanner) number(least, most int) (n int) {
	for c.width = 0; c.width < most && c.s != "" && c.s[0] >= '0' && c.s[0] <= '9'; c.width++ {
		n = n*10 + int(c.s[0]-'0')
		c.s = c.s[1:]
	}
	c.ok = c.ok && c.width >= least
	return n
}

func (c *timeScanner) skip(b byte) bool {
	if c.s == "" || c.s[0] != b {
		return false
	}
	c.s = c.s[1:]
	return true
}

func (c *timeScanner) expect(b byte) { c.ok = c.skip(b) && c.ok }

func (c *timeScanner) blanks() string {
	rest := strings.TrimLeft(c.s, " \t")
	gap := c.s[:len(c.s)-len(rest)]
	c.s = rest
	return gap
}

// zone eats what may end a timestamp: nothing, Z, +1, +01, +0100, +01:00; UTC and GMT
// if it is loose.
func (c *timeScanner) zone(loose bool) (offset int, layout string) {
	layout = c.blanks()
	if loose && (c.s == "UTC" || c.s == "GMT") {
		c.s = ""
		return 0, layout + "MST"
	}
	if c.s == "" {
		c.ok = c.ok && layout == ""
		return 0, ""
	}
	if c.skip('Z') {
		return 0, layout + "Z07:00"
	}
	sign := 1
	if c.skip('-') {
		sign = -1
	} else {
		c.expect('+')
	}
	offset = c.number(1, 2) * 3600
	switch {
	case c.s == "":
		layout += "-07"
	case c.skip(':'):
		offset += c.number(2, 2) * 60
		layout += "-07:00"
	default:
		offset += c.number(2, 2) * 60
		layout += "-0700"
	}
	c.ok = c.ok && offset < 24*3600
	return sign * offset, layout
}

// in writes t in a layout of scanTime, or near it where that layout would lose
// something: in the layout long instead of one without a clock, in UTC where it
// has no zone.
func (t Time) in(layout, long string) string {
	clock := strings.Contains(layout, "15")
	switch {
	case t.DateOnly && clock:
		layout = dateLayout
	case !t.DateOnly && !clock:
		layout = long
	}
	switch {
	case t.DateOnly:
	case !strings.Contains(layout, "07"):
		t.Time = t.UTC()
	case strings.HasSuffix(layout, "-07") && t.offset()%3600 != 0:
		layout += ":00"
	}
	if !t.DateOnly && t.Nanosecond() != 0 {
		before, after, _ := strings.Cut(layout, "05")
		layout = before + "05.999999999" + strings.TrimLeft(after, ".0")
	}
	return t.Format(layout)
}
