package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
)

const usesLong = `Show who needs a key, as far as that is known: objects of the cluster that were opened with it or are
sealed for it, what the controller has counted, and files of this repository (or of the FILEs and DIRs)
that are sealed for it.

What the controller counts also has what is gone from the cluster, and objects that only claim to be
sealed for another key: a use ends when the controller has opened the same envelope with another key.
That no use is known does not mean that there is none: Git's history and other branches, other
repositories and backups are not looked at.

It needs the rights to get the keyring and to list gitsecrets, and changes nothing.

EXIT STATUS
  0  the report is written, whatever it says
  1  there is no such key, or the cluster cannot be asked`

const usesExample = `  seal keys uses 3f2a91c0
  seal keys uses 3f2a91c0 -o json | jq -r '.objects[] | .namespace + "/" + .name'
  seal keys uses 3f2a91c0 clusters/prod/`

// maxListedUses is how many objects and files are shown to people.
const maxListedUses = 50

// usesOptions are the flags of `seal keys uses`.
type usesOptions struct {
	keyringFlag
	output reportFlag
}

func newKeysUsesCommand(env *Env) *cobra.Command {
	var o usesOptions
	cmd := &cobra.Command{
		Use:               "uses [flags] KEYID [FILE|DIR]…",
		Short:             "Show who needs a key",
		Long:              usesLong,
		Example:           usesExample,
		ValidArgsFunction: completeFiles,
		Args:              atLeast("KEYID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysUses(cmd.Context(), env, &o, args)
		},
	}
	cmd.Flags().SortFlags = false
	o.output.addTo(cmd)
	o.keyringFlag.addTo(cmd.Flags())
	return cmd
}

// objectUse is an object of the cluster that has to do with a key.
type objectUse struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Opened says that the controller has opened its present values with the key, Sealed that it is sealed for the key as it is.
	Opened bool `json:"opened"`
	Sealed bool `json:"sealed"`
}

// usesReport is what is known of who needs a key.
type usesReport struct {
	Keyring string             `json:"keyring"`
	Key     string             `json:"key"`
	State   string             `json:"state"`
	Since   string             `json:"since,omitempty"`
	Counted *v1alpha1.KeyUses  `json:"counted,omitempty"` // by the controller
	Objects []objectUse        `json:"objects"`
	Files   []fileKey          `json:"files"`
	Unseen  []string           `json:"unseen"` // what was not looked at
	where   string             // what files were looked at; empty for none
	key     v1alpha1.KeyStatus // as the Keyring shows it
}

func runKeysUses(ctx context.Context, env *Env, o *usesOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := once(args[1:]...); err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	key, err := o.find(ctx, client, args[0])
	if err != nil {
		return err
	}
	r, err := usesOf(ctx, env, client, key, args[1:])
	if err != nil {
		return err
	}
	return o.output.write(env, r, func(t *reportText) {
		for _, line := range r.lines(env.Now()) {
			t.note(0, line)
		}
	})
}

// usesOf gathers who needs a key, in the cluster and in files.
func usesOf(ctx context.Context, env *Env, client *cluster.Client, key *foundKey, args []string) (*usesReport, error) {
	r := &usesReport{Keyring: key.kr.Name, Key: key.key.ID, State: key.key.State, Counted: key.key.Uses, Objects: []objectUse{}, Unseen: []string{}, key: key.key}
	if key.key.Since != nil {
		r.Since = key.key.Since.UTC().Format(time.RFC3339)
	}
	files, err := keyFilesIn(ctx, env, args)
	if err != nil {
		return nil, err
	}
	r.Files, r.where = files.sealedForKey(r.Key), files.where
	r.Unseen = append(r.Unseen, files.warnings...)
	live, err := askKeyObjects(ctx, client, files.places())
	if err != nil {
		return nil, err
	}
	r.Unseen = append(r.Unseen, live.unseen...)
	if r.Counted != nil && r.Counted.Unseen != "" {
		r.Unseen = append(r.Unseen, "by the controller: "+r.Counted.Unseen)
	}
	only := map[string]bool{r.Key: true}
	for i := range live.objects {
		l := &live.objects[i]
		if use := (objectUse{l.Namespace, l.Name, l.OpenedWith(r.Key), len(l.Can(only)) > 0}); use.Opened || use.Sealed {
			r.Objects = append(r.Objects, use)
		}
	}
	return r, nil
}

// lines tell the report to people.
func (r *usesReport) lines(now time.Time) []string {
	head := fmt.Sprintf("key %s of keyring %s: %s", displayID(r.Key), shown(r.Keyring), strings.ToLower(shown(r.State)))
	if r.key.Since != nil {
		head += " since " + r.Since
	}
	out := append([]string{head}, r.countedLine(now))
	if len(r.Objects) == 0 {
		out = append(out, "in the cluster: no object that can be seen is sealed for it")
	} else {
		out = append(out, "in the cluster: "+countOf(len(r.Objects), "object"))
		out = append(out, firstFew(len(r.Objects), func(i int) string {
			o := &r.Objects[i]
			how := map[bool]string{true: "opened with it", false: "sealed for it, and not opened with it"}[o.Opened]
			if o.Opened && !o.Sealed {
				how = "opened with it; sealed for another key by now"
			}
			return "  " + placeText(o.Namespace, o.Name) + "  " + how
		})...)
	}
	switch {
	case r.where == "":
		out = append(out, "in files: not looked at: this is no repository")
	case len(r.Files) == 0:
		out = append(out, "in "+r.where+": nothing is sealed for it")
	default:
		text := "in " + r.where + ": " + countOf(len(r.Files), "GitSecret") + " sealed for it"
		if r.State != stateActive {
			text += "; seal rewrap brings what it finds up to the present key"
		}
		out = append(out, text)
		out = append(out, firstFew(len(r.Files), func(i int) string { return "  " + r.Files[i].text() })...)
	}
	for _, text := range r.Unseen {
		out = append(out, "not looked at: "+text)
	}
	return out
}

// countedLine is what the controller has counted.
func (r *usesReport) countedLine(now time.Time) string {
	if r.Counted == nil {
		return "counted by the controller: not yet"
	}
	c := r.Counted
	text := fmt.Sprintf("counted by the controller %s ago: ", spanWords(max(now.Sub(c.Counted.Time), 0)))
	if c.Objects == 0 && c.Gone == 0 && len(c.Git) == 0 {
		return text + "no use known"
	}
	text += countOf(int(c.Objects), "object") + " of the cluster"
	if c.Gone > 0 {
		text += fmt.Sprintf(", and %d gone from it, which going back in Git needs the key for", c.Gone)
	}
	if len(c.Git) > 0 {
		text += "; files that " + followedBy(c.Git) + " are wrapped for it"
	}
	return text
}

// followedBy names SecretSyncs, whose names come from the cluster.
func followedBy(syncs []string) string {
	var names []string
	for _, name := range syncs {
		names = append(names, shown(name))
	}
	if len(names) == 1 {
		return "SecretSync " + names[0] + " follows"
	}
	return "SecretSyncs " + strings.Join(names, ", ") + " follow"
}

// firstFew are the lines for as many of n as people read.
func firstFew(n int, line func(i int) string) []string {
	var out []string
	for i := range min(n, maxListedUses) {
		out = append(out, line(i))
	}
	if more := n - len(out); more > 0 {
		out = append(out, fmt.Sprintf("  and %d more; -o json has all", more))
	}
	return out
}
