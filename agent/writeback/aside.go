package writeback

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func metaTime(t time.Time) metav1.Time { return metav1.NewTime(t) }

// aside pushes to a branch of its own, and has a pull request made for it.
func (w *Writer) aside(ctx context.Context, in Cluster, head source.Commit, r *Report) (again bool, err error) {
	r.Branch = w.branch()
	if r.Branch == w.Source.Branch {
		return false, fmt.Errorf("spec.writeBack.branch is the branch that is followed: choose another, or strategy %s", v1alpha1.WritePush)
	}
	b, err := w.stands(ctx, head, r.Branch)
	if err != nil {
		return false, err
	}
	if w.Spec.Strategy == v1alpha1.WritePush && (b.open() || len(r.Found.Due) > 0) {
		r.Remarks = append(r.Remarks, fmt.Sprintf("branch %s does not let itself be pushed to: what is due goes to branch %s, until a push is tried again at %s",
			shown(w.Source.Branch), shown(r.Branch), w.protected.Add(ProtectedRest).UTC().Format(time.RFC3339)))
	}
	due, p, err := w.next(ctx, in, head, b, r)
	if err != nil {
		return false, err
	}
	if due != nil {
		if r.Wait = w.pace.Wait(r.Found.Digest, w.Now()); r.Wait > 0 && len(r.Pushed) == 0 {
			return false, w.ensure(ctx, b, r)
		}
		r.Wait = 0
		err := w.push(ctx, due, p, r)
		return err == nil, err
	}
	w.pace.Wait("", w.Now())
	pushed := len(r.Pushed)
	at, p := head, b.upon(head, r.Branch)
	if b.open() {
		at = b.tip
	}
	if b.open() && b.ours && len(r.Found.Due) == 0 {
		// What else it has was merged, but for checkpoints: those that were not go along.
		p = Push{Branch: r.Branch, Base: head, Old: b.tip.ID, Replace: true}
	}
	if b.open() && !b.vouched && !p.Replace {
		return false, w.ensure(ctx, b, r)
	}
	if err := w.anchor(ctx, in, at, p, r); err != nil {
		return false, err
	}
	if len(r.Pushed) > pushed {
		return true, nil
	}
	return false, w.ensure(ctx, b, r)
}

// standing is how the own branch stands.
type standing struct {
	tip  source.Commit
	has  bool            // there is one
	more []source.Commit // what it has and the followed branch has not
	ours bool            // all of them were made here

	vouched bool // they may be built upon
}

// stands fetches the own branch.
func (w *Writer) stands(ctx context.Context, head source.Commit, name string) (b standing, err error) {
	if b.tip, b.has, err = w.Git.Branch(ctx, name); err != nil || !b.has {
		return b, err
	}
	if b.more, err = w.Git.Since(head.ID, b.tip.ID); err != nil {
		// How it stands to the followed branch cannot be told: then it is somebody's.
		b.more, b.vouched = []source.Commit{b.tip}, w.Vouched == nil
		return b, ctx.Err()
	}
	b.ours, b.vouched = true, true
	for _, c := range b.more {
		b.ours = b.ours && ours(c, w.sync())
		b.vouched = b.vouched && (w.Vouched == nil || w.Vouched(c))
	}
	// Whoever can write commits can write into them what makes one ours.
	b.ours = b.ours && b.vouched
	return b, nil
}

// open says whether the branch has something that the followed one has not.
func (b *standing) open() bool { return b.has && len(b.more) > 0 }

// fork is the commit of the followed branch that it begins at.
func (b *standing) fork() string { return b.more[len(b.more)-1].Parent[0] }

// upon is a push onto what the branch has, or where that is in the followed branch, onto its head.
func (b *standing) upon(head source.Commit, name string) Push {
	if b.open() {
		return Push{Branch: name, Base: b.tip, Old: b.tip.ID}
	}
	// A branch that is merged goes forward to the head.
	return Push{Branch: name, Base: head, Old: b.tip.ID, Replace: b.has && b.tip.ID != head.ID}
}

// next says what is to be pushed to the own branch, and how; nil: it has all that is due.
func (w *Writer) next(ctx context.Context, in Cluster, head source.Commit, b standing, r *Report) (*Due, Push, error) {
	due := r.Found.Due
	p := b.upon(head, r.Branch)
	if len(due) == 0 {
		return nil, p, nil
	}
	if !b.open() {
		return &due[0], p, nil
	}
	there, err := w.look(ctx, b.tip, in)
	if err != nil {
		return nil, p, err
	}
	fits, err := w.fits(ctx, b.tip, there.Want, r.Found.Want)
	if err != nil {
		return nil, p, err
	}
	switch {
	case b.ours && (!fits || len(there.Due) > 0 && b.fork() != head.ID):
		// It was made for what the followed branch had before, or for other keys, or is in it already, under other commits.
		return &due[0], Push{Branch: r.Branch, Base: head, Old: b.tip.ID, Replace: true}, nil
	case len(there.Due) > 0 && b.vouched:
		return &there.Due[0], p, nil
	case len(there.Due) > 0:
		r.Messages = append(r.Messages, fmt.Sprintf("branch %s has commits that no signer vouches for, so that nothing signed is made upon them: sign them, merge them, or remove the branch", shown(r.Branch)))
	case !fits:
		r.Messages = append(r.Messages, fmt.Sprintf("branch %s has commits of somebody else, and differs from what is due: it is left as it is", shown(r.Branch)))
	}
	return nil, p, nil
}

// fits says whether a commit, with what is still to come upon it, has the files that are wanted.
func (w *Writer) fits(ctx context.Context, c source.Commit, more, want map[string][]byte) (bool, error) {
	files, err := w.Git.Files(ctx, c)
	if err != nil {
		return false, err
	}
	left := make(map[string][]byte, len(want))
	for path, data := range want {
		if to, ok := more[path]; !ok {
			left[path] = data
		} else if !bytes.Equal(to, data) {
			return false, nil
		}
	}
	for _, f := range files {
		data, ok := left[f.Path]
		if !ok {
			continue
		}
		if f.Kind != source.Regular || f.Size != int64(len(data)) {
			return false, nil
		}
		has, err := w.Git.Read(ctx, f.Blob)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(has, data) {
			return false, nil
		}
		delete(left, f.Path)
	}
	return len(left) == 0, nil
}

// ensureEvery is how often a pull request that should be there is looked after.
const ensureEvery = 10 * time.Minute

// ensured is a pull request that was looked after, while this was due.
type ensured struct {
	commit, body, due, url string
	at                     time.Time
}

// ensure has a pull request for the own branch while it has something that the followed branch lacks.
func (w *Writer) ensure(ctx context.Context, b standing, r *Report) error {
	if w.strategy() != v1alpha1.WritePullRequest || !b.open() || len(r.Found.Due) == 0 && len(r.Pushed) == 0 && !b.ours {
		return nil
	}
	if w.Forge == nil {
		r.Messages = append(r.Messages, "spec.writeBack.forge is not set: make the pull request from branch "+shown(r.Branch)+" by hand, or name a forge")
		return nil
	}
	pr := forge.PullRequest{Head: r.Branch, Base: w.Source.Branch, Title: title(b.more), Body: w.body(b.more, r.Found)}
	now, last := w.Now(), w.ensured
	// Where something else is due than then, as after a merge that has squashed it, the forge knows more.
	if last.commit == b.tip.ID && last.body == pr.Body && last.due == r.Found.Digest && now.Sub(last.at) < ensureEvery {
		r.PullRequest = last.url
		return nil
	}
	url, err := w.Forge.Ensure(ctx, pr, b.tip.ID)
	if err != nil {
		return err
	}
	if url == "" && len(r.Found.Due) > 0 {
		r.Messages = append(r.Messages, "the pull request was closed: what is due is not merged")
	}
	w.ensured = ensured{b.tip.ID, pr.Body, r.Found.Digest, url, now}
	r.PullRequest = url
	return nil
}

// title is that of the pull request.
func title(commits []source.Commit) string {
	first, _, _ := strings.Cut(commits[0].Message, "\n")
	if len(commits) > 1 {
		return "chore(seal): rewraps and notes of rotated keyrings"
	}
	return clean(first)
}

// maxListed is how many lines of a kind a pull request has.
const maxListed = 50

// body is that of the pull request.
func (w *Writer) body(commits []source.Commit, f *Found) string {
	var b strings.Builder
	b.WriteString("Keyrings have new keys. These commits take what they offer, signed, for the files that were sealed for the old ones:\n\n")
	listed := min(len(commits), maxListed)
	for i := listed - 1; i >= 0; i-- { // the newest of them
		first, _, _ := strings.Cut(commits[i].Message, "\n")
		fmt.Fprintf(&b, "- %s\n", asCode(first))
	}
	if n := len(commits) - listed; n > 0 {
		fmt.Fprintf(&b, "- and %d more before them\n", n)
	}
	b.WriteString("\nNo value has changed, nor a wrap of any other holder. Once this is merged and synced, and no use of the old keys is known any more, they can be destroyed.\n")
	if n := len(f.Unhelped); n > 0 {
		fmt.Fprintf(&b, "\nNot in here, because nothing in the cluster helps (%d):\n\n", n)
		for _, u := range f.Unhelped[:min(n, maxListed)] {
			fmt.Fprintf(&b, "- %s: %s\n", asCode(u.Path), asCode(u.Message))
		}
		if n > maxListed {
			fmt.Fprintf(&b, "- and %d more: see status.writeBack of SecretSync %s\n", n-maxListed, w.sync())
		}
	}
	fmt.Fprintf(&b, "\nSecretSync %s keeps this branch. A commit of somebody else on it stays.\n", w.sync())
	return b.String()
}

// asCode is a text from outside as Markdown that means nothing else.
func asCode(text string) string { return "`" + strings.ReplaceAll(clean(text), "`", "'") + "`" }
