package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// whyNot says why there is no wrap for an envelope, and what can be done; empty where there is one.
type whyNot struct{ text, hint string }

// wrap gives the wrap that the cluster offers for an envelope of a GitSecret in a file, for the present recipients h.
func (c *clusterOffers) wrap(news *holderNews, h seal.Holder, id string, doc *seal.Document) (rewrap.Wrap, whyNot) {
	if news == nil {
		return rewrap.Wrap{}, whyNot{"no statement key is pinned for this holder, so nothing that is offered counts", "-i IDENTITY rewraps it offline"}
	}
	e := doc.Spec().Envelopes[id]
	w, err := c.offers.Find(news.holder.StatementKey, *news.Set, id, e.Commit, doc.Class(), e.Wraps[h.Name])
	switch {
	case err == nil:
		return w, whyNot{}
	case errors.Is(err, rewrap.ErrOlderOffer):
		return w, whyNot{fmt.Sprintf("it is offered for an older set than set %d", news.Set.Set), "the controller offers it anew by itself: run it again in a while"}
	case errors.Is(err, rewrap.ErrNewerOffer):
		return w, whyNot{fmt.Sprintf("it is offered for a newer set than set %d", news.Set.Set),
			"run it again; with --offers, give the Keyrings, too: " + listCommand}
	case errors.Is(err, rewrap.ErrTooOften):
		return w, whyNot{err.Error(), "--fresh seals it anew"}
	case !errors.Is(err, rewrap.ErrNoOffer):
		return w, whyNot{err.Error(), "seal status shows how file and cluster differ"}
	}
	return w, c.without(news, h, id, doc)
}

// without says why nothing is offered for an envelope.
func (c *clusterOffers) without(news *holderNews, h seal.Holder, id string, doc *seal.Document) whyNot {
	var live *rewrap.Live
	if l, there := c.live[id]; there {
		live = &l
	}
	switch {
	case news.absent != "":
		return whyNot{news.absent, "--context names another cluster"}
	case live == nil && c.closed[doc.Target.Namespace]:
		return whyNot{"its namespace may not be listed", "somebody who may list it can give you a list for --offers: " + listCommand}
	}
	err := rewrap.Unoffered(live, h)
	hint := "seal status shows what is the matter"
	switch {
	case errors.Is(err, rewrap.ErrNotThere):
		hint = "let your delivery tool sync it first, or rewrap it with -i IDENTITY"
	case errors.Is(err, rewrap.ErrHasNewKeys):
		hint = "git pull, or rewrap it with -i IDENTITY if this is another copy"
	case errors.Is(err, rewrap.ErrNotYet):
		hint = "the controller offers for 500 objects at a time: commit and push, and run it again once the cluster has that"
	}
	return whyNot{err.Error(), hint}
}

// recipientIDs are the key ids of a holder, in byte order.
func recipientIDs(h seal.Holder) []string { return rewrap.KeyIDs(h) }

// namespaces are those that the GitSecrets of the files go to, in byte order.
func (r *rewrapper) namespaces(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	names := map[string]bool{}
	err := r.run(ctx, "reading", func(ctx context.Context, _ int, in input) error {
		if in.name == stdinArg {
			return nil // it can be read once only
		}
		data, err := r.read(ctx, in, scan.Finding.MayBeSealed)
		if err != nil || data == nil {
			return err
		}
		file, err := manifest.Parse(shownName(in.name), data)
		if err != nil {
			return withIgnore(in, err)
		}
		given := ""
		if rules, err := r.source.rules(r.placeOf(in)); err == nil {
			given = rules.Namespace
		}
		for _, obj := range objects(shownName(in.name), file, math.MaxInt) {
			var spec struct{ For seal.For }
			_ = json.Unmarshal(obj.members["spec"], &spec)
			place := cmp.Or(obj.namespace, given, spec.For.Namespace)
			// What Kubernetes does not allow cannot be there, and must not become part of a URL.
			if obj.role == isSealed && secret.ValidNamespace(place) {
				mu.Lock()
				names[place] = true
				mu.Unlock()
			}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(names)), err
}
