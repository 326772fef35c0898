package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/config"
	"cms/repo"
	"cms/state"
)

func (p *program) doctorCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that the service needs, and say what to do",
		Long: "Looks at the repository and its settings, packs and locks, at the disk, the clock,\n" +
			"the database, the Git host, the endpoints of webhooks, the identity providers,\n" +
			"certificates and memory, and says in plain sentences what is well and what to do.\n" +
			"It changes nothing, and works beside a running service. Exits with 0 when all is\n" +
			"well, 2 when the configuration is wrong, 3 when something is to be done.",
		Example: "  cms doctor --config config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return &usageError{fmt.Errorf("there is no format %q; there are text, json", format)}
			}
			c, err := p.loadWith(config.GivenSecrets)
			if err == nil {
				_, err = partsOf(c)
			}
			if err == nil {
				err = c.Serves()
			}
			if err != nil {
				return err
			}
			d := &doctor{config: c, now: clock()}
			d.examine(cmd.Context())
			if err := p.tell(d.findings, format); err != nil {
				return err
			}
			if slices.ContainsFunc(d.findings, func(s symptom) bool { return s.Action != "" }) {
				return errProblems
			}
			return nil
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&format, "format", "text", "`text` or json")
	return c
}

// A symptom is what a look at a part has shown. With an Action something is to be done.
type symptom struct {
	Part   string `json:"part"`
	State  string `json:"state"` // ok or to_do
	Detail string `json:"detail"`
	Action string `json:"action,omitempty"`
}

func (p *program) tell(all []symptom, format string) error {
	if format == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"findings": all})
	}
	todo := 0
	for _, s := range all {
		mark := "ok   "
		if s.Action != "" {
			mark = "TO DO"
			todo++
		}
		fmt.Fprintf(p.stdout, "%s  %-12s  %s\n", mark, s.Part, printable(s.Detail))
		if s.Action != "" {
			fmt.Fprintf(p.stdout, "       %-12s  -> %s\n", "", printable(s.Action))
		}
	}
	_, err := fmt.Fprintf(p.stdout, "%d things were looked at, %d to do\n", len(all), todo)
	return err
}

// A doctor looks at what a configuration names.
type doctor struct {
	config   *config.Config
	now      time.Time
	running  bool // the service answers
	findings []symptom
}

func (d *doctor) well(part, format string, args ...any) {
	d.findings = append(d.findings, symptom{Part: part, State: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) todo(part, action, format string, args ...any) {
	d.findings = append(d.findings, symptom{Part: part, State: "to_do", Detail: fmt.Sprintf(format, args...), Action: action})
}

func (d *doctor) examine(ctx context.Context) {
	d.service(ctx)
	x := d.repository()
	d.disk()
	d.clock(x)
	d.database(ctx)
	d.remote(ctx, x)
	d.reachable(ctx)
	d.memory()
}

// lookTime is how long the answer of another machine is waited for.
const lookTime = 5 * time.Second

// service looks whether it runs, and is ready.
func (d *doctor) service(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	at := "http://" + reachable(d.config.Server.Listen)
	res, err := get(ctx, at+"/readyz", nil)
	if err != nil {
		d.well("service", "It does not run: nothing answers at %s.", at)
		return
	}
	defer res.Body.Close()
	var said struct {
		Status   any
		Errors   []struct{ Rule, Detail string }
		Warnings []struct{ Code, Detail string }
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&said); err != nil {
		d.todo("service", "Stop what listens there, or set server.listen to another address.", "Something answers at %s that is not this service.", at)
		return
	}
	d.running = true
	switch {
	case res.StatusCode != http.StatusOK:
		for _, e := range said.Errors {
			d.todo("service", "Its log has the cause under \"not ready\".", "It runs and is not ready (%s): %s", e.Rule, e.Detail)
		}
		if len(said.Errors) == 0 {
			d.todo("service", "Its log has the cause.", "It runs and answers %s.", res.Status)
		}
	case len(said.Warnings) > 0:
		for _, w := range said.Warnings {
			d.todo("service", "Its log says why.", "It is ready, but (%s): %s", w.Code, w.Detail)
		}
	default:
		d.well("service", "It runs at %s and is ready.", at)
	}
}

// repository looks at it; nil where it cannot be.
func (d *doctor) repository() *repo.Examined {
	path := d.config.Repository.Path
	x, err := repo.Examine(path, d.config.Repository.Branch)
	switch {
	case errors.Is(err, repo.ErrNoRepository) && (d.config.Repository.Create || d.config.Repository.Remote != nil):
		d.well("repository", "There is none at %s yet; the first start makes it.", path)
		return nil
	case err != nil:
		action := "Bring one by git clone --bare, make a new one by cms serve --init, or correct repository.path."
		if !errors.Is(err, repo.ErrNoRepository) {
			action = "Mend what the message names; git fsck says more. Restore a backup if that does not help (cms restore)."
		}
		d.todo("repository", action, "%s: %v", path, err)
		return nil
	}
	switch {
	case x.Commit.IsZero() && len(x.Branches) > 0:
		d.todo("repository", "Name one of them as repository.branch.", "%s has no branch %s; it has %s.", path, x.Branch, strings.Join(x.Branches, ", "))
	case x.Commit.IsZero():
		d.well("repository", "%s is a bare repository without a commit.", path)
	case x.Missing > 0:
		d.todo("repository", "Bring the objects from a whole clone (git fetch --refetch), or restore a backup (cms restore). No backup of it as it is can be restored.",
			"%s has not the content of %d files of %s, such as %s.", path, x.Missing, x.Branch, strings.Join(x.MissingNamed, ", "))
	default:
		d.well("repository", "%s is a bare repository; %s is at %s, of %s.", path, x.Branch, x.Commit.String()[:12], x.Committed.Format(time.RFC3339))
	}
	d.settings(x)
	d.packs(x)
	d.locks(x)
	return x
}

func (d *doctor) settings(x *repo.Examined) {
	git := "git --git-dir " + d.config.Repository.Path + " config "
	before := len(d.findings)
	if auto := x.Settings["gc.auto"]; auto != "0" {
		d.todo("settings", git+"gc.auto 0", "Git may collect garbage by itself after a push, which others who read then meet.")
	}
	if fsync := x.Settings["core.fsync"]; !strings.Contains(fsync, "all") && (!strings.Contains(fsync, "committed") || !strings.Contains(fsync, "reference")) {
		d.todo("settings", git+"core.fsync committed,reference", "Git does not write durably what is pushed.")
	}
	if limit := x.Settings["receive.unpacklimit"]; limit != "1" {
		d.todo("settings", git+"receive.unpackLimit 1", "Small pushes are unpacked: Git's own \"git prune\" or \"git repack -a -d\" beside one may drop what it brings.")
	}
	if hooks := x.Settings["core.hookspath"]; hooks != "" {
		d.todo("settings", git+"--unset core.hooksPath", "core.hooksPath is %s, so that no hook protects the branch.", hooks)
	}
	if len(d.findings) == before {
		d.well("settings", "Git writes durably here and leaves packs to the service.")
	}
}

// How many packs and loose objects slow Git down.
const (
	manyPacks = 1000
	manyLoose = 5000
)

func (d *doctor) packs(x *repo.Examined) {
	before := len(d.findings)
	if x.Usage.Loose > manyLoose {
		d.todo("packs", "Stop the service and run cms gc.", "%d objects are loose files.", x.Usage.Loose)
	}
	if x.Usage.Packs > manyPacks {
		d.todo("packs", "Look into the log for why they are not joined; stop the service and run cms gc.", "There are %d packs.", x.Usage.Packs)
	}
	if len(x.Hidden) > 0 {
		d.todo("packs", "The running service puts it back within seconds; otherwise run git index-pack on the pack.", "%s has no index, so that nobody finds what is in it.", strings.Join(x.Hidden, ", "))
	}
	if x.Multi && x.Usage.Packs > 100 {
		d.todo("packs", "Run git multi-pack-index repack and expire, or remove the multi-pack-index.", "A multi-pack-index pins packs, of which there are %d.", x.Usage.Packs)
	}
	if len(d.findings) == before {
		d.well("packs", "%d packs, %d loose objects, %s.", x.Usage.Packs, x.Usage.Loose, size(uint64(x.Usage.Bytes)))
	}
}

func (d *doctor) locks(x *repo.Examined) {
	before := len(d.findings)
	for _, name := range x.Locks {
		d.todo("locks", "If no git program runs there, remove it.", "%s is older than any work of Git's takes: whoever held it was killed.", filepath.Join(d.config.Repository.Path, name))
	}
	if pid, err := strconv.Atoi(x.Holder); err == nil && !d.running && pid != os.Getpid() && alive(pid) {
		d.todo("locks", "Look what that process does. If it is the service, its log says what it waits for; otherwise server.listen names another address than it has.",
			"Process %d has the repository, and no service answers.", pid)
	}
	if len(d.findings) == before {
		d.well("locks", "No lock is in the way.")
	}
}

// What has to be left on a disk.
const (
	littleDisk = 2 << 30
	littlePart = 20 // of all: one in so many
)

func (d *doctor) disk() {
	parts := []struct{ name, path string }{{"repository", d.config.Repository.Path}}
	if path, lite := strings.CutPrefix(string(d.config.State.URL), "sqlite:"); lite {
		parts = append(parts, struct{ name, path string }{"database", filepath.Dir(path)})
	}
	for _, p := range parts {
		path := p.path
		for path != filepath.Dir(path) {
			if _, err := os.Stat(path); err == nil {
				break
			}
			path = filepath.Dir(path)
		}
		free, err := diskFree(path)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			continue
		case err != nil:
			d.todo("disk", "Look at the disk and the rights of the folder.", "%s: %v", path, err)
		case free < littleDisk:
			d.todo("disk", "Make room. When it is full, edits are refused.", "%s are left for the %s, at %s.", size(free), p.name, path)
		default:
			d.well("disk", "%s are left for the %s, at %s.", size(free), p.name, path)
		}
	}
}

// size is a number of bytes as people read it.
func size(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}

// skew is by how much a clock may be wrong.
const skew = 2 * time.Minute

func (d *doctor) clock(x *repo.Examined) {
	switch {
	case d.now.Year() < 2025:
		d.todo("clock", "Set it, and let it be set by NTP.", "It is %s here, which was before this program.", d.now.UTC().Format(time.RFC3339))
	case x != nil && x.Committed.Sub(d.now) > skew:
		d.todo("clock", "Compare the clock with NTP, and that of whoever made the commit.", "The newest commit is of %s, which is to come: it is %s here.", x.Committed.Format(time.RFC3339), d.now.UTC().Format(time.RFC3339))
	default:
		d.well("clock", "It is %s here, after the newest commit.", d.now.UTC().Format(time.RFC3339))
	}
}

// ahead tells that another clock differs.
func (d *doctor) ahead(whose string, by time.Duration) {
	if by.Abs() > skew {
		d.todo("clock", "Let both clocks be set by NTP: tokens and signatures count by them.", "The clock of %s differs from this one by %s.", whose, by.Abs().Round(time.Second))
	}
}

func (d *doctor) database(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	x, err := state.Examine(ctx, string(d.config.State.URL))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.well("database", "There is none yet; the first start makes it.")
		return
	case err != nil:
		d.todo("database", "state.url says where it is. Look whether it runs and may be read.", "It cannot be read: %v", err)
		return
	}
	before := len(d.findings)
	if x.Damage != "" {
		d.todo("database", "Stop the service and restore the newest backup that is whole (cms restore).", "It is damaged: %s.", x.Damage)
	}
	if x.Readers {
		d.todo("database", "chmod 600 the file: it holds secrets.", "Others than its owner may read it.")
	}
	if len(x.Later) > 0 {
		d.todo("database", "Use that version, or a newer one.", "A later version of this program has changed it.")
	}
	d.ahead("the database", x.Ahead)
	if len(d.findings) > before {
		return
	}
	if len(x.Missing) > 0 {
		d.well("database", "It is whole, and of an earlier version: the next start brings it up to date. Back it up before.")
		return
	}
	d.well("database", "It is whole and of this version.")
}

func (d *doctor) remote(ctx context.Context, x *repo.Examined) {
	m := d.config.Repository.Remote
	if m == nil {
		return
	}
	if m.Token == "" && m.TokenEnv+m.TokenFile != "" {
		d.todo("Git host", "Run cms doctor with the environment of the service.", "Its token, which the configuration names, is not here, so that it cannot be asked.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*lookTime)
	defer cancel()
	branch := d.config.Repository.Branch
	if x != nil {
		branch = x.Branch
	}
	remote := remoteOf(m)
	tip, err := remote.Look(ctx, branch)
	var refused error
	if err == nil && m.Pushes() {
		refused = remote.LookPush(ctx)
	}
	switch {
	case err != nil:
		d.todo("Git host", "Look whether it is up, and whether the token or key is good for this repository.", "It does not answer: %v", err)
	case refused != nil:
		d.todo("Git host", "Let the token or key write to the repository, or set repository.remote.push: off.", "It lets nothing be pushed: %v", refused)
	case x == nil:
		d.well("Git host", "It answers.")
	case tip.IsZero():
		d.todo("Git host", "Name its branch as repository.branch.", "It has no branch %s.", branch)
	case tip == x.Commit:
		d.well("Git host", "It answers, and has what is here.")
	case d.running:
		d.well("Git host", "It answers, and its %s is at %s.", branch, tip.String()[:12])
	default:
		d.well("Git host", "It answers; its %s is at %s, which the next start takes in.", branch, tip.String()[:12])
	}
}
