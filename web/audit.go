package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"cms/state"
)

// What came of a request, in the audit log.
const (
	outcomeChanged   = "changed"
	outcomeDone      = "done" // of what is not in the repository, such as a login
	outcomeUnchanged = "unchanged"
	outcomeDryRun    = "dry_run"
	outcomeRefused   = "refused"
	outcomeWaiting   = "waiting" // a login, for its second factor
)

// audit logs a write, whatever came of it, and every request that was refused: who asked
// for what of which entry, the result and, where it was refused, why. It holds nothing that
// was sent but the path, the names of targets and whom the request says it is of, and no
// secret. Of a login it tells how. What changed something or was refused is kept, too.
func (f *Floor) audit(ctx context.Context, r *http.Request, c *record, status int) {
	write := !safe(r.Method) && c.Operation.Name != "" || c.how != ""
	if !write && status < http.StatusBadRequest {
		return
	}
	is := state.Audited{
		At: time.Now(), Address: c.Address.String(), Claimed: brief(c.claimed), Operation: c.Operation.Name, Method: brief(r.Method), Path: brief(r.URL.Path),
		Status: status, Code: c.code, Reason: brief(c.reason), How: c.how, RequestID: c.ID,
	}
	if c.Principal != nil {
		is.Issuer, is.Subject = c.Principal.Issuer, c.Principal.Subject
		is.Name, is.Email = c.Principal.Person()
	}
	var changed, same []Target
	for _, t := range c.targets {
		t.Collection, t.Name = brief(t.Collection), brief(t.Name)
		if t.Unchanged {
			t.Commit = ""
			same = append(same, t)
		} else {
			changed = append(changed, t)
			is.Targets = append(is.Targets, state.AuditTarget{Collection: t.Collection, Name: t.Name, Commit: t.Commit})
		}
	}
	switch {
	case c.pending:
		is.Outcome = outcomeWaiting
	case status >= http.StatusBadRequest:
		is.Outcome = outcomeRefused
	case c.dry:
		is.Outcome = outcomeDryRun
	case len(changed) > 0:
		is.Outcome = outcomeChanged
	case len(same) > 0:
		is.Outcome = outcomeUnchanged
	default:
		is.Outcome = outcomeDone
	}
	if f.audits != nil && is.Outcome != outcomeDryRun && is.Outcome != outcomeUnchanged {
		f.audits.add(is)
	}
	if f.log.Enabled(ctx, slog.LevelInfo) {
		f.log.LogAttrs(ctx, slog.LevelInfo, "audit", auditLine(&is, c.Principal != nil, changed, same))
	}
}

// auditLine is how the log has it.
func auditLine(is *state.Audited, known bool, changed, same []Target) slog.Attr {
	who := []slog.Attr{slog.String("address", is.Address)}
	if known {
		who = append(who, slog.String("issuer", is.Issuer), slog.String("subject", is.Subject), slog.String("name", is.Name), slog.String("email", is.Email))
	}
	if is.Claimed != "" {
		who = append(who, slog.String("claimed", is.Claimed))
	}
	result := []slog.Attr{slog.Int("status", is.Status), slog.String("outcome", is.Outcome)}
	if is.How != "" {
		result = append(result, slog.String("how", is.How))
	}
	if is.Code != "" {
		result = append(result, slog.String("code", is.Code))
	}
	if is.Outcome == outcomeRefused {
		result = append(result, slog.String("reason", is.Reason))
		changed = append(changed, same...)
		if len(changed) > 0 {
			result = append(result, slog.Any("asked", changed))
		}
	} else {
		if len(changed) > 0 {
			result = append(result, slog.Any("changed", changed))
		}
		if len(same) > 0 {
			result = append(result, slog.Any("unchanged", same))
		}
	}
	return slog.Attr{Key: "audit", Value: slog.GroupValue(
		slog.Attr{Key: "who", Value: slog.GroupValue(who...)},
		slog.String("operation", is.Operation), slog.String("method", is.Method), slog.String("path", is.Path),
		slog.Attr{Key: "result", Value: slog.GroupValue(result...)},
		slog.String("request_id", is.RequestID),
	)}
}

// safe says whether a method only reads (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}
