package webhooks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cms/site"
	"cms/trace"
)

// Limits of an event, in bytes. Receivers of the trade take 20 KB and more;
// names come from commits that anyone may have pushed.
const (
	maxEvent = 20_000
	maxName  = 256
)

// eventTypes are the types an endpoint can ask for.
var eventTypes = []string{
	"entry.created", "entry.updated", "entry.deleted", "entry.moved", "entry." + site.SetAsideAction,
	"media.created", "media.updated", "media.deleted", "media.moved", repositoryUpdated,
}

// repositoryUpdated is the type of the event that stands for what no other event
// tells: files that are neither entries nor media, or a history that was
// rewritten.
const repositoryUpdated = "repository.updated"

// Event is a CloudEvents 1.0 event in the structured mode of its JSON format,
// below 20 KB. ID is made of the epoch of the history, the commit and the path, so
// that an event read from history again, for a retry or after a restart, is the
// same event, and one of a commit that the branch came back to is another.
// Sequence is the extension attribute of that name: of two events the one whose
// sequence is greater, as text, happened later; those of one commit share it.
type Event struct {
	SpecVersion     string `json:"specversion"`       // 1.0
	ID              string `json:"id"`                // also the webhook-id
	Source          string `json:"source"`            // the public URL of the service
	Type            string `json:"type"`              // entry.created, entry.updated, entry.deleted, entry.moved, entry.set_aside, the same of media, repository.updated
	Subject         string `json:"subject,omitempty"` // collection/slug, or media/ and the path below the media folder
	Time            string `json:"time,omitempty"`    // RFC 3339
	Sequence        string `json:"sequence"`          // where it stands among the events of the source
	DataContentType string `json:"datacontenttype"`   // application/json
	Data            Data   `json:"data"`

	trace trace.Context // of the request that it comes of; told in a header, as history does not tell it
}

// Data is what changed, in the shape that event streams tell it too. An event of an
// entry has everything but Media, Previous and Backup, one of media has Media in the
// place of Collection and Slug, and no fields that changed; both have From only when
// something was moved, and Revision only when there is one left. A repository.updated
// has the action and the commit, and
//
//   - the author, when the commit changed files that are neither entries nor media;
//   - Previous, when history was rewritten: the commit up to which events had
//     been sent, and which the branch no longer leads to, and in Backup the
//     reference of the repository that keeps it, if one does. Whatever the receiver
//     keeps should be read anew.
type Data struct {
	Collection string   `json:"collection,omitempty"`
	Slug       string   `json:"slug,omitempty"`
	Media      string   `json:"media,omitempty"` // the path below the media folder
	Path       string   `json:"path,omitempty"`
	From       string   `json:"from,omitempty"`
	Action     string   `json:"action"`
	Conflict   string   `json:"conflict,omitempty"` // of an entry.set_aside, whose revision is the one that stays
	Revision   string   `json:"revision,omitempty"`
	Commit     string   `json:"commit"`
	Previous   string   `json:"previous,omitempty"`
	Backup     string   `json:"backup,omitempty"`
	Author     Author   `json:"author,omitzero"`
	Changed    []string `json:"changed,omitzero"`
	Truncated  bool     `json:"changed_truncated,omitempty"` // Changed lacks names, to keep the event small
}

// An epoch is what the events between two rewritings of the history share.
type epoch struct {
	source string
	number int64 // grows
}

// sequence tells what happened later: in a later epoch, or deeper in the history
// of the same. It is of fixed length, so that texts compare as numbers would.
func (t epoch) sequence(depth int) string { return fmt.Sprintf("%010d-%010d", t.number, depth) }

// id names an event of the epoch by what it is about.
func (t epoch) id(parts ...string) string {
	return eventID(append([]string{strconv.FormatInt(t.number, 10)}, parts...)...)
}

// Author is the author of a commit.
type Author struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// eventsOf makes the events of one commit: one for each entry that changed, then one for
// each media file, in the order given, so that who sees the types alone learns nothing of
// paths; and one for all other files together. The changes are of one commit and at least
// one.
func eventsOf(t epoch, commit []site.FileChange) []Event {
	var events, media []Event
	var other *site.FileChange
	for i := range commit {
		c := &commit[i]
		switch {
		case c.Collection != "":
			events = append(events, entryEvent(t, c))
		case c.Media != "":
			media = append(media, mediaEvent(t, c))
		default:
			other = c
		}
	}
	events = append(events, media...)
	if other != nil {
		events = append(events, Event{
			ID: t.id(other.Commit), Source: t.source, Type: repositoryUpdated, Time: stamp(other.At), Sequence: t.sequence(other.Depth),
			Data: Data{Action: "updated", Commit: other.Commit, Author: authorOf(other)},
		}.common())
	}
	for i := range events {
		events[i].trace = commit[0].Trace
	}
	return events
}

func entryEvent(t epoch, c *site.FileChange) Event {
	id := []string{c.Commit, c.Path.String()}
	if c.Aside != "" { // beside what the commit did to it
		id = append(id, c.Aside)
	}
	return Event{
		ID:       t.id(id...),
		Source:   t.source,
		Type:     "entry." + c.Action,
		Subject:  c.Collection + "/" + c.Slug,
		Time:     stamp(c.At),
		Sequence: t.sequence(c.Depth),
		Data: Data{
			Collection: c.Collection, Slug: c.Slug, Path: c.Path.String(), From: c.From,
			Action: c.Action, Revision: c.Revision, Commit: c.Commit, Conflict: c.Aside,
			Author: authorOf(c), Changed: append([]string{}, c.Changed...),
		},
	}.common()
}

func mediaEvent(t epoch, c *site.FileChange) Event {
	return Event{
		ID: t.id(c.Commit, c.Path.String()), Source: t.source, Type: "media." + c.Action, Subject: "media/" + c.Media, Time: stamp(c.At), Sequence: t.sequence(c.Depth),
		Data: Data{
			Media: c.Media, Path: c.Path.String(), From: c.From, Action: c.Action, Revision: c.Revision, Commit: c.Commit,
			Author: authorOf(c), Changed: []string{},
		},
	}.common()
}

// buildEvent asks for a build of the tip, which is so deep in the history.
func buildEvent(t epoch, tip string, depth int, at time.Time) Event {
	return Event{
		ID: t.id("build", tip), Source: t.source, Type: repositoryUpdated, Time: stamp(at), Sequence: t.sequence(depth),
		Data: Data{Action: "updated", Commit: tip},
	}.common()
}

// rewrittenEvent says that tip does not follow upon previous, which backup keeps, and
// begins the epoch.
func rewrittenEvent(t epoch, previous, backup, tip string, depth int) Event {
	return Event{
		ID: t.id(previous, tip), Source: t.source, Type: repositoryUpdated, Sequence: t.sequence(depth),
		Data: Data{Action: "updated", Commit: tip, Previous: previous, Backup: backup},
	}.common()
}

func (e Event) common() Event {
	e.SpecVersion, e.DataContentType = "1.0", "application/json"
	return e
}

// encode is the event's JSON. Of more changed fields than fit it names the
// first ones.
func (e Event) encode() ([]byte, error) {
	for {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(e); err != nil {
			return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
		}
		if b.Len() < maxEvent || len(e.Data.Changed) == 0 {
			return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
		}
		e.Data.Changed = e.Data.Changed[:len(e.Data.Changed)/2]
		e.Data.Truncated = true
	}
}

// eventID names an event by what it is about. It holds no full stop, which
// separates the parts of what is signed.
func eventID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "evt_" + hex.EncodeToString(sum[:16])
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func authorOf(c *site.FileChange) Author { return Author{clip(c.Author.Name), clip(c.Author.Email)} }

func clip(s string) string {
	if len(s) <= maxName {
		return s
	}
	n := maxName
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Types are those of all events, also of the one that tries an endpoint out.
func Types() []string { return append(slices.Clone(eventTypes), testEvent) }

// Patterns are what an endpoint can ask for: all events, all of a kind, or those of one
// type.
func Patterns() []string {
	all, last := []string{"*"}, ""
	for _, t := range eventTypes {
		kind, _, _ := strings.Cut(t, ".")
		if kind != last {
			all = append(all, kind+".*")
		}
		all, last = append(all, t), kind
	}
	return all
}

// matching are the event types that pattern names: one of them, all of a kind
// as in "entry.*", or all as "*".
func matching(pattern string) []string {
	if pattern == "*" {
		return eventTypes
	}
	kind, all := strings.CutSuffix(pattern, ".*")
	var types []string
	for _, t := range eventTypes {
		if t == pattern || all && strings.HasPrefix(t, kind+".") {
			types = append(types, t)
		}
	}
	return types
}
