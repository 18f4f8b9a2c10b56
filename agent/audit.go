package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

const (
	// fieldManager is the agent among field managers, and its name in records.
	fieldManager = sync.FieldManager
	// maxDenied is how many refusals of a commit have a record each; one more counts the others.
	maxDenied = 50
	// maxFailed is how many failures an outcome tells.
	maxFailed = 5
)

// operation is what a record says that something is done for.
func operation(action audit.Action, o *v1alpha1.SecretSync, t *taken, items []string) audit.Operation {
	op := audit.Operation{
		Action: action, Items: items, Actor: audit.Actor{User: audit.Unattributed, Manager: fieldManager},
		Object: audit.Object{Kind: "SecretSync", Namespace: o.Namespace, Name: o.Name, UID: string(o.UID), Generation: o.Generation},
	}
	if t != nil {
		op.Actor.Signer = t.signer
		op.Actor.Git = &audit.Git{Commit: t.commit.ID, Author: clean(t.commit.Author)}
	}
	return op
}

// records has what a plan does recorded: sync.Records.
type records struct {
	r *syncs
	o *v1alpha1.SecretSync
	t *taken
}

// Intent implements sync.Records.
func (w *records) Intent(ctx context.Context, action audit.Action, objects []types.NamespacedName) (string, error) {
	items := make([]string, len(objects))
	for i, key := range objects {
		items[i] = key.String()
	}
	id, err := w.r.audit.Intent(ctx, operation(action, w.o, w.t, items))
	if err != nil {
		return "", w.r.away(ctx, w.o, "intent", err)
	}
	return id, nil
}

// Outcome implements sync.Records.
func (w *records) Outcome(ctx context.Context, id string, results []sync.Result) error {
	done, failed := 0, 0
	out := audit.Outcome{OK: true}
	var text strings.Builder
	for _, res := range results {
		if res.Failure == nil {
			done++
			continue
		}
		if failed++; failed <= maxFailed {
			out.OK, out.Reason = false, res.Failure.Reason
			fmt.Fprintf(&text, "; %s: %s", res.Key, describe(res.Failure))
		}
	}
	if failed > maxFailed {
		fmt.Fprintf(&text, "; and %d more", failed-maxFailed)
	}
	out.Message = fmt.Sprintf("%d of %d", done, len(results)) + text.String()
	if err := w.r.audit.Outcome(ctx, id, out); err != nil {
		return w.r.away(ctx, w.o, "outcome", err)
	}
	return nil
}

// away logs that the audit log does not take something, and gives the refusal to report.
func (r *syncs) away(ctx context.Context, o *v1alpha1.SecretSync, what string, err error) error {
	r.log.ErrorContext(ctx, "the audit log takes no "+what, "secretsync", keyOf(o).String(), "error", err)
	return refuse(AuditUnavailable, "the audit log cannot be written, so nothing else is: see the agent's log")
}

// deny records that a commit is not taken, or not applied, as a whole, if somebody has to change something first. known is what was recorded last: it is not told again.
func (r *syncs) deny(ctx context.Context, o *v1alpha1.SecretSync, t *taken, out outcome, known *string) error {
	what := t.commit.ID + " " + out.reason
	if out.then() != stalled || *known == what {
		return nil
	}
	if err := r.note(ctx, o, operation(audit.ActionSyncDenied, o, t, nil), audit.Outcome{Reason: out.reason, Message: out.message}); err != nil {
		return err
	}
	*known = what
	return nil
}

// noted records what was refused of a commit, once each, and that the commit was taken. What the log does not take is noted at the next look.
func (r *syncs) noted(ctx context.Context, o *v1alpha1.SecretSync, st *state, rep *report) error {
	if err := r.deny(ctx, o, rep.taken, rep.outcome, &st.notApplied); err != nil {
		return err
	}
	t, news, told := rep.taken, map[string]bool{}, 0
	for _, f := range rep.refused {
		what := fmt.Sprintf("%s %s %d %s", f.Reason, f.Path, f.Document, f.Message)
		news[what] = true
		if st.denied[what] {
			continue
		}
		if told++; told > maxDenied {
			continue
		}
		if err := r.note(ctx, o, operation(audit.ActionSyncDenied, o, t, []string{showPath(f)}), audit.Outcome{Reason: f.Reason, Message: f.Message}); err != nil {
			return err
		}
	}
	if told > maxDenied {
		message := fmt.Sprintf("and %d more of this commit", told-maxDenied)
		if err := r.note(ctx, o, operation(audit.ActionSyncDenied, o, t, nil), audit.Outcome{Reason: "More", Message: message}); err != nil {
			return err
		}
	}
	st.denied = news
	if rep.reason != Synced || st.failed != nil || st.told == t.commit.ID {
		return nil
	}
	if err := r.note(ctx, o, operation(audit.ActionSyncSynced, o, t, nil), audit.Outcome{OK: true, Message: rep.message}); err != nil {
		return err
	}
	st.told, st.notApplied = t.commit.ID, ""
	return nil
}

func (r *syncs) note(ctx context.Context, o *v1alpha1.SecretSync, op audit.Operation, out audit.Outcome) error {
	if err := r.audit.Note(ctx, op, out); err != nil {
		return r.away(ctx, o, "note", err)
	}
	return nil
}

// showPath is where a refusal is, for people.
func showPath(f desired.Refusal) string {
	path := f.Path // fit to be shown
	if f.Document > 0 {
		path += fmt.Sprintf(" document %d", f.Document)
	}
	return path
}

// clean is a text from outside in one line, without what a terminal acts upon.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\uFFFD' || c >= 0x80 && c < 0xa0 || slices.Contains([]rune{0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069}, c) {
			return '?'
		}
		return c
	}, text)
}
