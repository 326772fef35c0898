package api

import (
	"strings"
	"time"

	"cms/webhooks"
)

// Envelope is what the events of webhooks have in common, as CloudEvents name it.
type Envelope struct {
	SpecVersion     string `json:"specversion" enum:"1.0"`
	ID              string `json:"id"`
	Source          string `json:"source" format:"uri"`
	Sequence        string `json:"sequence" doc:"Compared as text, the greater of two is the later event."`
	DataContentType string `json:"datacontenttype" enum:"application/json"`
}

// EntryEvent is what endpoints are sent of an entry.
type EntryEvent struct {
	Envelope
	Type    string    `json:"type" pattern:"^(.+[.])?entry[.](created|updated|deleted|moved|set_aside)$" doc:"Behind the endpoint's event_type_prefix."`
	Subject string    `json:"subject" doc:"collection/slug." example:"consultations/plan-velo"`
	Time    time.Time `json:"time"`
	Data    EntryData `json:"data"`
}

// EntryData is what changed of an entry.
type EntryData struct {
	Collection string `json:"collection"`
	Slug       string `json:"slug"`
	EventData
	Changed   []string `json:"changed" doc:"The fields that differ, and body."`
	Conflict  string   `json:"conflict,omitempty" doc:"Of set_aside."`
	Truncated bool     `json:"changed_truncated,omitempty" doc:"Changed lacks names, to keep the event small."`
}

// EventData is what changed, of an entry or a file.
type EventData struct {
	Path     string `json:"path" doc:"In the repository."`
	From     string `json:"from,omitempty" doc:"The path before it was moved."`
	Action   string `json:"action"`
	Revision string `json:"revision,omitempty" doc:"Of what is left."`
	Commit   string `json:"commit"`
	Author   Person `json:"author"`
}

// MediaEvent is what endpoints are sent of a file of the media folder.
type MediaEvent struct {
	Envelope
	Type    string    `json:"type" pattern:"^(.+[.])?media[.](created|updated|deleted|moved)$"`
	Subject string    `json:"subject" doc:"media/ and the path below the media folder."`
	Time    time.Time `json:"time"`
	Data    MediaData `json:"data"`
}

// MediaData is what changed of a file.
type MediaData struct {
	Media string `json:"media" doc:"The path below the media folder."`
	EventData
	Changed []string `json:"changed" maxItems:"0"`
}

// RepositoryEvent is what endpoints are sent of other files, of a history that was
// rewritten, and where a build is asked for.
type RepositoryEvent struct {
	Envelope
	Type string         `json:"type" pattern:"^(.+[.])?repository[.]updated$"`
	Time time.Time      `json:"time,omitempty"`
	Data RepositoryData `json:"data"`
}

// RepositoryData is what became of the branch.
type RepositoryData struct {
	Action   string `json:"action" enum:"updated"`
	Commit   string `json:"commit"`
	Author   Person `json:"author,omitempty" doc:"Of the commit that changed other files."`
	Previous string `json:"previous,omitempty" doc:"The commit that the rewritten branch no longer leads to: read anew what you keep."`
	Backup   string `json:"backup,omitempty" doc:"The reference that keeps it."`
}

// TestEvent is what an endpoint is sent to try it out.
type TestEvent struct {
	Envelope
	Type string    `json:"type" pattern:"^(.+[.])?webhook[.]test$"`
	Time time.Time `json:"time"`
	Data TestData  `json:"data"`
}

// TestData is what tries an endpoint out.
type TestData struct {
	Action string `json:"action" enum:"tested"`
	Commit string `json:"commit" doc:"The newest one."`
}

// webhookBodies are the bodies of webhooks by the types of the events that there are.
func webhookBodies() map[string]any {
	kinds := map[string]any{"entry": EntryEvent{}, "media": MediaEvent{}, "repository": RepositoryEvent{}, "webhook": TestEvent{}}
	all := map[string]any{}
	for _, t := range webhooks.Types() {
		kind, _, _ := strings.Cut(t, ".")
		if kinds[kind] == nil {
			panic("api: the OpenAPI document has no schema for events of the type " + t)
		}
		all[t] = kinds[kind]
	}
	return all
}
