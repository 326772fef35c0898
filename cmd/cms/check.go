package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cms/config"
	"cms/content"
	"cms/repo"
	"cms/site"
)

// crowded is the number of entries in one folder beyond which subfolders are
// advised: Git hashes a folder's whole listing on each commit.
const crowded = 3000

func (p *program) checkCommand() *cobra.Command {
	var worktree, format string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and every file of every collection",
		Long: "Checks the configuration and every file of every collection, and prints what is\n" +
			"wrong: how much of it by collection and rule, then a line for each, and the files\n" +
			"that look like entries but are not. Of the branch or, with --worktree, of a checkout,\n" +
			"which needs no repository. Changes nothing, and works beside a running service.\n" +
			"Exits with 0 when nothing is wrong, 2 when the configuration is, 3 when files have\n" +
			"problems or a folder is not there.",
		Example: "  cms check --config config.yaml\n  cms check --worktree . --format github",
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, known := checkFormats[format]
			if !known {
				return &usageError{fmt.Errorf("there is no format %q; there are text, json, github and sarif", format)}
			}
			c, err := p.loadWith(config.GivenSecrets)
			if err != nil {
				return err
			}
			found, err := p.check(cmd.Context(), c, worktree)
			if err != nil {
				return err
			}
			if err := write(p.stdout, found); err != nil {
				return err
			}
			if found.Problems+found.Missing > 0 {
				return errProblems
			}
			return nil
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&worktree, "worktree", "", "check the files in this `folder`, a checkout of the site, in place of the repository")
	c.Flags().StringVar(&format, "format", "text", "how to print: text, json, github (workflow commands) or sarif (2.1.0)")
	return c
}

// What is found may be so bad.
const (
	levelError   = "error"   // the check fails
	levelWarning = "warning" // somebody should look at it
	levelNote    = "note"    // it may be meant so
)

// A finding is one thing that a check tells.
type finding struct {
	Level      string `json:"level"`
	Rule       string `json:"rule"`
	Collection string `json:"collection,omitempty"`
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	Field      string `json:"field,omitempty"`
	Detail     string `json:"detail"`
	Value      string `json:"value,omitempty"` // as JSON, its beginning
	Other      string `json:"other,omitempty"` // the file that has the same value

	placed bool // the place is that of the value, which the rule does not tell
}

// Rules of findings that are not of entries.
const (
	ruleUnframed  = "no_front_matter"
	ruleMisplaced = "misplaced"
	ruleOverlap   = "overlap"
	ruleMissing   = "missing_folder"
	ruleCrowded   = "crowded"
	ruleReadable  = "readable_secret"
)

// A checked is what came of a check.
type checked struct {
	Entries  int       `json:"entries"`
	Faulty   int       `json:"faulty"`   // entries with problems
	Problems int       `json:"problems"` // of them
	Missing  int       `json:"missing"`  // folders that are not there
	Hints    int       `json:"hints"`    // values that readers disagree about
	Groups   []group   `json:"groups"`
	Findings []finding `json:"findings"` // those of entries by group
}

// A group is the findings of one rule in one collection.
type group struct {
	Collection string `json:"collection"`
	Rule       string `json:"rule"`
	Count      int    `json:"count"`
	Entries    int    `json:"entries"`
}

// check looks at the repository or, if one is named, at a checkout.
func (p *program) check(ctx context.Context, c *config.Config, worktree string) (_ *checked, err error) {
	parts, err := partsOf(c)
	if err == nil {
		err = c.Holds()
	}
	if err != nil {
		return nil, err
	}
	if worktree != "" {
		dir, err := os.MkdirTemp("", "cms-check-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		at := filepath.Join(dir, "site.git")
		if err := repo.ImportWorktree(ctx, at, worktree, parts.collections); err != nil {
			return nil, err
		}
		c.Repository.Path, c.Repository.Branch = at, ""
	}
	s, r, err := openSite(ctx, c, parts, newLogger(p.stderr, c.Log.Level, c.Log.Format), nil, true, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	found := &checked{Groups: []group{}, Findings: []finding{}}
	if err := found.entries(ctx, s, parts.collections); err != nil {
		return nil, err
	}
	return found, found.surroundings(c, s, r.View(), parts.collections)
}

// entries adds what is wrong with entries, and the groups of that.
func (c *checked) entries(ctx context.Context, s *site.Site, collections []content.Collection) error {
	broken, total, err := s.Check(ctx)
	if err != nil {
		return err
	}
	c.Entries = total
	taken := map[string][]*site.Entry{} // by collection and field, those whose value is not unique
	for _, e := range broken {
		for _, pr := range e.Problems {
			if pr.Rule == "unique" {
				at := e.Collection + "/" + pr.Field
				taken[at] = append(taken[at], e)
			}
		}
	}
	for _, e := range broken {
		if err := c.entry(e, collections, taken); err != nil {
			return err
		}
	}
	order := func(f finding) int {
		return slices.IndexFunc(collections, func(col content.Collection) bool { return col.Name == f.Collection })
	}
	slices.SortStableFunc(c.Findings, func(a, b finding) int {
		if d := order(a) - order(b); d != 0 {
			return d
		}
		return strings.Compare(a.Rule, b.Rule)
	})
	last := ""
	for _, f := range c.Findings {
		if n := len(c.Groups); n == 0 || c.Groups[n-1].Collection != f.Collection || c.Groups[n-1].Rule != f.Rule {
			c.Groups = append(c.Groups, group{Collection: f.Collection, Rule: f.Rule})
			last = ""
		}
		g := &c.Groups[len(c.Groups)-1]
		g.Count++
		if f.File != last {
			g.Entries++
		}
		last = f.File
	}
	return nil
}

// entry adds what is wrong with one entry.
func (c *checked) entry(e *site.Entry, collections []content.Collection, taken map[string][]*site.Entry) error {
	src, err := e.Source()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(collections, func(col content.Collection) bool { return col.Name == e.Collection })
	doc := content.ParseAs(collections[i].YAML, src)
	if !content.Valid(e.Problems) {
		c.Faulty++
	}
	if doc.Unframed() && !slices.ContainsFunc(e.Problems, func(pr content.Problem) bool { return pr.Rule != "required" }) {
		var fields []string
		for _, pr := range e.Problems {
			fields = append(fields, pr.Field)
		}
		c.Problems++
		c.Findings = append(c.Findings, finding{
			Level: levelError, Rule: ruleUnframed, Collection: e.Collection, File: e.Path.String(), Line: 1, Column: 1,
			Detail: "the file has no front matter, as its first line is not ---; required are " + strings.Join(fields, ", "),
		})
		return nil
	}
	for _, pr := range e.Problems {
		f := finding{
			Level: levelError, Rule: pr.Rule, Collection: e.Collection, File: e.Path.String(),
			Line: pr.Line, Column: pr.Column, Field: pr.Field, Detail: pr.Detail.String(),
		}
		if pr.Hint() {
			f.Level = levelWarning
			c.Hints++
		} else {
			c.Problems++
		}
		v, has := valueAt(e.Fields, pr.Pointer)
		if has {
			f.Value = briefJSON(v)
		}
		if f.Line == 0 && pr.Pointer != "" {
			f.Line, f.Column = doc.Place(pr.Pointer)
			f.placed = f.Line > 0
		}
		if pr.Rule == "unique" {
			for _, other := range taken[e.Collection+"/"+pr.Field] {
				if o, ok := valueAt(other.Fields, pr.Pointer); ok && other != e && content.Equal(o, v) {
					f.Other = other.Path.String()
					break
				}
			}
		}
		c.Findings = append(c.Findings, f)
	}
	return nil
}

// valueAt is the value at a pointer.
func valueAt(fields *content.Object, pointer string) (content.Value, bool) {
	if pointer == "" {
		return nil, false
	}
	var v content.Value = fields
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = content.UnescapeToken(step)
		switch in := v.(type) {
		case *content.Object:
			inner, ok := in.Get(step)
			if !ok {
				return nil, false
			}
			v = inner
		case []content.Value:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// briefJSON is the beginning of a value, on one line.
func briefJSON(v content.Value) string {
	const most = 80
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	s := string(b)
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// surroundings adds what is to be told beside entries: files that somebody may take for
// some, folders that are not there, overlap, or hold too many.
func (c *checked) surroundings(cfg *config.Config, s *site.Site, snap *repo.Snapshot, collections []content.Collection) error {
	misplaced, err := snap.Misplaced()
	if err != nil {
		return err
	}
	for _, m := range misplaced {
		c.Findings = append(c.Findings, finding{Level: levelNote, Rule: ruleMisplaced, File: m.Path, Detail: "is not an entry: " + m.Reason})
	}
	for _, told := range s.Overlaps() {
		c.Findings = append(c.Findings, finding{Level: levelWarning, Rule: ruleOverlap, Detail: told})
	}
	missing, err := misnamed(cfg, s)
	if err != nil {
		return err
	}
	c.Missing = len(missing)
	for _, m := range missing {
		f := finding{Level: levelError, Rule: ruleMissing, File: m.File, Line: m.Line, Column: m.Column, Field: m.Key, Detail: m.Detail}
		c.Findings = append(c.Findings, f)
	}
	for _, w := range cfg.Warnings {
		c.Findings = append(c.Findings, finding{Level: levelWarning, Rule: ruleReadable, File: w.File, Line: w.Line, Column: w.Column, Field: w.Key, Detail: w.Detail})
	}
	in := map[string]int{}
	for _, col := range collections {
		for _, e := range snap.Entries(col.Name) {
			in[e.Path.Dir()]++
		}
	}
	for _, folder := range sortedKeys(in) {
		if n := in[folder]; n > crowded {
			c.Findings = append(c.Findings, finding{
				Level: levelNote, Rule: ruleCrowded, File: folder,
				Detail: fmt.Sprintf("%d entries in one folder slow down every edit there; spread them over subfolders, such as one for each year", n),
			})
		}
	}
	return nil
}
