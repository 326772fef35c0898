package editor

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cms/advice"
	"cms/preview"
	"cms/site"
)

// checksView is what could be better in a text for everybody who reads it. Nothing of it
// keeps anybody from saving.
type checksView struct {
	Found   []checkView
	Hints   []checkView // what may be well as it is
	Refused string      // why the text was not looked at
}

// Count is how many places there are.
func (c *checksView) Count() int { return places(c.Found) + places(c.Hints) }

// Maybe is how many of them are hints.
func (c *checksView) Maybe() int { return places(c.Hints) }

func places(checks []checkView) (n int) {
	for i := range checks {
		n += len(checks[i].Places)
	}
	return n
}

// checkView is one of them, wherever the text has it.
type checkView struct {
	Rule      advice.Rule
	Title     string
	Why       string // whom it keeps out, and what to do
	Criterion string // of RGAA 4.1, "" for advice of ours
	Places    []placeView
}

// repairView is a repair that is offered.
type repairView struct {
	Value  string // of the button
	Label  string
	Asks   string // the label of what has to be answered; "" for nothing
	Answer string // the name of the control for the answer
}

// maxAbout is how much of what a check is about is shown, in characters.
const maxAbout = 80

// checks looks at a text whose ends of lines are LF, in its blocks.
func (e *Editor) checks(v *visit, c site.Collection, text string, page *preview.Page, ref *site.Ref) *checksView {
	found, err := e.site.Advice(v.r.Context(), text, page, c.Language)
	if err != nil {
		_, told := e.refusal(v, err)
		return &checksView{Refused: told.Text}
	}
	criteria := map[advice.Rule]string{}
	for _, about := range advice.Rules() {
		criteria[about.Rule] = about.Criterion
	}
	view, line, at := &checksView{}, 1, 0
	for i, f := range found {
		line += strings.Count(text[at:f.Start], "\n")
		at = f.Start
		one := placeView{Line: line, About: beginning(text[f.Start:f.End])}
		if ref != nil {
			one.To = refPath("block", *ref) + "?n=" + strconv.Itoa(f.Block)
		}
		for j, fix := range f.Fixes {
			id := strconv.Itoa(i) + "." + strconv.Itoa(j)
			r := repairView{Value: "repair:" + id + ":" + strconv.Itoa(fix.Start), Label: v.T("repair." + string(fix.Kind))}
			if fix.Asks != advice.AskNothing {
				r.Asks, r.Answer = v.T("ask."+string(fix.Asks)), "answer."+id
			}
			one.Repairs = append(one.Repairs, r)
		}
		list := &view.Found
		if f.Hint {
			list = &view.Hints
		}
		which := slices.IndexFunc(*list, func(c checkView) bool { return c.Rule == f.Rule })
		if which < 0 {
			which = len(*list)
			name := "check." + string(f.Rule)
			*list = append(*list, checkView{Rule: f.Rule, Title: v.T(name), Why: v.T(name + ".why"), Criterion: criteria[f.Rule]})
		}
		(*list)[which].Places = append((*list)[which].Places, one)
	}
	return view
}

// beginning is the beginning of a text in one line.
func beginning(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxAbout {
		return string(runes[:maxAbout]) + "…"
	}
	return s
}

// repair makes the repair that a button asks for in the text of a form that came back. One
// that is not there any more changes nothing.
func (e *Editor) repair(v *visit, c site.Collection, posted url.Values, which string) error {
	id, start, _ := strings.Cut(which, ":")
	i, j, _ := strings.Cut(id, ".")
	n, _ := strconv.Atoi(i)
	m, _ := strconv.Atoi(j)
	text := received(posted.Get("body"))
	page, err := e.site.Blocks(v.r.Context(), v.caller, text)
	if err != nil {
		return err
	}
	found, err := e.site.Advice(v.r.Context(), text, page, c.Language)
	if err != nil {
		return err
	}
	if n < 0 || n >= len(found) || m < 0 || m >= len(found[n].Fixes) {
		return nil
	}
	fix := found[n].Fixes[m]
	answer := strings.TrimSpace(posted.Get("answer." + id))
	if strconv.Itoa(fix.Start) != start || fix.Asks != advice.AskNothing && answer == "" {
		return nil
	}
	posted.Set("body", fix.Apply(text, answer))
	return nil
}
