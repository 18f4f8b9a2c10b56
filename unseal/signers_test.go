package unseal_test

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestWhoMaySign holds every combination of rules, signature and mark against its outcome.
func TestWhoMaySign(t *testing.T) {
	mine := newKey(t, "prod-eu")
	people := map[string]ssh.Signer{"alice": sshKey(t), "bob": sshKey(t), "mallory": sshKey(t)}
	rules := func(words ...string) *v1alpha1.KeyringSpec { return spec(people, words...) }
	signedBefore := unseal.Mark{Signed: true}
	type ruleset = []*v1alpha1.KeyringSpec
	for name, c := range map[string]struct {
		rules  ruleset
		signer string // "" unsigned
		marks  unseal.Marks
		want   unseal.Reason // "" opens
		says   string
		marked bool // as signed
		waits  bool // for the mark to be stored
	}{
		"no rules: unsigned":               {ruleset{rules()}, "", known(unseal.Mark{}), "", "", false, false},
		"no rules: anybody signs":          {ruleset{rules()}, "mallory", known(unseal.Mark{}), "", "", false, false},
		"no rules: without marks":          {ruleset{rules()}, "", unseal.Marks{}, "", "", false, false},
		"required: unsigned":               {ruleset{rules("required")}, "", known(unseal.Mark{}), unseal.PolicyDenied, `not signed, and keyring "prod-eu" requires it`, false, false},
		"required: unsigned without marks": {ruleset{rules("required")}, "", unseal.Marks{}, unseal.PolicyDenied, "not signed", false, false},
		"required: anybody signs":          {ruleset{rules("required")}, "mallory", known(unseal.Mark{}), "", "", false, false},
		"listed: unsigned":                 {ruleset{rules("alice")}, "", known(unseal.Mark{}), "", "", false, false},
		"listed: signed":                   {ruleset{rules("alice", "bob")}, "bob", known(unseal.Mark{}), "", "", true, true},
		"listed: by a stranger":            {ruleset{rules("alice", "bob")}, "mallory", known(unseal.Mark{}), unseal.PolicyDenied, "let alice or bob sign it", false, false},
		"listed: a stranger is named":      {ruleset{rules("alice")}, "mallory", known(unseal.Mark{}), unseal.PolicyDenied, ssh.FingerprintSHA256(people["mallory"].PublicKey()) + " has signed", false, false},
		"listed: unsigned, was signed":     {ruleset{rules("alice")}, "", known(signedBefore), unseal.PolicyDenied, "it was before by an allowed signer", false, false},
		"listed: a stranger, was signed":   {ruleset{rules("alice")}, "mallory", known(signedBefore), unseal.PolicyDenied, "not among the signers", false, false},
		"the list is gone: was signed":     {ruleset{rules()}, "", known(signedBefore), unseal.PolicyDenied, "remove its mark: key prod_db of ConfigMap", false, false},
		"the list is gone: anybody signs":  {ruleset{rules()}, "mallory", known(signedBefore), "", "", true, false},
		"listed: without marks":            {ruleset{rules("alice")}, "alice", unseal.Marks{Where: "ConfigMaps"}, unseal.Pending, "cannot be read (ConfigMaps)", false, false},
		"listed: unsigned, without marks":  {ruleset{rules("alice")}, "", unseal.Marks{}, unseal.Pending, "cannot be read", false, false},
		"listed: unsigned, damaged mark":   {ruleset{rules("alice")}, "", unseal.Marks{Loaded: true, Damaged: true}, unseal.PolicyDenied, "its mark is damaged", false, false},
		"listed: signed, damaged mark":     {ruleset{rules("alice")}, "alice", unseal.Marks{Loaded: true, Damaged: true}, "", "", false, true},
		"unusable keys: signed":            {ruleset{rules("unusable")}, "alice", known(unseal.Mark{}), unseal.PolicyDenied, "one of its signers", false, false},
		"unusable keys: unsigned":          {ruleset{rules("unusable")}, "", known(unseal.Mark{}), "", "", false, false},
		"unusable keys: required":          {ruleset{rules("unusable", "required")}, "", known(unseal.Mark{}), unseal.PolicyDenied, "requires it", false, false},
		"another keyring requires":         {ruleset{rules(), rules("required")}, "", known(unseal.Mark{}), unseal.PolicyDenied, `keyring "other-b" requires it`, false, false},
		"another keyring lists":            {ruleset{rules(), rules("alice")}, "mallory", known(unseal.Mark{}), unseal.PolicyDenied, `signers of keyring "other-b"`, false, false},
		"both list, both have":             {ruleset{rules("alice", "bob"), rules("alice")}, "alice", known(unseal.Mark{}), "", "", true, true},
		"both list, one has":               {ruleset{rules("alice", "bob"), rules("alice")}, "bob", known(unseal.Mark{}), unseal.PolicyDenied, `signers of keyring "other-b"`, false, false},
		"a keyring of other namespaces":    {ruleset{rules(), rules("alice", "required", "elsewhere")}, "", known(unseal.Mark{}), "", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := sealed(t, strict(), mine)
			if c.signer != "" {
				sign(t, o, people[c.signer])
			}
			in := input(o, governed(t, mine, c.rules...))
			in.Marks = c.marks
			d := unseal.Decide(in)
			if c.want != "" {
				wantRefusal(t, d, c.want, c.says)
				return
			}
			if d.Action != unseal.Open {
				t.Fatalf("%s: %s", d.Outcome.Reason, d.Outcome.Message)
			}
			mark, durable := d.Plan.Remember(unseal.MACs{})
			if signed := mark != nil && mark.Signed; signed != c.marked || durable != c.waits {
				t.Errorf("marked as signed: %v, durable: %v", signed, durable)
			}
		})
	}
}

// TestASignatureIsNotJudgedAgain holds that what an allowed signer has signed stays well when the signer is listed no more, and nothing else of that signer does.
func TestASignatureIsNotJudgedAgain(t *testing.T) {
	mine := newKey(t, "prod-eu")
	people := map[string]ssh.Signer{"alice": sshKey(t), "bob": sshKey(t)}
	o := sealed(t, strict(), mine)
	sign(t, o, people["alice"])
	in := input(o, governed(t, mine, spec(people, "alice", "bob", "required")))
	in.Marks = known(unseal.Mark{})
	mark, _ := unseal.Decide(in).Plan.Remember(unseal.MACs{})
	in.Marks, in.Ring = known(*mark), governed(t, mine, spec(people, "bob", "required"))
	if d := unseal.Decide(in); d.Action != unseal.Open {
		t.Errorf("the signature that was accepted: %s", d.Outcome.Message)
	}
	o.Spec.Template = template("app", "x")
	sign(t, o, people["alice"])
	wantRefusal(t, unseal.Decide(in), unseal.PolicyDenied, "not among the signers")
}

// TestTemplateMetadataIsGranted holds that keyrings let templates set more, that all whose keys are used must, and that some keys are let by none.
func TestTemplateMetadataIsGranted(t *testing.T) {
	mine, other := newKey(t, "prod-eu"), newKey(t, "prod-us")
	for name, c := range map[string]struct {
		mine, other []string
		key         string
		ok          bool
		says        string
	}{
		"no grant":                       {nil, nil, "example.com/team", false, "spec.templateMetadata"},
		"by name":                        {[]string{"example.com/team"}, nil, "example.com/team", true, ""},
		"by another name":                {[]string{"example.com/team"}, nil, "example.com/other", false, "example.com/other"},
		"by prefix":                      {[]string{"argocd.argoproj.io/*"}, nil, "argocd.argoproj.io/instance", true, ""},
		"a prefix is not a suffix":       {[]string{"argoproj.io/*"}, nil, "argocd.argoproj.io/instance", false, "argocd"},
		"by a keyring that opens it not": {nil, []string{"example.com/team"}, "example.com/team", false, "example.com/team"},
		"a mark of ours":                 {[]string{"waxwing.io/*", "waxwing.io/adopt"}, nil, "waxwing.io/adopt", false, "no keyring can allow it"},
		"the manager label":              {[]string{"app.kubernetes.io/*"}, nil, "app.kubernetes.io/managed-by", false, "no keyring can allow it"},
		"beside the manager label":       {[]string{"app.kubernetes.io/*"}, nil, "app.kubernetes.io/instance", true, ""},
		"kubectl's":                      {[]string{"kubectl.kubernetes.io/*"}, nil, "kubectl.kubernetes.io/x", false, "no keyring can allow it"},
		"Kubernetes' own":                {[]string{"kubernetes.io/*"}, nil, "kubernetes.io/service-account.name", false, "no keyring can allow it"},
	} {
		t.Run(name, func(t *testing.T) {
			o := sealed(t, strict(), mine)
			o.Spec.Template = template(c.key, "x")
			a, b := mine.part(keyring.Active), other.part(keyring.Active)
			a.Policy.TemplateMetadata, b.Policy.TemplateMetadata = c.mine, c.other
			d := unseal.Decide(input(o, ringOf(a, b)))
			if c.ok && d.Action != unseal.Open {
				t.Errorf("%s: %s", d.Outcome.Reason, d.Outcome.Message)
			}
			if !c.ok {
				wantRefusal(t, d, unseal.PolicyDenied, c.says)
			}
		})
	}
	empty := sealed(t, strict(), mine)
	empty.Spec.Items, empty.Spec.Envelopes, empty.Spec.Template = nil, nil, template("example.com/team", "x")
	all := mine.part(keyring.Active)
	all.Policy.TemplateMetadata = []string{"example.com/team"}
	wantRefusal(t, unseal.Decide(input(empty, ringOf(all))), unseal.PolicyDenied, "example.com/team")
	// Two envelopes, each opened by a key of another keyring.
	both := sealed(t, strict(), mine)
	second := sealed(t, strict(), other)
	both.Spec.Items["user"] = second.Spec.Items["user"]
	both.Spec.Envelopes[only(second)] = second.Spec.Envelopes[only(second)]
	both.Spec.Template = template("example.com/team", "x")
	a, b := mine.part(keyring.Active), other.part(keyring.Active)
	a.Policy.TemplateMetadata = []string{"example.com/team"}
	wantRefusal(t, unseal.Decide(input(both, ringOf(a, b))), unseal.PolicyDenied, "example.com/team")
	b.Policy.TemplateMetadata = a.Policy.TemplateMetadata
	if d := unseal.Decide(input(both, ringOf(a, b))); d.Action != unseal.Open {
		t.Errorf("granted by both: %s", d.Outcome.Message)
	}
}
