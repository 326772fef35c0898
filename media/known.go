package media

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
)

// A kind is what there is to know of the files with an extension.
type kind struct {
	media  string // the media type
	is     func(io.ReadSeeker) (bool, error)
	inline bool                               // a browser may show it within a page, as it runs no code
	pixels func(io.ReadSeeker) (int64, error) // how many a picture has, 0 if that cannot be told; nil for no picture
	strip  func(io.Writer, io.ReadSeeker) error
}

// known is what each known extension stands for.
var known = func() map[string]kind {
	jpeg := kind{media: "image/jpeg", is: detected("image/jpeg"), inline: true, pixels: decodedPixels, strip: stripJPEG}
	heif := func(media string, brands ...string) kind {
		return kind{media: media, is: isBrand(brands...), inline: true, pixels: heifPixels, strip: stripHEIF}
	}
	shown := func(media string, is func(io.ReadSeeker) (bool, error)) kind {
		return kind{media: media, is: is, inline: true}
	}
	file := func(media string, is func(io.ReadSeeker) (bool, error)) kind { return kind{media: media, is: is} }
	same := func(media string) kind { return file(media, detected(media)) }
	ogg := detected("application/ogg")
	ole := detected("application/x-ole-storage")
	const openDocument, openXML = "application/vnd.oasis.opendocument.", "application/vnd.openxmlformats-officedocument."
	return map[string]kind{
		"jpg": jpeg, "jpeg": jpeg,
		"png":  {media: "image/png", is: detected("image/png"), inline: true, pixels: decodedPixels, strip: stripPNG},
		"gif":  {media: "image/gif", is: detected("image/gif"), inline: true, pixels: decodedPixels},
		"webp": {media: "image/webp", is: detected("image/webp"), inline: true, pixels: decodedPixels, strip: stripWebP},
		"avif": heif("image/avif", avifBrands...),
		"heic": heif("image/heic", heicBrands...),
		"heif": heif("image/heif", append([]string{"mif1", "msf1"}, heicBrands...)...),
		"ico":  shown("image/vnd.microsoft.icon", detected("image/x-icon")),
		"svg":  file("image/svg+xml", isSVG), // it may hold scripts

		"pdf":  shown("application/pdf", isPDF),
		"odt":  same(openDocument + "text"),
		"ods":  same(openDocument + "spreadsheet"),
		"odp":  same(openDocument + "presentation"),
		"odg":  same(openDocument + "graphics"),
		"docx": same(openXML + "wordprocessingml.document"),
		"xlsx": same(openXML + "spreadsheetml.sheet"),
		"pptx": same(openXML + "presentationml.presentation"),
		"doc":  file("application/msword", ole),
		"xls":  file("application/vnd.ms-excel", ole),
		"ppt":  file("application/vnd.ms-powerpoint", ole),
		"rtf":  file("application/rtf", isText(`{\rtf`)),
		"epub": same("application/epub+zip"),

		"txt":     file("text/plain", isText()),
		"csv":     file("text/csv", isText()),
		"tsv":     file("text/tab-separated-values", isText()),
		"json":    file("application/json", isJSON("{", "[")),
		"geojson": file("application/geo+json", isJSON("{")),
		"ics":     file("text/calendar", isText("BEGIN:VCALENDAR")),
		"vcf":     file("text/vcard", isText("BEGIN:VCARD")),
		"vtt":     file("text/vtt", isText("WEBVTT")),
		"srt":     file("application/x-subrip", isText()),

		"mp3":  shown("audio/mpeg", detected("audio/mpeg")),
		"m4a":  shown("audio/mp4", isMovie),
		"aac":  shown("audio/aac", detected("audio/aac")),
		"ogg":  shown("audio/ogg", ogg),
		"oga":  shown("audio/ogg", ogg),
		"opus": shown("audio/ogg", ogg),
		"flac": shown("audio/flac", detected("audio/flac")),
		"wav":  shown("audio/wav", detected("audio/wav")),
		"mp4":  shown("video/mp4", isMovie),
		"m4v":  shown("video/mp4", isMovie),
		"mov":  shown("video/quicktime", detected("video/quicktime")),
		"webm": shown("video/webm", detected("video/webm")),
		"ogv":  shown("video/ogg", ogg),

		"zip":   same("application/zip"),
		"gz":    same("application/gzip"),
		"tar":   same("application/x-tar"),
		"7z":    same("application/x-7z-compressed"),
		"woff":  same("font/woff"),
		"woff2": same("font/woff2"),
		"ttf":   file("font/ttf", starts("\x00\x01\x00\x00", "true")),
		"otf":   file("font/otf", starts("OTTO\x00")),
	}
}()

// Known are the extensions that [Rules.Extensions] can have, without their dots.
func Known() []string { return slices.Sorted(maps.Keys(known)) }

// run are the media types of what browsers run, or apply to pages. A file of them is no
// image and no document, and no header that goes with it keeps pages from using it.
var run = regexp.MustCompile(`^(?:text/(?:html|css|javascript.*|jscript|livescript|ecmascript|x-javascript|x-ecmascript|xsl)|image/svg\+xml|` +
	`application/(?:xhtml\+xml|xslt\+xml|javascript|x-javascript|ecmascript|x-ecmascript|wasm|x-shockwave-flash|java-archive|manifest\+json)|multipart/.*|message/.*)$`)

// CheckType makes an extension, with its dot or without, and a media type those of
// [Rules.Types], or says why files of that type cannot be accepted.
func CheckType(extension, mediaType string) (ext, checked string, err error) {
	ext = strings.ToLower(strings.TrimPrefix(extension, "."))
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_+-]{0,31}$`).MatchString(ext) {
		return "", "", errors.New("is not an extension; write .gpx")
	}
	essence, parameters, err := mime.ParseMediaType(mediaType)
	checked = mime.FormatMediaType(essence, parameters)
	if err != nil || checked == "" || !regexp.MustCompile(`^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$`).MatchString(essence) {
		return "", "", fmt.Errorf("%q is not a media type; write application/gpx+xml", mediaType)
	}
	if k, ok := known[ext]; ok && k.media != checked {
		return "", "", fmt.Errorf("is known as %s; add %s to extensions instead", k.media, ext)
	}
	if run.MatchString(essence) {
		return "", "", fmt.Errorf("%s is a type that browsers run or apply to pages, so it cannot be accepted", essence)
	}
	return ext, checked, nil
}
