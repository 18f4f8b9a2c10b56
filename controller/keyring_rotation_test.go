package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

func TestAKeyringIsLookedAtWhenSomethingIsDue(t *testing.T) {
	noon := keyringNoon()
	r := KeyringReconciler{Jitter: func() float64 { return 0 }, Now: func() time.Time { return noon }}
	spec := &v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}}
	for name, c := range map[string]struct {
		due  time.Time
		want time.Duration
	}{
		"nothing is":                     {time.Time{}, keyringResync},
		"in a minute":                    {noon.Add(time.Minute), time.Minute},
		"after the next look":            {noon.Add(time.Hour), keyringResync},
		"while the look went on":         {noon.Add(-time.Minute), keyringRetry},
		"in less than the clock can say": {noon.Add(time.Microsecond), keyringRetry},
	} {
		if got := r.lookAgain(spec, c.due); got != c.want {
			t.Errorf("%s: after %s", name, got)
		}
	}
}

func TestTheStatusOfARotation(t *testing.T) {
	at := metav1.NewTime(keyringNoon())
	request := v1alpha1.RequestStatus{Key: "3f2a", Do: "Destroy", Outcome: "Waiting", Message: "away"}
	known := keyring.Result{Ready: true, Reason: keyring.ReasonKeyActive, Known: true, NextRotation: &at, Requests: []v1alpha1.RequestStatus{request}}
	s := keyringStatus(v1alpha1.KeyringStatus{}, 1, known, keyringNoon())
	if s.NextRotation == nil || !s.NextRotation.Equal(&at) || !cmp.Equal(s.Requests, known.Requests) {
		t.Errorf("%+v", s)
	}
	away := keyring.Result{Reason: keyring.ReasonKeySourceUnavailable, Requests: []v1alpha1.RequestStatus{{Key: "77aa", Do: "Suspend", Outcome: "Waiting"}}}
	if s = keyringStatus(s, 2, away, keyringNoon()); s.NextRotation == nil || !cmp.Equal(s.Requests, away.Requests) {
		t.Errorf("while the source is away: %+v", s)
	}
	known.NextRotation, known.Requests = nil, nil
	if s = keyringStatus(s, 3, known, keyringNoon()); s.NextRotation != nil || s.Requests != nil {
		t.Errorf("when nothing is planned any more: %+v", s)
	}
}

func TestARefusalIsToldOnce(t *testing.T) {
	refused := func(do, message string) v1alpha1.RequestStatus {
		return v1alpha1.RequestStatus{Key: "3f2a", Do: do, Outcome: v1alpha1.RequestRefused, Message: message}
	}
	waiting := v1alpha1.RequestStatus{Key: "3f2a", Do: "Destroy", Outcome: v1alpha1.RequestWaiting}
	for name, c := range map[string]struct {
		before, now v1alpha1.RequestStatus
		told        bool
	}{
		"it was waiting":             {waiting, refused("Destroy", "x"), true},
		"it was refused":             {refused("Destroy", "12 objects"), refused("Destroy", "11 objects"), false},
		"something else was refused": {refused("Suspend", "x"), refused("Destroy", "x"), true},
		"it is waiting":              {refused("Destroy", "x"), waiting, false},
	} {
		if got := refusedAnew([]v1alpha1.RequestStatus{c.before}, []v1alpha1.RequestStatus{c.now}); (len(got) == 1) != c.told {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestRotationsInMetrics reads numbers from statuses; the client is a fake because only these count here.
func TestRotationsInMetrics(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	noon := keyringNoon()
	kr := &v1alpha1.Keyring{Status: v1alpha1.KeyringStatus{
		ActiveKey: "3f2a", NextRotation: &metav1.Time{Time: noon.Add(-time.Minute)},
		Keys: []v1alpha1.KeyStatus{
			{ID: "3f2a", State: "Active", Activated: &metav1.Time{Time: noon.Add(-time.Hour)}}, {ID: "77aa", State: "Deactivated", Activated: &metav1.Time{Time: noon.Add(-2 * time.Hour)}},
		},
	}}
	kr.Name = "default"
	unscheduled := &v1alpha1.Keyring{Status: v1alpha1.KeyringStatus{Keys: []v1alpha1.KeyStatus{{ID: "bb", State: "Suspended"}}}}
	unscheduled.Name = "other"
	reg := prometheus.NewPedanticRegistry()
	if err := newRotations(reg, fake.NewClientBuilder().WithScheme(scheme).WithObjects(kr, unscheduled).Build(), func() time.Time { return noon }); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{"waxwing_keyring_key_age_seconds default": 3600, "waxwing_keyring_next_rotation_seconds default": -60}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
