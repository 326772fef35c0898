package githttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cms/say"
	"cms/site"
	"cms/web"
)

// zero is the name of no object.
const zero = "0000000000000000000000000000000000000000"

// maxChanges is how many references one push may change.
const maxChanges = 1000

// advertise tells a client that is to push which references there are.
func (g *Git) advertise(w http.ResponseWriter) error {
	refs, err := g.site.GitRefs()
	if err != nil {
		return err
	}
	const can = "report-status delete-refs side-band-64k quiet atomic ofs-delta push-options object-format=sha1 agent=cms"
	var b strings.Builder
	b.WriteString(packet("# service=git-receive-pack\n") + flush)
	if len(refs) == 0 {
		refs = []site.GitRef{{Name: "capabilities^{}", Commit: zero}}
	}
	for i, ref := range refs {
		line := ref.Commit + " " + ref.Name
		if i == 0 {
			line += "\x00" + can
		}
		b.WriteString(packet(line + "\n"))
	}
	b.WriteString(flush)
	_, err = io.WriteString(w, b.String())
	return err
}

// asked is what a client asks of a push.
type asked struct {
	changes []site.RefChange
	bands   bool // the answer has bands
	report  bool // the client wants to know what came of it
	atomic  bool // all or nothing
}

var object = regexp.MustCompile(`^[0-9a-f]{40}$`)

// readAsked reads what comes before the pack.
func readAsked(r io.Reader) (asked, error) {
	var (
		a    asked
		caps []string
	)
	for {
		line, ended, err := readPacket(r)
		if err != nil {
			return a, err
		}
		if ended {
			break
		}
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "shallow ") { // what is missing shows by itself
			continue
		}
		line, more, first := strings.Cut(line, "\x00")
		if first {
			caps = strings.Fields(more)
		}
		parts := strings.SplitN(line, " ", 3)
		if len(parts) != 3 || !object.MatchString(parts[0]) || !object.MatchString(parts[1]) || len(a.changes) == maxChanges {
			return a, errPacket
		}
		if slices.ContainsFunc(a.changes, func(c site.RefChange) bool { return c.Name == parts[2] }) {
			return a, errPacket
		}
		a.changes = append(a.changes, site.RefChange{Name: parts[2], Old: strings.TrimPrefix(parts[0], zero), New: strings.TrimPrefix(parts[1], zero)})
	}
	a.bands, a.report, a.atomic = slices.Contains(caps, "side-band-64k"), slices.Contains(caps, "report-status"), slices.Contains(caps, "atomic")
	for options := slices.Contains(caps, "push-options"); options; { // of which there are none
		_, ended, err := readPacket(r)
		if err != nil {
			return a, err
		}
		options = !ended
	}
	return a, nil
}

// receivePack takes a push in.
func (g *Git) receivePack(w http.ResponseWriter, r *http.Request) error {
	pr := web.Principal(r.Context())
	if err := g.site.MayPush(pr); err != nil {
		return err
	}
	if err := mediaType(r, "git-receive-pack"); err != nil {
		return err
	}
	if err := web.Announced(r); err != nil {
		return err
	}
	release, err := g.ready(r.Context(), pr)
	if err != nil {
		return err
	}
	defer release()
	body, err := unpacked(r, r.Body, g.o.MaxPush+maxAsked)
	if err != nil {
		return err
	}
	a, err := readAsked(body)
	if errors.Is(err, errPacket) {
		return web.NewProblem(http.StatusBadRequest, say.New("This is no push of Git."))
	} else if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-git-receive-pack-result")
	h.Set("Cache-Control", "no-cache, no-store")
	if len(a.changes) == 0 { // a client that looks whether it may, before it sends much
		return nil
	}
	p, err := g.site.BeginPush(pr, g.o.Check)
	if err != nil {
		return err
	}
	defer func() {
		if err := p.Close(); err != nil {
			g.log.ErrorContext(r.Context(), "what is left of a push stays until the next start", "error", err)
		}
	}()
	t := &taking{git: g, ctx: r.Context(), push: p, asked: a, results: make([]string, len(a.changes)), unpack: "ok",
		language: web.Language(strings.Join(r.Header.Values("Accept-Language"), ","), say.Languages()...)}
	if err := t.objects(body); err != nil {
		return err
	}
	if t.unpack == "ok" {
		if err := t.change(); err != nil {
			return err
		}
	}
	return t.answer(w)
}

// taking is a push that is being taken in.
type taking struct {
	git      *Git
	ctx      context.Context
	push     *site.Push
	asked    asked
	unpack   string   // what came of the objects: ok, or why not
	results  []string // of the changes: "" where it was made, or why not
	told     strings.Builder
	language string
}

// objects puts the objects of the push into its folder, each one checked, and sees that
// nothing is missing that they lead to.
func (t *taking) objects(body io.Reader) error {
	var tips []string
	for _, c := range t.asked.changes {
		if c.New != "" {
			tips = append(tips, c.New)
		}
	}
	if len(tips) == 0 { // of deletions there are none
		return nil
	}
	said, err := t.run(body, "index-pack", "--stdin", "--fix-thin", "--strict", fmt.Sprintf("--max-input-size=%d", t.git.o.MaxPush), "--threads=1")
	if err != nil {
		return err
	}
	if said != "" {
		t.unpack = "the objects are refused"
		t.tell(said)
		_, err = io.Copy(io.Discard, body) // many clients look for an answer when they have sent all
		return err
	}
	if said, err = t.run(strings.NewReader(strings.Join(tips, "\n")+"\n"), "rev-list", "--objects", "--stdin", "--not", "--all", "--quiet"); err != nil {
		return err
	}
	if said != "" {
		t.unpack = "missing necessary objects"
		t.tell(said)
	}
	return nil
}

// run runs git among the objects of the push. It says why git failed, "" where it has not.
func (t *taking) run(in io.Reader, args ...string) (failed string, err error) {
	g := t.git
	r := g.git.command(t.ctx, "", args...)
	r.Env = append(r.Env, "GIT_DIR="+g.o.Path, "GIT_QUARANTINE_PATH="+t.push.Objects(),
		"GIT_OBJECT_DIRECTORY="+t.push.Objects(), "GIT_ALTERNATE_OBJECT_DIRECTORIES="+filepath.Join(g.o.Path, "objects"))
	var out bytes.Buffer
	r.Stdout = &limited{&out, 4 << 10}
	to, err := r.StdinPipe()
	if err == nil {
		err = r.start()
	}
	if err != nil {
		return "", err
	}
	fed := feed(to, in)
	if fed != nil {
		_ = r.Cancel()
	}
	err = r.Wait()
	switch {
	case fed != nil:
		return "", fed
	case t.ctx.Err() != nil:
		return "", t.ctx.Err()
	case err != nil:
		said := strings.TrimSpace(strings.ReplaceAll(r.said.String(), t.push.Objects(), ""))
		if said == "" {
			said = "git " + args[0] + ": " + err.Error()
		}
		return strings.ReplaceAll(said, g.o.Path, ""), nil
	}
	return "", nil
}

// tell adds lines that the pusher reads.
func (t *taking) tell(text string) { t.told.WriteString(strings.TrimRight(text, "\n") + "\n") }

// change makes those of the changes that are right.
func (t *taking) change() error {
	right, err := t.check()
	if err != nil {
		return err
	}
	if !t.asked.atomic {
		for _, c := range right {
			if err := t.land(c); err != nil {
				return err
			}
		}
		return nil
	}
	if len(right) < len(t.asked.changes) {
		for i := range t.results {
			if t.results[i] == "" {
				t.results[i] = "atomic push failed"
			}
		}
		return nil
	}
	return t.land(right...)
}

// check finds which of the changes are right. What is looked at of a push is held in memory,
// so that one is looked at at a time.
func (t *taking) check() (right []site.RefChange, err error) {
	t.git.looking.Lock()
	defer t.git.looking.Unlock()
	for i, c := range t.asked.changes {
		v, err := t.push.Check(t.ctx, c)
		if err != nil {
			return nil, err
		}
		for _, line := range v.Told {
			t.tell(line.In(t.language))
		}
		if t.results[i] = v.Refused; v.Refused == "" {
			right = append(right, c)
		}
	}
	return right, nil
}

// land makes changes, all or none.
func (t *taking) land(changes ...site.RefChange) error {
	err := t.push.Land(t.ctx, changes)
	refused := (*site.Error)(nil)
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	for i, c := range t.asked.changes {
		if !slices.Contains(changes, c) {
			continue
		}
		switch {
		case err == nil:
			web.Audit(t.ctx, web.Target{Collection: "repository", Name: c.Name, Commit: c.New})
			continue
		case refused.Code == site.Conflict:
			t.results[i] = "fetch first"
		case refused.Code == site.Unsure:
			t.results[i] = "may be saved"
		default:
			t.results[i] = "cannot be saved now"
		}
		web.Audit(t.ctx, web.Target{Collection: "repository", Name: c.Name})
	}
	if err != nil {
		t.tell(refused.Detail.In(t.language))
		t.git.log.WarnContext(t.ctx, "a push was not taken in", "error", err, "request_id", web.RequestID(t.ctx))
	}
	return nil
}

// answer tells what came of it.
func (t *taking) answer(w io.Writer) error {
	var report strings.Builder
	report.WriteString(packet("unpack " + t.unpack + "\n"))
	for i, c := range t.asked.changes {
		switch {
		case t.unpack != "ok":
			report.WriteString(packet("ng " + c.Name + " " + t.unpack + "\n"))
		case t.results[i] != "":
			report.WriteString(packet("ng " + c.Name + " " + t.results[i] + "\n"))
		default:
			report.WriteString(packet("ok " + c.Name + "\n"))
		}
	}
	report.WriteString(flush)
	if !t.asked.report {
		report.Reset()
	}
	if !t.asked.bands {
		_, err := io.WriteString(w, report.String())
		return err
	}
	err := writeBand(w, bandPeople, t.told.String())
	if err == nil {
		err = writeBand(w, bandData, report.String())
	}
	if err == nil {
		_, err = io.WriteString(w, flush)
	}
	return err
}
