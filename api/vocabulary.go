package api

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"cms/api/openapi"
	"cms/auth"
	"cms/content"
	"cms/say"
	"cms/site"
	"cms/state"
	"cms/web"
	"cms/web/once"
	"cms/webhooks"
)

// details are what problems say, for the examples of them.
var details = map[int]string{
	http.StatusBadRequest:            "The body is not valid JSON.",
	http.StatusUnauthorized:          "Send a token: Authorization: Bearer …",
	http.StatusForbidden:             "Your roles do not allow you to do this.",
	http.StatusNotFound:              "There is no such entry.",
	http.StatusConflict:              "There is an entry with this slug.",
	http.StatusPreconditionFailed:    "The entry is not at the revision that the request expects. Read it again and repeat the edit on what is there.",
	http.StatusPreconditionRequired:  "Say which revision the edit is for: If-Match.",
	http.StatusUnsupportedMediaType:  "The Content-Type must be application/json, in UTF-8.",
	http.StatusUnprocessableEntity:   "The body is not as it should be. Nothing was saved.",
	http.StatusTooManyRequests:       "Too many requests. Try again after the seconds in Retry-After, and send fewer.",
	http.StatusRequestEntityTooLarge: "The body is larger than the 10485760 bytes that are accepted.",
	http.StatusInternalServerError:   "An unexpected error occurred. The log of the service has it under this instance.",
	http.StatusServiceUnavailable:    "The repository cannot be read now. Try again in a moment.",
}

// described is what the OpenAPI document says of the whole API.
func described(version string, floor *web.Floor) openapi.Options {
	types, actions := texts(content.Types()), texts(auth.Actions())
	done := site.Actions() // by commits
	return openapi.Options{
		Version:   version,
		PublicURL: floor.PublicURL(),
		Cookie:    floor.Cookies().Access(),
		Problem:   Problem{},
		Example: func(status int) any {
			return newProblem(status, say.Verbatim(cmp.Or(details[status], http.StatusText(status)+".")))
		},
		Tags: []*huma.Tag{
			{Name: "Collections", Description: "The folders of entries, and what is expected of them."},
			{Name: "Entries", Description: "Documents with front matter: reading, editing, history."},
			{Name: "Search", Description: "Finding entries by their words."},
			{Name: "Preview", Description: "Markdown as the site will show it."},
			{Name: "Media", Description: "Images and other files."},
			{Name: "Changes", Description: "What commits have done, as a feed and as a stream."},
			{Name: "Webhooks", Description: "Endpoints that are told of changes, and builds that are reported. Events are signed as Standard Webhooks has it, and come at least once: the id is that of the first time."},
			{Name: "Caller", Description: "Who you are, and what you may do."},
			{Name: "Git hosts", Description: "Push hooks of the place that the repository is fetched from."},
			{Name: "Sessions", Description: "Logins of people, in browsers."},
		},
		Known: []*huma.Param{{
			In: "header", Name: web.CommitHeader, Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f]{40}$"},
			Description: "The Cms-Commit that a write was answered with: waits a second at most until this replica has that commit, or is 503, behind. Any operation takes it.",
		}},
		KnownBy:   []string{"Collections", "Entries", "Search", "Media", "Changes"},
		Written:   web.CommitHeader,
		KeyHeader: once.Header,
		Vocabularies: []openapi.Vocabulary{
			{Schema: "Problem", Member: "code", Texts: codes()},
			{Schema: "Field", Member: "type", Texts: types},
			{Schema: "Collection", Member: "actions", Texts: actions},
			{Schema: "Collection", Member: "yaml", Texts: content.Versions()},
			{Schema: "Operation", Member: "references", Texts: texts(site.EveryReferences())},
			{Schema: "Change", Member: "action", Texts: done},
			{Schema: "FeedItem", Member: "action", Texts: done},
			{Schema: "EntryData", Member: "action", Texts: append(slices.Clone(done), site.SetAsideAction)},
			{Schema: "MediaData", Member: "action", Texts: append(slices.Clone(done), site.SetAsideAction)},
			{Schema: "NewWebhook", Member: "type", Texts: webhooks.Kinds()},
			{Schema: "Delivery", Member: "state", Texts: state.DeliveryStates()},
			{Schema: "Deployment", Member: "state", Texts: webhooks.DeploymentStates()},
			{Schema: "DeploymentReport", Member: "state", Texts: webhooks.BuildStates()},
		},
		Nullable:  map[string][]string{"Difference": {"from"}},
		Subscribe: "create-webhook",
		Events:    webhookBodies(),
	}
}

// texts are the members of a closed vocabulary.
func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = string(t)
	}
	return out
}
