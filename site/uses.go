package site

import (
	"context"
	"html"
	"net/url"
	"path"
	"slices"
	"strings"

	"cms/auth"
	"cms/content"
	"cms/preview"
	"cms/repo"
)

// fileKey names a file in the index of the files that entries mention: by the letters and
// digits around the last dot of its name, which are the same however an address is
// written. Where that cannot be told, it is "", which every entry has.
func fileKey(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || strings.Contains(name, "%") {
		return ""
	}
	return keyAround(name, dot)
}

// keyAround is the key at a dot of a text.
func keyAround(text string, dot int) string {
	at, end := dot, dot+1
	for at > 0 && dot-at < maxKey && alphanumeric(text[at-1]) {
		at--
	}
	if at > 0 && text[at-1] == '%' { // of a byte that is percent-encoded
		at = min(at+2, dot)
	}
	for end < len(text) && end-dot <= maxKey && alphanumeric(text[end]) {
		end++
	}
	return text[at:end]
}

// maxKey bounds what of a name, and what extension, is indexed.
const maxKey = 24

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// fileKeys are those of all that could be the name of a file in an entry.
func (s *Site) fileKeys(e *repo.Entry) (keys []string, cost int, ok bool) {
	src, err := e.Source()
	if err != nil || storageFailed(e.Problems()) {
		return nil, 0, false
	}
	seen := map[string]bool{"": true}
	add := func(text string) {
		for i := range len(text) {
			if text[i] != '.' {
				continue
			}
			if key := keyAround(text, i); len(key) > 1 && !seen[key] {
				seen[strings.Clone(key)] = true
			}
		}
	}
	add(string(src))
	textsUnder(s.byName[e.Collection].Schema.Fields, e.Fields(), func(_ content.FieldPath, f *content.Field, text string) {
		if f.Type == content.TypeImage || f.Type == content.TypeFile {
			add(text) // which may be escaped in the file
		}
	})
	for key := range seen {
		keys = append(keys, key)
	}
	return keys, len(src), true
}

// mediaUses finds where entries use a file: in fields of the types image and file, and as
// where a link or an image leads in bodies and fields in Markdown. It is for one goroutine.
type mediaUses struct {
	site *Site
	ctx  context.Context
	name string // of the file, below the media folder
	seen map[content.Path]usesSeen

	files map[string]bool // by path, whether it is one, while an entry is looked at
}

// usesSeen are the places in an entry at one revision.
type usesSeen struct {
	revision repo.Hash
	places   []content.FieldPath
}

// addressForm is how an address leads to a file.
type addressForm int

const (
	elsewhere   addressForm = iota
	fromSite                // from the root of the site: /img/a.jpg
	fromRoot                // from the root of the repository: img/a.jpg
	besideEntry             // from the folder of the entry: ../img/a.jpg
	inFolder                // from the media folder: a.jpg
)

// files is where files are looked up: a transaction, or a snapshot.
type files interface {
	File(content.Path) (repo.File, error)
}

// usesOf looks for those of a file.
func (s *Site) usesOf(ctx context.Context, name string) (seek, *mediaUses) {
	u := &mediaUses{site: s, ctx: ctx, name: name, seen: map[content.Path]usesSeen{}}
	var all []string
	for _, c := range s.collections {
		all = append(all, c.Name)
	}
	return seek{all, &s.usedFiles, fileKey(name), u.places}, u
}

func (u *mediaUses) places(in entries, c *content.Collection, e *repo.Entry, budget *budget) ([]content.FieldPath, error) {
	if known, ok := u.seen[e.Path]; ok && known.revision == e.Revision {
		return known.places, nil
	}
	src, err := e.Source()
	if err != nil {
		return nil, err
	}
	if err := budget.parse(src); err != nil {
		return nil, err
	}
	places, err := u.rewrite(in.(files), e.Path, &c.Schema, e.Fields(), content.Body(src), u.name, func(content.FieldPath, string) {})
	u.seen[e.Path] = usesSeen{e.Revision, places}
	return places, err
}

// rewrite gives the places in an entry that use the file; the path of the body is nil.
// The text of each in which the file is called to goes to write.
func (u *mediaUses) rewrite(in files, entry content.Path, schema *content.Schema, fields *content.Object, body, to string, write func(at content.FieldPath, text string)) (places []content.FieldPath, err error) {
	u.files = map[string]bool{}
	markdown := func(at content.FieldPath, text string) {
		if err != nil {
			return
		}
		var after string
		var found bool
		if after, found, err = u.inMarkdown(in, entry, text, to); found {
			places = append(places, at)
			write(at, after)
		}
	}
	textsUnder(schema.Fields, fields, func(at content.FieldPath, f *content.Field, text string) {
		switch f.Type {
		case content.TypeImage, content.TypeFile:
			plain := text
			form := u.form(in, entry, text, true)
			if form == elsewhere {
				if plain, _ = url.PathUnescape(text); plain != text {
					form = u.form(in, entry, plain, true)
				}
			}
			if form != elsewhere {
				after := u.address(form, entry, to, text)
				if plain != text {
					after = encoded(after, true)
				}
				places = append(places, at)
				write(at, after)
			}
		case content.TypeMarkdown:
			markdown(at, text)
		}
	})
	markdown(nil, body)
	return places, err
}

// inMarkdown is a text in which the addresses of the file lead to another name, and
// whether there are any. No other byte differs.
func (u *mediaUses) inMarkdown(in files, entry content.Path, text, to string) (string, bool, error) {
	if !strings.Contains(text, fileKey(u.name)) {
		return text, false, nil
	}
	forms := map[int]addressForm{}
	found, err := u.site.preview.Addresses(u.ctx, text, func(a preview.Address) bool {
		plain, _ := decoded(text[a.From:a.To], a.Kind)
		form := u.form(in, entry, plain, false)
		forms[a.From] = form
		return form != elsewhere
	})
	if err != nil || len(found) == 0 {
		return text, false, err
	}
	var out strings.Builder
	at := 0
	for _, a := range found {
		raw := text[a.From:a.To]
		_, n := decoded(raw, a.Kind)
		address := u.address(forms[a.From], entry, to, raw)
		switch percent := strings.Contains(raw[:n], "%"); {
		case a.Kind == preview.InLiquid && !percent && !strings.ContainsAny(address, `"'{}`):
		case a.Kind == preview.InAngles && !percent:
			address = strings.ReplaceAll(encoded(address, false), "%20", " ")
		default:
			address = encoded(address, percent)
		}
		out.WriteString(text[at:a.From])
		out.WriteString(address)
		at = a.From + n
	}
	out.WriteString(text[at:])
	return out.String(), true, nil
}

// form is how an address, which is decoded, leads from an entry to the file. A relative
// one may be meant in several ways: the first that leads to a file counts.
func (u *mediaUses) form(in files, entry content.Path, address string, field bool) addressForm {
	if address == "" || strings.HasPrefix(address, "//") {
		return elsewhere
	}
	folder := u.site.media.Folder.String()
	if address[0] == '/' {
		if path.Clean(address) == u.site.media.public()+"/"+u.name {
			return fromSite
		}
		return elsewhere
	}
	tries := u.site.tries(entry, address)
	if !field {
		tries = tries[1:]
	}
	for i, t := range tries {
		if t.at != folder+"/"+u.name {
			continue
		}
		for _, before := range tries[:i] {
			if u.isFile(in, before.at) {
				return elsewhere
			}
		}
		return t.form
	}
	return elsewhere
}

// try is a way in which a relative address may be meant: the path that it leads to.
type try struct {
	form addressForm
	at   string
}

// tries are those of an address in a field of an entry, the likeliest first.
func (s *Site) tries(entry content.Path, address string) []try {
	clean := path.Clean(address)
	return []try{{inFolder, s.media.Folder.String() + "/" + clean}, {besideEntry, path.Join(path.Dir(entry.String()), clean)}, {fromRoot, clean}}
}

// isFile says whether a path is that of a file in the media folder. It looks once for each
// path of an entry.
func (u *mediaUses) isFile(in files, at string) bool {
	is, known := u.files[at]
	if known {
		return is
	}
	if p, err := content.ParsePath(at); err == nil && strings.HasPrefix(at, u.site.media.Folder.String()+"/") {
		_, err := in.File(p)
		is = err == nil
	}
	u.files[at] = is
	return is
}

// address leads from an entry to the file of a name, in the form of the one that was.
func (u *mediaUses) address(form addressForm, entry content.Path, name, was string) string {
	at := u.site.media.Folder.String() + "/" + name
	dot := ""
	if strings.HasPrefix(was, "./") {
		dot = "./"
	}
	switch form {
	case fromSite:
		return u.site.media.public() + "/" + name
	case inFolder:
		return dot + name
	case fromRoot:
		return dot + at
	}
	from, to := strings.Split(path.Dir(entry.String()), "/"), strings.Split(at, "/")
	if from[0] == "." {
		from = nil
	}
	for len(from) > 0 && len(to) > 1 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	if len(from) > 0 {
		dot = strings.Repeat("../", len(from))
	}
	return dot + strings.Join(to, "/")
}

// public is the path on the site below which the media folder is.
func (o MediaOptions) public() string { return "/" + o.Folder.String() }

// decoded is the path that an address stands for, and how many of its bytes are its path,
// without query and fragment.
func decoded(raw string, kind preview.AddressKind) (string, int) {
	n := 0
	for n < len(raw) && raw[n] != '?' && (raw[n] != '#' || n > 0 && raw[n-1] == '&') {
		n++
	}
	s := raw[:n]
	if kind == preview.InMarkdown || kind == preview.InAngles {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] == '\\' && i+1 < len(s) && s[i+1] > ' ' && s[i+1] < 0x7f && !alphanumeric(s[i+1]) {
				i++
			}
			b.WriteByte(s[i])
		}
		s = b.String()
	}
	if kind != preview.InLiquid {
		s = html.UnescapeString(s)
	}
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	return s, n
}

// encoded is a path as an address in any kind of text; letters beyond ASCII only where all
// is to be encoded.
func encoded(s string, all bool) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || c >= 0x80 && all || strings.IndexByte("%?#\\\"'<>()[]{}&`|^*", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			c = hex[c&15]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// moved is an entry in which the file has another name.
func (u *mediaUses) moved(in files, entry content.Path, d *content.Document, schema *content.Schema, to string) (*content.Document, error) {
	var edits []content.Edit
	body := d.Body()
	_, err := u.rewrite(in, entry, schema, d.Fields(), body, to, func(at content.FieldPath, text string) {
		if at == nil {
			body = text
		} else {
			edits = append(edits, content.Set(at, text))
		}
	})
	if err != nil {
		return nil, err
	}
	after, err := d.Apply(edits...)
	if err != nil || body == d.Body() {
		return after, err
	}
	src := after.Source()
	return d.Reread(append(slices.Clone(src[:len(src)-len(after.Body())]), body...)), nil
}

// MediaReferences are the places in entries that use a file, of those that pr may see, as
// [Site.References] has them.
func (s *Site) MediaReferences(ctx context.Context, pr *auth.Principal, name, after string, limit int) (*ReferencePage, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	if _, err := s.Media(pr, name); err != nil {
		return nil, err
	}
	sought, _ := s.usesOf(ctx, name)
	return s.referencePage(ctx, pr, s.repo.View(), sought, after, limit)
}
