package controller

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// slowLog is an audit log whose outcomes are recorded when it is told so, or fail.
type slowLog struct {
	audit.Log
	answer chan error
}

func (l *slowLog) Outcome(ctx context.Context, _ string, _ audit.Outcome) error {
	return errors.Join(<-l.answer, ctx.Err())
}

// reporting is a gitSecrets that has opened prod/db, and the object as the API server holds it.
type reporting struct {
	*gitSecrets
	in      *unseal.Input
	out     unseal.Outcome
	log     *slowLog
	told    *events.FakeRecorder
	patched chan struct{} // an element for each write of the status
	kube    client.Client
}

func newReporting(t *testing.T, refuse error) *reporting {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	patched := make(chan struct{}, 10)
	o := whole(1, "")
	o.ManagedFields, o.Status = nil, v1alpha1.GitSecretStatus{ObservedGeneration: -1}
	kube := fake.NewClientBuilder().WithScheme(scheme).WithObjects(o).WithStatusSubresource(o).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			defer func() { patched <- struct{}{} }()
			if refuse != nil {
				return refuse
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	macs, err := unseal.NewMACKey(make([]byte, unseal.MACKeySize))
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(prometheus.NewRegistry(), kube, newMarkStore(kube, kube, "home", time.Now, quiet))
	if err != nil {
		t.Fatal(err)
	}
	seen, told, log := newMemory(func() float64 { return 0 }), events.NewFakeRecorder(10), &slowLog{answer: make(chan error, 1)}
	return &reporting{
		gitSecrets: &gitSecrets{
			gather: &gatherer{seen: seen, now: time.Now}, unwrapper: &unwrapper{}, macs: &valueMAC{key: macs}, audit: log, log: quiet,
			report: &reporter{
				status: kube, events: newAnnouncer(told, func() {}, time.Now), audit: log, metrics: m, seen: seen, bodies: newBodies(seen, 1<<20), ring: &keyring.Live{}, waiters: newAuditWaiters(&audit.Recorder{}, seen),
				now: time.Now, log: quiet,
			},
		},
		in: &unseal.Input{Object: o}, log: log, told: told, patched: patched, kube: kube,
		out: unseal.Outcome{Reason: unseal.Unsealed, Message: "Secret db holds 1 sealed item", Secret: &v1alpha1.SecretRef{Name: "db", UID: "s", ResourceVersion: "9", Generation: 1}},
	}
}

// end has the outcome recorded and reported; ctx is that of the look.
func (r *reporting) end(ctx context.Context) (reconcile.Result, error) {
	return r.report.tried(ctx, r.in, r.out, r.record(ctx, r.in, "id", audit.Outcome{OK: true}, time.Now()))
}

func (r *reporting) status(t *testing.T) v1alpha1.GitSecretStatus {
	t.Helper()
	o := &v1alpha1.GitSecret{}
	if err := r.kube.Get(t.Context(), client.ObjectKeyFromObject(r.in.Object), o); err != nil {
		t.Fatal(err)
	}
	return o.Status
}

func TestTheStatusIsWrittenWhileTheOutcomeIsRecorded(t *testing.T) {
	r := newReporting(t, nil)
	go func() {
		<-r.patched // or the log never answers
		r.log.answer <- nil
	}()
	res, err := r.end(t.Context())
	if err != nil || res != (reconcile.Result{}) {
		t.Fatal(res, err)
	}
	if s := r.status(t); unseal.ReasonOf(s) != unseal.Unsealed || s.Secret == nil || len(r.patched) != 0 {
		t.Errorf("the status is %+v, after %d more writes", s, len(r.patched))
	}
}

func TestAStatusWithoutARecordedOutcomeIsTakenBack(t *testing.T) {
	r := newReporting(t, nil)
	r.in.Object.Status.Secret = &v1alpha1.SecretRef{Name: "db", UID: "s", ResourceVersion: "8"} // from before
	if err := r.kube.Status().Update(t.Context(), r.in.Object); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-r.patched
		if len(r.told.Events) != 0 {
			t.Error("an event tells of what is not recorded yet")
		}
		r.log.answer <- errors.New("disk full")
	}()
	res, err := r.end(t.Context())
	if err != nil || res.RequeueAfter == 0 {
		t.Errorf("%v, %v: it is not tried again", res, err)
	}
	s := r.status(t)
	if ready := readyOf(s); ready[1] != string(unseal.AuditUnavailable) || s.ObservedGeneration != 1 {
		t.Errorf("the status is %+v", s)
	}
	if diff := cmp.Diff(&v1alpha1.SecretRef{Name: "db", UID: "s", ResourceVersion: "8"}, s.Secret); diff != "" {
		t.Error("the status speaks of a Secret that has no outcome, so that it would not be opened again: ", diff)
	}
	if now, version := r.report.seen.latest(r.in.Object); unseal.ReasonOf(now) != unseal.AuditUnavailable || version != r.in.Object.ResourceVersion {
		t.Errorf("what is remembered as written is %+v of version %s", now, version)
	}
	if _, quiet := r.report.seen.quiet(r.in); quiet {
		t.Error("the next look sees nothing to do")
	}
	if n := len(r.told.Events); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestAnOutcomeIsWaitedFor holds where the status cannot be written, and where the look is over.
func TestAnOutcomeIsWaitedFor(t *testing.T) {
	r := newReporting(t, errors.New("the API server is away"))
	ctx, cancel := context.WithCancel(t.Context())
	answered := false
	go func() {
		<-r.patched
		cancel()
		answered = true
		r.log.answer <- nil
	}()
	if _, err := r.end(ctx); err == nil || !answered {
		t.Errorf("error %v, recorded %t", err, answered)
	}
	if len(r.told.Events) != 0 {
		t.Error("an event tells of a status that is not written")
	}
	r = newReporting(t, nil)
	r.log.answer <- nil
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if last := <-r.record(ctx, r.in, "id", audit.Outcome{}, time.Now()); last.lost != nil {
		t.Errorf("a look that is over has its outcome lost: %+v", last.lost)
	}
}
