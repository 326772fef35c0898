package config

import (
	"fmt"
	"reflect"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/media"
	"cms/say"
	"cms/search"
	"cms/signing"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// options are the values that a field with the tag has to choose from, none for any.
func options(tag reflect.StructTag) []string {
	if name := tag.Get("words"); name != "" {
		return words(name)
	}
	return strings.Fields(tag.Get("oneof"))
}

// words are a vocabulary that belongs to another package.
func words(name string) []string {
	switch name {
	case "actions":
		var names []string
		for _, a := range auth.Actions() {
			names = append(names, string(a))
		}
		return names
	case "algorithms":
		return auth.Algorithms()
	case "builds":
		return webhooks.Kinds()
	case "events":
		return webhooks.Patterns()
	case "extensions":
		return media.Known()
	case "hosts":
		return inbound.Providers()
	case "signatures":
		return signing.Formats()
	case "texts":
		return say.Languages()
	case "yaml":
		return content.Versions()
	case "languages":
		return append(search.Languages(), "none")
	}
	panic(fmt.Sprintf("config: there is no vocabulary %q", name))
}
