package agent

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func placeOf(o *v1alpha1.SecretSync) source.Place {
	return source.Place{URL: o.Spec.Source.URL, Branch: o.Spec.Source.Branch, Tag: o.Spec.Source.Tag}
}

func intervalOf(o *v1alpha1.SecretSync) time.Duration {
	if i := o.Spec.Source.Interval; i != nil && i.Duration > 0 {
		return i.Duration
	}
	return defaultInterval
}

// isDue says whether the repository is to be asked now.
func (s *state) isDue(o *v1alpha1.SecretSync, now time.Time) bool {
	return s.isWoken(now) || (s.taken == nil && s.failed == nil) || s.generation != o.Generation || s.asked != o.Annotations[v1alpha1.AnnotationSyncNow] || !now.Before(s.due)
}

// pull asks the repository for what it has now, and remembers what came of it. fetched is what it had, also if that is not taken.
func (r *syncs) pull(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (fetched *v1alpha1.SyncRevision) {
	_ = st.takeWake(r.now())
	st.generation, st.asked = o.Generation, o.Annotations[v1alpha1.AnnotationSyncNow]
	began := r.now()
	got, fetched, err := r.fetch(ctx, o, s, st)
	if ctx.Err() != nil {
		return fetched // the agent is being stopped
	}
	took := r.now().Sub(began)
	st.slow = took >= slowLook
	st.paced(took)
	r.metrics.fetched(took, err)
	if err != nil {
		out := failure(err)
		st.failed = &out
		st.failures++
		st.due = r.now().Add(backoff(st.failures, intervalOf(o), r.jitter()))
		return fetched
	}
	st.failed, st.failures = nil, 0
	st.due = r.now().Add(pause(intervalOf(o), r.jitter()))
	switch {
	case st.taken == nil || st.taken.generation != got.generation:
		st.seen = nil
		st.plan.Anew()
	case st.taken.commit.ID != got.commit.ID:
		st.seen = append([]*taken{st.taken}, st.seen[:min(len(st.seen), maxSeen-1)]...)
	}
	st.take(got)
	return fetched
}

// maxSeen is how many commits before the newest are remembered, to say of which one the cluster's objects are.
const maxSeen = 4

// maxPatience is how long it may take until a commit is fetched, verified and read: what is in it can be made so that each file takes a second to be put together, and others wait
// for the worker. What was read is remembered, so that a slow disk gets there with the next tries.
const maxPatience = 5 * time.Minute

// fetch gets a commit that is one to take, and reads it.
func (r *syncs) fetch(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (*taken, *v1alpha1.SyncRevision, error) {
	limit := cmp.Or(r.patience, maxPatience)
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, fetched, err := r.fetchWithin(within, o, s, st)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = refuse(string(source.TimedOut), fmt.Sprintf("it took longer than %s to fetch, verify and read a commit; what was read is remembered, and the next try goes on from there", limit))
	}
	return got, fetched, err
}

func (r *syncs) fetchWithin(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (*taken, *v1alpha1.SyncRevision, error) {
	got, fetched, err := r.commit(ctx, o, s, st)
	if err != nil {
		return nil, fetched, err
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return nil, fetched, err
	}
	files, err := repo.Files(ctx, got.commit)
	if err != nil {
		return nil, fetched, err
	}
	folder := o.Spec.Source.Path
	if len(files) > 0 && !anyBelow(folder, files) {
		return nil, fetched, refuse(PathNotFound, fmt.Sprintf("commit %s has no folder %q, which spec.source.path names", short(got.commit.ID), folder))
	}
	if got.set, err = st.reader.Read(ctx, folder, files, repo.Read); err != nil {
		return nil, fetched, err
	}
	return got, fetched, nil
}

// commit gets a commit, and makes sure that it is one to take. fetched is what the repository has, also if that is not.
func (r *syncs) commit(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (got *taken, fetched *v1alpha1.SyncRevision, err error) {
	place := placeOf(o)
	auth, err := r.auth(s, o.Namespace, o.Spec.Source.Credentials, place.URL)
	if err != nil {
		return nil, nil, err
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return nil, nil, err
	}
	before := st.before(o, place)
	var seen []string
	if before != "" {
		seen = []string{before}
	}
	c, err := repo.Fetch(ctx, place, auth, seen...)
	if err != nil {
		return nil, nil, err
	}
	got = &taken{place: place, generation: o.Generation, commit: c, at: r.now()}
	fetched = revision(place, c, got.at)
	if got.signer, err = r.verified(ctx, s, o, repo, c, place, before); err != nil {
		return nil, fetched, err
	}
	fetched.Signer = got.signer
	if got.rewritten, err = descends(o, repo, before, c.ID); err != nil {
		return nil, fetched, err
	}
	if got.rewritten == "" && st.taken != nil && st.taken.commit.ID == c.ID {
		got.rewritten = st.taken.rewritten
	}
	return got, fetched, nil
}

// before is the commit that was taken before, of the same place; empty: there is none. After a start the status says it, if it speaks of the object as it is: only the agent writes it.
func (s *state) before(o *v1alpha1.SecretSync, place source.Place) string {
	if s.taken != nil {
		if s.taken.place != place {
			return ""
		}
		return s.taken.commit.ID
	}
	if o.Status.Applied == nil || o.Status.ObservedGeneration != o.Generation {
		return ""
	}
	name, id, ok := strings.Cut(o.Status.Applied.Revision, "@sha1:")
	if !ok || name != placeName(place) {
		return ""
	}
	return id
}

// descends says how a commit stands to the one before, where it does not descend from it, or refuses it.
func descends(o *v1alpha1.SecretSync, repo repository, before, id string) (string, error) {
	if before == "" || before == id {
		return "", nil
	}
	relation, err := repo.Relation(before, id)
	if err != nil {
		return "", err
	}
	var how string
	switch relation {
	case source.Rewritten:
		how = fmt.Sprintf("commit %s does not descend from %s, which was taken before it", short(id), short(before))
	case source.Unknown:
		how = fmt.Sprintf("the history does not reach far enough to say whether commit %s descends from %s, which was taken before it", short(id), short(before))
	default:
		return "", nil
	}
	if o.Spec.Source.Rewritten == v1alpha1.RewrittenStop && o.Spec.Source.Accept != id {
		return "", refuse(string(source.HistoryRewritten), fmt.Sprintf("%s: to take it, set spec.source.accept to %s", how, id))
	}
	return how, nil
}

// anyBelow says whether there is anything in a folder, or something else in its place, such as a link.
func anyBelow(folder string, files []source.File) bool {
	folder = strings.Trim(path.Clean("/"+folder), "/")
	return folder == "" || slices.ContainsFunc(files, func(f source.File) bool { return f.Path == folder || strings.HasPrefix(f.Path, folder+"/") })
}

func placeName(p source.Place) string {
	if p.Tag != "" {
		return p.Tag
	}
	return p.Branch
}

func revision(p source.Place, c source.Commit, at time.Time) *v1alpha1.SyncRevision {
	return &v1alpha1.SyncRevision{Revision: placeName(p) + "@sha1:" + c.ID, At: metav1.NewTime(at)}
}
