package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	restwatch "k8s.io/client-go/rest/watch"
	kjson "sigs.k8s.io/json"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/controller/wire"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

func ordinary(t testing.TB) runtime.NegotiatedSerializer {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return serializer.WithoutConversionCodecFactory{CodecFactory: serializer.NewCodecFactory(scheme)}
}

// watching reads a stream as a client of that serializer does.
func watching(t testing.TB, s runtime.NegotiatedSerializer, stream io.Reader) watch.Decoder {
	t.Helper()
	object, event, framer, err := runtime.NewClientNegotiator(s, v1alpha1.GroupVersion()).StreamDecoder(runtime.ContentTypeJSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	return restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(io.NopCloser(stream)), event), object)
}

// kept is what keep was called with.
type kept struct {
	o    *v1alpha1.GitSecret
	spec []byte
}

// sameAsOrdinary reads a stream both ways to its end, or as far as the ordinary decoder comes, and gives how many objects were cut and the ordinary error.
func sameAsOrdinary(t *testing.T, stream []byte, reader func(io.Reader) io.Reader) (cuts int, end error) {
	t.Helper()
	var last *kept
	theirs := watching(t, ordinary(t), bytes.NewReader(stream))
	ours := watching(t, wire.Serializer(ordinary(t), func(o *v1alpha1.GitSecret, spec []byte) { last = &kept{o.DeepCopy(), bytes.Clone(spec)} }), reader(bytes.NewReader(stream)))
	for {
		kind, want, err := theirs.Decode()
		if err != nil {
			return cuts, err
		}
		last = nil
		gotKind, got, err := ours.Decode()
		if err != nil || gotKind != kind {
			t.Fatalf("%s %v, %v; the ordinary decoder gave %s %v", gotKind, got, err, kind, want)
		}
		if last == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			continue
		}
		cuts++
		o := want.(*v1alpha1.GitSecret)
		var spec seal.Spec
		if err := kjson.UnmarshalCaseSensitivePreserveInts(last.spec, &spec); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o.Spec, spec); diff != "" {
			t.Fatal("the spec that is kept: ", diff)
		}
		o.Spec.Items, o.Spec.Envelopes, o.Spec.Template, o.Spec.Signature = nil, nil, nil, nil
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
		if diff := cmp.Diff(o, got); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(got, runtime.Object(last.o)); diff != "" {
			t.Fatal("keep was called with another object: ", diff)
		}
	}
}

const sealedSpec = `{"deletionPolicy":"Retain","envelopes":{"01kb8zv3rg9m1x0q2s4t6v8w0y":{"commit":"Y29tbWl0","sealedAt":"2026-11-23T02:22:00Z","wraps":{"prod":{"age":"-----BEGIN\n\"}]\\-----","keys":["3f2a"]}}}},` +
	`"for":{"name":"db","namespace":"prod","scope":"strict"},"format":1,"immutable":false,"items":{"user":{"envelope":"01kb8zv3rg9m1x0q2s4t6v8w0y","value":"AAAA"}},"signature":{"signer":"SHA256:a","sshsig":"s"},` +
	`"template":{"data":{"url":"{{ .user }}"}},"type":"Opaque"}`

const metadata = `{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"a\":\"\\\\\"}\n","waxwing.io/adopt":"true","x":"<&>"},"creationTimestamp":"2026-11-23T02:22:00Z","generation":9007199254740993,` +
	`"labels":{"a":"b"},"managedFields":[{"apiVersion":"waxwing.io/v1alpha1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{".":{}}},"manager":"kubectl","operation":"Apply","time":"2026-11-23T02:22:00Z"}],` +
	`"name":"db","namespace":"prod","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"c","uid":"2"}],"resourceVersion":"41","uid":"1"}`

const status = `{"conditions":[{"lastTransitionTime":"2026-11-23T02:22:00Z","message":"m","reason":"Unsealed","status":"True","type":"Ready"}],"observedGeneration":3}`

// gitSecret is an object in JSON, as the API server writes it.
func gitSecret(metadata, spec, status string) string {
	return `{"apiVersion":"waxwing.io/v1alpha1","kind":"GitSecret","metadata":` + metadata + `,"spec":` + spec + `,"status":` + status + `}`
}

func event(kind, object string) string { return `{"type":"` + kind + `","object":` + object + "}\n" }

// stream is a watch with one event of each form. Those that are cut are told by their number.
type stream struct {
	name, text string
	cuts       int
}

func streams() []stream {
	whole := gitSecret(metadata, sealedSpec, status)
	bare := `{"name":"db","namespace":"prod"}`
	all := []stream{
		{"initial events", event("ADDED", whole) + event("ADDED", strings.ReplaceAll(whole, `"uid":"1"`, `"uid":"2"`)) +
			event("BOOKMARK", gitSecret(`{"annotations":{"k8s.io/initial-events-end":"true"},"creationTimestamp":null,"resourceVersion":"99"}`, `{"for":{"scope":""},"format":0}`, `{}`)), 3},
		{"every kind", event("ADDED", whole) + event("MODIFIED", whole) + event("DELETED", whole), 3},
		{"a bookmark without a spec", event("BOOKMARK", `{"kind":"GitSecret","apiVersion":"waxwing.io/v1alpha1","metadata":{"resourceVersion":"7","creationTimestamp":null}}`), 0},
		{"gone", event("ADDED", whole) + event("ERROR", `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}`), 1},
		{"nothing sealed", event("ADDED", gitSecret(bare, `{"for":{"scope":"strict"},"format":1}`, `{}`)) + event("ADDED", gitSecret(bare, `{}`, `{}`)), 2},
		{"annotations of kubectl alone", event("ADDED", gitSecret(`{"annotations":{"x":"y"},"name":"a"}`, sealedSpec, status)), 1},
		{"other kinds", event("ADDED", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"a":"AAAA"}}`) + event("MODIFIED", `{"apiVersion":"waxwing.io/v1alpha1","kind":"Keyring","metadata":{"name":"a"},"spec":{}}`), 0},
		{"white space", "\n " + strings.ReplaceAll(event("ADDED", whole), `,"`, " ,\t\"") + "\r\n\n" + event("DELETED", whole), 2},
		{"the end of the line is missing", strings.TrimSpace(event("ADDED", whole)), 1},
		{"two in a line", strings.TrimSpace(event("ADDED", whole)) + event("MODIFIED", whole) + event("DELETED", whole), 3},
		{"members the other way around", `{"object":` + whole + `,"type":"ADDED"}` + "\n" + event("MODIFIED", whole), 2},
		{"a third member", `{"type":"ADDED","object":` + whole + `,"more":1}` + "\n", 1},
		{"a type in other letters", `{"type":"\u0041DDED","object":` + whole + `}` + "\n", 1},
		{"null", event("ADDED", gitSecret(metadata, `null`, `null`)) + event("ADDED", gitSecret(`{"annotations":null,"managedFields":null}`, sealedSpec, `null`)), 0},
		{"twice", event("ADDED", strings.TrimSuffix(whole, "}")+`,"spec":{"format":7}}`), 0},
		{"a name in other letters", event("ADDED", gitSecret(metadata, strings.Replace(sealedSpec, `"items"`, `"it\u0065ms"`, 1), status)), 0},
		{"a name in another case", event("ADDED", gitSecret(metadata, strings.Replace(sealedSpec, `"items"`, `"Items"`, 1), status)), 1},
		{"larger than all buffers", event("ADDED", gitSecret(metadata, strings.Replace(sealedSpec, "AAAA", strings.Repeat("AAAA", 64<<10), 1), status)) + event("MODIFIED", whole), 2},
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(event("ADDED", whole)), "", "  ") == nil {
		all = append(all, stream{"over many lines", indented.String() + "\n" + event("MODIFIED", whole), 2})
	}
	return all
}

func TestEventsAreThoseOfTheOrdinaryDecoder(t *testing.T) {
	for _, tc := range streams() {
		t.Run(tc.name, func(t *testing.T) {
			for _, reader := range []func(io.Reader) io.Reader{iotest.DataErrReader, iotest.HalfReader, iotest.OneByteReader} {
				cuts, err := sameAsOrdinary(t, []byte(tc.text), reader)
				if cuts != tc.cuts || !errors.Is(err, io.EOF) {
					t.Errorf("%d objects were cut, not %d; the end: %v", cuts, tc.cuts, err)
				}
			}
		})
	}
}

// TestAWatchEndsAsTheOrdinaryOneDoes holds for what reflectors tell apart: an end, a broken connection, and what cannot be read.
func TestAWatchEndsAsTheOrdinaryOneDoes(t *testing.T) {
	whole := event("ADDED", gitSecret(metadata, sealedSpec, status))
	cut := errors.New("connection reset by peer")
	for name, stream := range map[string]func() io.Reader{
		"end":                func() io.Reader { return strings.NewReader(whole) },
		"end in an event":    func() io.Reader { return strings.NewReader(whole + whole[:len(whole)/2]) },
		"broken":             func() io.Reader { return io.MultiReader(strings.NewReader(whole), iotest.ErrReader(cut)) },
		"broken in an event": func() io.Reader { return io.MultiReader(strings.NewReader(whole+whole[:99]), iotest.ErrReader(cut)) },
		"no JSON":            func() io.Reader { return strings.NewReader(whole + "<html>\n") },
		"an unknown type":    func() io.Reader { return strings.NewReader(whole + event("NEW", "{}")) },
		"an unknown kind":    func() io.Reader { return strings.NewReader(whole + event("ADDED", `{"apiVersion":"v9","kind":"A"}`)) },
		"no kind":            func() io.Reader { return strings.NewReader(whole + event("ADDED", `{"metadata":{}}`)) },
		"metadata of no sense": func() io.Reader {
			return strings.NewReader(whole + event("ADDED", gitSecret(`{"name":1}`, `{}`, `{}`)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var ends []error
			for _, s := range []runtime.NegotiatedSerializer{ordinary(t), wire.Serializer(ordinary(t), func(*v1alpha1.GitSecret, []byte) {})} {
				d := watching(t, s, stream())
				if _, _, err := d.Decode(); err != nil {
					t.Fatal(err)
				}
				_, o, err := d.Decode()
				if err == nil {
					t.Fatalf("%v was taken", o)
				}
				ends = append(ends, err)
			}
			if errors.Is(ends[0], io.EOF) != errors.Is(ends[1], io.EOF) || ends[0].Error() != ends[1].Error() {
				t.Errorf("%v, not %v", ends[1], ends[0])
			}
		})
	}
}

func TestALineIsBounded(t *testing.T) {
	d := watching(t, wire.Serializer(ordinary(t), func(*v1alpha1.GitSecret, []byte) {}), io.MultiReader(strings.NewReader(`{"type":"`), endless{}))
	if _, o, err := d.Decode(); err == nil {
		t.Errorf("%v was taken", o)
	}
}

// endless is a text without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// TestOnlyWatchesAreCut holds for lists and single objects, which are decoded into something.
func TestOnlyWatchesAreCut(t *testing.T) {
	s := wire.Serializer(ordinary(t), func(*v1alpha1.GitSecret, []byte) { t.Error("an object that was asked for was cut") })
	d, err := runtime.NewClientNegotiator(s, v1alpha1.GroupVersion()).Decoder(runtime.ContentTypeJSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := gitSecret(metadata, sealedSpec, status)
	list := &v1alpha1.GitSecretList{}
	text := fmt.Sprintf(`{"apiVersion":"waxwing.io/v1alpha1","kind":"GitSecretList","metadata":{},"items":[%s]}`, one)
	if _, _, err := d.Decode([]byte(text), nil, list); err != nil || len(list.Items) != 1 || len(list.Items[0].Spec.Items) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	o := &v1alpha1.GitSecret{}
	if _, _, err := d.Decode([]byte(one), nil, o); err != nil || len(o.Spec.Envelopes) != 1 || len(o.ManagedFields) != 1 {
		t.Errorf("%v, %v", o, err)
	}
	failure := &metav1.Status{}
	if _, _, err := d.Decode([]byte(`{"kind":"Status","apiVersion":"v1","code":410}`), nil, failure); err != nil || failure.Code != 410 {
		t.Errorf("%v, %v", failure, err)
	}
}

func FuzzEventsAreThoseOfTheOrdinaryDecoder(f *testing.F) {
	for _, s := range streams() {
		if len(s.text) < 32<<10 {
			f.Add([]byte(s.text))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		sameAsOrdinary(t, stream, func(r io.Reader) io.Reader { return r })
	})
}
