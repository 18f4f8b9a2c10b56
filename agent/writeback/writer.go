package writeback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// Git is the repository. Errors that say why it cannot be used are *source.Error.
type Git interface {
	// Source fetches what the SecretSync follows. It gives no commit that spec.verify and spec.source.rewritten do not let be taken: what is made upon one would vouch for it.
	Source(ctx context.Context) (source.Commit, error)
	// Branch fetches another branch; ok is false where there is none. Nobody has vouched for it.
	Branch(ctx context.Context, name string) (c source.Commit, ok bool, err error)
	// Files and Read are of commits that were fetched.
	Files(ctx context.Context, c source.Commit) ([]source.File, error)
	Read(ctx context.Context, blob string) ([]byte, error)
	// Since gives the commits that id descends from and old does not, id among them; none where old has it all.
	Since(old, id string) ([]source.Commit, error)
	// Push makes a commit, has a branch stand at it, and gives it. The server makes sure that the branch stands at p.Old.
	Push(ctx context.Context, p Push) (source.Commit, error)
}

// Push is a commit to be made.
type Push struct {
	Branch string
	// Base is the commit that it is made upon.
	Base source.Commit
	// Old is what the branch stands at; empty: it is new.
	Old string
	// Replace lets Old be no parent of the commit.
	Replace bool
	Changes map[string][]byte
	Message string
	When    time.Time
}

// Log takes the intent before a push, and the outcome. audit.Log is one.
type Log interface {
	Intent(ctx context.Context, op audit.Operation, notes ...audit.Standing) (id string, err error)
	Outcome(ctx context.Context, id string, out audit.Outcome) error
}

// Writer writes back for one SecretSync. It is used by one goroutine at a time.
type Writer struct {
	// Namespace and Name are those of the SecretSync, Source and Spec of its spec.
	Namespace, Name string
	Source          v1alpha1.SyncSource
	Spec            v1alpha1.WriteBack
	Git             Git
	// Vouched says whether a commit of the own branch may be built upon, where the commits that are made are signed: a signature vouches for all that is in a commit. Nil: they are not signed.
	Vouched func(c source.Commit) bool
	// Forge is where pull requests are made; nil for none.
	Forge  forge.Forge
	Log    Log
	Memory *Memory
	Now    func() time.Time

	pace      Pace
	protected time.Time // when the followed branch did not let itself be pushed to
	begin     int       // of the files that a look changes
	ensured   ensured
	unread    map[string]unreadable // by the file in Git
}

// Cluster is what a Run goes by.
type Cluster struct {
	Keyrings []Keyring
	Objects  []Object
	// Later is how many objects have offers that there was no room for. They come when others have been taken.
	Later int
	// Logs are the audit logs whose checkpoints are kept in Git, with spec.writeBack.checkpoints.
	Logs []AuditLog
}

// Report is what a Run has come to.
type Report struct {
	// Found is of the followed branch, as it was looked at last; nil where that was not possible.
	Found *Found
	// Pushed are the commits that were pushed, oldest first, all to Branch.
	Pushed []source.Commit
	Branch string
	// PullRequest is the address of the one that is open; empty for none.
	PullRequest string
	// Wait is how long to wait before the next Run; 0: until something changes.
	Wait time.Duration
	// Later is that of the Cluster.
	Later int
	// Anchored says that the checkpoints of audit logs were looked at, NotGrown what is wrong with those that do not extend what Git has of them: they are not put there.
	Anchored bool
	NotGrown []string
	// Messages say what is in the way, Remarks what is done in another way than spec.writeBack says.
	Messages, Remarks []string
}

const (
	// tries is how often a push is made anew upon what somebody else has pushed meanwhile.
	tries = 5
	// maxPushes bounds the commits of one Run.
	maxPushes = 32
)

// ErrBusy says that others push all the time. It is a source.Error, so that its reason is PushRejected.
var ErrBusy error = &source.Error{Reason: source.PushRejected, Msg: "others have pushed to the branch each time: it is tried again"}

func (w *Writer) sync() string { return w.Namespace + "/" + w.Name }

// Run looks at the followed branch and writes what is due. The Report is given with an error, too.
func (w *Writer) Run(ctx context.Context, in Cluster) (Report, error) {
	r := &Report{Later: in.Later}
	defer w.Memory.Sweep()
	lost := 0
	for len(r.Pushed) < maxPushes {
		again, err := w.step(ctx, in, r)
		switch {
		case reasonIs(err, source.PushRejected):
			if lost++; lost == tries {
				return *r, fmt.Errorf("%s: %w", r.Branch, ErrBusy)
			}
		case err != nil:
			return *r, err
		case !again:
			return *r, nil
		}
	}
	r.Wait = Quiet
	return *r, nil
}

// step fetches, looks, and writes one commit at most; again says that there may be more.
func (w *Writer) step(ctx context.Context, in Cluster, r *Report) (again bool, err error) {
	head, err := w.Git.Source(ctx)
	if err != nil {
		return false, err
	}
	if r.Found, err = w.look(ctx, head, in); err != nil {
		return false, err
	}
	if len(r.Found.Due) == 0 {
		w.begin = r.Found.Next
	}
	r.Messages, r.Remarks, r.Anchored, r.NotGrown = slices.Clone(r.Found.Problems), nil, false, nil
	if w.Source.Branch == "" {
		if len(r.Found.Due) > 0 {
			r.Messages = append(r.Messages, "a tag is followed, which nothing is written back to: follow a branch")
		}
		return false, nil
	}
	if w.strategy() == v1alpha1.WritePush {
		return w.direct(ctx, in, head, r)
	}
	return w.aside(ctx, in, head, r)
}

func (w *Writer) look(ctx context.Context, c source.Commit, in Cluster) (*Found, error) {
	files, err := w.Git.Files(ctx, c)
	if err != nil {
		return nil, err
	}
	return Look(ctx, Input{Folder: w.Source.Path, Files: files, Read: w.Git.Read, Keyrings: in.Keyrings, Objects: in.Objects, Memory: w.Memory, Begin: w.begin})
}

// branch is the one that is pushed to where it is not the followed one.
func (w *Writer) branch() string {
	if w.Spec.Branch != "" {
		return w.Spec.Branch
	}
	return "waxwing/" + w.sync()
}

// push pushes what is due for one holder.
func (w *Writer) push(ctx context.Context, d *Due, p Push, r *Report) error {
	// The same is made into the same commit wherever the clock stands, so that a pull request which a person has closed is known again.
	p.When = p.Base.When
	if d.Set.At.After(p.When) {
		p.When = d.Set.At
	}
	p.Changes, p.Message = d.Changes, d.message(w.sync())
	keys := make([]audit.Key, len(d.Set.Keys))
	for i, id := range d.Set.Keys {
		keys[i] = audit.Key{Keyring: d.Holder, ID: id}
	}
	c, err := w.record(ctx, audit.Operation{Action: audit.ActionSyncPushed, Object: w.object(), Keys: keys}, p)
	if err != nil {
		return err
	}
	r.Pushed = append(r.Pushed, c)
	w.pace.Written()
	return nil
}

func (w *Writer) object() audit.Object {
	return audit.Object{Kind: "SecretSync", Namespace: w.Namespace, Name: w.Name}
}

// record pushes between an intent and its outcome.
func (w *Writer) record(ctx context.Context, op audit.Operation, p Push) (source.Commit, error) {
	p.When = p.When.Truncate(time.Second)
	p.Message = marked(p.Message, w.sync(), p.Base.ID, p.When.Unix())
	op.Actor = audit.Actor{User: audit.Unattributed, Git: &audit.Git{Commit: p.Base.ID}}
	id, err := w.Log.Intent(ctx, op)
	if err != nil {
		return source.Commit{}, fmt.Errorf("the audit log takes no records, so nothing is pushed: %w", err)
	}
	c, err := w.Git.Push(ctx, p)
	out := audit.Outcome{OK: err == nil}
	if err == nil {
		out.Message = p.Branch + "@sha1:" + c.ID
	} else {
		out.Reason, out.Message = "PushFailed", clean(err.Error())
		if known := (*source.Error)(nil); errors.As(err, &known) {
			out.Reason = string(known.Reason)
		}
	}
	// What was done is recorded also when the time is over.
	if logged := w.Log.Outcome(context.WithoutCancel(ctx), id, out); err == nil && logged != nil {
		err = fmt.Errorf("commit %s was pushed, and the audit log does not take the record of it: %w", c.ID, logged)
	}
	return c, err
}

func reasonIs(err error, reason source.Reason) bool {
	var known *source.Error
	return errors.As(err, &known) && known.Reason == reason
}

// Status is status.writeBack after a Run, with what of the status before still holds. The lists are cut to what a status holds.
func (r *Report) Status(before *v1alpha1.WriteBackStatus, now time.Time, err error) *v1alpha1.WriteBackStatus {
	s := &v1alpha1.WriteBackStatus{}
	if before != nil {
		s = before.DeepCopy()
	}
	if n := len(r.Pushed); n > 0 {
		at := metaTime(now)
		s.Branch, s.Commit, s.At = r.Branch, r.Pushed[n-1].ID, &at
	}
	messages := slices.Concat(r.Messages, r.Remarks)
	if err != nil {
		messages = append(messages, err.Error())
	}
	s.Message = clean(strings.Join(messages, "; "))
	if r.Found != nil {
		s.PullRequest = r.PullRequest
		s.Unhelped = r.Found.Unhelped[:min(len(r.Found.Unhelped), maxUnhelped)]
	}
	return s
}

// maxUnhelped is how many files a status lists.
const maxUnhelped = 50
