package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestDeletionsThatCannotBeNotedAreBounded has somebody delete a Secret again and again while the audit log takes no note: also what was given back counts.
func TestDeletionsThatCannotBeNotedAreBounded(t *testing.T) {
	g, key := newGone(), types.NamespacedName{Namespace: "team", Name: "db"}
	g.lead()
	deleted := bareMetadata(v1alpha1.GroupVersion().WithKind("Secret"), key)
	deleted.Annotations = map[string]string{v1alpha1.AnnotationOrigin: key.String()}
	remove := func(n int) {
		for i := range n {
			deleted.UID = types.UID(fmt.Sprint(i))
			g.observe(deleted)
		}
	}
	remove(2 * maxGone)
	for range 3 {
		all := g.take(key)
		remove(3) // while the log is asked
		g.untake(key, all)
		remove(10 * maxGone)
	}
	if kept := g.take(key); len(kept) != maxGone || kept[0].UID != "0" {
		t.Errorf("%d deletions of one name are kept, from %v on", len(kept), kept[:1])
	}
}

// TestWhatIsGoneDoesNotWaitForTheLog has objects made and deleted while the audit log is away, which may be for long.
func TestWhatIsGoneDoesNotWaitForTheLog(t *testing.T) {
	known := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	seen := newMemory(func() float64 { return 0 })
	waiters := newAuditWaiters(&away{errors.New("full")}, seen)
	kube := fake.NewClientBuilder().WithScheme(known).Build()
	g := &gatherer{cache: kube, seen: seen, noted: newNoted(), bodies: newBodies(seen, 1<<20), pace: newPace(), waiters: waiters, unwrapper: &unwrapper{}, now: time.Now,
		marks: newMarkStore(kube, kube, "home", time.Now, slog.New(slog.DiscardHandler))}
	for i := range 3 {
		key := types.NamespacedName{Namespace: "team", Name: fmt.Sprint(i)}
		waiters.add(key)
		if in, again, err := g.gather(t.Context(), key); in != nil || again != 0 || err != nil {
			t.Fatal(in, again, err)
		}
	}
	if len(waiters.keys) != 0 {
		t.Errorf("%d objects that are gone still wait", len(waiters.keys))
	}
}

// noteless is an audit log that takes no notes while it is away.
type noteless struct {
	audit.Log
	err error
}

func (l *noteless) Note(context.Context, audit.Operation, audit.Outcome) error { return l.err }

// kept has the marks that were kept last.
type kept struct {
	marks
	mark *unseal.Mark
}

func (k *kept) keep(_ context.Context, _ types.NamespacedName, mark *unseal.Mark, _ bool) error {
	k.mark = mark
	return nil
}

func (k *kept) claimed(*v1alpha1.GitSecret, unseal.Marks, []string) bool { return true }

// TestWhatIsWellIsRememberedOnceTheLogWorks has an object that is as it should be, and of which nothing is remembered, looked at while the audit log is away. Nothing else
// would have it looked at again, and Git could go back from it unnoticed.
func TestWhatIsWellIsRememberedOnceTheLogWorks(t *testing.T) {
	r, log, marks := newReporting(t, nil), &noteless{err: errors.New("full")}, &kept{}
	r.report.audit, r.report.noted, r.marks = log, newNoted(), marks
	r.in.Object.Status = r.out.Status(r.in.Object.Status, r.in.Object.Generation, time.Now())
	r.in.Secret = &metav1.ObjectMeta{UID: types.UID(r.out.Secret.UID), ResourceVersion: r.out.Secret.ResourceVersion}
	d := unseal.Decision{Action: unseal.Report, Outcome: r.out, Unmet: []string{"e1"}, Remember: &unseal.Mark{Items: map[string]unseal.Seen{"user": {Newest: "e1"}}}}
	if _, err := r.act(t.Context(), r.in, d); err != nil {
		t.Fatal(err)
	}
	_, quiet := r.gather.seen.quiet(r.in)
	if due := r.report.waiters.due(); marks.mark != nil || quiet || len(due) != 1 {
		t.Errorf("remembered without a note: %t; nothing left to do: %t; due: %v", marks.mark != nil, quiet, due)
	}
	log.err = nil
	if _, err := r.act(t.Context(), r.in, d); err != nil {
		t.Fatal(err)
	}
	_, quiet = r.gather.seen.quiet(r.in)
	if due := r.report.waiters.due(); marks.mark == nil || !quiet || len(due) != 0 {
		t.Errorf("remembered: %t; nothing left to do: %t; due: %v", marks.mark != nil, quiet, due)
	}
}
