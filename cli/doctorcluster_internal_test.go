package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
)

// judged is a diagnosis in short.
func judged(d diagnosis) string { return string(d.State) + " " + d.Message }

func TestTheClockIsHeldAgainstTheServers(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		date  time.Time
		took  time.Duration
		state health
		says  string
	}{
		"the same":                            {now, 0, healthOK, "agree"},
		"a second, which the header cuts off": {now.Add(-time.Second), 0, healthOK, "agree"},
		"a slow answer":                       {now.Add(40 * time.Second), time.Minute, healthOK, "agree"},
		"a little ahead":                      {now.Add(-2 * time.Minute), 0, healthWarn, "119 seconds ahead of the API server's; from 5 minutes on"},
		"refused by the controller":           {now.Add(-6 * time.Minute), 0, healthFail, "6 minutes ahead of the API server's, and the controller refuses"},
		"behind":                              {now.Add(10 * time.Minute), time.Second, healthWarn, "10 minutes behind"},
		"no date":                             {time.Time{}, 0, healthSkip, "does not say"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := clockDiagnosis(&cluster.Server{Date: tc.date, Before: now, After: now.Add(tc.took)})
			if d.State != tc.state || !strings.Contains(d.Message, tc.says) || (d.State == healthFail || d.State == healthWarn) != (d.Hint != "") {
				t.Errorf("%s (hint: %s), not %s … %s", judged(d), d.Hint, tc.state, tc.says)
			}
		})
	}
}

// shippedKind is the CRD of this version.
func shippedKind(t *testing.T, plural string, change func(crd map[string]any)) *cluster.Kind {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "charts", "waxwing", "files", "crds", "waxwing.io_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(b, &crd); err != nil {
		t.Fatal(err)
	}
	crd["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}, map[string]any{"type": "NamesAccepted", "status": "True"}}}
	if change != nil {
		change(crd)
	}
	if b, err = json.Marshal(crd); err != nil {
		t.Fatal(err)
	}
	k := &cluster.Kind{}
	if err := json.Unmarshal(b, k); err != nil {
		t.Fatal(err)
	}
	return k
}

// below follows a path in a document; it fails the test where that leads nowhere.
func below(t *testing.T, doc any, path ...any) map[string]any {
	t.Helper()
	for _, p := range path {
		switch at := doc.(type) {
		case map[string]any:
			doc = at[p.(string)]
		case []any:
			doc = at[p.(int)]
		}
	}
	m, ok := doc.(map[string]any)
	if !ok {
		t.Fatalf("there is no %v", path)
	}
	return m
}

func TestCRDsAreHeldAgainstWhatSealWrites(t *testing.T) {
	spec := func(crd map[string]any) map[string]any {
		return below(t, crd, "spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec", "properties")
	}
	cases := map[string]struct {
		change func(crd map[string]any)
		want   string
	}{
		"as it ships": {nil, "ok gitsecrets v1alpha1 is established and served"},
		"not established": {func(crd map[string]any) {
			below(t, crd, "status", "conditions", 0)["status"] = "False"
		}, "fail gitsecrets: the CRD is not Established: : "},
		"not served":         {func(crd map[string]any) { below(t, crd, "spec", "versions", 0)["served"] = false }, "fail gitsecrets: the CRD does not serve v1alpha1"},
		"of another version": {func(crd map[string]any) { below(t, crd, "spec", "versions", 0)["name"] = "v9" }, "fail gitsecrets: the CRD does not serve v1alpha1"},
		"older than seal": {func(crd map[string]any) {
			delete(spec(crd), "suspend")
			delete(below(t, spec(crd), "envelopes", "additionalProperties", "properties", "wraps", "additionalProperties", "properties"), "wrappedBefore")
		}, "fail gitsecrets: the CRD is older than this seal: it does not know spec.envelopes.*.wraps.*.wrappedBefore, spec.suspend, and drops or refuses that"},
		"newer than seal":   {func(crd map[string]any) { spec(crd)["later"] = map[string]any{"type": "string"} }, "warn gitsecrets: the CRD is newer than this seal: it knows spec.later"},
		"of another format": {func(crd map[string]any) { below(t, spec(crd), "format")["enum"] = []any{2} }, "fail gitsecrets: the CRD does not take format 1, which this seal writes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := judged(kindDiagnosis("gitsecrets", shippedKind(t, "gitsecrets", tc.change))); got != tc.want {
				t.Errorf("%s, not %s", got, tc.want)
			}
		})
	}
	if got := judged(kindDiagnosis("keyrings", shippedKind(t, "keyrings", nil))); got != "ok keyrings v1alpha1 is established and served" {
		t.Error(got)
	}
}

func TestFieldsOfAnyShapeAreNotCompared(t *testing.T) {
	var s cluster.Schema
	if err := json.Unmarshal([]byte(`{"properties": {"a": {"additionalProperties": true}}}`), &s); err != nil {
		t.Fatal(err)
	}
	type inner struct {
		B string `json:"b"`
	}
	missing, more := compareFields(s, reflect.TypeFor[struct {
		A map[string]string `json:"a"`
		C []inner           `json:"c"`
	}](), "x")
	if some(missing) != "x.c" || len(more) > 0 {
		t.Errorf("missing %s, more %s", missing, more)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for want, versions := range map[string][2]string{
		"ok seal v1.2.0, controller 1.2.0":                                                  {"v1.2.0", "1.2.0"},
		"ok seal v1.2.0, controller v1.3.0":                                                 {"v1.2.0", "v1.3.0"},
		"warn seal v1.2.0, controller 1.1.9: the controller is older":                       {"v1.2.0", "1.1.9"},
		"skip seal devel, controller latest: these cannot be compared":                      {"devel", "latest"},
		"skip seal v1.2.0, controller unknown: it is not in a StatefulSet that can be seen": {"v1.2.0", ""},
	} {
		if got := judged(versionDiagnosis(versions[0], versions[1])); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	for image, want := range map[string]string{
		"ghcr.io/x/waxwing-controller:v1.2.0": "v1.2.0", "waxwing-controller": "", "localhost:5000/waxwing": "", "a/b:1@sha256:00": "1", "a/b@sha256:00": "",
	} {
		if got := imageVersion(image); got != want {
			t.Errorf("%s: %q, not %q", image, got, want)
		}
	}
}

func TestTheNamespacesOfTheControllerAreTold(t *testing.T) {
	for args, want := range map[string]string{
		`["--audit-log=/x", "--log-level=INFO"]`: "",
		`["--namespaces=b,c", "--workers=3"]`:    "b, c",
		`["--namespaces=b", "--namespaces=c"]`:   "b, c",
	} {
		s := &cluster.StatefulSet{}
		if err := json.Unmarshal([]byte(`{"spec": {"template": {"spec": {"containers": [{"name": "controller", "args": `+args+`}]}}}}`), s); err != nil {
			t.Fatal(err)
		}
		if got := onlyNamespaces(s); got != want {
			t.Errorf("%s: %q, not %q", args, got, want)
		}
	}
}

func TestSomebodyHasToLead(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	lease := func(holder string, age time.Duration) *cluster.Lease {
		l := &cluster.Lease{}
		l.Spec.Holder, l.Spec.Renewed, l.Spec.Duration = holder, now.Add(-age), 15
		return l
	}
	for want, l := range map[string]*cluster.Lease{
		"ok waxwing-controller-0 leads":                      lease("waxwing-controller-0_3f", 34*time.Second),
		"fail no controller runs: c-0 led last, just now":    lease("c-0_3f", 36*time.Second),
		"fail no controller runs: c-0 led last, 3 days ago":  lease("c-0_3f", 72*time.Hour),
		"fail no controller leads: the last one has stopped": lease("", time.Second),
		`ok "evil\x1b[31m" leads`:                            lease("evil\x1b[31m", 0),
	} {
		if got := judged(leaseDiagnosis(l, now)); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestKeyringsSayHowTheyAre(t *testing.T) {
	keyring := func(observed int64, conditions ...metav1.Condition) *v1alpha1.Keyring {
		k := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "prod", Generation: 2}}
		k.Status.ObservedGeneration, k.Status.Conditions = observed, conditions
		return k
	}
	ready := metav1.Condition{Type: "Ready", Status: "True", Reason: "KeyActive", Message: "sealing to key k"}
	in := func(source v1alpha1.KeySource, k *v1alpha1.Keyring) *v1alpha1.Keyring {
		k.Spec.Source = source
		return k
	}
	connection := func(address string, auth v1alpha1.VaultAuth) v1alpha1.VaultConnection {
		return v1alpha1.VaultConnection{Address: address, Auth: auth}
	}
	role := &v1alpha1.VaultServiceAccountAuth{Role: "waxwing"}
	kv := v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: connection("https://vault:8200", v1alpha1.VaultAuth{Kubernetes: role})}}
	transit := v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{Vault: connection("https://vault:8200", v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "team"}})}}
	sealed := v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Vault: connection("http://vault:8200",
		v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{SecretID: v1alpha1.SecretName{Name: "approle"}}})}}}}
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	rotating := func(next time.Time, k *v1alpha1.Keyring) *v1alpha1.Keyring {
		at := metav1.NewTime(next)
		k.Status.NextRotation = &at
		return k
	}
	asked := keyring(2, ready)
	asked.Spec.Requests = []v1alpha1.KeyRequest{{Key: "77aa0000000000000000000000000001", Do: "Destroy"}, {Key: "77aa0000000000000000000000000002", Do: "Suspend"}}
	asked.Status.Requests = []v1alpha1.RequestStatus{{Key: "77aa0000000000000000000000000001", Do: "Destroy", Outcome: "Refused", Message: "2 objects need it"},
		{Key: "77aa0000000000000000000000000002", Do: "Suspend", Outcome: "Done"}}
	asked.Status.Keys = []v1alpha1.KeyStatus{{ID: "3f2a91c0000000000000000000000002", State: "Compromised"}}
	for want, k := range map[string]*v1alpha1.Keyring{
		"ok prod is ready: sealing to key k; ok prod: its key is replaced on 2026-11-27":                                                                                                                      rotating(now.AddDate(0, 0, 1), keyring(2, ready)),
		"ok prod is ready: sealing to key k; ok prod: its key is replaced on 2026-11-25":                                                                                                                      rotating(now.Add(-time.Minute), keyring(2, ready)),
		"ok prod is ready: sealing to key k; warn prod: its key was to be replaced 3 days ago, and has not been":                                                                                              rotating(now.AddDate(0, 0, -3), keyring(2, ready)),
		"ok prod is ready: sealing to key k; warn prod: to destroy key 77aa000000000000 is refused: 2 objects need it; warn prod: key 3f2a91c000000000 is compromised, and still opens what is sealed for it": asked,
		"ok prod is ready: sealing to key k; ok prod: its keys are in the Vault at \"https://vault:8200\"; the controller logs in by the token file team":                                                     in(transit, keyring(2, ready)),
		"ok prod is ready: sealing to key k; warn prod: its keys are encrypted by a key in the Vault at \"http://vault:8200\"; the controller logs in by AppRole, with the Secret approle":                    in(sealed, keyring(2, ready)),
		"fail prod is not ready: KeySourceUnavailable: it is locked; ok prod: its keys are in the Vault at \"https://vault:8200\"; the controller logs in by Kubernetes auth, role waxwing": in(kv, keyring(2,
			metav1.Condition{Type: "Ready", Status: "False", Reason: "KeySourceUnavailable", Message: "it is locked"})),
		"ok prod is ready: sealing to key k":                                        keyring(2, ready),
		"fail prod: the controller has not looked at it, or not at its last change": keyring(1, ready),
		"fail prod is not ready: SourceUnavailable: away":                           keyring(2, metav1.Condition{Type: "Ready", Status: "False", Reason: "SourceUnavailable", Message: "away"}),
		"ok prod is ready: sealing to key k; warn prod is degraded: NoVolume: gone": keyring(2, ready, metav1.Condition{Type: "Degraded", Status: "True", Reason: "NoVolume", Message: "gone"}),
	} {
		var got []string
		for _, d := range keyringDiagnoses(k, now) {
			got = append(got, judged(d))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s, not %s", strings.Join(got, "; "), want)
		}
	}
}

func TestTheVolumeOfTheAuditLogIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		spec      string
		claims    string
		ephemeral bool
	}{
		"claims of the replicas":          {`{"volumeClaimTemplates": [{"metadata": {"name": "audit"}}]}`, "audit-waxwing-controller-0, audit-waxwing-controller-1", false},
		"by the place that it is mounted": {`{"volumeClaimTemplates": [{"metadata": {"name": "log"}}], "template": {"spec": {"containers": [{"volumeMounts": [{"name": "log", "mountPath": "/var/lib/waxwing/"}]}]}}}`, "log-waxwing-controller-0, log-waxwing-controller-1", false},
		"one claim that somebody made":    {`{"template": {"spec": {"volumes": [{"name": "audit", "persistentVolumeClaim": {"claimName": "mine"}}]}}}`, "mine", false},
		"a folder of the pod":             {`{"template": {"spec": {"volumes": [{"name": "audit", "emptyDir": {}}]}}}`, "", true},
		"none":                            {`{}`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &cluster.StatefulSet{}
			s.Metadata.Name = "waxwing-controller"
			if err := json.Unmarshal([]byte(tc.spec), &s.Spec); err != nil {
				t.Fatal(err)
			}
			claims, ephemeral := auditClaim(s, 2)
			if strings.Join(claims, ", ") != tc.claims || ephemeral != tc.ephemeral {
				t.Errorf("%s (ephemeral: %v)", claims, ephemeral)
			}
		})
	}
}
