package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// apply has the cluster have what the commit has. An error is one of the API server about the SecretSync itself.
func (r *syncs) apply(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state, rep *report) error {
	t := st.taken
	in := sync.Input{
		Sync: keyOf(o).String(), Set: t.set, Fetched: t.at, Inventory: inventoried(o.Status.Inventory), Cluster: r.live(), Prune: o.Spec.Prune, Now: r.now(), Asked: rep.askedNow,
	}
	if st.failed != nil {
		in.Doubt = st.failed.message
	}
	p := st.plan.Decide(in)
	rep.plan, rep.refused = &p, sorted(t.set.Refused, p.Denied)
	rep.strays = sync.Strays(in.Sync, r.marked(in.Sync), p.Inventory, in.Cluster)
	if err := fits(o, p.Inventory); err != nil {
		rep.outcome, rep.plan = failure(err), nil
		return nil
	}
	began := r.now()
	defer func() { st.heavy = r.now().Sub(began) >= slowLook }()
	as, err := r.account(ctx, o, conf, namespacesOf(&p))
	if err != nil {
		rep.outcome, rep.plan = failure(err), nil // nothing of it is carried out
		return nil
	}
	// What is about to be applied is in the inventory before, so that nothing that was is ever left out of it.
	if len(p.Apply) > 0 {
		next := *o.Status.DeepCopy()
		next.Inventory = inventory(p.Inventory)
		if err := r.store(ctx, o, next); err != nil {
			return err
		}
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		rep.outcome = failure(err)
		return nil
	}
	results, err := as.Carry(ctx, p, &records{r, o, t}, st.reader.Manifests(repo.Read), &st.plan)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.carried(st, rep, results)
	if err != nil {
		rep.outcome = failure(err)
	}
	return nil
}

// maxStored is how long a spec and the inventory are together, in bytes: an object of etcd has 1.5 MiB, and the rest of the status is to have its part of it.
const maxStored = 1 << 20

// fits refuses an inventory that the status has no room for: it could not be stored, and nothing would say so.
func fits(o *v1alpha1.SecretSync, all []types.NamespacedName) error {
	size, last := 0, ""
	for _, key := range all {
		if size += len(key.Name) + len(`"",`); key.Namespace != last {
			last, size = key.Namespace, size+len(key.Namespace)+len(`{"namespace":"","names":[]},`)
		}
	}
	spec, err := json.Marshal(&o.Spec)
	if err != nil {
		return refuse(TooManyObjects, describe(err))
	}
	if size+len(spec) > maxStored {
		return refuse(TooManyObjects, fmt.Sprintf("the names of %d objects have %d bytes, which is more than a status has room for: nothing is written; divide the files among several SecretSyncs", len(all), size))
	}
	return nil
}

// account gives the hands to write with: those of an account that the configuration names, and that has no right which is too much.
func (r *syncs) account(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, namespaces []string) (hands, error) {
	name := types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.ServiceAccountName}
	if !conf.MayImpersonate(name) {
		return nil, refuse(AccountNotNamed, fmt.Sprintf("the agent's configuration does not name ServiceAccount %s of namespace %s among those to impersonate", name.Name, name.Namespace))
	}
	as, err := r.accounts(keyOf(o).String(), name)
	if err != nil {
		return nil, refuse(ApplyFailed, describe(err))
	}
	much, err := as.TooMuch(ctx, namespaces)
	switch {
	case err != nil:
		return nil, refuse(ApplyFailed, fmt.Sprintf("what ServiceAccount %s may do is not known: %s", name.Name, describe(err)))
	case len(much) > 0:
		return nil, refuse(AccountRefused, fmt.Sprintf("nothing is applied as ServiceAccount %s, because %s", name.Name, strings.Join(much, "; ")))
	}
	return as, nil
}

// namespacesOf are those in which a plan writes, sorted.
func namespacesOf(p *sync.Plan) []string {
	all := map[string]bool{}
	for _, a := range p.Apply {
		all[a.Object.Key.Namespace] = true
	}
	for _, d := range p.Delete {
		all[d.Key.Namespace] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// carried takes what came of a plan into the report.
func (r *syncs) carried(st *state, rep *report, results []sync.Result) {
	t, p := st.taken, rep.plan
	applied, pruned := 0, 0
	var failed []desired.Refusal
	for _, res := range slices.Concat(results, p.Failing) { // the latter have failed a moment ago
		switch {
		case res.Failure != nil:
			failed = append(failed, notWritten(t.set, res))
		case res.Why == "":
			pruned++
		default:
			applied++
		}
	}
	r.metrics.wrote(applied, pruned)
	rep.refused = sorted(rep.refused, failed)
	left := len(p.Apply) + len(p.Delete) - len(results)
	switch {
	case len(failed) > 0:
		rep.outcome = outcome{ApplyFailed, fmt.Sprintf("%d of %d objects could not be written; the first: %s", len(failed), len(t.set.Objects), failed[0].Message)}
	case left > 0:
		rep.outcome = outcome{ApplyFailed, counted(left, "object is", "objects are") + " not written yet"}
	case slices.ContainsFunc(p.Fights, func(f sync.Fight) bool { return f.Again }):
		rep.outcome = outcome{ApplyFailed, contested(p.Fights)}
	case len(p.Fights) > 0: // a change that comes so soon may be the only one: that is a wait, and nothing has failed
		rep.outcome = outcome{Progressing, fmt.Sprintf("%s changed just after being applied, and applied again in a few seconds; the first: %s", counted(len(p.Fights), "object was", "objects were"), p.Fights[0].Key)}
	case len(p.Waiting) > 0:
		rep.outcome = outcome{Progressing, fmt.Sprintf("%s being deleted by somebody, and applied after that; the first: %s", counted(len(p.Waiting), "object is", "objects are"), p.Waiting[0])}
	default:
		rep.outcome = outcome{Synced, summary(t, rep)}
		rep.applied = t.revision(r.now())
	}
}

// notWritten says of an object that could not be written where in Git it is, and why.
func notWritten(set *desired.Set, res sync.Result) desired.Refusal {
	out := desired.Refusal{Path: res.Key.String(), Reason: res.Failure.Reason, Message: res.Key.String() + ": " + describe(res.Failure), Known: true}
	i, found := slices.BinarySearchFunc(set.Objects, res.Key, func(o desired.Object, key types.NamespacedName) int { return desired.CompareKeys(o.Key, key) })
	if found {
		out.Path, out.Document = desired.Shown(set.Objects[i].Path), set.Objects[i].Document
	} else {
		out.Message = "deleting " + out.Message
	}
	return out
}

// contested says which objects somebody else has changed, again.
func contested(fights []sync.Fight) string {
	fights = slices.DeleteFunc(slices.Clone(fights), func(f sync.Fight) bool { return !f.Again })
	by := fights[0].Rival
	if by == "" {
		by = "somebody"
	}
	return fmt.Sprintf("%s changed by others just after being applied, again and again, and applied again in a while, later each time; the first: %s, by %s",
		counted(len(fights), "object was", "objects were"), fights[0].Key, quoted(by))
}

// summary is what the status says of a commit that the cluster has.
func summary(t *taken, rep *report) string {
	text := fmt.Sprintf("%s@sha1:%s: %s", placeName(t.place), short(t.commit.ID), counted(len(t.set.Objects), "object", "objects"))
	if t.signer != "" {
		text += ", signed by " + quoted(t.signer)
	}
	if n := len(rep.refused); n > 0 {
		text += fmt.Sprintf("; %d refused", n)
	}
	if rep.plan != nil && rep.plan.Held != "" {
		text += fmt.Sprintf("; %s to be deleted: %s", counted(len(rep.plan.Gone), "waits", "wait"), rep.plan.Held)
	}
	if n := len(rep.strays); n > 0 {
		text += fmt.Sprintf("; %d have its mark and are not its own, see status.strays; the first: %s", n, rep.strays[0])
	}
	return text
}

// maxDescribed bounds what others say, in bytes: an API server's answer, or that of a webhook behind it, may be long.
const maxDescribed = 512

// describe is an error for people, of one line.
func describe(err error) string {
	text := strings.ToValidUTF8(strings.Join(strings.Fields(err.Error()), " "), "\uFFFD")
	if len(text) > maxDescribed {
		text = strings.ToValidUTF8(text[:maxDescribed], "") + "…"
	}
	return text
}
