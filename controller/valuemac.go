package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// valueMACSecret has the key of the MACs by which marks tell whether a value has changed; valueMACType is its type and valueMACData where in it the key is.
	valueMACSecret = "waxwing-value-mac"
	valueMACType   = "waxwing.io/value-mac"
	valueMACData   = "key"
	// valueMACRetry is how long it is done without the key after it could not be had, and valueMACTimeout how long an object waits for it.
	valueMACRetry, valueMACTimeout = 10 * time.Second, 5 * time.Second
)

// valueMAC has the key of the MACs of values: read from its Secret once, or made. Safe for concurrent use.
type valueMAC struct {
	reader client.Reader // uncached
	writer client.Writer
	home   string
	audit  audit.Log
	rand   io.Reader
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	key    *unseal.MACKey
	failed time.Time
}

// get gives the key; nil where it cannot be had. Then no value is taken for a changed one, and more is Exposed rather than less.
func (v *valueMAC) get(ctx context.Context) *unseal.MACKey {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.key != nil || (!v.failed.IsZero() && v.now().Sub(v.failed) < valueMACRetry) {
		return v.key
	}
	ctx, cancel := context.WithTimeout(ctx, valueMACTimeout)
	defer cancel()
	key, err := v.load(ctx)
	if apierrors.IsNotFound(err) {
		if key, err = v.make(ctx); apierrors.IsAlreadyExists(err) {
			key, err = v.load(ctx)
		}
	}
	if err != nil {
		v.failed = v.now()
		v.log.ErrorContext(ctx, "the key of the MACs of values cannot be had: items stay Exposed until it can", "secret", valueMACSecret, "reason", reasonOf(err))
		return nil
	}
	v.key = key
	return key
}

func (v *valueMAC) load(ctx context.Context) (*unseal.MACKey, error) {
	id, err := v.audit.Intent(ctx, v.operation(audit.ActionKeyLoad))
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	var key *unseal.MACKey
	if err = v.reader.Get(ctx, types.NamespacedName{Namespace: v.home, Name: valueMACSecret}, secret); err == nil {
		key, err = unseal.NewMACKey(secret.Data[valueMACData])
	}
	v.outcome(ctx, id, err)
	return key, err
}

func (v *valueMAC) make(ctx context.Context) (*unseal.MACKey, error) {
	random := make([]byte, unseal.MACKeySize)
	if _, err := io.ReadFull(v.rand, random); err != nil {
		return nil, fmt.Errorf("reading random bytes: %w", err)
	}
	id, err := v.audit.Intent(ctx, v.operation(audit.ActionKeyGenerate))
	if err != nil {
		return nil, err
	}
	immutable := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.home, Name: valueMACSecret, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}},
		Type:       valueMACType, Immutable: &immutable, Data: map[string][]byte{valueMACData: bytes.Clone(random)},
	}
	err = v.writer.Create(ctx, secret, client.FieldOwner(unseal.FieldManager))
	v.outcome(ctx, id, err)
	if err != nil {
		return nil, err
	}
	return unseal.NewMACKey(random)
}

func (v *valueMAC) operation(action audit.Action) audit.Operation {
	return audit.Operation{Action: action, Object: audit.Object{Kind: "Secret", Namespace: v.home, Name: valueMACSecret}, Actor: audit.Actor{User: audit.Unattributed, Manager: unseal.FieldManager}}
}

// outcome ends a record. One that is lost is an intent without an outcome.
func (v *valueMAC) outcome(ctx context.Context, id string, err error) {
	out := audit.Outcome{OK: err == nil}
	if err != nil {
		out.Reason, out.Message = "Unavailable", "the key of the MACs of values: "+reasonOf(err)
	}
	if lost := v.audit.Outcome(context.WithoutCancel(ctx), id, out); lost != nil {
		v.log.ErrorContext(ctx, "the audit log takes no outcome", "secret", valueMACSecret, "intent", id, "error", lost)
	}
}

// reasonOf is an error without its text: whoever answers for the API server may quote the Secret.
func reasonOf(err error) string {
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		return string(reason)
	}
	return "no answer, or one that is no key"
}
