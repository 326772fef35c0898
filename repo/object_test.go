package repo

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"

	"cms/race"
)

// object puts an object into the repository at dir, well-formed or not, as a file of its
// own.
func object(t *testing.T, dir, kind string, raw []byte) string {
	t.Helper()
	k, err := plumbing.ParseObjectType(kind)
	if err != nil {
		t.Fatal(err)
	}
	name := hashObject(k, raw).String()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	fmt.Fprintf(z, "%s %d\x00", kind, len(raw))
	_, err = z.Write(raw)
	file := filepath.Join(dir, "objects", name[:2], name[2:])
	err = errors.Join(err, z.Close(), os.MkdirAll(filepath.Dir(file), 0o777))
	if err == nil && !exists(file) {
		err = os.WriteFile(file, b.Bytes(), 0o444)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// grow makes a commit of the tree that main has, and another title for the entry
// parc, on top of main: its lines after the parent are head.
func grow(t *testing.T, dir, title, head string) string {
	t.Helper()
	blob := object(t, dir, "blob", document(title).Source())
	inner := fmt.Appendf(nil, "100644 parc.md\x00%s", hexBytes(blob))
	tree := object(t, dir, "tree", fmt.Appendf(nil, "40000 _consultations\x00%s", hexBytes(object(t, dir, "tree", inner))))
	parent := tipOf(t, dir, "main")
	c := object(t, dir, "commit", fmt.Appendf(nil, "tree %s\nparent %s\n%s", tree, parent, head))
	setBranch(t, dir, "main", c)
	return c
}

func hexBytes(s string) []byte {
	h := NewHash(s)
	return h[:]
}

// TestOddCommits: whatever Git can hold can be read, and told as JSON; edits on top
// of it are dated by the clock.
func TestOddCommits(t *testing.T) {
	t.Parallel()
	race.TakesLong(t)
	const now = 1790000000
	day := func(at string) string { return at + "T00:00:00Z" }
	o := options(t.TempDir())
	o.Clock = func() time.Time { return time.Unix(now, 0) }
	r, stop := run(t, o)
	tip := put(t, r, "consultations", "parc", "0").Commit
	for name, c := range map[string]struct{ head, at, author, subject string }{
		"beyond the year 9999": {"author D <d@x> 253402300801 +0000\ncommitter D <d@x> 253402300801 +0000\n\nx\n", "9999-12-31T23:59:59Z", "D <d@x>", "x"},
		"beyond it in a zone":  {"author D <d@x> 253402300799 +1400\ncommitter D <d@x> 253402300799 +1400\n\nx\n", "9999-12-31T23:59:59Z", "D <d@x>", "x"},
		"a zone that is none":  {"author D <d@x> 1700006400 +9999999\ncommitter D <d@x> 1 x\n\nx\n", day("2023-11-15"), "D <d@x>", "x"},
		"the last of 64 bits":  {"author D <d@x> 18446744073709551615 +0000\ncommitter D <d@x> 18446744073709551615 +0000\n\nx\n", "9999-12-31T23:59:59Z", "D <d@x>", "x"},
		"more than any bits":   {"author D <d@x> 9999999999999999999999999 +0000\ncommitter D <d@x> 1 +0000\n\nx\n", "9999-12-31T23:59:59Z", "D <d@x>", "x"},
		"the year 2100":        {"author D <d@x> 4102444800 +0000\ncommitter D <d@x> 4102444800 +0000\n\nx\n", day("2100-01-01"), "D <d@x>", "x"},
		"before 1970":          {"author D <d@x> -86400 +0000\ncommitter D <d@x> -86400 +0000\n\nx\n", day("1969-12-31"), "D <d@x>", "x"},
		"before the year 1":    {"author D <d@x> -99999999999999 +0000\ncommitter D <d@x> -9223372036854775808 +0000\n\nx\n", day("0001-01-01"), "D <d@x>", "x"},
		"no date":              {"author D <d@x>\ncommitter D <d@x>\n\nx\n", day("1970-01-01"), "D <d@x>", "x"},
		"a date in words":      {"author D <d@x> yesterday\ncommitter D <d@x> now +0000\n\nx\n", day("1970-01-01"), "D <d@x>", "x"},
		"no one":               {"\nx\n", day("1970-01-01"), " <>", "x"},
		"no address":           {"author D 1 +0000\ncommitter D 1 +0000\n\nx\n", day("1970-01-01"), "D 1 +0000 <>", "x"},
		"no message":           {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\n", "1970-01-01T00:00:01Z", "D <d@x>", ""},
		"Latin-1, declared": {"author \xc9lodie <e@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding ISO-8859-1\n\n\xc9t\xe9\n",
			"1970-01-01T00:00:01Z", "Élodie <e@x>", "Été"},
		"Latin-9, declared":      {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding iso-8859-15\n\n5 \xa4\n", "1970-01-01T00:00:01Z", "D <d@x>", "5 €"},
		"Windows, declared":      {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding CP1252\n\n5 \x80\n", "1970-01-01T00:00:01Z", "D <d@x>", "5 €"},
		"UTF-16, declared":       {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding UTF-16\n\n\xfe\xff\x00\xe9\x00t\x00\xe9", "1970-01-01T00:00:01Z", "D <d@x>", "été"},
		"Latin-1, undeclared":    {"author \xc9lodie <e@x> 1 +0000\ncommitter D <d@x> 1 +0000\n\n\xc9t\xe9\n", "1970-01-01T00:00:01Z", "Élodie <e@x>", "Été"},
		"a charset of nobody":    {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding x-nobody\n\n\xc9t\xe9\n", "1970-01-01T00:00:01Z", "D <d@x>", "Été"},
		"UTF-8 that is not":      {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\nencoding UTF-8\n\n\xc9t\xe9\n", "1970-01-01T00:00:01Z", "D <d@x>", "Été"},
		"signed, with a message": {"author D <d@x> 1 +0000\ncommitter D <d@x> 1 +0000\ngpgsig -----BEGIN\n parent x\n author E <e@x> 2 +0000\n\nx\n", "1970-01-01T00:00:01Z", "D <d@x>", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			odd := grow(t, o.Path, name, c.head)
			s := update(t, r, func(*Tx) error { return nil }).Snapshot
			if got := s.Commit().String(); got != odd {
				t.Fatalf("at %s, want %s", got, odd)
			}
			e, _ := s.Entry("consultations", slug(t, "parc"))
			list, err := r.History(t.Context(), e.Path)
			if err != nil || list[0].Commit.String() != odd {
				t.Fatalf("history: %v, %v; want it to begin with %s", list, err, odd)
			}
			changes, err := r.Changes(t.Context(), tip, Hash{}, 0)
			if err != nil || len(changes) != 1 {
				t.Fatalf("changes: %v, %v; want 1", changes, err)
			}
			if got := changes[0]; got.At != list[0].At || got.Author != list[0].Author || got.Message != list[0].Message {
				t.Errorf("changes tell %v, history %v", got, list[0])
			}
			u := list[0]
			if got := u.At.Format(time.RFC3339); got != c.at {
				t.Errorf("authored at %s, want %s", got, c.at)
			}
			if got := u.Author.Name + " <" + u.Author.Email + ">"; got != c.author || u.Message != c.subject {
				t.Errorf("got %q by %q, want %q by %q", u.Message, got, c.subject, c.author)
			}
			for _, text := range []string{u.Author.Name, u.Author.Email, u.Message} {
				if !utf8.ValidString(text) {
					t.Errorf("%q is not UTF-8", text)
				}
			}
			for _, at := range []time.Time{e.Updated().At, u.At} {
				if _, err := json.Marshal(at); err != nil {
					t.Error(err)
				}
			}
			put(t, r, "consultations", "parc", name+" after")
			tip = put(t, r, "consultations", "bus", name).Commit
			want := fmt.Sprintf("%d %d\n%d %d\n", now, now, now, now)
			if got := git(t, o.Path, "log", "-2", "--format=%at %ct"); got != want {
				t.Errorf("dates of edits: got %q, want %q", got, want)
			}
		})
	}
	stop()
	compare(t, r)
}

// TestSkew: commits follow one that is dated somewhat ahead of the clock, and only
// the date of the committer does. The log tells of it once.
func TestSkew(t *testing.T) {
	t.Parallel()
	long(t)
	const now = 1790000000
	const most = int64(maxSkew / time.Second)
	for _, c := range []struct{ tip, want int64 }{
		{now - 1, now}, {now, now}, {now + 1, now + 1}, {now + most, now + most}, {now + most + 1, now}, {4102444800, now},
	} {
		var log bytes.Buffer
		o := options(t.TempDir())
		o.Clock = func() time.Time { return time.Unix(now, 0) }
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		r, stop := run(t, o)
		put(t, r, "consultations", "parc", "1")
		grow(t, o.Path, "2", fmt.Sprintf("author D <d@x> %d +0000\ncommitter D <d@x> %d +0000\n\nx\n", c.tip, c.tip))
		for i := range 3 {
			put(t, r, "consultations", "parc", fmt.Sprint("after ", i))
		}
		if got, want := git(t, o.Path, "log", "-3", "--format=%at %ct"), strings.Repeat(fmt.Sprintf("%d %d\n", now, c.want), 3); got != want {
			t.Errorf("on top of %d: got %q, want %q", c.tip-now, got, want)
		}
		e, _ := r.View().Entry("consultations", slug(t, "parc"))
		if e.Updated().At.Unix() != now {
			t.Errorf("on top of %d: updated at %s", c.tip-now, e.Updated().At)
		}
		end(t, r, stop)
		told := 0
		if c.tip > now {
			told = 1
		}
		if got := strings.Count(log.String(), "ahead of this machine's clock"); got != told {
			t.Errorf("on top of %d: told %d times, want %d", c.tip-now, got, told)
		}
	}
}

// TestLongTextsOfCommits: what is kept and told of a commit has a bound, whoever made it,
// also after a restart and from the commits; Git keeps all of it.
func TestLongTextsOfCommits(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	r, stop := run(t, o)
	first := put(t, r, "consultations", "parc", "0").Commit
	text := strings.Repeat("é", 200_000)
	pushed := NewHash(grow(t, o.Path, "1", "author "+text+" <"+text+"@x> 1 +0000\ncommitter D <d@x> 1 +0000\n\n"+text+"\n\n"+text+"\n"))
	meta := Meta{Author: Person{text, text + "@x"}, Message: text, Key: "k"}
	made, err := r.Update(t.Context(), meta, func(tx *Tx) error {
		_, err := tx.Put("consultations", slug(t, "bus"), document("2"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(r *Repo) {
		t.Helper()
		list, err := r.Changes(t.Context(), first, Hash{}, 0)
		if err != nil || len(list) != 2 || list[0].Commit != pushed || list[1].Commit != made.Commit {
			t.Fatalf("got %d changes, %v; want two", len(list), err)
		}
		all := []Change{{Author: list[0].Author, Message: list[0].Message}, {Author: list[1].Author, Message: list[1].Message}}
		for _, s := range []string{"parc", "bus"} {
			e, ok := r.View().Entry("consultations", slug(t, s))
			if !ok {
				t.Fatalf("no entry %s", s)
			}
			all = append(all, e.Updated())
		}
		for i, c := range all {
			for _, s := range []string{c.Message, c.Author.Name, c.Author.Email} {
				if len(s) > maxTold || len(s) < maxTold-3 || !utf8.ValidString(s) || strings.TrimLeft(s, "é") != "…" {
					t.Errorf("%d: %d bytes are told, %.20q…", i, len(s), s)
				}
			}
		}
		if c, err := r.store.commit(pushed); err != nil || c.author != (Person{text, text + "@x"}) {
			t.Errorf("the commit itself has an author of %d bytes, %v", len(c.author.Name), err)
		}
		if h, err := r.FindKey(t.Context(), Hash{}, "k"); err != nil || h != made.Commit {
			t.Errorf("the commit by its key: %s, %v; want %s", h, err, made.Commit)
		}
	}
	check(r)
	stop()
	if n := len(readIndexFile(t, o.Path)); n > 20*maxTold {
		t.Errorf("the index has %d bytes", n)
	}
	r, stop = run(t, o)
	check(r)
	stop()
	if err := os.Remove(filepath.Join(o.Path, indexFile)); err != nil {
		t.Fatal(err)
	}
	r, stop = run(t, o)
	check(r)
	end(t, r, stop)
}

// TestClip: what is short stays, and no letter is cut in two.
func TestClip(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "Été": "Été",
		strings.Repeat("x", maxTold):            strings.Repeat("x", maxTold),
		strings.Repeat("x", maxTold+1):          strings.Repeat("x", maxTold-3) + "…",
		strings.Repeat("😀", maxTold):            strings.Repeat("😀", (maxTold-3)/4) + "…",
		strings.Repeat("x", maxTold-4) + "éééé": strings.Repeat("x", maxTold-4) + "…",
	} {
		if got := clip(in); got != want {
			t.Errorf("of %d bytes: got %q, want %q", len(in), got, want)
		}
	}
}

// TestAsideIsToldOnce: however often a commit says that it set an entry aside.
func TestAsideIsToldOnce(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	r := start(t, o)
	put(t, r, "consultations", "parc", "0")
	const ident = "CMS <cms@ville.example> 1 +0000\n"
	line := setAsideTrailer + "_consultations/parc.md" + asBranch
	c := grow(t, o.Path, "1", "author "+ident+"committer "+ident+"\nJoin\n\n"+
		line+strings.Repeat("3", 5000)+"\n"+strings.Repeat(line+"3f786850e387\n", 100))
	update(t, r, func(*Tx) error { return nil })
	told, err := r.ChangesOf(t.Context(), NewHash(c))
	if err != nil || len(told.Aside) != 1 || told.Aside[0].Conflict != "3f786850e387" {
		t.Errorf("got %d, %v; want one", len(told.Aside), err)
	}
}
