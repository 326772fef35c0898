package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"cms/content"
	"cms/repo"
)

// crowded is the number of entries in one folder beyond which subfolders are
// advised: Git hashes a folder's whole listing on each commit.
const crowded = 3000

func (p *program) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and every file of every collection",
		Long: "Checks the configuration and every file of every collection, and prints what is\n" +
			"wrong, a line each, and the files that look like entries but are not.\n" +
			"Changes nothing, and works beside a running service.\n" +
			"Exits with 0 when nothing is wrong, 2 when the configuration is, 3 when files have problems.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			log := newLogger(p.stderr, c.Log.Level, c.Log.Format)
			parts, err := partsOf(c)
			if err == nil {
				err = c.Holds()
			}
			if err != nil {
				return err
			}
			s, r, err := openSite(cmd.Context(), c, parts, log, true, nil)
			if err != nil {
				return err
			}
			defer r.Close()
			broken, total, err := s.Check(cmd.Context())
			if err != nil {
				return err
			}
			faulty, problems, hints := 0, 0, 0
			for _, e := range broken {
				if !content.Valid(e.Problems) {
					faulty++
				}
				for _, pr := range e.Problems {
					if pr.Hint() {
						hints++
					} else {
						problems++
					}
					where := e.Path.String()
					if pr.Line > 0 {
						where = fmt.Sprintf("%s:%d:%d", where, pr.Line, max(pr.Column, 1))
					}
					if pr.Field != "" {
						where += ": " + pr.Field
					}
					fmt.Fprintf(p.stdout, "%s: %s (%s)\n", where, pr.Detail, pr.Rule)
				}
			}
			if err := p.tellMisplaced(r.View()); err != nil {
				return err
			}
			for _, told := range s.Overlaps() {
				fmt.Fprintln(p.stdout, told)
			}
			missing, err := misnamed(c, s)
			if err != nil {
				return err
			}
			for _, m := range missing {
				fmt.Fprintln(p.stdout, m)
			}
			p.adviseFolders(r.View(), parts.collections)
			fmt.Fprintf(p.stdout, "%d entries checked, %d with problems, %d problems\n", total, faulty, problems)
			if hints > 0 {
				fmt.Fprintf(p.stdout, "%d values that readers disagree about (ambiguous)\n", hints)
			}
			if problems+len(missing) > 0 {
				return errProblems
			}
			return nil
		},
	}
	p.configFlag(c)
	return c
}

// tellMisplaced names the files that somebody may take for entries.
func (p *program) tellMisplaced(snap *repo.Snapshot) error {
	misplaced, err := snap.Misplaced()
	if err != nil {
		return err
	}
	for _, s := range misplaced {
		name := s.Path
		if quoted := strconv.Quote(name); quoted != `"`+name+`"` { // what a terminal would act upon, too
			name = quoted
		}
		fmt.Fprintf(p.stdout, "%s: is not an entry: %s\n", name, s.Reason)
	}
	return nil
}

// adviseFolders names the folders that hold too many entries.
func (p *program) adviseFolders(snap *repo.Snapshot, collections []content.Collection) {
	in := map[string]int{}
	for _, c := range collections {
		for _, e := range snap.Entries(c.Name) {
			in[e.Path.Dir()]++
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(in)) {
		if n := in[folder]; n > crowded {
			fmt.Fprintf(p.stdout, "%s: %d entries in one folder slow down every edit there; spread them over subfolders, such as one for each year\n", folder, n)
		}
	}
}
