package web

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"cms/say"
)

// Negotiate picks the media type of an answer (RFC 9110, section 12.5.1): of
// those offered the one of the highest quality, the first of equals. A quality
// is that of the most specific range that the type falls in.
func Negotiate(accept string, offered ...string) (string, error) {
	if strings.TrimSpace(accept) == "" {
		return offered[0], nil
	}
	best, quality := "", 0.0
	for _, media := range offered {
		if q := qualityOf(media, accept); q > quality {
			best, quality = media, q
		}
	}
	if best == "" {
		return "", NewProblem(http.StatusNotAcceptable, say.New("The answer can be %s.", say.Or(offered...)))
	}
	return best, nil
}

// qualityOf is what accept makes of a media type, from 0, not acceptable, to 1.
// Ranges that cannot be read count for nothing.
func qualityOf(media, accept string) float64 {
	kind, _, _ := strings.Cut(media, "/")
	quality, specific := 0.0, -1
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		precision := -1
		switch name {
		case media:
			precision = 2
		case kind + "/*":
			precision = 1
		case "*/*", "*": // the latter is no range, but some clients send it
			precision = 0
		}
		if precision <= specific {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil || q < 0 || q > 1 {
				continue
			}
		}
		quality, specific = q, precision
	}
	return quality
}

// Language picks the language of a page for people (RFC 9110, section 12.5.4): of those
// offered, by their primary tags, the one of the highest quality, the first of equals.
func Language(accept string, offered ...string) string {
	best, quality := offered[0], 0.0
	for _, tag := range offered {
		for part := range strings.SplitSeq(accept, ",") {
			name, params, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
			primary, _, _ := strings.Cut(strings.TrimSpace(name), "-")
			q := 1.0
			if s, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
				q, _ = strconv.ParseFloat(s, 64) // 0 for what cannot be read
			}
			if primary == tag && q > quality {
				best, quality = tag, q
			}
		}
	}
	return best
}
