package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/wiring"
	"github.com/waxwing-io/waxwing/repo"
)

const initLong = `Write a .seal.yaml at the top of the repository: it says for whom to seal, by path, so that nobody
has to give recipients from then on.

Holders come from a cluster (--keyring, as in seal keys fetch) or are given (-r, -R). For a keyring
its statement key is pinned, and its note put into .seal/. The key is printed: compare it with what
the cluster's administrators say, over another channel; everything that is sealed here from now on
trusts it.

Break glass are keys of people, kept offline, that open everything if the cluster is lost: give
their recipients with --break-glass; seal keys generate makes such a key. Without the flag they are
those that the Keyring names in spec.breakGlass, if it does. Break glass is required where a keyring is
classical, because such a keyring's private keys may never leave its Vault.

With several --environment, each has the holder that is named as it is, or the only one that there
is. The file can be edited afterwards; docs/settings.md describes it.`

const initExample = `  seal init --keyring prod-eu --break-glass age1pq1…
  seal init -r team=age1pq1…
  seal init --keyring prod --keyring dev --environment 'prod=clusters/prod/**' --environment 'dev=clusters/dev/**'
  seal init -R prod.note --statement-key prod+4a5b6c7d+AR… --dry-run`

// initOptions are the flags of `seal init`.
type initOptions struct {
	recipientFlags
	keyrings     []string
	breakGlass   []string
	environments []string
	scope        string
	namespace    string
	dir          string
	dryRun       bool
	fetch        fetchOptions // where the cluster is
}

func newInitCommand(env *Env) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:               "init",
		Short:             "Say once for whom this repository is sealed",
		Long:              initLong,
		Example:           initExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runInit(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addTo(flags)
	completeScopes(cmd)
	return cmd
}

func (o *initOptions) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.keyrings, "keyring", nil, "take the keyring of this `NAME` from the cluster; repeatable")
	o.recipientFlags.addTo(flags)
	flags.StringArrayVar(&o.breakGlass, "break-glass", nil, "add people who can open everything: `[NAME=]RECIPIENT`; repeatable, NAME is \"breakglass\" if left out")
	flags.StringArrayVar(&o.environments, "environment", nil, "what holds for files below a path: `NAME=GLOB`, such as 'prod=clusters/prod/**'; repeatable")
	flags.StringVar(&o.scope, "scope", "", "what values are bound to: `SCOPE` is strict (if left out), namespace, cluster or match:GLOB")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of Secrets that name none")
	flags.StringVar(&o.dir, "dir", "", "write into this `FOLDER` instead of the top of the repository")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print .seal.yaml, and write nothing")
	flags.StringVar(&o.fetch.kubeconfig, "kubeconfig", "", "the kubeconfig `FILE`")
	flags.StringVar(&o.fetch.context, "context", "", "the `CONTEXT` of the kubeconfig")
	flags.StringVar(&o.fetch.namespace, "controller-namespace", "waxwing-system", "the `NAMESPACE` of the controller")
}

func runInit(ctx context.Context, env *Env, o *initOptions) error {
	dir, err := o.folder(env)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, repo.SettingsName)); err == nil {
		return failed("edit it; docs/settings.md describes the file, and seal keys fetch --save renews the notes", "%s exists already", filepath.Join(o.dir, repo.SettingsName))
	}
	if err := checkScope(o.scope); err != nil {
		return err
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	found, err := o.holders(ctx, env)
	if err != nil {
		return err
	}
	if err := definedAbove(env, dir, found); err != nil {
		return err
	}
	draft, err := o.draft(found)
	if err != nil {
		return err
	}
	text := draft.text()
	// What is written has to be what seal reads.
	if _, err := repo.ParseSettings(repo.SettingsName, text); err != nil {
		return err
	}
	if o.dryRun {
		err = env.writeOut(stdinArg, text, 0)
	} else {
		err = writeInit(ctx, dir, o.dir, text, found)
	}
	if err != nil {
		return err
	}
	o.sayInit(env, draft)
	return nil
}

// folder is where .seal.yaml goes.
func (o *initOptions) folder(env *Env) (string, error) {
	if o.dir != "" {
		info, err := os.Stat(env.path(o.dir))
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", o.dir, pathCause(err))
		case !info.IsDir():
			return "", usage("", "--dir: %s is not a folder", o.dir)
		}
		return filepath.Abs(env.path(o.dir))
	}
	here, err := filepath.Abs(env.path("."))
	if err != nil {
		return "", fmt.Errorf("finding the current folder: %w", err)
	}
	root, ok := repo.Root(here)
	if !ok {
		return "", usage("run git init first, or say with --dir where "+repo.SettingsName+" goes", "not in a repository")
	}
	return root, nil
}

// definedAbove refuses holders that a .seal.yaml further up defines: nobody may replace a pin from a subfolder, and so a second definition is an error.
func definedAbove(env *Env, dir string, found []initHolder) error {
	tree, err := env.settings()
	if err != nil {
		return err
	}
	known, err := tree.Holders(dir)
	if errors.Is(err, repo.ErrNoSettings) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, h := range known {
		if slices.ContainsFunc(found, func(f initHolder) bool { return f.Name == h.Name }) {
			return failed("give it another name, or write the environment for this folder into "+h.File, "holder %s is defined in %s already", h.Name, h.File)
		}
	}
	return nil
}

// writeInit writes all files or none. shown is dir as messages name it.
func writeInit(ctx context.Context, dir, shown string, text []byte, holders []initHolder) error {
	if err := notThroughLinks(filepath.Join(dir, repo.NotesDir)); err != nil {
		return err
	}
	attributes := fileChange{path: filepath.Join(dir, attributesName), name: filepath.Join(shown, attributesName), mode: sealedMode}
	if err := attributes.read(ctx); err != nil {
		return err
	}
	if err := attributes.edit(wiring.NoteAttributes(), false, wiring.Block.Append); err != nil {
		return err
	}
	files := []fileChange{attributes}
	for _, h := range holders {
		if h.note == nil {
			continue
		}
		name := filepath.Join(repo.NotesDir, h.Name+".note")
		note := fileChange{path: filepath.Join(dir, name), name: filepath.Join(shown, name), new: h.note, mode: sealedMode}
		if err := checkNumber(ctx, note.path, note.name, h.note); err != nil {
			return err
		}
		if err := note.read(ctx); err != nil {
			return err
		}
		files = append(files, note)
	}
	settings := filepath.Join(dir, repo.SettingsName)
	files = append(files, fileChange{path: settings, name: filepath.Join(shown, repo.SettingsName), new: text, mode: sealedMode})
	return commitFiles(ctx, filepath.Join(dir, repo.NotesDir), files)
}

// commitFiles writes files; where that fails, a folder that was made for them is removed again.
func commitFiles(ctx context.Context, folder string, files []fileChange) error {
	_, statErr := os.Lstat(folder)
	var batch replace.Batch
	defer batch.Discard()
	err := ctx.Err()
	for _, f := range files {
		if err == nil {
			err = f.stage(&batch)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = batch.Commit()
	}
	if err != nil && errors.Is(statErr, fs.ErrNotExist) {
		batch.Discard()
		// It is empty, or somebody else has put something into it.
		_ = os.Remove(folder)
	}
	return err
}

// sayInit tells what was found, and what to do next.
func (o *initOptions) sayInit(env *Env, d *initDraft) {
	warn(env.Stderr, d.warnings...)
	for _, h := range d.holders {
		if h.statementKey != "" {
			_, _ = fmt.Fprintf(env.Stderr, "statement key: %s\n", h.statementKey)
		}
	}
	if len(o.keyrings) > 0 {
		message(env.Stderr, "hint: ", "compare the statement key with what the cluster's administrators say, over another channel (a call, a chat), before you commit it")
	}
	for _, e := range d.environments {
		message(env.Stderr, "seal: ", fmt.Sprintf("%s is sealed for %s", shownPaths(e), shownHolders(e, d.breakGlass)))
	}
	if o.dryRun {
		message(env.Stderr, "seal: ", "nothing was written")
		return
	}
	commit := []string{repo.SettingsName, attributesName}
	if slices.ContainsFunc(d.holders, func(h initHolder) bool { return h.note != nil }) {
		commit = []string{repo.SettingsName + ", " + attributesName, repo.NotesDir}
	}
	message(env.Stderr, "hint: ", "commit "+strings.Join(commit, " and ")+"; run seal install in each clone")
}
