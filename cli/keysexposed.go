package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/keyuse"
)

const exposedLong = `List the values that have to be renewed because a compromised key could ever open them: what the
controller calls Exposed, in all namespaces that you may list, and what is sealed for such a key, or was
before a rewrap, by what envelopes say. With each, the files of this repository (or of the FILEs and
DIRs) that have it.

A value stays exposed until it is another one: rewrap and --fresh do not help against somebody who has
read it. Renew it at its source, such as the database, then: seal set FILE ITEM.

No key is needed, and nothing is changed. What files alone have, such as for another cluster, is listed
too; Git's history is not looked at.

EXIT STATUS
  0  nothing is exposed
  1  the cluster cannot be asked
  5  there are values to renew`

const exposedExample = `  seal keys exposed
  seal keys exposed -o json | jq -r '.exposed[].files[]?' | sort -u`

// exposedOptions are the flags of `seal keys exposed`.
type exposedOptions struct {
	keyringFlag
	output reportFlag
}

func newKeysExposedCommand(env *Env) *cobra.Command {
	var o exposedOptions
	cmd := &cobra.Command{
		Use:               "exposed [flags] [FILE|DIR]…",
		Short:             "List the values that a compromised key could open",
		Long:              exposedLong,
		Example:           exposedExample,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysExposed(cmd.Context(), env, &o, args)
		},
	}
	cmd.Flags().SortFlags = false
	o.output.addTo(cmd)
	o.keyringFlag.addTo(cmd.Flags())
	return cmd
}

// exposedReport lists values to renew.
type exposedReport struct {
	// Keys are the ids of the compromised keys.
	Keys    []string          `json:"keys"`
	Exposed []keyuse.Exposure `json:"exposed"`
	Unseen  []string          `json:"unseen"` // what was not looked at
}

func runKeysExposed(ctx context.Context, env *Env, o *exposedOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := once(args...); err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	rings, err := o.keyrings(ctx, client)
	if err != nil {
		return err
	}
	files, err := keyFilesIn(ctx, env, args)
	if err != nil {
		return err
	}
	live, err := askKeyObjects(ctx, client, files.places())
	if err != nil {
		return err
	}
	r := newExposedReport(compromisedKeys(rings), files, live)
	if err := o.output.write(env, r, r.text); err != nil {
		return err
	}
	if len(r.Exposed) > 0 {
		return findings()
	}
	return nil
}

// compromisedKeys are the ids of the compromised keys of keyrings.
func compromisedKeys(rings []v1alpha1.Keyring) map[string]bool {
	keys := map[string]bool{}
	for i := range rings {
		for _, key := range rings[i].Status.Keys {
			// A destroyed one opens nothing here; whether somebody else has it, its tombstone does not say.
			if key.State == stateCompromised {
				keys[key.ID] = true
			}
		}
	}
	return keys
}

func newExposedReport(keys map[string]bool, files *keyFiles, live *keyObjects) *exposedReport {
	r := &exposedReport{Keys: []string{}, Exposed: keyuse.Exposures(files.files, live.objects, keys), Unseen: append(append([]string{}, files.warnings...), live.unseen...)}
	for id := range keys {
		r.Keys = append(r.Keys, id)
	}
	slices.Sort(r.Keys)
	if r.Exposed == nil {
		r.Exposed = []keyuse.Exposure{}
	}
	if files.where == "" {
		r.Unseen = append(r.Unseen, "files: this is no repository")
	}
	return r
}

// text is the report for people.
func (r *exposedReport) text(t *reportText) {
	if len(r.Exposed) > 0 {
		table := [][]cell{{{text: "OBJECT"}, {text: "VALUES TO RENEW"}, {text: "SAID BY"}, {text: "FILES"}}}
		for i := range r.Exposed {
			e := &r.Exposed[i]
			object := placeText(e.Namespace, e.Name)
			if e.Namespace == "" {
				object = "?/" + object
			}
			table = append(table, []cell{{text: object}, {strings.Join(shownAll(e.Items), ", "), red}, {text: saidBy(e)}, {text: dashed(strings.Join(e.Files, ", "))}})
		}
		t.table(table)
		t.line(0, "")
	}
	for _, text := range r.Unseen {
		t.note(0, "not looked at: "+text)
	}
	t.note(0, r.summary())
	if len(r.Exposed) > 0 {
		t.note(0, "hint: renew each at its source, then: seal set FILE ITEM; new wraps for the same value do not help")
	}
}

// saidBy says who calls the values exposed.
func saidBy(e *keyuse.Exposure) string {
	switch {
	case !e.Cluster:
		return "file"
	case len(e.Said) == len(e.Items):
		return "controller"
	case len(e.Said) > 0:
		return "controller, envelopes"
	}
	return "envelopes"
}

func (r *exposedReport) summary() string {
	items := 0
	for i := range r.Exposed {
		items += len(r.Exposed[i].Items)
	}
	switch {
	case items > 0:
		return fmt.Sprintf("%s of %s to renew", countOf(items, "value"), countOf(len(r.Exposed), "object"))
	case len(r.Keys) == 0:
		return "no key is compromised, and nothing is exposed"
	}
	return "nothing is exposed: no value that can be seen could be opened with " + shownKeys(r.Keys)
}

// shownAll are names from documents, for people.
func shownAll(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = shown(name)
	}
	return list
}

// exposedNow gathers the report of a cluster and the repository.
func exposedNow(ctx context.Context, client *cluster.Client, files *keyFiles, keys map[string]bool) (*exposedReport, int, error) {
	live, err := askKeyObjects(ctx, client, files.places())
	if err != nil {
		return nil, 0, err
	}
	return newExposedReport(keys, files, live), keyuse.Unsaid(live.objects, keys), nil
}
