package api

import (
	"encoding/json"
	"net/http"
)

// healthz says that the process answers.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether the service can do its work, and what keeps it from it.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	if a.ready != nil {
		if err := a.ready(); err != nil {
			a.log.WarnContext(r.Context(), "not ready", "error", err)
			writeProblem(w, r, newProblem(http.StatusServiceUnavailable, err.Error()).with("Retry-After", "5"))
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (a *API) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mediaJSON)
	w.Write(a.openapi)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
