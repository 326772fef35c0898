// Command cms is a Git-backed headless CMS: a form for people, an HTTP API for
// programs and a Git host, which read and write the Markdown files of a static
// site, with one commit for each edit. It tells the site's build of every change.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	_ "cms/cmd/cms/internal/firstgc"
	"cms/config"
)

// version is set when a release is built.
var version = unreleased

const unreleased = "dev"

// versionOf is the version of this program: that of its release or, as Go has noted it, of
// Git's tag, or of the commit after one.
func versionOf() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == unreleased && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1 // the command could not do its work
	exitUsage    = 2 // wrong arguments, or a wrong configuration
	exitProblems = 3 // check or doctor found something
)

// errProblems ends a check or a doctor that found something; it has been printed.
var errProblems = errors.New("problems found")

// run is the program: arguments and environment in, exit code out.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdin: os.Stdin, stdout: stdout, stderr: stderr}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var (
		wrong *config.Error
		usage *usageError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errProblems):
		return exitProblems
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, wrong)
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "cms: %v\nRun cms --help for usage.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "cms: %v\n", err)
	return exitFailed
}

// usageError is an error in the arguments.
type usageError struct{ error }

// program is what the commands share.
type program struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	configPath     string
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "cms",
		Short:         "A Git-backed headless CMS for static sites",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{unknownFlag(c, err)} })
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, c := range []*cobra.Command{
		p.serveCommand(), p.demoCommand(), p.tokenCommand(), p.userCommand(), p.checkCommand(), p.gcCommand(), p.doctorCommand(), p.acceptCommand(), p.backupCommand(), p.restoreCommand(), p.auditCommand(), p.listenCommand(), p.healthcheckCommand(), p.versionCommand(),
	} {
		if c.Args == nil {
			c.Args = noArgs
		}
		root.AddCommand(c)
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return &usageError{fmt.Errorf("there is no command %q", args[0])}
		}
		return cmd.Help()
	}
	root.Args = cobra.ArbitraryArgs
	return root
}

// unknownCommand finds that there is no such command, whatever flags stand behind it: those
// would be taken for flags of the command above.
func unknownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	c, rest, err := root.Find(args)
	if err != nil || len(rest) == 0 || !c.HasSubCommands() || rest[0] == "" || rest[0][0] == '-' || strings.HasPrefix(rest[0], cobra.ShellCompRequestCmd) {
		return nil
	}
	group := strings.TrimPrefix(c.CommandPath()+" ", root.Name()+" ")
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	wrong := fmt.Sprintf("there is no command %q", group+rest[0])
	if meant := config.Nearest(rest[0], names); meant != "" {
		return &usageError{fmt.Errorf("%s; did you mean %q?", wrong, group+meant)}
	}
	return &usageError{fmt.Errorf("%s; there are %s", wrong, strings.Join(names, ", "))}
}

// unknownFlag is err with the flag that may have been meant.
func unknownFlag(c *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if meant := config.Nearest(name, names); meant != "" {
		return fmt.Errorf("%s has no flag --%s; did you mean --%s?", c.CommandPath(), name, meant)
	}
	return fmt.Errorf("%s has no flag --%s", c.CommandPath(), name)
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes no arguments, only flags", cmd.CommandPath())}
	}
	return nil
}

// configFlag adds --config, which CMS_CONFIG can give too.
func (p *program) configFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.configPath, "config", "", "the configuration `file` (CMS_CONFIG; default config.yaml)")
}

// load reads the configuration and every secret that it names.
func (p *program) load() (*config.Config, error) { return p.loadWith(config.AllSecrets) }

// loadWith reads the configuration with the secrets that a command uses.
func (p *program) loadWith(secrets config.Secrets, needed ...string) (*config.Config, error) {
	path := p.configPath
	if path == "" {
		path = p.getenv("CMS_CONFIG")
	}
	if path == "" {
		path = "config.yaml"
	}
	return config.LoadWith(path, p.environ, secrets, needed...)
}

func (p *program) getenv(name string) string {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if v, ok := cutEnv(p.environ[i], name); ok {
			return v
		}
	}
	return ""
}

func cutEnv(entry, name string) (string, bool) {
	if len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name {
		return entry[len(name)+1:], true
	}
	return "", false
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			goVersion, revision := "", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = " " + info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value
					}
				}
			}
			_, err := fmt.Fprintf(p.stdout, "cms %s%s%s\n", versionOf(), revision, goVersion)
			return err
		},
	}
}
