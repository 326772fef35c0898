package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/config"
	"cms/state"
)

func (p *program) auditCommand() *cobra.Command {
	var (
		filter                      state.AuditFilter
		entry, since, until, format string
	)
	c := &cobra.Command{
		Use:   "audit",
		Short: "Tell who has changed what, and what was refused",
		Long: "Reads back what the database keeps of the audit log (audit.keep): what was changed\n" +
			"or refused, the oldest first. It works beside a running service, which writes what\n" +
			"happened a second later.",
		Example: "  cms audit --entry consultations/plan-velo --since 2026-11-01\n" +
			"  cms audit --person camille@example.org --since 24h --format json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := clock()
			var err error
			if filter.Since, err = parseMoment(since, now); err != nil {
				return &usageError{fmt.Errorf("--since: %w", err)}
			}
			if filter.Until, err = parseMoment(until, now); err != nil {
				return &usageError{fmt.Errorf("--until: %w", err)}
			}
			if entry != "" {
				var ok bool
				if filter.Collection, filter.Name, ok = strings.Cut(entry, "/"); !ok || filter.Collection == "" || filter.Name == "" {
					return &usageError{errors.New("--entry needs the form collection/slug")}
				}
			}
			if format != "text" && format != "json" {
				return &usageError{fmt.Errorf("there is no format %q; there are text, json", format)}
			}
			cfg, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			give := func(r state.Audited) error {
				_, err := fmt.Fprintln(p.stdout, auditText(&r))
				return err
			}
			if format == "json" {
				out := json.NewEncoder(p.stdout)
				out.SetEscapeHTML(false)
				give = func(r state.Audited) error { return out.Encode(auditJSON(&r)) }
			}
			return p.withState(cmd.Context(), cfg, func(db *state.DB) error { return db.Audit().Each(cmd.Context(), filter, give) })
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.StringVar(&entry, "entry", "", "what concerns this `collection/slug`, or media/path")
	f.StringVar(&filter.Person, "person", "", "what this `person` did or tried: an e-mail address, a name or the subject of a token")
	f.StringVar(&since, "since", "", "from this `time` on: a date, a time such as 2026-11-27T08:00:00Z, or how long ago, such as 24h")
	f.StringVar(&until, "until", "", "before this `time`")
	f.StringVar(&format, "format", "text", "`text` or json, one object a line")
	return c
}

// parseMoment is a time that is given as a date of UTC, as RFC 3339 has it, or as how long ago
// it was; zero for "".
func parseMoment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	ago, err := time.ParseDuration(s)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is no date, no time such as 2026-11-27T08:00:00Z and no duration such as 24h", s)
	}
	return now.Add(-ago), nil
}

// auditText is a line for people.
func auditText(r *state.Audited) string {
	who := r.Name
	switch {
	case r.Subject == "" && r.Claimed != "":
		who = "unknown, as " + r.Claimed
	case r.Subject == "":
		who = "unknown"
	case who == "":
		who = r.Subject
	}
	if r.Email != "" {
		who += " <" + r.Email + ">"
	}
	what := r.Operation
	if what == "" {
		what = r.Method
	}
	var of []string
	for _, t := range r.Targets {
		at := t.Collection + "/" + t.Name
		if len(t.Commit) >= 12 {
			at += "@" + t.Commit[:12]
		}
		of = append(of, at)
	}
	if len(of) == 0 {
		of = []string{r.Path}
	}
	line := fmt.Sprintf("%s  %s  %s from %s  %s  %s", r.At.UTC().Format(time.RFC3339), r.Outcome, who, r.Address, what, strings.Join(of, " "))
	if r.How != "" {
		line += "  by " + r.How
	}
	if r.Reason != "" {
		line += fmt.Sprintf("  %d: %s", r.Status, r.Reason)
	}
	return printable(line)
}

type auditedTarget struct {
	Collection string `json:"collection"`
	Name       string `json:"name"`
	Commit     string `json:"commit,omitempty"`
}

type audited struct {
	At        time.Time       `json:"at"`
	Outcome   string          `json:"outcome"`
	Address   string          `json:"address"`
	Issuer    string          `json:"issuer,omitempty"`
	Subject   string          `json:"subject,omitempty"`
	Name      string          `json:"name,omitempty"`
	Email     string          `json:"email,omitempty"`
	Claimed   string          `json:"claimed,omitempty"`
	Operation string          `json:"operation,omitempty"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Status    int             `json:"status"`
	Code      string          `json:"code,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	How       string          `json:"how,omitempty"`
	RequestID string          `json:"request_id"`
	Targets   []auditedTarget `json:"targets,omitempty"`
}

func auditJSON(r *state.Audited) audited {
	a := audited{
		At: r.At.UTC(), Outcome: r.Outcome, Address: r.Address, Issuer: r.Issuer, Subject: r.Subject, Name: r.Name, Email: r.Email, Claimed: r.Claimed,
		Operation: r.Operation, Method: r.Method, Path: r.Path, Status: r.Status, Code: r.Code, Reason: r.Reason, How: r.How, RequestID: r.RequestID,
	}
	for _, t := range r.Targets {
		a.Targets = append(a.Targets, auditedTarget(t))
	}
	return a
}
