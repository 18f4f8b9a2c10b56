package controller

import (
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// denied is the input and the plan of recreated under a keyring that refuses to go back, after a look at what the store remembers.
func denied(t *testing.T, s *markStore) (*unseal.Input, *unseal.Plan) {
	t.Helper()
	in, p := recreated(t)
	key, ok := in.Ring.Key(p.Keys[0].ID)
	if !ok {
		t.Fatal("the key of the plan is not in the ring")
	}
	in.Ring = keyring.NewRing([]keyring.Part{{
		Keyring: "team", Keys: []keyring.Key{key}, Policy: keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}, DenyRollback: true},
	}}, nil)
	in.Marks = s.of(t.Context(), keyOf(in.Object))
	d := unseal.Decide(*in)
	if d.Action != unseal.Open {
		t.Fatalf("%s: %+v", d.Action, d.Outcome)
	}
	return in, d.Plan
}

// TestNoSecretIsWrittenWhoseMarkIsNotStored has somebody else write the mark of an object that is being opened, where going back is refused. The Secret is written only after the mark.
func TestNoSecretIsWrittenWhoseMarkIsNotStored(t *testing.T) {
	const key = "prod_db"
	write := func(t *testing.T, kube client.Client, sh *markShard, text string) *corev1.ConfigMap {
		t.Helper()
		cm := configMap("", map[string]string{key: text})
		cm.Namespace, cm.Name = sh.store.home, sh.name
		if err := kube.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
		return cm
	}
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, kube client.Client, sh *markShard)
		written   bool
		stored    func(text string) bool
	}{
		"nobody does": {func(*testing.T, client.Client, *markShard) {}, true, func(text string) bool {
			_, err := unseal.ParseMark(text)
			return err == nil && text != ""
		}},
		"the write meets a damaged one": {func(t *testing.T, kube client.Client, sh *markShard) {
			write(t, kube, sh, "damaged")
		}, false, func(text string) bool { return text == "damaged" }},
		"a damaged one is known before the write": {func(t *testing.T, kube client.Client, sh *markShard) {
			sh.absorb(write(t, kube, sh, "damaged"))
		}, false, func(text string) bool { return text == "damaged" }},
		"the write meets another one": {func(t *testing.T, kube client.Client, sh *markShard) {
			write(t, kube, sh, markOf(first))
		}, true, func(text string) bool {
			m, err := unseal.ParseMark(text)
			return err == nil && m.Items["a"].Newest == first && m.Items["user"].Newest != ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			kube := fake.NewClientBuilder().Build()
			s := newMarkStore(kube, kube, "home", time.Now, slog.New(slog.DiscardHandler))
			r, api := newReporting(t, nil), &frozenSecrets{}
			r.marks, r.gone, r.writer = s, newGone(), secretWriter{api}
			r.gone.lead()
			in, p := denied(t, s)
			c.meanwhile(t, kube, s.shardOf(key))
			out, _ := r.unseal(t.Context(), in, p)
			if api.deleted != c.written || (out.Reason == unseal.Pending) == c.written {
				t.Errorf("the Secret was written: %t, %s: %s", api.deleted, out.Reason, out.Message)
			}
			cm := &corev1.ConfigMap{}
			if err := kube.Get(t.Context(), client.ObjectKey{Namespace: "home", Name: s.shardOf(key).name}, cm); err != nil || !c.stored(cm.Data[key]) {
				t.Errorf("stored is %q (%v)", cm.Data[key], err)
			}
		})
	}
}
