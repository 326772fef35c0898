package web

import (
	"context"
	"log/slog"
	"net/http"
)

// audit logs a write, whatever came of it, and every request that was refused:
// who asked for what of which entry, and the result. It holds nothing that was
// sent but the path and the names of targets, and no secret.
func (f *Floor) audit(ctx context.Context, r *http.Request, c *record, status int) {
	write := !safe(r.Method) && c.Operation.Name != ""
	if !write && status < http.StatusBadRequest || !f.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	who := []slog.Attr{slog.String("address", c.Address.String())}
	if c.Principal != nil {
		name, email := c.Principal.Person()
		who = append(who, slog.String("issuer", c.Principal.Issuer), slog.String("subject", c.Principal.Subject),
			slog.String("name", name), slog.String("email", email))
	}
	for i := range c.targets {
		t := &c.targets[i]
		t.Collection, t.Name = brief(t.Collection), brief(t.Name)
	}
	result := []slog.Attr{slog.Int("status", status)}
	if c.code != "" {
		result = append(result, slog.String("code", c.code))
	}
	switch {
	case len(c.targets) == 0:
	case status < http.StatusBadRequest:
		result = append(result, slog.Any("changed", c.targets))
	default:
		result = append(result, slog.Any("asked", c.targets))
	}
	f.log.LogAttrs(ctx, slog.LevelInfo, "audit", slog.Attr{Key: "audit", Value: slog.GroupValue(
		slog.Attr{Key: "who", Value: slog.GroupValue(who...)},
		slog.String("operation", c.Operation.Name), slog.String("method", r.Method), slog.String("path", brief(r.URL.Path)),
		slog.Attr{Key: "result", Value: slog.GroupValue(result...)},
		slog.String("request_id", c.ID),
	)})
}

// safe says whether a method only reads (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}
