package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/serve"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// auditor is a ServiceAccount with the two roles of the chart for auditors, and gives its kubeconfig.
func (w *world) auditor(t *testing.T) string {
	t.Helper()
	const name = "auditor"
	kubeconfig := w.ServiceAccountKubeconfig(t, w.namespace, name)
	who := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: name}}
	cluster := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "waxwing-auditor"}}
	here := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name, Namespace: home}, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "waxwing-auditor"}}
	w.create(t, cluster)
	w.create(t, here)
	t.Cleanup(func() {
		if err := errors.Join(w.Delete(context.Background(), cluster), w.Delete(context.Background(), here)); err != nil {
			t.Error(err)
		}
	})
	for _, verb := range []string{"get", "list"} {
		w.may(t, withConfigMaps(w.namespace, name, verb), true)
	}
	w.may(t, authorizationv1.SubjectAccessReviewSpec{
		User:                  "system:serviceaccount:" + w.namespace + ":" + name,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: serve.Prefix, Verb: "get"},
	}, true)
	return kubeconfig
}

// localCertificate writes a certificate for this machine and its key, and gives their files.
func localCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	cert, err2 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	der, err3 := x509.MarshalPKCS8PrivateKey(key)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := errors.Join(err1, err2, err3,
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// wants looks for texts in a report, spaces between columns aside.
func wants(t *testing.T, report string, texts ...string) {
	t.Helper()
	report = gaps.ReplaceAllString(report, " ")
	for _, text := range texts {
		if !strings.Contains(report, text) {
			t.Errorf("%q is not in\n%s", text, report)
		}
	}
}

// TestAnAuditorVerifiesALiveLog goes the auditor's way, with an auditor's rights alone: pin, copy, verify, read, prove. Then the volume is lost, and an administrator has the
// controller begin a new part; the auditor's copy and old anchor still hold.
func TestAnAuditorVerifiesALiveLog(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	cert, key := localCertificate(t)
	address := harness.FreeAddress(t)
	args := []string{"--audit-bind-address", address, "--audit-tls-cert-file", cert, "--audit-tls-key-file", key}
	ctl := w.controllerWithLog(t, log, args...)
	w.create(t, w.sealed(t, "db", "user"))
	w.seen(t, "db")
	w.told(t, log, "db")
	ctl.anchoredFrom(t, 4)

	auditor := w.checkout(t)
	auditor.kubeconfig = w.auditor(t)
	replica, url := harness.ReplicaOf(log), "https://"+address
	pin := func(name string) {
		t.Helper()
		anchors, _ := auditor.run(t, 0, "audit", "anchor", "--replica", replica, "-o", "json")
		if err := os.WriteFile(filepath.Join(auditor.dir, name), []byte(anchors), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pin("anchors.json")
	said, _ := auditor.run(t, 0, "audit", "fetch", url, "--ca-file", cert, "--out", "copy") // with the token of its kubeconfig
	wants(t, said, "part 1: ", " records\n", " files fetched, ")
	said, _ = auditor.run(t, 0, "audit", "verify", "copy", "--anchor", "anchors.json")
	wants(t, said, "ok: 1 log verified\n", "/"+replica+"\n", "(from the anchor)\n", ", anchored up to ")
	said, _ = auditor.run(t, 0, "audit", "tail", "copy", "--namespace", w.namespace, "--action", "unseal")
	wants(t, said, " unseal GitSecret "+w.namespace+"/db ", " intent\n", " ok Unsealed: Secret db holds 1 sealed item\n")
	live, _ := auditor.run(t, 0, "audit", "tail", url, "--ca-file", cert, "--namespace", w.namespace, "--action", "unseal")
	if live != said {
		t.Errorf("the live log shows\n%s\nthe copy\n%s", live, said)
	}
	index := strings.Fields(strings.Split(said, "\n")[1])[0]
	auditor.run(t, 0, "audit", "prove", index, "copy", "--out", "record.tlog-proof")
	said, _ = auditor.run(t, 0, "audit", "verify", "record.tlog-proof", "--anchor", "anchors.json")
	wants(t, said, "ok: 1 proof verified\n", "record "+index+", of ", "object GitSecret "+w.namespace+"/db\n")

	nobody := w.checkout(t)
	nobody.kubeconfig = w.person(t, "nobody")
	_, refused := nobody.run(t, 1, "audit", "fetch", url, "--ca-file", cert, "--out", "copy")
	wants(t, refused, "the endpoint answers 403 Forbidden", "hint: ask for the role waxwing-auditor")
	_, refused = nobody.run(t, 1, "audit", "anchor")
	wants(t, refused, "hint: ask for the Role waxwing-auditor in namespace waxwing-system")

	w.stopAnchored(t, ctl)
	if err := os.Rename(log, log+"-lost"); err != nil {
		t.Fatal(err)
	}
	ctl = w.start(t, log, args...)
	ctl.notReady(t)
	_, refused = auditor.run(t, 4, "audit", "verify", "--anchor", "anchors.json", emptyFolder(t))
	wants(t, refused, "seal: the log is not what was recorded")
	w.restartByHand(t, replica)
	ctl.ready(t)
	w.create(t, w.sealed(t, "after", "user"))
	w.seen(t, "after")
	w.told(t, log, "after")
	ctl.anchoredIn(t, 2)
	pin("anchors-2.json")
	fetchable(t, auditor, url, cert)
	// The record of the stop was anchored, and is in no copy: it is lost, and that shows. Whoever finds the volume again can complete the copy.
	both := []string{"audit", "verify", "copy", "--anchor", "anchors.json", "--anchor", "anchors-2.json"}
	said, _ = auditor.run(t, 4, both...)
	wants(t, said, "altered: copy part 1 record ", " are anchored and ", " part 2 ")
	if err := errors.Join(os.RemoveAll(filepath.Join(auditor.dir, "copy", "0001")), os.CopyFS(filepath.Join(auditor.dir, "copy", "0001"), os.DirFS(filepath.Join(log+"-lost", "0001")))); err != nil {
		t.Fatal(err)
	}
	said, _ = auditor.run(t, 0, both...)
	wants(t, said, "ok: 1 log verified\n", " part 1 ", " part 2 ")
	said, _ = auditor.run(t, 0, "audit", "tail", "copy", "--action", "log.restarted")
	wants(t, said, "2/0 ", "volume of a test lost")
}

// told waits until the tree of a log has an outcome for each intent about a GitSecret, and one at least: records are durable a moment before they are in the tree.
func (w *world) told(t *testing.T, log, name string) {
	t.Helper()
	harness.Eventually(w.ctx, t, "the outcomes about "+name+" are in the tree", func(context.Context) error {
		open, all := map[string]bool{}, 0
		for e, err := range verify.Entries(os.DirFS(log), verify.Position{}) {
			switch {
			case err != nil:
				return err
			case e.Record.Phase == audit.PhaseIntent && e.Record.Operation.Object.Name == name:
				open[e.Record.ID] = true
				all++
			case e.Record.Phase == audit.PhaseOutcome:
				delete(open, e.Record.ID)
			}
		}
		if all == 0 || len(open) > 0 {
			return fmt.Errorf("%d of %d intents have none", len(open), all)
		}
		return nil
	})
}

func emptyFolder(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}

// fetchable copies the log once more. The part that the volume does not have any more stays as it was copied.
func fetchable(t *testing.T, auditor *checkout, url, cert string) {
	t.Helper()
	said, _ := auditor.run(t, 0, "audit", "fetch", url, "--ca-file", cert, "--out", "copy")
	wants(t, said, "part 2: ")
}

// restartByHand asks for a restart as an administrator does. The harness runs no kubelet, so the pod's condition is what the test says.
func (w *world) restartByHand(t *testing.T, replica string) {
	t.Helper()
	admin := w.checkout(t)
	restart := []string{"audit", "restart", "--replica", replica, "--reason", "volume of a test lost", "--yes"}
	_, said := admin.run(t, 1, restart...)
	wants(t, said, "cannot be seen: pods \""+replica+"\" not found", "hint: if you know that it refuses its log, say so with --force")
	no, yes := false, true
	user := int64(65532)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: replica}, Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{Name: "controller", Image: "registry.example.org/none", SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}},
	}}
	w.create(t, pod)
	t.Cleanup(func() {
		if err := w.Delete(context.Background(), pod); err != nil {
			t.Error(err)
		}
	})
	condition := func(status corev1.ConditionStatus) {
		t.Helper()
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		if err := w.Status().Update(w.ctx, pod); err != nil {
			t.Fatal(err)
		}
	}
	condition(corev1.ConditionTrue)
	_, said = admin.run(t, 1, restart...)
	wants(t, said, replica+" is ready: it does not refuse its log")
	condition(corev1.ConditionFalse)
	_, said = admin.run(t, 0, restart...)
	wants(t, said, "seal: part 1 of the log of "+replica+" is given up: ", "seal: asked for: "+replica+" goes on in part 2")
}
