package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/controller/wire"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const watchEvents = 500

// BenchmarkWatch decodes watch events of GitSecrets of 5 keys and 2 holders, as the API server sends them, beside the decoder of client-go. What the controller
// keeps of the sealed part is included on its side: a copy.
func BenchmarkWatch(b *testing.B) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		b.Fatal(err)
	}
	stream := bytes.Repeat(watchEvent(b), watchEvents)
	theirs := serializer.WithoutConversionCodecFactory{CodecFactory: serializer.NewCodecFactory(scheme)}
	var kept []byte
	ours := wire.Serializer(theirs, func(_ *v1alpha1.GitSecret, spec []byte) { kept = bytes.Clone(spec) })
	var took, tookTheirs []time.Duration
	var made, madeTheirs float64
	for range 5 {
		t, n := decodeAll(b, ours, stream)
		took, made = append(took, t), n
		t, n = decodeAll(b, theirs, stream)
		tookTheirs, madeTheirs = append(tookTheirs, t), n
	}
	if len(kept) == 0 {
		b.Fatal("nothing was kept")
	}
	report(b, fmt.Sprintf("A watch event of a GitSecret, %d bytes", len(stream)/watchEvents),
		row{what: "decode", ours: median(took), baseline: "client-go's decoder", theirs: median(tookTheirs)})
	fmt.Printf("  %-32s %10.0f   %-50s %10.0f   ratio %6.2f\n", "allocations", made, "client-go's decoder", madeTheirs, madeTheirs/made)
}

// decodeAll gives time and allocations an event.
func decodeAll(b *testing.B, s runtime.NegotiatedSerializer, stream []byte) (time.Duration, float64) {
	b.Helper()
	object, event, framer, err := runtime.NewClientNegotiator(s, v1alpha1.GroupVersion()).StreamDecoder(runtime.ContentTypeJSON, nil)
	if err != nil {
		b.Fatal(err)
	}
	var start time.Time
	once := testing.AllocsPerRun(1, func() {
		d := restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(io.NopCloser(bytes.NewReader(stream))), event), object)
		start = time.Now()
		for range watchEvents {
			if _, _, err := d.Decode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	return time.Since(start) / watchEvents, once / watchEvents
}

// watchEvent is that of an object which was opened: with status, and the managed fields of who applied it and of the controller.
func watchEvent(b *testing.B) []byte {
	b.Helper()
	var holders []seal.Holder
	for _, name := range []string{"default", "breakglass"} {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			b.Fatal(err)
		}
		h, _ := holderOf(b, name, id)
		holders = append(holders, h)
	}
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, fiveValues(), holders)
	if err != nil {
		b.Fatal(err)
	}
	const uid = "0b0c9d9e-4a58-4a5e-9d0f-5f0f3f7d2a11"
	now, envelope := metav1.NewTime(time.Now()), spec.Referenced()[0]
	o := &v1alpha1.GitSecret{
		TypeMeta: metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "prod", Name: "db", UID: uid, Generation: 1, ResourceVersion: "123456", CreationTimestamp: now,
			ManagedFields: []metav1.ManagedFieldsEntry{
				{Manager: "kustomize-controller", Operation: metav1.ManagedFieldsOperationApply, APIVersion: seal.APIVersion, Time: &now, FieldsType: "FieldsV1",
					FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:envelopes":{},"f:for":{"f:name":{},"f:namespace":{},"f:scope":{}},"f:format":{},"f:items":{},"f:type":{}}}`)},
				{Manager: "waxwing-controller", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: seal.APIVersion, Time: &now, FieldsType: "FieldsV1", Subresource: "status",
					FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:conditions":{},"f:keys":{},"f:observedGeneration":{},"f:openedWith":{},"f:secret":{"f:generation":{},"f:name":{},"f:resourceVersion":{},"f:uid":{}}}}`)},
			},
		},
		Spec: *spec,
		Status: v1alpha1.GitSecretStatus{
			ObservedGeneration: 1, OpenedWith: "default/3f2a77aa3f2a77aa", Secret: &v1alpha1.SecretRef{Name: "db", UID: uid, ResourceVersion: "123457", Generation: 1},
			Keys: []v1alpha1.KeyUse{{Keyring: "default", ID: "3f2a77aa3f2a77aa3f2a77aa3f2a77aa", Envelope: envelope}},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Unsealed", Message: "Secret db holds 5 sealed items",
				ObservedGeneration: 1, LastTransitionTime: now}},
		},
	}
	object, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Appendf(nil, "{\"type\":\"MODIFIED\",\"object\":%s}\n", object)
}
