package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/unseal"
)

// macLog notes what is recorded.
type macLog struct {
	audit.Log
	trail []string
	err   error
}

func (l *macLog) Intent(_ context.Context, op audit.Operation, _ ...audit.Standing) (string, error) {
	if l.err != nil {
		return "", l.err
	}
	l.trail = append(l.trail, "intent "+string(op.Action)+" "+op.Object.Name)
	return "id", nil
}

func (l *macLog) Outcome(_ context.Context, _ string, out audit.Outcome) error {
	l.trail = append(l.trail, fmt.Sprintf("outcome %v %s", out.OK, out.Message))
	return nil
}

// newValueMAC is one whose requests come after before, and what it logs.
func newValueMAC(objects []client.Object, before func(verb string) error) (*valueMAC, *macLog, *bytes.Buffer) {
	said, log := &bytes.Buffer{}, &macLog{}
	kube := fake.NewClientBuilder().WithScheme(clientscheme.Scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			log.trail = append(log.trail, "get")
			if err := before("get"); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			log.trail = append(log.trail, "create")
			if err := before("create"); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
	random := bytes.NewReader(bytes.Repeat([]byte{7}, 1024))
	return &valueMAC{reader: kube, writer: kube, home: "home", audit: log, rand: random, now: time.Now, log: slog.New(slog.NewTextHandler(said, nil))}, log, said
}

func macSecret(key string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: valueMACSecret}, Data: map[string][]byte{valueMACData: []byte(key)}}
}

func TestTheKeyOfMACsIsMadeOnceAndReadThen(t *testing.T) {
	fine := func(string) error { return nil }
	v, log, _ := newValueMAC(nil, fine)
	made := v.get(t.Context())
	if made == nil || v.get(t.Context()) != made {
		t.Fatal(made)
	}
	want := []string{
		"intent key.load " + valueMACSecret, "get", "outcome false the key of the MACs of values: NotFound", "intent key.generate " + valueMACSecret, "create", "outcome true ",
	}
	if diff := cmp.Diff(want, log.trail); diff != "" {
		t.Error(diff)
	}
	secret := &corev1.Secret{}
	if err := v.reader.Get(t.Context(), client.ObjectKey{Namespace: "home", Name: valueMACSecret}, secret); err != nil {
		t.Fatal(err)
	}
	if secret.Immutable == nil || !*secret.Immutable || secret.Type != valueMACType || len(secret.Data[valueMACData]) != unseal.MACKeySize {
		t.Errorf("%+v", secret)
	}
	again, log, _ := newValueMAC([]client.Object{secret}, fine)
	if key := again.get(t.Context()); fmt.Sprint(key) != fmt.Sprint(made) {
		t.Errorf("%s is read, and was %s", key, made)
	}
	if diff := cmp.Diff([]string{"intent key.load " + valueMACSecret, "get", "outcome true "}, log.trail); diff != "" {
		t.Error(diff)
	}
}

// TestTheKeyOfMACsCannotBeHad holds that an object does without it then, that it is not asked for with each object, and that nothing that an answer quotes is told.
func TestTheKeyOfMACsCannotBeHad(t *testing.T) {
	const canary = "canary-of-a-webhook"
	there := apierrors.NewAlreadyExists(corev1.Resource("secrets"), canary)
	none := apierrors.NewNotFound(corev1.Resource("secrets"), canary)
	for name, c := range map[string]struct {
		objects []client.Object
		before  func(verb string) error
		err     error
		asks    int
	}{
		"forbidden":              {nil, func(string) error { return apierrors.NewForbidden(corev1.Resource("secrets"), "x", errors.New(canary)) }, nil, 1},
		"no answer":              {nil, func(string) error { return errors.New(canary) }, nil, 1},
		"not a key":              {[]client.Object{macSecret("short")}, func(string) error { return nil }, nil, 1},
		"there, and then is not": {nil, func(verb string) error { return map[string]error{"get": none, "create": there}[verb] }, nil, 3},
		"no intent":              {nil, func(string) error { return nil }, errors.New("full"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			v, log, said := newValueMAC(c.objects, c.before)
			log.err = c.err
			at := time.Unix(1000, 0)
			v.now = func() time.Time { return at }
			asks := func() int {
				return strings.Count(strings.Join(log.trail, "\n")+"\n", "get\n") + strings.Count(strings.Join(log.trail, "\n")+"\n", "create\n")
			}
			for range 2 {
				if v.get(t.Context()) != nil {
					t.Error("a key")
				}
			}
			if asks() != c.asks {
				t.Errorf("%d requests", asks())
			}
			at = at.Add(valueMACRetry)
			if v.get(t.Context()) != nil || asks() != 2*c.asks {
				t.Errorf("%d requests later", asks())
			}
			if text := said.String() + strings.Join(log.trail, ""); strings.Contains(text, canary) || !strings.Contains(text, valueMACSecret) {
				t.Error(text)
			}
		})
	}
}

// TestAnotherReplicaHasMadeTheKeyOfMACs holds that there is one key.
func TestAnotherReplicaHasMadeTheKeyOfMACs(t *testing.T) {
	theirs := strings.Repeat("k", unseal.MACKeySize)
	first := true
	v, _, _ := newValueMAC([]client.Object{macSecret(theirs)}, func(verb string) error {
		if was := first; was && verb == "get" {
			first = false
			return apierrors.NewNotFound(corev1.Resource("secrets"), valueMACSecret)
		}
		return nil
	})
	want, err := unseal.NewMACKey([]byte(theirs))
	if err != nil {
		t.Fatal(err)
	}
	if got := v.get(t.Context()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s, not %s", got, want)
	}
}
