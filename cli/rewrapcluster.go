package cli

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// clusterOffers is what a cluster says for a rewrap, or a list that somebody has got from one: the newest recipients of the holders whose statement keys are pinned, and wraps for
// them. None of it is trusted but what verifies under a pin.
type clusterOffers struct {
	env    *Env
	o      *rewrapOptions
	tree   *repo.Tree
	pinned []repo.Holder
	flags  bool // the pins come from --statement-key

	client   *cluster.Client
	keyrings map[string]keyringAnswer
	news     map[newsKey]*holderNews
	offers   *rewrap.Offers
	live     map[string]rewrap.Live
	closed   map[string]bool // namespaces that could not be listed
	refused  []refusedOffer
	warnings []string
}

// refusedOffer is one that is not taken.
type refusedOffer struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Holder    string `json:"holder"`
	Reason    string `json:"reason"`
}

// ask gets what the cluster says, or the file that was taken from it.
func (r *rewrapper) ask(ctx context.Context) error {
	c := &clusterOffers{env: r.env, o: r.o, tree: r.source.tree, keyrings: map[string]keyringAnswer{}, news: map[newsKey]*holderNews{},
		live: map[string]rewrap.Live{}, closed: map[string]bool{}}
	if c.pinned, c.flags = r.pinned(), len(r.o.statementKeys) > 0; len(c.pinned) == 0 {
		return usage("seal init --keyring NAME pins one in "+repo.SettingsName+", --statement-key VKEY gives one; with -i IDENTITY wraps are made offline",
			"no statement key is pinned for these files, so that offers of a cluster cannot be verified")
	}
	pins := map[string][]string{}
	for _, h := range c.pinned {
		pins[h.Name] = append(pins[h.Name], h.StatementKey)
	}
	for name := range pins {
		pins[name] = unique(pins[name])
	}
	c.offers = rewrap.NewOffers(pins)
	look := c.askCluster
	if r.o.offers != "" {
		look = c.readList
	}
	if err := look(ctx, r); err != nil {
		return err
	}
	r.cluster, r.source.set = c, c.set
	if c.flags {
		return c.give(r.source)
	}
	return nil
}

// pinned are the holders of the files whose statement keys are known.
func (r *rewrapper) pinned() []repo.Holder {
	var all []repo.Holder
	for _, key := range r.o.statementKeys {
		all = append(all, holderOfKey(key))
	}
	if len(all) > 0 {
		return all
	}
	seen := map[newsKey]bool{}
	for _, in := range r.inputs {
		// What is wrong with settings is told file by file, later.
		rules, err := r.source.rules(r.placeOf(in))
		if err != nil {
			continue
		}
		for _, h := range rules.Holders {
			if k := newsOf(h); h.StatementKey != "" && !seen[k] {
				seen[k] = true
				all = append(all, h)
			}
		}
	}
	return all
}

// askCluster asks for the keyrings, then for the GitSecrets.
func (c *clusterOffers) askCluster(ctx context.Context, r *rewrapper) error {
	var err error
	if c.client, err = c.o.client(c.env); err != nil {
		return err
	}
	// A credential plugin of a kubeconfig may do anything in the meantime.
	_, err = unlessDone(ctx, func() (any, error) {
		if err := c.hear(ctx); err != nil {
			return nil, err
		}
		return nil, c.list(ctx, "")
	})
	if isForbidden(err) {
		return c.listSome(ctx, r, err)
	}
	return c.listError(err)
}

func (c *clusterOffers) list(ctx context.Context, namespace string) error {
	return c.client.DecodeGitSecrets(ctx, namespace, c.add)
}

// listSome asks for the namespaces of the files, where one may not list all.
func (c *clusterOffers) listSome(ctx context.Context, r *rewrapper, forbidden error) error {
	names, err := r.namespaces(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return c.listError(forbidden)
	}
	var one sync.Mutex // what they say is gathered in one place
	closed, err := eachNamespace(ctx, names, func(i int) error {
		one.Lock()
		defer one.Unlock()
		_, err := unlessDone(ctx, func() (any, error) { return nil, c.list(ctx, names[i]) })
		return err
	})
	for _, n := range closed {
		c.closed[n.name], forbidden = true, n.err
	}
	if err == nil && len(c.closed) == len(names) {
		err = forbidden
	}
	return c.listError(err)
}

func (c *clusterOffers) listError(err error) error {
	switch {
	case err == nil:
		return nil
	case isForbidden(err):
		return failed("ask for the right to list gitsecrets.waxwing.io, or have somebody who has it give you a list for --offers: "+listCommand, "%v", err)
	}
	return objectsRefusal(err)
}

// listCommand gets what --offers reads.
const listCommand = "kubectl get keyrings,gitsecrets -A -o json"

// readList reads what kubectl has printed.
func (c *clusterOffers) readList(ctx context.Context, _ *rewrapper) error {
	in, name := c.env.Stdin, shownName(c.o.offers)
	if c.o.offers != stdinArg {
		f, err := os.Open(c.env.path(c.o.offers))
		if err != nil {
			return fmt.Errorf("%s: %w", name, pathCause(err))
		}
		defer f.Close()
		in = f
	}
	if _, err := unlessDone(ctx, func() (any, error) { return nil, cluster.ReadList(in, c.add) }); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return failed("--offers wants what this prints: "+listCommand, "%s: %v", name, pathCause(err))
	}
	return c.hear(ctx)
}
