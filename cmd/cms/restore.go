package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cms/archive"
	"cms/config"
	"cms/lfs"
	"cms/repo"
	"cms/state"
)

func (p *program) restoreCommand() *cobra.Command {
	var (
		identities     []string
		passphraseFile string
		checkOnly      bool
	)
	c := &cobra.Command{
		Use:   "restore ARCHIVE|-",
		Short: "Check an archive of cms backup, and restore it where nothing is",
		Long: "Reads an archive of cms backup, and checks all of it before anything is placed: its\n" +
			"sums, each object of the repository and whether one is missing, and the database.\n" +
			"Then it makes the repository and the database of the configuration, which must not\n" +
			"be there. Nobody is logged in afterwards.",
		Example: "  cms restore cms-20261127T020000Z.tar.age --identity key.txt --check\n" +
			"  cms restore cms-20261127T020000Z.tar.age --identity key.txt",
		Args: oneArgument("the archive, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.loadWith(config.NoSecrets)
			if err != nil {
				return err
			}
			keys, err := p.opening(identities, passphraseFile)
			if err != nil {
				return err
			}
			in := p.stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			return (&restoring{config: cfg, keys: keys, checkOnly: checkOnly, out: p.stdout}).run(cmd.Context(), in)
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.StringArrayVar(&identities, "identity", nil, "a `file` of private keys of age, as age-keygen writes it; may be repeated")
	f.StringVar(&passphraseFile, "passphrase-file", "", "a `file` whose first line is the passphrase ("+passphraseEnv+")")
	f.BoolVar(&checkOnly, "check", false, "check the archive, and place nothing")
	return c
}

// opening are the keys that may open an archive.
func (p *program) opening(files []string, passphraseFile string) ([]archive.Identity, error) {
	var keys []archive.Identity
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, &usageError{err}
		}
		some, err := archive.ParseIdentities(f)
		f.Close()
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", name, err)}
		}
		keys = append(keys, some...)
	}
	passphrase, err := p.passphrase(passphraseFile)
	if err != nil || passphrase == "" {
		return keys, err
	}
	key, err := archive.PassphraseIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	return append(keys, key), nil
}

// A restoring puts a backup back. What it reads stands in folders of its own, beside where
// it is to be, until all of it was checked.
type restoring struct {
	config    *config.Config
	keys      []archive.Identity
	checkOnly bool
	out       io.Writer

	made       manifest
	repository string // where it stands until it is placed
	database   string // "" for none
}

func (r *restoring) address() string { return string(r.config.State.URL) }

func (r *restoring) run(ctx context.Context, in io.Reader) error {
	if !r.checkOnly {
		if err := r.vacant(ctx); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		beside string
		name   string
		to     *string
	}{{filepath.Dir(r.config.Repository.Path), "site.git", &r.repository}, {scratchOf(r.config), databaseName, &r.database}} {
		if err := os.MkdirAll(of.beside, 0o755); err != nil {
			return err
		}
		dir, err := os.MkdirTemp(of.beside, ".cms-restore-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		*of.to = filepath.Join(dir, of.name)
	}
	if err := r.read(ctx, in); err != nil {
		return fmt.Errorf("nothing was restored: %w", err)
	}
	found, err := r.check(ctx)
	if err != nil {
		return fmt.Errorf("nothing was restored: the archive is not whole: %w", err)
	}
	fmt.Fprintf(r.out, "The archive of %s is whole: %s, %d commits, %d objects.\n", r.made.Made.Format(time.RFC3339), r.made.contents(), found.Commits, found.Objects)
	if r.checkOnly {
		return nil
	}
	return r.place(ctx)
}

// vacant makes sure that nothing would be overwritten.
func (r *restoring) vacant(ctx context.Context) error {
	const way = "; a restore overwrites nothing: move it away, or name another place in the configuration"
	names, err := os.ReadDir(r.config.Repository.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%s is there already"+way, r.config.Repository.Path)
	}
	if err := state.Vacant(ctx, r.address()); errors.Is(err, state.ErrOccupied) {
		return fmt.Errorf("%w"+way, err)
	} else if err != nil {
		return fmt.Errorf("%w; state.url in the configuration says where it is", err)
	}
	return nil
}

// read takes all files out of the archive.
func (r *restoring) read(ctx context.Context, in io.Reader) error {
	for _, dir := range []string{"refs/heads", "refs/tags", "objects/pack", "objects/info"} { // without which Git takes it for no repository
		if err := os.MkdirAll(filepath.Join(r.repository, filepath.FromSlash(dir)), 0o777); err != nil {
			return err
		}
	}
	first, database := true, false
	err := archive.Read(in, r.keys, func(f archive.File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		rest, ofRepository := strings.CutPrefix(f.Name, repositoryName)
		switch {
		case first:
			first = false
			return r.readManifest(f)
		case f.Name == databaseName && r.made.Database != "" && !database:
			database = true
			return writeNew(r.database, 0o600, f.Content)
		case ofRepository:
			mode := 0o666 | f.Mode&0o111
			if strings.HasPrefix(rest, "objects/") || strings.HasPrefix(rest, "lfs/objects/") {
				mode = 0o444
			}
			return writeNew(filepath.Join(r.repository, filepath.FromSlash(rest)), mode, f.Content)
		}
		return fmt.Errorf("%w: it holds %q", archive.ErrDamaged, f.Name)
	})
	if err == nil && database != (r.made.Database != "") {
		err = fmt.Errorf("%w: it lacks the database", archive.ErrDamaged)
	}
	return err
}

// readManifest makes sure that the archive is one that this program and configuration can
// take.
func (r *restoring) readManifest(f archive.File) error {
	if f.Name != manifestName || f.Size > maxManifest {
		return errors.New("that is no archive of cms backup")
	}
	if err := json.NewDecoder(f.Content).Decode(&r.made); err != nil {
		return errors.New("that is no archive of cms backup")
	}
	later, err := state.Later(r.made.Migrations)
	switch kind := state.Kind(r.address()); {
	case err != nil:
		return err
	case r.made.Format > manifestFormat || len(later) > 0:
		return fmt.Errorf("a later version made the archive, %s: restore it with that", r.made.Version)
	case r.made.Database != "" && r.made.Database != kind:
		return fmt.Errorf("the archive has a database of %s, and state.url names one of %s", r.made.Database, kind)
	}
	return nil
}

// writeNew makes a file, durably, and its folder.
func writeNew(name string, mode os.FileMode, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// check looks at all that was read.
func (r *restoring) check(ctx context.Context) (repo.Verified, error) {
	if r.made.Database != "" {
		if err := state.CheckDump(ctx, r.made.Database, r.database); err != nil {
			return repo.Verified{}, err
		}
	}
	if _, err := lfs.VerifyOwn(r.repository); err != nil {
		return repo.Verified{}, fmt.Errorf("the repository: %w", err)
	}
	found, err := repo.Verify(ctx, r.repository)
	if err != nil {
		return found, fmt.Errorf("the repository: %w", err)
	}
	return found, nil
}

// place puts the database where it is to be, and then the repository, without which no
// service starts.
func (r *restoring) place(ctx context.Context) error {
	path := r.config.Repository.Path
	var told string
	if r.made.Database != "" {
		var err error
		if told, err = r.placeDatabase(ctx); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(r.repository, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = syncFolder(p)
		}
		return err
	})
	if err == nil {
		err = os.Rename(r.repository, path) // which replaces an empty folder alone
	}
	if err != nil {
		return fmt.Errorf("the database was restored, and the repository was not: remove the database before you try again: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is restored.\n%s", path, told)
	fmt.Fprintf(r.out, "What was written after %s is not there, unless a Git host has it.\n", r.made.Made.Format(time.RFC3339))
	return nil
}

// placeDatabase puts it where it is to be, without sessions and in an epoch of its own, and
// tells what it holds.
func (r *restoring) placeDatabase(ctx context.Context) (string, error) {
	var told string
	if r.made.Database == state.SQLite { // of which nothing is seen before it is as it should be
		var err error
		if told, err = beginAgain(ctx, "sqlite:"+r.database); err != nil {
			return "", fmt.Errorf("nothing was restored: %w", err)
		}
	}
	if err := state.Load(ctx, r.address(), r.database); err != nil {
		return "", fmt.Errorf("nothing was restored: %w", err)
	}
	if r.made.Database == state.PostgreSQL {
		var err error
		if told, err = beginAgain(ctx, r.address()); err != nil {
			return "", fmt.Errorf("the database was restored, but sessions may go on and the repository was not restored: remove the database before you try again: %w", err)
		}
		return told, nil
	}
	return told, syncFolder(scratchOf(r.config))
}

// beginAgain ends all sessions of the database, whose tables it brings up to date, and begins
// an epoch: events of what is written from now on come behind those that the archive lacks.
func beginAgain(ctx context.Context, address string) (told string, err error) {
	db, err := state.Open(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ended, err := db.Sessions().EndAll(ctx)
	if err != nil {
		return "", err
	}
	if err := db.Webhooks().Anew(ctx, clock()); err != nil {
		return "", err
	}
	accounts, err := db.Accounts().List(ctx)
	if err != nil {
		return "", err
	}
	revoked, err := db.Tokens().Revoked(ctx, clock())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("The database is restored: %d accounts; %d sessions are ended, so that everybody has to log in again.\n"+
		"%d tokens stay revoked. Those that were revoked after the archive was made are valid again, personal ones too, and so\n"+
		"are passwords and accounts that were changed or disabled since: do that once more. Webhooks may come a second time.\n",
		len(accounts), ended, len(revoked)), nil
}
