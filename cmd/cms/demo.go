package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"cms/auth"
	"cms/cmd/cms/internal/demosite"
	"cms/config"
	"cms/content"
	"cms/repo"
	"cms/webhooks"
)

func (p *program) demoCommand() *cobra.Command {
	d := demo{program: p, builds: make(chan string, 8)}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop on a site of invented consultations",
		Long: "Makes a site of invented consultations in a folder, serves the form and the API on\n" +
			"it, rebuilds and serves the site on each change, and prints commands to try. Run\n" +
			"again on the same folder, it goes on with what is there. Ctrl-C stops it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.chosen = cmd.Flags().Changed("listen")
			return d.run(cmd.Context())
		},
	}
	c.Flags().StringVar(&d.dir, "dir", "demo-site", "the `folder` to keep everything in")
	c.Flags().StringVar(&d.listen, "listen", "127.0.0.1:8080", "the `address` of the API; the site gets the next port")
	return c
}

// demo is a service, and beside it a site that is built from its repository.
type demo struct {
	*program
	dir    string
	listen string
	chosen bool // whether the address was given, so that no other may be taken

	config          *config.Config
	apiURL, siteURL string
	password        string      // of demoAccount
	builds          chan string // what the site's builder said, while somebody waits for it
}

func (d *demo) run(ctx context.Context) error {
	apiListener, siteListener, err := d.listeners(ctx)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	defer siteListener.Close()
	d.apiURL, d.siteURL = "http://"+apiListener.Addr().String(), "http://"+siteListener.Addr().String()
	secret, err := d.configure(apiListener.Addr().String())
	if err != nil {
		return err
	}
	log := newLogger(d.stderr, slog.LevelWarn, "auto")
	f := newFront(d.config, log)
	f.serve(apiListener)
	s, err := f.open(ctx, d.config, log, terminalOf(d.stderr, d.config.Log.Format))
	if err != nil {
		return err
	}
	builder, err := demosite.New(demosite.Options{
		Repository: d.config.Repository.Path,
		Branch:     d.config.Repository.Branch,
		Output:     filepath.Join(d.dir, "public"),
		Secret:     secret,
		Log:        d.built,
		Built: func(ctx context.Context, commit string) {
			if err := s.builds.Report(ctx, webhooks.Signature{}, webhooks.Build{Commit: commit, State: webhooks.Live, URL: d.siteURL + "/"}); err != nil {
				log.Warn("cannot tell what is live", "error", err)
			}
		},
	})
	if err != nil {
		return errors.Join(err, f.close(), s.repo.Close())
	}

	// The site outlives the service, so that the last edits are still built.
	g, ctx := errgroup.WithContext(ctx)
	building, stopBuilding := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer stopBuilding()
		return s.run(ctx)
	})
	g.Go(func() error {
		if err := errors.Join(d.fill(ctx, s), d.enrol(ctx, s)); err != nil {
			return err
		}
		g.Go(func() error { return d.serveSite(building, builder, siteListener) })
		return d.show(ctx)
	})
	return g.Wait()
}

// listeners opens the addresses of the API and of the site. Where the usual
// ports are taken and no other was asked for, any free ones do.
func (d *demo) listeners(ctx context.Context) (apiListener, siteListener net.Listener, err error) {
	if apiListener, err = listen(ctx, d.listen); err != nil && !d.chosen {
		apiListener, err = listen(ctx, "127.0.0.1:0")
	}
	if err != nil {
		return nil, nil, err
	}
	addr := apiListener.Addr().(*net.TCPAddr)
	next := net.TCPAddr{IP: addr.IP, Port: addr.Port + 1}
	if siteListener, err = listen(ctx, next.String()); err != nil {
		next.Port = 0
		siteListener, err = listen(ctx, next.String())
	}
	if err != nil {
		apiListener.Close()
		return nil, nil, err
	}
	return apiListener, siteListener, nil
}

const demoConfig = `# Made by "cms demo". Try "cms serve --config" with it, and see
# config.example.yaml for what else there is.
site: {name: Consultations citoyennes, time_zone: Europe/Paris, language: fr}
server: {listen: "{{LISTEN}}", public_url: "{{API}}"}
repository:
  path: site.git
  create: true
  branch: main
  committer: {name: Demo CMS, email: cms@demo.invalid}
collections:
  - name: consultations
    folder: _consultations
    label: {fr: Consultations, en: Consultations}
    fields:
      - {name: title, type: string, required: true, label: {fr: Titre, en: Title}}
      - name: organisateur
        type: string
        label: {fr: Organisateur, en: Organiser}
        hint: {fr: "La collectivité ou le ministère, en toutes lettres.", en: "The local authority or the ministry, in full."}
      - {name: description, type: text, label: {fr: Description, en: Description}}
      - {name: link, type: url, label: {fr: Lien, en: Link}, hint: {fr: "La page où participer.", en: "The page where people take part."}}
      - {name: date, type: datetime, required: true, label: {fr: Début, en: Begins}}
      - {name: in_progress, type: boolean, label: {fr: En cours, en: In progress}}
      - {name: methodes, type: list, of: string, label: {fr: Méthodes, en: Methods}}
      - {name: screenshot, type: image, label: {fr: Image, en: Image}}
      - {name: note-citoyenne, type: integer, min: 0, max: 5, label: {fr: Note citoyenne, en: Citizens’ rating}, hint: {fr: De 0 à 5., en: From 0 to 5.}}
      - {name: note-decidee, type: integer, min: 0, max: 5, label: {fr: Note décidée, en: Decided rating}}
      - {name: ordre, type: integer, label: {fr: Ordre, en: Order}}
      - {name: visites, type: integer, min: 0, label: {fr: Visites du robot, en: Visits of the robot}}
media: {folder: img}
auth:
  issuers:
    - {issuer: demo, audience: cms, algorithms: [HS256], secret_file: token.secret}
  roles:
    editor: {consultations: [read, create, update, delete], media: [read, create, update, delete], webhooks: [read, create, update, delete]}
    bot: {consultations: [read, update]}
webhooks:
  - {name: site, url: "{{SITE}}/hook", secret_file: webhook.secret, events: ["entry.*"], allow_private: true}
`

// configure writes the folder's configuration and, once, its secrets. It gives
// the webhook's secret.
func (d *demo) configure(listen string) (secret string, err error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return "", err
	}
	if _, err := keepSecret(filepath.Join(d.dir, "token.secret"), rand.Text()+rand.Text()); err != nil {
		return "", err
	}
	key := make([]byte, 32)
	rand.Read(key)
	if secret, err = keepSecret(filepath.Join(d.dir, "webhook.secret"), "whsec_"+base64.StdEncoding.EncodeToString(key)); err != nil {
		return "", err
	}
	text := strings.NewReplacer("{{LISTEN}}", listen, "{{API}}", d.apiURL, "{{SITE}}", d.siteURL).Replace(demoConfig)
	file := filepath.Join(d.dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return "", err
	}
	d.config, err = config.Load(file, nil) // the demo is its own world: no environment
	return secret, err
}

// keepSecret reads the secret in a file, which is fresh where there is none.
func keepSecret(file, fresh string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		b = []byte(fresh)
		err = os.WriteFile(file, b, 0o600)
	}
	return strings.TrimSpace(string(b)), err
}

// demoAccount is of somebody who logs in with a password.
var demoAccount = auth.Account{Email: "camille@example.org", Name: "Camille Moreau", Roles: []string{"editor"}}

// enrol makes the account, or finds it, and gives it the password of the folder.
func (d *demo) enrol(ctx context.Context, s *service) (err error) {
	if d.password, err = keepSecret(filepath.Join(d.dir, "password.secret"), rand.Text()); err != nil {
		return err
	}
	accounts := auth.NewAccounts(s.state, slices.Sorted(maps.Keys(d.config.Auth.Roles)))
	known, err := accounts.List(ctx)
	if err != nil || slices.ContainsFunc(known, func(a auth.Account) bool { return a.Email == demoAccount.Email }) {
		return err
	}
	return accounts.Add(ctx, demoAccount, d.password)
}

// serveSite builds and serves the site.
func (d *demo) serveSite(ctx context.Context, builder *demosite.Builder, l net.Listener) error {
	server := &http.Server{Handler: builder, ReadHeaderTimeout: readHeaderTimeout}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return builder.Run(ctx) })
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return server.Shutdown(timeout)
	})
	return g.Wait()
}

// fill commits the samples, if the repository has no commit yet.
func (d *demo) fill(ctx context.Context, s *service) error {
	if commit, _ := s.site.Head(); commit != "" {
		return nil
	}
	samples := demosite.Files()
	collection := d.config.Collections[0]
	_, err := s.repo.Update(ctx, repo.Meta{
		Author:  repo.Person{Name: "Ann Éditrice", Email: "ann@demo.invalid"},
		Message: "Ajouter les consultations",
	}, func(tx *repo.Tx) error {
		return fs.WalkDir(samples, collection.Folder, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			src, err := fs.ReadFile(samples, file)
			if err != nil {
				return err
			}
			slug, err := content.ParseSlug(strings.TrimSuffix(path.Base(file), path.Ext(file)))
			if err != nil {
				return err
			}
			_, err = tx.Put(collection.Name, slug, content.Parse(src))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("fill the demo's repository: %w", err)
	}
	return nil
}

const demoEntry = "/v1/collections/consultations/entries/budget-participatif-villeneuve-sur-lys"

// show lets the bot make an edit over HTTP, follows it until the page has
// changed, and prints what to try next.
func (d *demo) show(ctx context.Context) error {
	editor, err := mint(d.config, "demo", auth.Claims{Subject: "ann", Name: "Ann Éditrice", Email: "ann@demo.invalid", Roles: []string{"editor"}, TTL: 12 * time.Hour})
	if err != nil {
		return err
	}
	bot, err := mint(d.config, "demo", auth.Claims{Subject: "robot", Name: "Robot de veille", Email: "robot@demo.invalid", Roles: []string{"bot"}, TTL: 12 * time.Hour})
	if err != nil {
		return err
	}
	if err := d.loop(ctx, bot); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	_, err = strings.NewReplacer(
		"{{API}}", d.apiURL, "{{SITE}}", d.siteURL, "{{EDITOR}}", editor, "{{BOT}}", bot, "{{ENTRY}}", demoEntry,
		"{{ACCOUNT}}", demoAccount.Email, "{{PASSWORD}}", d.password, "{{DIR}}", d.dir, "{{REPOSITORY}}", filepath.Join(d.dir, "site.git"),
	).WriteString(d.stdout, demoText)
	return err
}

// demoAnswer is what the demo reads of an entry.
type demoAnswer struct {
	Fields struct {
		Visites int
	}
	Updated struct {
		Commit string
		Author struct{ Name string }
	}
}

// loop is one edit, from the request to the page: the robot counts its visits.
func (d *demo) loop(ctx context.Context, bot string) error {
	entry, etag, err := d.request(ctx, http.MethodGet, bot, "", nil)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"fields": map[string]any{"visites": entry.Fields.Visites + 1}})
	if err != nil {
		return err
	}
	start := time.Now()
	if entry, _, err = d.request(ctx, http.MethodPatch, bot, etag, patch); err != nil {
		return err
	}
	answered := time.Since(start)
	commit := entry.Updated.Commit
	fmt.Fprintf(d.stdout, "The loop, shown once:\n  edit: PATCH %s set one field; answered in %s\n  git:  commit %.7s by %s\n",
		path.Base(demoEntry), answered.Round(time.Millisecond/10), commit, entry.Updated.Author.Name)
	if err := d.waitForBuild(ctx, commit[:7]); err != nil {
		return err
	}
	page := d.siteURL + "/consultations/" + path.Base(demoEntry) + "/"
	fmt.Fprintf(d.stdout, "  page: %s shows it, %s after the request\n", page, time.Since(start).Round(time.Millisecond/10))
	return nil
}

// request reads the demo's entry or edits it, and gives it with its ETag.
func (d *demo) request(ctx context.Context, method, token, ifMatch string, patch []byte) (*demoAnswer, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.apiURL+demoEntry, bytes.NewReader(patch))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	// Not through a proxy: the API is on this machine.
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the demo's %s was answered with %s", method, res.Status)
	}
	var entry demoAnswer
	if err := json.NewDecoder(res.Body).Decode(&entry); err != nil {
		return nil, "", err
	}
	return &entry, res.Header.Get("ETag"), nil
}

// built is told of each build of the site.
func (d *demo) built(line string) {
	fmt.Fprintln(d.stdout, "  site: "+line)
	select {
	case d.builds <- line:
	default: // nobody waits any more
	}
}

// waitForBuild waits until the site was built from a commit.
func (d *demo) waitForBuild(ctx context.Context, commit string) error {
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-d.builds:
			if strings.Contains(line, commit) {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("the site was not built from %s", commit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const demoText = `
The editor      {{API}}/editor/
                log in as {{ACCOUNT}}, password {{PASSWORD}}
The site        {{SITE}}/
The API         {{API}}/openapi.json
The repository  git --git-dir {{REPOSITORY}} log

Paste this into another terminal (the tokens are valid for 12 hours):

  export CMS={{API}}
  export TOKEN={{EDITOR}}
  export BOT_TOKEN={{BOT}}
  export PASSWORD={{PASSWORD}}

TOKEN is Ann's, an editor, and BOT_TOKEN a robot's; PASSWORD is
of the account {{ACCOUNT}}. Read an entry as the robot,
and end it in Ann's name:

  curl -s -H "Authorization: Bearer $BOT_TOKEN" $CMS{{ENTRY}}
  curl -s -X PATCH -H "Authorization: Bearer $TOKEN" -H 'If-Match: *' -H 'Content-Type: application/merge-patch+json' -d '{"fields": {"in_progress": false}}' $CMS{{ENTRY}}

Then reload {{SITE}}/ and look at the commit:

  git --git-dir {{REPOSITORY}} show

Ctrl-C stops the demo; run again, it goes on with what is in {{DIR}}.
`
