package secret_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const canary = "canary-not-a-secret"

// options seal for a key of the test's own.
func options(t *testing.T) (secret.SealOptions, seal.Identities) {
	t.Helper()
	k, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(k.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	id, err := seal.ParseIdentity(k.String())
	if err != nil {
		t.Fatal(err)
	}
	return secret.SealOptions{
		Sealer:  seal.Sealer{Rand: rand.Reader, Now: time.Now},
		Holders: []seal.Holder{{Name: "default", Recipients: []seal.Recipient{r}}},
		Scope:   seal.ScopeStrict,
	}, seal.NewIdentities(id)
}

// doc is a Secret with these members beside apiVersion and kind.
func doc(members string) []byte { return []byte(`{"apiVersion":"v1","kind":"Secret",` + members + `}`) }

const meta = `"metadata":{"name":"db","namespace":"prod"}`

func TestRefusals(t *testing.T) {
	cases := map[string]struct{ in, want, hint string }{
		"a field that does not exist":            {meta + `,"stringdata":{"a":"` + canary + `"}`, `Secret has no field "stringdata"`, "did you mean stringData?"},
		"a field with another separator":         {meta + `,"string_data":{"a":"` + canary + `"}`, `no field "string_data"`, "did you mean stringData?"},
		"a field that is like no other":          {meta + `,"password":"` + canary + `"`, `no field "password"`, ""},
		"a field of metadata":                    {`"metadata":{"name":"db","label":{}}`, `metadata has no field "label"`, ""},
		"no metadata":                            {`"data":{"a":""}`, "the Secret has no name", "give metadata.name"},
		"metadata that is a list":                {`"metadata":[]`, "metadata is a list, not a mapping", ""},
		"a name that is a number":                {`"metadata":{"name":1}`, "metadata.name is a number, not a string", "quotes"},
		"a namespace with dots":                  {`"metadata":{"name":"db","namespace":"a.b"}`, `metadata.namespace "a.b" cannot be`, "at most 63"},
		"a label that is a number":               {`"metadata":{"name":"db","labels":{"v":1}}`, `metadata.labels["v"] is a number`, "quotes"},
		"annotations that are a string":          {`"metadata":{"name":"db","annotations":"x"}`, "metadata.annotations is a string, not a mapping", ""},
		"data that is a list":                    {meta + `,"data":["` + canary + `"]`, "data is a list, not a mapping", ""},
		"a value that is a mapping":              {meta + `,"stringData":{"a":{"b":"` + canary + `"}}`, "stringData.a is a mapping, not a string", "quotes"},
		"a value that is true":                   {meta + `,"stringData":{"a":true}`, "stringData.a is true or false, not a string", "quotes"},
		"a value that is missing":                {meta + `,"stringData":{"a":null}`, "stringData.a has no value", `write ""`},
		"a key that begins with two dots":        {meta + `,"data":{"..a":""}`, `"..a" cannot be a key of a Secret`, "letters"},
		"plain text in data":                     {meta + `,"data":{"a":"` + canary + `"}`, "data.a is not base64: it goes wrong at character 7 of 19", "stringData"},
		"base64 without padding":                 {meta + `,"data":{"a":"YWI"}`, "data.a is not base64", "padding"},
		"base64 of the URL alphabet":             {meta + `,"data":{"a":"-_-_"}`, "data.a is not base64", "RFC 4648"},
		"base64 that was cut off":                {meta + `,"data":{"a":"YWJ="}`, "data.a is not base64", ""},
		"immutable that is a string":             {meta + `,"immutable":"true","data":{"a":""}`, "immutable is not true or false", ""},
		"a type that is a number":                {meta + `,"type":1,"data":{"a":""}`, "type is a number, not a string", "quotes"},
		"no data":                                {meta, "the Secret has no data", "--allow-empty"},
		"a service account token":                {meta + `,"type":"kubernetes.io/service-account-token","data":{"a":""}`, "is not sealed", "control plane"},
		"an annotation with a value in base64":   {`"metadata":{"name":"db","namespace":"prod","annotations":{"x":"a Y2FuYXJ5LW5vdC1hLXNlY3JldA== b"}},"stringData":{"a":"` + canary + `"}`, `metadata.annotations["x"] repeats the value of a`, "remove it"},
		"an annotation with a copy in JSON":      {`"metadata":{"name":"db","namespace":"prod","annotations":{"x":"{\"a\":\"` + canary + `\"}"}},"stringData":{"a":"` + canary + `"}`, `metadata.annotations["x"] repeats the value of a`, "remove it"},
		"generateName without a name":            {`"metadata":{"generateName":"db-"}`, "generateName cannot be sealed", "metadata.name"},
		"a name with capitals":                   {`"metadata":{"name":"DB"}`, `metadata.name "DB" cannot be`, "lower-case"},
		"a name that is longer than names are":   {`"metadata":{"name":"` + strings.Repeat("a", 254) + `"}`, "cannot be the name of a Secret", "253"},
		"values that are larger than a Secret":   {meta + `,"stringData":{"a":"` + strings.Repeat("x", 1<<20+1) + `"}`, "a Kubernetes Secret holds at most 1 MiB", ""},
		"labels that are larger than etcd takes": {`"metadata":{"name":"db","namespace":"prod","annotations":{"x":"` + strings.Repeat("x", 3<<19) + `"}},"stringData":{"a":"b"}`, "etcd takes requests of at most 1.5 MiB", "split"},
	}
	o, _ := options(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := secret.Seal(doc(tc.in), o)
			if err == nil {
				t.Fatal("was sealed")
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("the error is %q, not %q", err, tc.want)
			}
			if hint := hintOf(err); !strings.Contains(hint, tc.hint) || strings.Contains(hint, canary) {
				t.Errorf("the hint is %q, not %q", hint, tc.hint)
			}
		})
	}
}

func hintOf(err error) string {
	var s *secret.Error
	var f *seal.Error
	switch {
	case errors.As(err, &s):
		return s.Hint
	case errors.As(err, &f):
		return f.Hint
	}
	return ""
}

func TestSealAndOpenGiveTheSecretBack(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"text, binary and empty values": {
			meta + `,"type":"Opaque","immutable":false,"data":{"bin":"/wA=","txt":"aGk=","nul":"AA=="},"stringData":{"e":"","nl":"a\nb\n"}`,
			meta + `,"type":"Opaque","immutable":false,"data":{"bin":"/wA=","nul":"AA=="},"stringData":{"e":"","nl":"a\nb\n","txt":"hi"}`,
		},
		"stringData before data":          {meta + `,"data":{"a":"b2xk"},"stringData":{"a":"new"}`, meta + `,"stringData":{"a":"new"}`},
		"base64 with line breaks":         {meta + `,"data":{"a":"aGVs\nbG8=\r\n"}`, meta + `,"stringData":{"a":"hello"}`},
		"members that are null":           {`"metadata":{"name":"db","namespace":"prod","labels":null},"type":null,"data":null,"stringData":{"a":"b"}`, meta + `,"stringData":{"a":"b"}`},
		"characters that HTML would mind": {meta + `,"stringData":{"a":"<&>"}`, meta + `,"stringData":{"a":"<&>"}`},
		"a generated name that is known":  {`"metadata":{"name":"db","namespace":"prod","generateName":"d"},"stringData":{"a":"b"}`, meta + `,"stringData":{"a":"b"}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o, keys := options(t)
			s, err := secret.Seal(doc(tc.in), o)
			if err != nil {
				t.Fatal(err)
			}
			opened, err := secret.Open(s.JSON, "", keys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(doc(tc.want)), string(opened.JSON)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSealedDocumentStandsInReadingOrder(t *testing.T) {
	o, _ := options(t)
	s, err := secret.Seal(doc(`"data":{"a":"aGk="},"type":"Opaque","metadata":{"namespace":"prod","name":"db"}`), o)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, member := range []string{`{"apiVersion":`, `"kind":`, `"metadata":{"name":`, `"namespace":`, `"spec":{"format":1,"for":`, `"items":`, `"envelopes":`, `"type":`} {
		next := strings.Index(string(s.JSON), member)
		if next <= at {
			t.Fatalf("%s does not come after what should be before it in %s", member, s.JSON)
		}
		at = next
	}
}

func TestWarnings(t *testing.T) {
	cases := map[string]struct {
		in   string
		want []string
	}{
		"nothing to say":              {meta + `,"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":""}`, nil},
		"a type without its key":      {meta + `,"type":"kubernetes.io/tls","data":{"tls.crt":""}`, []string{"a Secret of type kubernetes.io/tls needs the key tls.crt and tls.key; the API server will refuse it"}},
		"one of several keys is here": {meta + `,"type":"kubernetes.io/basic-auth","data":{"username":""}`, nil},
		"none of several keys":        {meta + `,"type":"kubernetes.io/basic-auth","data":{"user":""}`, []string{"a Secret of type kubernetes.io/basic-auth needs the key username or password; the API server will refuse it"}},
		"finalizers":                  {`"metadata":{"name":"db","namespace":"prod","finalizers":["a"]},"data":{"a":""}`, []string{"metadata.finalizers is left out: it has no place in a GitSecret"}},
		"an object of 256 KiB":        {meta + `,"stringData":{"a":"` + strings.Repeat("x", 200<<10) + `"}`, []string{"the object is 272 KiB as JSON; above 256 KiB kubectl apply works only with --server-side"}},
	}
	o, _ := options(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := secret.Seal(doc(tc.in), o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, s.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCopiesOfTheObjectInAnnotationsAreDropped(t *testing.T) {
	copies := []string{"kubectl.kubernetes.io/last-applied-configuration", "kubecfg.ksonnet.io/last-applied-configuration", "kopf.zalando.org/last-handled-configuration",
		"kapp.k14s.io/original", "objectset.rio.cattle.io/applied", "banzaicloud.com/last-applied", "argocd.argoproj.io/tracking-id"}
	annotations := map[string]string{"kept.example.com/a": "b"}
	for _, name := range copies {
		annotations[name] = `{"stringData":{"a":"` + canary + `"}}`
	}
	annotations["argocd.argoproj.io/tracking-id"] = "shop:/Secret:prod/db"
	in, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "stringData": map[string]string{"a": canary},
		"metadata": map[string]any{"name": "db", "namespace": "prod", "annotations": annotations}})
	if err != nil {
		t.Fatal(err)
	}
	o, _ := options(t)
	s, err := secret.Seal(in, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range copies {
		if strings.Contains(string(s.JSON), name) {
			t.Errorf("%s is still there", name)
		}
	}
	if strings.Contains(string(s.JSON), canary) || !strings.Contains(string(s.JSON), "kept.example.com/a") {
		t.Errorf("wrong annotations in %s", s.JSON)
	}
}

func TestOpenSaysWhatTheControllerRenders(t *testing.T) {
	o, keys := options(t)
	s, err := secret.Seal(doc(meta+`,"stringData":{"a":"b"}`), o)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(s.JSON), `"spec":{`, `"spec":{"template":{"data":{"c":"x"}},`, 1)
	opened, err := secret.Open([]byte(with), "", keys)
	if err != nil || !opened.Rendered {
		t.Errorf("rendered keys are not mentioned (%v)", err)
	}
}

func TestOpenVerifiesASignatureBeforeItLooksForKeys(t *testing.T) {
	o, _ := options(t)
	s, err := secret.Seal(doc(meta+`,"stringData":{"a":"b"}`), o)
	if err != nil {
		t.Fatal(err)
	}
	signature := `"spec":{"signature":{"signer":"SHA256:` + strings.Repeat("A", 43) + `","sshsig":"nonsense"},`
	_, err = secret.Open([]byte(strings.Replace(string(s.JSON), `"spec":{`, signature, 1)), "", seal.Identities{})
	if !errors.Is(err, seal.ErrSignature) {
		t.Errorf("the error is %v, not BadSignature", err)
	}
}
