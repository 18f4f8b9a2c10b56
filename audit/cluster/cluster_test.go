package cluster_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/cluster"
)

const (
	home    = "waxwing-system"
	replica = "waxwing-controller-0"
	origin  = "c0ffee/" + replica
)

// TestTheKeyIsMadeOnceAndNeverTakenForAnother has a fake API server, which keeps objects and decides nothing; e2e has the real one.
func TestTheKeyIsMadeOnceAndNeverTakenForAnother(t *testing.T) {
	secrets := fake.NewClientset().CoreV1().Secrets(home)
	first, err := cluster.Key(t.Context(), secrets, rand.Reader, replica, origin)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := cluster.Key(t.Context(), secrets, rand.Reader, replica, origin); err != nil || !again.Equal(first) {
		t.Fatalf("it is another key the second time: %v", err)
	}
	kept, err := secrets.Get(t.Context(), cluster.KeySecretName(replica), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		origin string
		change func(*corev1.Secret)
		says   string
	}{
		"of another cluster":       {"other/" + replica, func(*corev1.Secret) {}, "delete it and ConfigMap waxwing-audit-" + replica},
		"somebody's Secret":        {origin, func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, "was not made by Waxwing"},
		"another key's public key": {origin, func(s *corev1.Secret) { s.Data[cluster.DataVerifier] = []byte("x") }, "do not belong together"},
		"no key":                   {origin, func(s *corev1.Secret) { s.Data[cluster.DataSigner] = nil }, "malformed"},
		"half a key": {origin, func(s *corev1.Secret) {
			s.Data[cluster.DataSigner] = s.Data[cluster.DataSigner][:len(s.Data[cluster.DataSigner])-9]
		}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := kept.DeepCopy()
			c.change(changed)
			if _, err := secrets.Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			_, err := cluster.Key(t.Context(), secrets, rand.Reader, replica, c.origin)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "PRIVATE+KEY") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnAnchorIsReadAsItWasWritten(t *testing.T) {
	maps := fake.NewClientset().CoreV1().ConfigMaps(home)
	anchors := cluster.NewAnchors(maps, replica)
	if a, version, err := anchors.Load(t.Context()); err != nil || version != "" || a.Part != 0 {
		t.Fatalf("before the first: %+v %q %v", a, version, err)
	}
	if _, err := anchors.Save(t.Context(), audit.Anchor{Origin: origin}, ""); err == nil {
		t.Error("an anchor without a part was written")
	}
	for _, want := range []audit.Anchor{
		{Origin: origin, Key: "k", Part: 1, Checkpoint: "a\n1\nb\n"},
		{Origin: origin, Key: "k", Part: 3, Checkpoint: "c\n", Closed: []string{"a\n\n— x\n", ""}, Restart: &audit.Restart{Reason: "the volume is \"lost\"", Part: 3}},
		{Origin: origin, Key: "k", Part: 4},
	} {
		_ = maps.Delete(t.Context(), cluster.AnchorName(replica), metav1.DeleteOptions{})
		if _, err := anchors.Save(t.Context(), want, ""); err != nil {
			t.Fatal(err)
		}
		got, _, err := anchors.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := anchors.Save(t.Context(), audit.Anchor{Origin: origin, Part: 1}, ""); err != audit.ErrConflict {
		t.Errorf("the first anchor was written over another: %v", err)
	}
}

func TestWhatIsNoAnchorHoldsUpNobody(t *testing.T) {
	label := map[string]string{cluster.LabelAnchor: "true"}
	object := func(name string, data map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name, Labels: label}, Data: data}
	}
	own := object(cluster.AnchorName(replica), map[string]string{"part": "none"})
	maps := fake.NewClientset(own,
		object("empty", nil), object("junk", map[string]string{"part": "-1"}), object("closed", map[string]string{"part": "1", "closed": "{"}), object("restart", map[string]string{"part": "1", "restart": "no"}),
		object("other", map[string]string{"part": "2", "checkpoint": "x"})).CoreV1().ConfigMaps(home)
	anchors := cluster.NewAnchors(maps, replica)
	others, err := anchors.Others(t.Context())
	if err != nil || len(others) != 1 || others[0].Checkpoint != "x" {
		t.Errorf("%+v, %v", others, err)
	}
	// One's own is not passed over: it may have been cut off on purpose.
	if _, _, err := anchors.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "its part cannot be read") {
		t.Errorf("%v", err)
	}
}

// TestAnErrorDoesNotQuoteTheKey has a webhook refuse the key, and quote it as its reason.
func TestAnErrorDoesNotQuoteTheKey(t *testing.T) {
	clients := fake.NewClientset()
	clients.PrependReactor("create", "secrets", func(action k8stesting.Action) (bool, runtime.Object, error) {
		sent := action.(k8stesting.CreateAction).GetObject().(*corev1.Secret)
		return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReason(sent.Data[cluster.DataSigner])}}
	})
	_, err := cluster.Key(t.Context(), clients.CoreV1().Secrets(home), rand.Reader, replica, origin)
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden") || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("%v", err)
	}
}
