package advice

import (
	"net/url"
	"slices"
	"strings"

	"cms/pattern"
)

// frames are the frames of a text that somebody could meet.
func (t *text) frames(use func(*tag)) {
	for _, tag := range t.tags {
		t.look(0)
		if (tag.name == "iframe" || tag.name == "frame") && !tag.hidden() {
			use(tag)
		}
	}
}

// frameTitle finds frames without a title.
func frameTitle(t *text) {
	t.frames(func(tag *tag) {
		if strings.TrimSpace(tag.value("title")+tag.value("aria-label")+tag.value("aria-labelledby")) == "" {
			t.find(Finding{Block: tag.block, Start: tag.start, End: max(tag.end, tag.after), Args: map[string]string{"address": tag.value("src")},
				Fixes: []Fix{tag.set(Retitle, "title", AskTitle)}})
		}
	})
}

// vagueTitles are titles of frames that say nothing of what is in them.
var vagueTitles = pattern.Lazy(`(?i)^(?:i?frames?|cadre|embed(?:ded)?(?: (?:content|video|player))?|contenu(?: embarqué| intégré)?|untitled(?: document)?|sans titre|titre|title|video|vidéo|player|lecteur(?: vidéo)?|video player|(?:youtube|dailymotion|vimeo)(?: (?:video|player|video player))?|lecteur (?:youtube|dailymotion|vimeo)|google maps?|map|carte|test|\d+|https?://\S*|www\.\S*)$`)

// frameTitleVague finds frames whose title says nothing.
func frameTitleVague(t *text) {
	t.frames(func(tag *tag) {
		title := strings.TrimSpace(tag.value("title"))
		t.look(len(title))
		if title != "" && vagueTitles().MatchString(title) {
			t.find(Finding{Block: tag.block, Start: tag.start, End: max(tag.end, tag.after), Args: map[string]string{"address": tag.value("src"), "title": title},
				Fixes: []Fix{tag.set(Retitle, "title", AskTitle)}})
		}
	})
}

// autoplay finds what plays with sound when nobody has asked for it, or might, as it is
// allowed to.
func autoplay(t *text) {
	for _, tag := range t.tags {
		t.look(0)
		f := Finding{Block: tag.block, Start: tag.start, End: tag.end, Args: map[string]string{"name": tag.name}}
		switch tag.name {
		case "video", "audio":
			_, muted := tag.get("muted")
			if _, plays := tag.get("autoplay"); !plays || muted {
				continue
			}
			start, end := tag.place("autoplay")
			f.Args["how"], f.Args["address"] = "attribute", tag.value("src")
			f.Fixes = []Fix{{Kind: Remove, Start: start, End: end}}
			t.find(f)
		case "iframe", "embed":
			address, allow := tag.value("src"), tag.value("allow")
			f.Args["address"] = address
			switch {
			case playsItself(address):
				f.Args["how"] = "address"
				if start, end, ok := t.parameter(tag, "src"); ok {
					f.Fixes = []Fix{{Kind: Remove, Start: start, End: end}}
				}
			case allowed().MatchString(allow):
				f.Args["how"], f.Hint = "allow", true
				start, end := tag.place("allow")
				f.Fixes = []Fix{{Kind: Remove, Start: start, End: end, Text: t.without(allow)}}
			default:
				continue
			}
			t.find(f)
		}
	}
}

var allowed = pattern.Lazy(`(?i)(?:^|;)\s*autoplay\b`)

// without is an attribute that allows the rest.
func (t *text) without(allow string) string {
	kept := slices.DeleteFunc(strings.Split(allow, ";"), func(s string) bool {
		s = strings.TrimSpace(s)
		return s == "" || allowed().MatchString(s)
	})
	if len(kept) == 0 {
		return ""
	}
	return ` allow="` + asAttribute(strings.TrimSpace(strings.Join(kept, ";"))) + `"`
}

// playsItself says whether the address of a player asks it to begin, with sound.
func playsItself(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	q := u.Query()
	on := func(name string) bool {
		v := strings.ToLower(q.Get(name))
		return v == "1" || v == "true" || v == "yes"
	}
	return (on("autoplay") || on("autostart") || on("auto_play")) && !on("mute") && !on("muted")
}

var parameters = pattern.Lazy(`(?i)(?:autoplay|autostart|auto_play)=(?:1|true|yes)(?:&amp;|&)?`)

// parameter is where the parameter of an address is that has it play.
func (t *text) parameter(tag *tag, name string) (start, end int, ok bool) {
	from, to := tag.place(name)
	t.look(to - from)
	at := parameters().FindStringIndex(t.markdown[from:to])
	if at == nil {
		return 0, 0, false
	}
	start, end = from+at[0], from+at[1]
	if joined := t.markdown[start:end]; !strings.HasSuffix(joined, "&") && !strings.HasSuffix(joined, ";") { // the last one
		for _, before := range []string{"&amp;", "&", "?"} {
			if strings.HasSuffix(t.markdown[from:start], before) {
				return start - len(before), end, true
			}
		}
	}
	return start, end, true
}

var players = pattern.Lazy(`(?i)^(?:https?:)?//(?:[a-z0-9-]+\.)*(?:youtube(?:-nocookie)?\.com/embed|dailymotion\.com/embed|geo\.dailymotion\.com|vimeo\.com/video|tube\.[a-z0-9.-]+/videos/embed|[a-z0-9.-]+/videos/embed)`)

// videoCaptions finds videos without captions, and asks for those of players.
func videoCaptions(t *text) {
	var video *tag // that waits for its tracks
	captioned := false
	finish := func() {
		if video != nil && !captioned {
			_, muted := video.get("muted")
			t.find(Finding{Block: video.block, Start: video.start, End: max(video.end, video.after), Hint: muted, Args: map[string]string{"address": video.value("src"), "kind": "video"}})
		}
		video, captioned = nil, false
	}
	for _, tag := range t.tags {
		t.look(0)
		if video != nil && (tag.block != video.block || video.after > 0 && tag.start >= video.after) {
			finish()
		}
		switch kind := strings.ToLower(tag.value("kind")); {
		case tag.name == "video" && !tag.hidden():
			finish()
			video = tag
		case tag.name == "track" && (kind == "" || kind == "captions" || kind == "subtitles"):
			captioned = true
		case tag.name == "iframe" && players().MatchString(tag.value("src")) && !tag.hidden():
			t.find(Finding{Block: tag.block, Start: tag.start, End: max(tag.end, tag.after), Hint: true, Args: map[string]string{"address": tag.value("src"), "kind": "player"}})
		}
	}
	finish()
}

// audioTranscript asks for the transcripts of sounds.
func audioTranscript(t *text) {
	for _, tag := range t.tags {
		t.look(0)
		if tag.name == "audio" && !tag.hidden() {
			t.find(Finding{Block: tag.block, Start: tag.start, End: max(tag.end, tag.after), Args: map[string]string{"address": tag.value("src")}})
		}
	}
}
