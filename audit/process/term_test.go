package process_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// TestNothingIsRecordedBeforeTheTerm has many operations come at once, while the term cannot be told at first: what then is in the log begins with the term, once, and all carries
// its number.
func TestNothingIsRecordedBeforeTheTerm(t *testing.T) {
	dir := t.TempDir()
	recorder := audit.NewRecorder(audit.Config{Store: tiles.New(audittest.Config(t, dir)), Replica: "a", Now: time.Now, Rand: rand.Reader})
	away := errors.New("away")
	var mu sync.Mutex
	term := func(context.Context) (audit.Term, error) {
		mu.Lock()
		defer mu.Unlock()
		return audit.Term{Number: 7, Holder: "a_1"}, away
	}
	others := func(context.Context) ([]audit.Anchor, error) {
		return []audit.Anchor{{Part: 1, Checkpoint: "b\n"}, {Part: 2, Closed: []string{"old\n", "c\n"}}, {}}, nil
	}
	log := process.NewTermLog(recorder, "waxwing-controller", term, others, slog.New(slog.DiscardHandler))
	op := audit.Operation{Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Name: "db"}, Actor: audit.Actor{User: audit.Unattributed}}
	if _, err := log.Intent(t.Context(), op); !errors.Is(err, away) {
		t.Fatalf("an intent without a term: %v", err)
	}
	if err := log.Note(t.Context(), op, audit.Outcome{}); !errors.Is(err, away) {
		t.Fatalf("a note without a term: %v", err)
	}
	mu.Lock()
	away = nil
	mu.Unlock()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := log.Intent(t.Context(), op); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	var actions []audit.Action
	for _, r := range audittest.Records(t, dir) {
		actions = append(actions, r.Operation.Action)
		if r.Operation.Action == audit.ActionTermBegan {
			if diff := cmp.Diff(&audit.Term{Number: 7, Holder: "a_1", Others: []string{"b\n", "c\n"}}, r.Operation.Term); diff != "" {
				t.Error(diff)
			}
		}
		if r.Operation.Action != audit.ActionLogStarted && (r.Term == nil || *r.Term != 7) {
			t.Errorf("%s is of no term", r.Operation.Action)
		}
	}
	if len(actions) < 3 || actions[0] != audit.ActionLogStarted || actions[1] != audit.ActionTermBegan {
		t.Fatalf("the log has %s", actions)
	}
	for _, a := range actions[2 : len(actions)-1] {
		if a != audit.ActionUnseal {
			t.Errorf("there is %s among the operations", a)
		}
	}
	if len(actions) != 2+20+1 {
		t.Errorf("%d records", len(actions))
	}
}

// TestATermBeginsWithoutTheOtherAnchorsWhereTheyMayNotBeRead holds that a right that is missing is told by the record, and that any other failure is waited out.
func TestATermBeginsWithoutTheOtherAnchorsWhereTheyMayNotBeRead(t *testing.T) {
	dir := t.TempDir()
	recorder := audit.NewRecorder(audit.Config{Store: tiles.New(audittest.Config(t, dir)), Replica: "a", Now: time.Now, Rand: rand.Reader})
	failure := errors.New("the API server is away")
	term := func(context.Context) (audit.Term, error) { return audit.Term{Holder: "a_1"}, nil }
	log := process.NewTermLog(recorder, "waxwing-controller", term, func(context.Context) ([]audit.Anchor, error) { return nil, failure }, slog.New(slog.DiscardHandler))
	op := audit.Operation{Action: audit.ActionUnseal, Actor: audit.Actor{User: audit.Unattributed}}
	if _, err := log.Intent(t.Context(), op); !errors.Is(err, failure) {
		t.Fatalf("the term began: %v", err)
	}
	failure = fmt.Errorf("reading: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", nil))
	if _, err := log.Intent(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range audittest.Records(t, dir) {
		if r.Operation != nil && r.Operation.Action == audit.ActionTermBegan && r.Outcome.Message != "" {
			return
		}
	}
	t.Error("no record of the term says that the others are not known")
}
