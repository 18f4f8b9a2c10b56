package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

const keysListLong = `List keys: those in files of recipients, signed notes and identity files, or without FILE those that
.seal.yaml, SEAL_RECIPIENTS_FILE and SEAL_IDENTITY_FILE name. Of an identity file only the public half
is shown. The key ids are those that GitSecrets name, and seal open where no identity fits.

A note that .seal.yaml pins is verified under the pin; one given as FILE is not, and says so.

With --cluster, or --keyring NAME, the keys of a cluster's keyrings: their states and since when, how old
they are, how many uses are known (seal keys uses has more), and when the active one is replaced by
itself.`

const keysListExample = `  seal keys list
  seal keys list prod.note key.txt ~/.ssh/id_ed25519
  seal keys list -o json | jq -r '.[].recipient'
  seal keys list --cluster`

// listedKey is a line of the report.
type listedKey struct {
	Kind      string     `json:"kind"` // recipient or identity
	Holder    string     `json:"holder,omitempty"`
	Class     seal.Class `json:"class,omitempty"` // empty for a plugin's key, which only the plugin knows
	KeyID     string     `json:"keyId"`
	Recipient string     `json:"recipient"`
	Source    string     `json:"source"`
	Set       uint64     `json:"set,omitempty"` // of a note
	At        string     `json:"at,omitempty"`
	Verified  *bool      `json:"verified,omitempty"` // of a note
}

// keysListOptions are the flags of `seal keys list`.
type keysListOptions struct {
	identities identityFlags
	output     string
	cluster    bool
	keyringFlag
}

func newKeysListCommand(env *Env) *cobra.Command {
	var o keysListOptions
	cmd := &cobra.Command{
		Use:               "list [flags] [FILE]…",
		Short:             "List recipients and identities with their key ids",
		Long:              keysListLong,
		Example:           keysListExample,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysList(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.output, "output", "o", "text", "write `text|json`")
	flags.BoolVar(&o.cluster, "cluster", false, "list the keys of a cluster's keyrings")
	o.keyringFlag.addTo(flags)
	o.identities.addPluginsTo(flags)
	completeValues(cmd, "output", "text", "json")
	return cmd
}

func runKeysList(ctx context.Context, env *Env, o *keysListOptions, files []string) error {
	if o.output != "text" && o.output != "json" {
		return usage("use text or json", "unknown output %q", o.output)
	}
	if err := once(files...); err != nil {
		return err
	}
	if o.cluster || o.keyring != "" {
		if len(files) > 0 {
			return usage("", "files do not go with --cluster and --keyring")
		}
		return listClusterKeys(ctx, env, o)
	}
	var keys []listedKey
	if len(files) == 0 {
		pinned, err := keysOfSettings(env)
		if err != nil {
			return err
		}
		keys = pinned
		files = slices.Concat(filepath.SplitList(env.Getenv(envRecipients)), filepath.SplitList(env.Getenv(envIdentities)))
		if len(files) == 0 && pinned == nil {
			return usage("give files of keys, or set "+envRecipients+" or "+envIdentities, "no keys to list: there is no %s here", repo.SettingsName)
		}
	}
	for _, name := range files {
		more, err := o.keysOf(ctx, env, name)
		if err != nil {
			return err
		}
		keys = append(keys, more...)
	}
	return printKeys(env, o.output, keys)
}

// keysOfSettings lists the holders that .seal.yaml defines for the current folder; nil where there is none.
func keysOfSettings(env *Env) ([]listedKey, error) {
	holders, found, err := env.holders()
	if err != nil || !found {
		return nil, err
	}
	keys := []listedKey{}
	for _, h := range holders {
		set, err := h.Read()
		if err != nil {
			return nil, err
		}
		more := keysOfHolder(set.Holder, h.File)
		if set.Statement != nil {
			stamp(more, *set.Statement, true)
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

func keysOfHolder(h seal.Holder, source string) []listedKey {
	keys := make([]listedKey, len(h.Recipients))
	for i, r := range h.Recipients {
		keys[i] = listedKey{Kind: "recipient", Holder: h.Name, Class: r.Class(), KeyID: r.KeyID(), Recipient: r.String(), Source: source}
	}
	return keys
}

func stamp(keys []listedKey, note statement.Recipients, verified bool) {
	for i := range keys {
		keys[i].Set, keys[i].At, keys[i].Verified = note.Set, note.At.UTC().Format(time.RFC3339), &verified
	}
}

// keysOf lists the keys of one file, of whatever kind it is.
func (o *keysListOptions) keysOf(ctx context.Context, env *Env, name string) ([]listedKey, error) {
	b, err := env.read(ctx, name, "keys", maxKeyFile)
	if err != nil {
		return nil, err
	}
	name = shownName(name)
	if isAgeFile(b) || isPrivatePEM(b) || holdsIdentity(b) {
		ids, err := o.identities.parse(ctx, env, name, b)
		if err != nil {
			return nil, err
		}
		keys := make([]listedKey, len(ids))
		for i, id := range ids {
			keys[i] = listedKey{Kind: "identity", Class: classOf(id.Recipient()), KeyID: id.KeyID(), Recipient: id.Recipient(), Source: name}
		}
		return keys, nil
	}
	f := recipientFlags{plugins: o.identities.plugins}
	set := f.newSet(ctx, env)
	if err := f.addFile(set, name, b); err != nil {
		return nil, err
	}
	var keys []listedKey
	for _, h := range set.sorted() {
		keys = append(keys, keysOfHolder(h, name)...)
	}
	if text, err := keyText(name, b); err == nil && statement.IsNote(text) {
		note, err := statement.ReadRecipients(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		stamp(keys, note, false)
	}
	return keys, nil
}

// holdsIdentity says whether a line of b is a private key.
func holdsIdentity(b []byte) bool {
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("AGE-SECRET-KEY-")) || bytes.HasPrefix(line, []byte("AGE-PLUGIN-")) {
			return true
		}
	}
	return false
}

// classOf is the class of a recipient by its text; empty for a plugin's.
func classOf(recipient string) seal.Class {
	if sshkey.Is(recipient) {
		return seal.Classical
	}
	r, err := seal.ParseRecipient(recipient)
	if err != nil {
		return ""
	}
	return r.Class()
}

func printKeys(env *Env, output string, keys []listedKey) error {
	if output == "json" {
		if keys == nil {
			keys = []listedKey{}
		}
		b, err := secret.Marshal(keys)
		if err != nil {
			return err
		}
		return env.writeOut(stdinArg, append(b, '\n'), 0)
	}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tHOLDER\tCLASS\tKEY ID\tSET\tDATE\tSOURCE")
	for _, k := range keys {
		set, source := "", k.Source
		if k.Set > 0 {
			set = strconv.FormatUint(k.Set, 10)
		}
		if k.Verified != nil && !*k.Verified {
			source += " (not verified)"
		}
		fields := []string{k.Kind, k.Holder, cmp.Or(string(k.Class), "plugin"), k.KeyID[:seal.KeyIDDisplay], set, k.At, source}
		for i, f := range fields {
			fields[i] = cmp.Or(strings.Map(visible, f), "-")
		}
		fmt.Fprintln(w, strings.Join(fields, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return env.writeOut(stdinArg, out.Bytes(), 0)
}
