package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"cms/say"
)

// healthz says that the process answers.
func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// A Check is a part of the service without which it cannot do its work.
type Check struct {
	Code   string       // names the failure for programs; it stays as it is
	Detail say.Text     // the same in a sentence for people, whoever asks
	Run    func() error // nil, or the cause, which only the log is told
}

// A Warning is what an operator should see to though the service does its work.
type Warning struct {
	Code   string   // names it for programs; it stays as it is
	Detail say.Text // in a sentence for people, whoever asks
}

type warning struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// readyz says whether the service can do its work, and which parts keep it from
// it; and, if it can, what is to be seen to nevertheless. Anyone may ask, so causes, which
// name files and servers, go to the log.
func (f *Floor) readyz(checks []Check, warn func() []Warning) http.HandlerFunc {
	if warn == nil {
		warn = func() []Warning { return nil }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		p := NewProblem(http.StatusServiceUnavailable, say.New("The service cannot do its work now. The log says why.")).With("Retry-After", "5")
		for _, check := range checks {
			if err := check.Run(); err != nil {
				f.log.WarnContext(r.Context(), "not ready", "code", check.Code, "error", err, "request_id", RequestID(r.Context()))
				p.Errors = append(p.Errors, Fault{Rule: check.Code, Detail: check.Detail})
			}
		}
		if len(p.Errors) > 0 {
			WriteProblem(w, r, p)
			return
		}
		ready := struct {
			Status   string    `json:"status"`
			Warnings []warning `json:"warnings,omitempty"`
		}{Status: "ready"}
		if told := warn(); len(told) > 0 {
			language := Speak(strings.Join(r.Header.Values("Accept-Language"), ","), w.Header().Add)
			for _, m := range told {
				ready.Warnings = append(ready.Warnings, warning{m.Code, m.Detail.In(language)})
			}
		}
		writeJSON(w, http.StatusOK, ready)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
