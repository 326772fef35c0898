package editor

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"text/template/parse"

	"cms/site"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates of the pages in one language, by their names: each with the
// frame that all of them have. A page is made when it is first shown: to copy the frame for
// each page of each language took more of a start than all else that opens the service.
type pages map[string]func() (*template.Template, error)

// loadTemplates has the pages in each language. Those of a theme are all made at once, so
// that what is wrong with it ends the start.
func (e *Editor) loadTemplates() error {
	shared, err := fs.Glob(templateFiles, "templates/_*.html")
	if err != nil {
		return err
	}
	files, err := fs.Glob(templateFiles, "templates/[^_]*.html")
	if err != nil {
		return err
	}
	e.templates = map[string]pages{}
	for name, w := range e.words {
		e.templates[name] = e.pagesIn(w, shared, files)
	}
	if e.o.Theme == nil {
		return nil
	}
	for _, all := range e.templates {
		for _, page := range all {
			if _, err := page(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pagesIn are the pages of these files, in the language of w, in the frame of the shared ones.
func (e *Editor) pagesIn(w *words, shared, files []string) pages {
	none := func(string, any) (template.HTML, error) { return "", nil } // until there is a page that has the part
	frame := sync.OnceValues(func() (*template.Template, error) {
		frame, err := template.New("frame").Funcs(e.templateFuncs()).Funcs(template.FuncMap{"part": none}).ParseFS(templateFiles, shared...)
		if err == nil {
			w.fill(frame)
		}
		return frame, err
	})
	all := pages{}
	for _, file := range files {
		all[strings.TrimSuffix(path.Base(file), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			t, err := frame()
			if err == nil {
				t, err = t.Clone()
			}
			if err == nil {
				t, err = t.ParseFS(templateFiles, file)
			}
			if err != nil {
				return nil, err
			}
			w.fill(t)
			if t, err = e.overrides(t, append(slices.Clip(shared), file)); err != nil {
				return nil, err
			}
			return t.Funcs(template.FuncMap{"part": e.parts.of(t, w)}), nil
		})
	}
	return all
}

// execute has a template of a page write what it makes of data, in a language.
func (e *Editor) execute(w io.Writer, language, page, name string, data any) error {
	t, err := e.templates[language][page]()
	if err != nil {
		return err
	}
	return t.ExecuteTemplate(w, name, data)
}

// templateFuncs are what templates can call.
func (e *Editor) templateFuncs() template.FuncMap {
	return template.FuncMap{
		"asset":  e.assetPath,
		"themed": e.themePath,
		"entry":  func(r site.Ref) string { return refPath("entry", r) },
		"at":     refPath,
		"slug":   func(r site.Ref) string { return r.Slug.String() },
		"text":   textOf,
		"file":   func(name string) string { return Prefix + "file/" + (&url.URL{Path: name}).EscapedPath() },
		"media":  func(name string) string { return Prefix + "media/" + (&url.URL{Path: name}).EscapedPath() },
		"pair":   func(a, b any) []any { return []any{a, b} },
		"short":  func(commit string) string { return commit[:min(len(commit), 8)] },
		"avatar": initials,
		"image":  IsImage,
		"small":  thumbPath,
		"about":  mediaPath,
		"triple": func(a, b, c any) []any { return []any{a, b, c} },
		"base":   path.Base,
		"root":   func(m *mediaView) string { return libraryPath("", m.Choose, m.List) },

		"extension": path.Ext,
		"kind":      func(name string) string { return strings.ToUpper(strings.TrimPrefix(path.Ext(name), ".")) },
	}
}

// overrides reads the templates of the theme, in the place of the files of these names.
func (e *Editor) overrides(t *template.Template, files []string) (*template.Template, error) {
	if e.o.Theme == nil {
		return t, nil
	}
	for _, file := range files {
		_, err := fs.Stat(e.o.Theme, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			t, err = t.ParseFS(e.o.Theme, file)
		}
		if err != nil {
			return nil, fmt.Errorf("the theme: %w", err)
		}
	}
	return t, nil
}

// fill puts the texts that are the same on each showing of a page in the place of what
// asks for them, which is most of what a page asks for.
func (w *words) fill(t *template.Template) {
	for _, each := range t.Templates() {
		if each.Tree != nil {
			w.fillList(each.Tree.Root)
		}
	}
}

func (w *words) fillList(list *parse.ListNode) {
	if list == nil {
		return
	}
	for i, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			if text, ok := w.constant(node.Pipe); ok {
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: node.Pos, Text: []byte(template.HTMLEscapeString(text))}
			}
		case *parse.IfNode:
			w.fillList(node.List)
			w.fillList(node.ElseList)
		case *parse.WithNode:
			w.fillList(node.List)
			w.fillList(node.ElseList)
		case *parse.RangeNode:
			w.fillList(node.List)
			w.fillList(node.ElseList)
		}
	}
}

// constant is the text that a pipeline asks for, where that is one without arguments:
// {{.T "key"}}, of the page or of what it shows.
func (w *words) constant(pipe *parse.PipeNode) (string, bool) {
	if len(pipe.Decl) > 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) == 0 {
		return "", false
	}
	args := pipe.Cmds[0].Args
	var path []string
	switch of := args[0].(type) {
	case *parse.FieldNode:
		path = of.Ident
	case *parse.VariableNode:
		path = of.Ident
	}
	switch {
	case len(path) == 0:
	case path[len(path)-1] == "Scripts" && len(args) == 1:
		return w.scripts, true
	case path[len(path)-1] == "T" && len(args) == 2:
		if key, ok := args[1].(*parse.StringNode); ok {
			text, ok := w.plain[key.Text]
			return text, ok
		}
	}
	return "", false
}
