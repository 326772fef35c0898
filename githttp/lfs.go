package githttp

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"

	"cms/lfs"
	"cms/say"
	"cms/web"
)

// The API of Git LFS, with the transfer that it calls basic
// (https://github.com/git-lfs/git-lfs/tree/main/docs/api). Objects are kept where those of
// the repository are, at its Git host too. Locks there are none.

const (
	lfsRoute   = "info/lfs/"
	lfsObjects = lfsRoute + "objects/" // and the hash and the size of an object
)

// Bounds of the API.
const (
	maxBatch     = 1000 // objects of a request; git-lfs asks for 100
	maxBatchBody = 1 << 20
	lfsProcesses = 32 // transfers at once, of which one caller has half: git-lfs makes 8
)

// lfsRoutes adds the routes of the API, but for those of single objects.
func (g *Git) lfsRoutes(handle func(web.Operation, func(http.ResponseWriter, *http.Request) error) http.Handler) {
	one := lfsObjects + "{oid}/{size}"
	g.routes["POST "+lfsObjects+"batch"] = handle(web.Operation{Route: lfsObjects + "batch", Body: maxBatchBody}, g.lfsBatch)
	g.routes["POST "+lfsObjects+"verify"] = handle(web.Operation{Route: lfsObjects + "verify", Body: maxBatchBody}, g.lfsVerify)
	g.routes["GET "+lfsObjects] = handle(web.Operation{Route: one, Stream: true}, g.lfsDownload)
	g.routes["PUT "+lfsObjects] = handle(web.Operation{Route: one, Name: "git-lfs-upload", Body: g.site.MaxObject()}, g.lfsUpload)
	locks := handle(web.Operation{Route: lfsRoute + "locks"}, g.lfsLocks)
	for _, route := range []string{"GET " + lfsRoute + "locks", "POST " + lfsRoute + "locks", "POST " + lfsRoute + "locks/verify"} {
		g.routes[route] = locks
	}
}

// route is the key of a route of g.routes, for a path below a repository.
func route(method, rest string) string {
	if of, ok := strings.CutPrefix(rest, lfsObjects); ok && strings.Contains(of, "/") {
		rest = lfsObjects
	}
	return method + " " + rest
}

// isLFS says whether a request is one of Git LFS.
func isLFS(r *http.Request) bool {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), ".git/")
	return strings.HasPrefix(rest, lfsRoute)
}

// lfsRefuse tells a problem as git-lfs shows it.
func (g *Git) lfsRefuse(w http.ResponseWriter, r *http.Request, p *web.Problem) {
	p.Tell(r.Context())
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	language := web.Speak(strings.Join(r.Header.Values("Accept-Language"), ","), w.Header().Add)
	_ = writeLFS(w, p.Status, struct { // a client that does not read it has gone
		Message   string `json:"message"`
		RequestID string `json:"request_id,omitempty"`
	}{p.Detail.In(language), web.RequestID(r.Context())})
}

func writeLFS(w http.ResponseWriter, status int, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", lfs.MediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(b)
	return err
}

// readLFS reads a request of the API.
func (g *Git) readLFS(r *http.Request, to any) error {
	if _, err := web.MediaType(r.Header.Get("Content-Type"), "", lfs.MediaType, "application/json"); err != nil {
		return err
	}
	body, free, err := g.web.Body(r)
	if err != nil {
		return err
	}
	defer free()
	if json.Unmarshal(body, to) != nil {
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("This is no request of Git LFS."))
	}
	return nil
}

// lfsBatch says what a client may do with objects.
func (g *Git) lfsBatch(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayFetch(pr); err != nil {
		return err
	}
	var asked lfs.BatchRequest
	if err := g.readLFS(r, &asked); err != nil {
		return err
	}
	switch {
	case asked.Operation == lfs.Upload:
		if err := g.site.MayPush(pr); err != nil {
			return err
		}
	case asked.Operation != lfs.Download:
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("The operation must be download or upload."))
	}
	switch {
	case len(asked.Objects) > maxBatch:
		return web.NewProblem(http.StatusRequestEntityTooLarge, say.New("A request may be about %d objects at most.", maxBatch))
	case asked.HashAlgo != "" && asked.HashAlgo != "sha256":
		return web.NewProblem(http.StatusConflict, say.New("This service names Git LFS objects by SHA-256 only."))
	}
	release, err := g.lfsSlots.take(r.Context(), web.CallerKey(pr))
	if err != nil {
		return err
	}
	defer release()
	answer := lfs.BatchAnswer{Transfer: "basic", HashAlgo: "sha256", Objects: make([]lfs.BatchObject, len(asked.Objects))}
	var known []lfs.Pointer
	var at []int
	for i, o := range asked.Objects {
		answer.Objects[i] = lfs.BatchObject{OID: o.OID, Size: o.Size}
		if p, ok := lfs.NewPointer(o.OID, o.Size); ok {
			known, at = append(known, p), append(at, i)
		} else {
			answer.Objects[i].Error = &lfs.BatchError{Code: http.StatusUnprocessableEntity, Message: "this names no object"}
		}
	}
	have, err := g.site.HaveObjects(r.Context(), pr, known)
	if err != nil {
		return err
	}
	for k, p := range known {
		answer.Objects[at[k]] = g.lfsOne(r, asked.Operation, p, have[k])
	}
	return writeLFS(w, http.StatusOK, answer)
}

// lfsOne says what a client may do with one object. It sends what let it in here again, as it
// may know this service by another address.
func (g *Git) lfsOne(r *http.Request, operation string, p lfs.Pointer, have bool) lfs.BatchObject {
	o := lfs.BatchObject{OID: p.Hash(), Size: p.Size, Authenticated: true}
	repository, _, _ := strings.Cut(r.URL.Path, lfsRoute)
	action := func(path string) lfs.BatchAction {
		return lfs.BatchAction{Href: g.web.PublicURL() + repository + lfsObjects + path, Header: map[string]string{"Authorization": r.Header.Get("Authorization")}}
	}
	object := p.Hash() + "/" + strconv.FormatInt(p.Size, 10)
	switch {
	case operation == lfs.Download && !have:
		o.Error = &lfs.BatchError{Code: http.StatusNotFound, Message: "nobody has this object here"}
	case operation == lfs.Download:
		o.Actions = map[string]lfs.BatchAction{lfs.Download: action(object)}
	case p.Size > g.site.MaxObject() && !have:
		o.Error = &lfs.BatchError{Code: http.StatusRequestEntityTooLarge, Message: "an object may have " + strconv.FormatInt(g.site.MaxObject(), 10) + " bytes here"}
	case !have && g.site.RoomForObject(p.Size) != nil:
		o.Error = &lfs.BatchError{Code: http.StatusInsufficientStorage, Message: "there is no room for this object here"}
	case !have:
		o.Actions = map[string]lfs.BatchAction{lfs.Upload: action(object), "verify": action("verify")}
	}
	return o
}

// lfsObject is the object that a request is for.
func lfsObject(r *http.Request) (lfs.Pointer, error) {
	_, rest, _ := strings.Cut(r.URL.Path, lfsObjects)
	hash, length, _ := strings.Cut(rest, "/")
	size, err := strconv.ParseInt(length, 10, 64)
	p, ok := lfs.NewPointer(hash, size)
	if err != nil || !ok || length != strconv.FormatInt(size, 10) {
		return p, web.NewProblem(http.StatusNotFound, say.New("This names no object of Git LFS."))
	}
	return p, nil
}

// lfsDownload sends an object, or a range of it.
func (g *Git) lfsDownload(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayFetch(pr); err != nil {
		return err
	}
	p, err := lfsObject(r)
	if err != nil {
		return err
	}
	release, err := g.lfsSlots.take(r.Context(), web.CallerKey(pr))
	if err != nil {
		return err
	}
	defer release()
	f, err := g.site.Object(r.Context(), pr, p)
	if err != nil {
		return err
	}
	defer f.Close()
	return serveObject(w, r, p, f)
}

func serveObject(w http.ResponseWriter, r *http.Request, p lfs.Pointer, f *os.File) error {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", "attachment")
	h.Set("Cache-Control", "private, no-cache")
	web.ServeRevision(w, r, p.Hash(), f)
	return nil
}

// lfsUpload stores an object.
func (g *Git) lfsUpload(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayPush(pr); err != nil {
		return err
	}
	p, err := lfsObject(r)
	if err != nil {
		return err
	}
	if p.Size > g.site.MaxObject() {
		return web.TooLarge(g.site.MaxObject())
	}
	if r.ContentLength >= 0 && r.ContentLength != p.Size {
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("The content does not have the announced size or hash."))
	}
	release, err := g.lfsSlots.take(r.Context(), web.CallerKey(pr))
	if err != nil {
		return err
	}
	defer release()
	if err := g.site.PutObject(r.Context(), pr, p, r.Body); err != nil {
		return err
	}
	web.Audit(r.Context(), web.Target{Collection: "repository", Name: p.OID})
	w.WriteHeader(http.StatusOK)
	return nil
}

// lfsVerify says whether an object was stored.
func (g *Git) lfsVerify(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayPush(pr); err != nil {
		return err
	}
	var o lfs.BatchObject
	if err := g.readLFS(r, &o); err != nil {
		return err
	}
	p, ok := lfs.NewPointer(o.OID, o.Size)
	if !ok {
		return web.NewProblem(http.StatusUnprocessableEntity, say.New("This names no object of Git LFS."))
	}
	have, err := g.site.HaveObjects(r.Context(), pr, []lfs.Pointer{p})
	switch {
	case err != nil:
		return err
	case !have[0]:
		return web.NewProblem(http.StatusNotFound, say.New("Nobody has this object of Git LFS here."))
	}
	return writeLFS(w, http.StatusOK, o)
}

// lfsLocks says that there are none, so that git-lfs does not ask again.
func (g *Git) lfsLocks(_ http.ResponseWriter, r *http.Request) error {
	if err := g.site.MayFetch(web.Principal(r.Context())); err != nil {
		return err
	}
	return web.NewProblem(http.StatusNotImplemented, say.New("There are no locks of Git LFS here."))
}
