package unseal_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestContentsNeitherPrintNorOutliveClear(t *testing.T) {
	k := newKey(t, "prod-eu")
	o := sealed(t, strict(), k)
	o.Spec.Template = &seal.Template{Data: map[string]string{"url": "{{ .password }}@host"}}
	d := unseal.Decide(input(o, ringOf(k.part(keyring.Active))))
	contents, err := d.Plan.Open(target(o))
	if err != nil {
		t.Fatal(err)
	}
	data := contents.Data()
	if string(data["url"]) != canary+"@host" {
		t.Fatal("the template was not rendered")
	}
	marshalled, _ := json.Marshal(contents)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", contents, *contents, contents, d.Plan.Keys), string(marshalled), fmt.Sprintf("%+v", d)} {
		if strings.Contains(text, canary) || strings.Contains(text, "99 97 110 97 114 121") {
			t.Errorf("a value prints: %s", text)
		}
	}
	contents.Clear()
	for name, b := range data {
		if strings.Trim(string(b), "\x00") != "" {
			t.Errorf("%s outlives Clear", name)
		}
	}
}

func TestTamperedObjectsNameTheirFieldOnly(t *testing.T) {
	k := newKey(t, "prod-eu")
	o := sealed(t, strict(), k)
	o.Spec.Items["user"], o.Spec.Items["password"] = o.Spec.Items["password"], o.Spec.Items["user"]
	_, err := unseal.Decide(input(o, ringOf(k.part(keyring.Active)))).Plan.Open(target(o))
	r, ok := err.(*unseal.Refusal)
	if !ok || r.Reason != unseal.Tampered || r.Field != "items.password" || strings.Contains(r.Error(), canary) {
		t.Errorf("swapped items: %v", err)
	}
}

func TestSignedObjectsOpenOnlyAsTheyWereSigned(t *testing.T) {
	k := newKey(t, "prod-eu")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	o := sealed(t, strict(), k)
	no := false
	o.Spec.Immutable = &no
	o.Annotations = map[string]string{"waxwing.io/note": "signed", "other": "not signed"}
	checked, err := seal.Check(&o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked.Sign(o.Annotations, signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
	ring := ringOf(k.part(keyring.Active))
	o.Annotations["other"] = "changed"
	if d := unseal.Decide(input(o, ring)); d.Action != unseal.Open {
		t.Errorf("as signed: %s %s", d.Outcome.Reason, d.Outcome.Message)
	}
	o.Spec.Type = "changed"
	if d := unseal.Decide(input(o, ring)); d.Outcome.Reason != unseal.Tampered {
		t.Errorf("with another type: %s %s", d.Outcome.Reason, d.Outcome.Message)
	}
	o.Spec.Type = ""
	o.Annotations["waxwing.io/note"] = "changed"
	if d := unseal.Decide(input(o, ring)); d.Outcome.Reason != unseal.Tampered {
		t.Errorf("with another signed annotation: %s %s", d.Outcome.Reason, d.Outcome.Message)
	}
}
