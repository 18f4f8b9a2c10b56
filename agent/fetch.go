package agent

import (
	"cmp"
	"context"
	"errors"
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

// errSlow is that of a look which took too long for one that has no place among the slow ones. It has changed nothing, and the next one has.
var errSlow = errors.New("it takes its time")

// pull asks the repository for what it has now, and remembers what came of it. An error is errSlow, or one of ctx: the agent is being stopped.
func (r *syncs) pull(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state, patient bool) error {
	_ = st.takeWake(r.now())
	if st.generation != o.Generation {
		st.found = findings{}
	}
	began := r.now()
	got, err := r.fetch(ctx, o, s, st, patient)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	took := r.now().Sub(began)
	late := errors.Is(err, errSlow)
	st.slow = late || took >= slowLook || st.slow && err != nil // one that fails at once, now and then, does not become quick by that
	if late {
		st.due = r.now()
		return err
	}
	st.generation, st.asked = o.Generation, o.Annotations[v1alpha1.AnnotationSyncNow]
	st.paced(took)
	r.metrics.fetched(took, err)
	if got != nil {
		st.found.fetched = got.revision(got.at)
	}
	if err != nil {
		out := failure(err)
		if got != nil {
			if err := r.deny(ctx, o, got, out, &st.notTaken); err != nil {
				out = failure(err)
			}
		}
		st.failed = &out
		st.failures++
		st.due = r.now().Add(backoff(st.failures, intervalOf(o), r.jitter()))
		return nil
	}
	st.failed, st.failures, st.notTaken = nil, 0, ""
	st.due = r.now().Add(pause(intervalOf(o), r.jitter()))
	switch {
	case st.taken == nil || st.taken.generation != got.generation:
		st.seen = nil
		st.plan.Anew()
	case st.taken.commit.ID != got.commit.ID:
		st.seen = append([]*taken{st.taken}, st.seen[:min(len(st.seen), maxSeen-1)]...)
	}
	st.take(got)
	return nil
}

// maxSeen is how many commits before the newest are remembered, to say of which one the cluster's objects are.
const maxSeen = 4

// maxPatience is how long it may take until a commit is fetched, verified and read: what is in it can be made so that each file takes a second to be put together, and others wait
// for the worker. What was read is remembered, so that a slow disk gets there with the next tries.
const maxPatience = 5 * time.Minute

// fetch gets a commit that is one to take, and reads it. With an error, got is what the repository has, if it is known: it is not to be taken.
func (r *syncs) fetch(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state, patient bool) (got *taken, err error) {
	limit := cmp.Or(r.patience, maxPatience)
	if quick := cmp.Or(r.quick, slowLook); quick < limit && !patient {
		limit = quick
	} else {
		patient = true
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err = r.fetchWithin(within, o, s, st)
	switch {
	case err == nil || within.Err() == nil || ctx.Err() != nil:
		return got, err
	case !patient:
		return nil, errSlow
	}
	return got, refuse(string(source.TimedOut), fmt.Sprintf("it took longer than %s to fetch, verify and read a commit; what was read is remembered, and the next try goes on from there", limit))
}

func (r *syncs) fetchWithin(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (*taken, error) {
	got, err := r.commit(ctx, o, s, st)
	if err != nil {
		return got, err
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return got, err
	}
	files, err := repo.Files(ctx, got.commit)
	if err != nil {
		return got, err
	}
	folder := o.Spec.Source.Path
	if len(files) > 0 && !anyBelow(folder, files) {
		return got, refuse(PathNotFound, fmt.Sprintf("commit %s has no folder %q, which spec.source.path names", short(got.commit.ID), folder))
	}
	got.set, err = st.reader.Read(ctx, folder, files, repo.Read)
	return got, err
}

// commit gets a commit, and makes sure that it is one to take. With an error, got is one that is not, or nil.
func (r *syncs) commit(ctx context.Context, o *v1alpha1.SecretSync, s *settings.Settings, st *state) (got *taken, err error) {
	place := placeOf(o)
	auth, err := r.auth(s, o.Namespace, o.Spec.Source.Credentials, place.URL)
	if err != nil {
		return nil, err
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return nil, err
	}
	before := st.before(o, place)
	var seen []string
	if before != "" {
		seen = []string{before}
	}
	c, err := repo.Fetch(ctx, place, auth, seen...)
	if err != nil {
		return nil, err
	}
	got = &taken{place: place, generation: o.Generation, commit: c, at: r.now()}
	if got.signer, err = r.verified(ctx, s, o, repo, c, place, before); err != nil {
		return got, err
	}
	if got.rewritten, err = descends(o, repo, before, c.ID); err != nil {
		return got, err
	}
	if got.rewritten == "" && st.taken != nil && st.taken.commit.ID == c.ID {
		got.rewritten = st.taken.rewritten
	}
	return got, nil
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

// revision is the commit as a status has it, at a time.
func (t *taken) revision(at time.Time) *v1alpha1.SyncRevision {
	return &v1alpha1.SyncRevision{Revision: t.name(), At: metav1.NewTime(at), Signer: t.signer}
}

func (t *taken) name() string { return placeName(t.place) + "@sha1:" + t.commit.ID }
