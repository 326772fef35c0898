package editor

import (
	"maps"
	"net/url"
	"slices"

	"cms/site"
)

// Drafts are kept in browsers, and outlive the rights of their accounts. Before a script
// offers one it sends it here, and keeps what the form would show of it now.

// draftParts are what a draft has of a form beside its fields.
var draftParts = []string{"account", "base", "body", "from", "key", "message", "n", "slug", "template", "text"}

// draftOf answers which values of the draft of an entry may be kept, also where the entry
// was deleted since.
func (e *Editor) draftOf(v *visit, ref site.Ref, posted url.Values) error {
	base := posted.Get("base")
	view, entry, err := e.open(v, ref)
	if isMissing(err) && base != "" {
		view = &entryView{Ref: ref}
		if view.Collection, err = e.site.Collection(v.r.Context(), v.caller, ref.Collection); err == nil {
			entry, err = e.site.EntryAt(v.r.Context(), v.caller, ref, base)
		}
	} else if err == nil && base != entry.Revision {
		if old, gone := e.site.EntryAt(v.r.Context(), v.caller, ref, base); gone == nil {
			entry = old // whose items the draft names
		}
	}
	if err != nil {
		return err
	}
	controls, _ := e.formOf(v, view, posted).fields(entry.Fields)
	return v.draft(controls, posted)
}

// draftOfText answers that the draft of a whole file, or of a block, may be kept, as long as
// its account may read what it was made from.
func (e *Editor) draftOfText(v *visit, ref site.Ref, posted url.Values, read func(*site.Entry) error) error {
	entry, err := e.site.EntryAt(v.r.Context(), v.caller, ref, posted.Get("base"))
	if err == nil {
		err = read(entry)
	}
	if err != nil {
		return err
	}
	return v.draft(nil, posted)
}

// draft answers which values of a draft are those of controls.
func (v *visit) draft(controls []*control, posted url.Values) error {
	shown := map[string]bool{}
	for _, name := range draftParts {
		shown[name] = true
	}
	var add func([]*control)
	add = func(all []*control) {
		for _, c := range all {
			shown[c.Name], shown[c.OrderName()], shown[c.ZoneName()] = true, true, true
			add(c.Members)
			add(c.Items)
		}
	}
	add(controls)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(posted)), func(name string) bool { return !shown[name] })
	return v.json(map[string][]string{"names": names})
}

// isDraft says whether a form is one that a browser has kept and asks about.
func isDraft(posted url.Values) bool { return posted.Get("do") == "check" }
