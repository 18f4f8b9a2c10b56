package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

// conditionDegraded is true on a keyring that works, and lacks something.
const conditionDegraded = "Degraded"

// keySourceUnavailable is the reason of a keyring whose keys cannot be read where they are.
const keySourceUnavailable = "KeySourceUnavailable"

// checkKeyrings asks for each keyring that is pinned, or without a pin for all that there are. false ends the checks: the cluster is away.
func (c *clusterDoctor) checkKeyrings(ctx context.Context, holders []repo.Holder) bool {
	pinned := false
	for _, h := range holders {
		if h.StatementKey == "" {
			continue
		}
		pinned = true
		if !c.checkPinned(ctx, h) {
			return false
		}
	}
	if !pinned {
		c.checkUnpinned(ctx)
	}
	return true
}

// checkPinned looks at one keyring: how it is, and whether pin and note are what it publishes. One that is not there may be in another cluster.
func (c *clusterDoctor) checkPinned(ctx context.Context, h repo.Holder) bool {
	k, err := asked(ctx, c.doctor, func(ctx context.Context) (*v1alpha1.Keyring, error) { return c.client.KeyringObject(ctx, h.Name) })
	if err == nil {
		c.results = append(c.results, keyringDiagnoses(k, c.env.Now())...)
	}
	published, err := asked(ctx, c.doctor, func(ctx context.Context) (*cluster.Published, error) { return c.client.Keyring(ctx, h.Name, c.home) })
	var refusal *cluster.StatusError
	switch {
	case err == nil:
		c.checkNote(h, published)
	case errors.Is(err, cluster.ErrNoKeyring):
		c.say("keyring", healthWarn, "if it is in another cluster, name that with --context", "%s: %v", h.Name, err)
	case errors.As(err, &refusal), errors.Is(err, cluster.ErrForbidden), errors.Is(err, cluster.ErrNotReady):
		c.say("keyring", healthFail, hint(withClusterHint(err)), "%s: %v", h.Name, err)
	default:
		c.away(err)
		return false
	}
	return true
}

func (c *clusterDoctor) checkUnpinned(ctx context.Context) {
	all, err := asked(ctx, c.doctor, c.client.Keyrings)
	switch {
	case refusedWith(err, http.StatusForbidden):
		c.say("keyring", healthWarn, "seal init --keyring NAME pins one", "no keyring is pinned here, and you may not list those of the cluster")
		return
	case err != nil:
		c.away(err)
		return
	case len(all) == 0:
		c.say("keyring", healthFail, "is the controller running? When it starts and there is none, it makes the keyring default; so restart it, or make one", "the cluster has no keyring")
		return
	}
	for i := range all {
		c.results = append(c.results, keyringDiagnoses(&all[i], c.env.Now())...)
	}
	c.say("keyring", healthWarn, "seal init --keyring "+shown(all[0].Name)+" pins one", "no keyring is pinned here: each command needs -R")
}

// keyringDiagnoses say how a keyring is, by its conditions.
func keyringDiagnoses(k *v1alpha1.Keyring, now time.Time) (all []diagnosis) {
	conditions := map[string]metav1.Condition{}
	for _, c := range k.Status.Conditions {
		conditions[c.Type] = c
	}
	describe := "kubectl describe keyring " + shown(k.Name)
	text := func(c metav1.Condition) string { return c.Reason + ": " + c.Message }
	ready, known := conditions[v1alpha1.ConditionReady]
	switch {
	case !known || k.Status.ObservedGeneration != k.Generation:
		all = append(all, diagnosis{"keyring", healthFail, k.Name + ": the controller has not looked at it, or not at its last change", "is the controller running?"})
	case ready.Status != metav1.ConditionTrue && ready.Reason == keySourceUnavailable:
		all = append(all, diagnosis{"keyring", healthFail, k.Name + " is not ready: " + text(ready), "Secrets that are there stay, and the controller tries again by itself; " + sourceHint(k.Spec.Source)})
	case ready.Status != metav1.ConditionTrue:
		all = append(all, diagnosis{"keyring", healthFail, k.Name + " is not ready: " + text(ready), describe + " has the events; docs/reasons.md and docs/api.md explain the reason"})
	default:
		all = append(all, diagnosis{"keyring", healthOK, k.Name + " is ready: " + ready.Message, ""})
	}
	if d, ok := vaultDiagnosis(k); ok {
		all = append(all, d)
	}
	if c := conditions[conditionDegraded]; c.Status == metav1.ConditionTrue {
		all = append(all, diagnosis{"keyring", healthWarn, k.Name + " is degraded: " + text(c), describe})
	}
	return append(all, rotationDiagnoses(k, now)...)
}

// sourceHint says where to read on.
func sourceHint(source v1alpha1.KeySource) string {
	if vaultOf(source) == nil {
		return "docs/reasons.md and docs/api.md explain the reason"
	}
	return "docs/vault.md explains what to look at in Vault"
}

// vaultDiagnosis says which Vault a keyring hangs on, and by which login.
func vaultDiagnosis(k *v1alpha1.Keyring) (diagnosis, bool) {
	v := vaultOf(k.Spec.Source)
	if v == nil {
		return diagnosis{}, false
	}
	what := "its keys are"
	if k.Spec.Source.Secret != nil {
		what = "its keys are encrypted by a key"
	}
	message := fmt.Sprintf("%s: %s in the Vault at %s; the controller logs in by %s", k.Name, what, shown(v.Address), loginOf(v.Auth))
	if strings.HasPrefix(v.Address, "http:") {
		return diagnosis{"source", healthWarn, message, "its address has no TLS: whoever reads the network between reads tokens and keys"}, true
	}
	return diagnosis{"source", healthOK, message, ""}, true
}

// vaultOf is nil for keys that no Vault has to do with.
func vaultOf(source v1alpha1.KeySource) *v1alpha1.VaultConnection {
	switch {
	case source.VaultKV != nil:
		return &source.VaultKV.Vault
	case source.VaultTransit != nil:
		return &source.VaultTransit.Vault
	case source.Secret != nil && source.Secret.EncryptedBy != nil && source.Secret.EncryptedBy.Transit != nil:
		return &source.Secret.EncryptedBy.Transit.Vault
	}
	return nil
}

func loginOf(auth v1alpha1.VaultAuth) string {
	switch {
	case auth.Kubernetes != nil:
		return "Kubernetes auth, role " + string(auth.Kubernetes.Role)
	case auth.JWT != nil:
		return "JWT auth, role " + string(auth.JWT.Role)
	case auth.AppRole != nil:
		return "AppRole, with the Secret " + shown(auth.AppRole.SecretID.Name)
	case auth.TokenFile != nil:
		return "the token file " + string(auth.TokenFile.Name)
	}
	return "nothing"
}

// checkNote compares what the cluster publishes with pin and note.
func (c *clusterDoctor) checkNote(h repo.Holder, published *cluster.Published) {
	r, err := statement.OpenRecipients(published.Note, h.StatementKey)
	if err != nil {
		c.say("keyring", healthFail, "if the keyring was made anew, check its new key with those who did, and change the pin; otherwise this is not the cluster that was meant",
			"%s: what the cluster publishes is not signed by the key that is pinned: %v", h.Name, err)
		return
	}
	fetch := fmt.Sprintf("seal keys fetch --keyring %s --save", h.Name)
	set, err := h.Read()
	switch {
	case err != nil:
		// The note itself was found wanting before.
		c.say("keyring", healthWarn, fetch, "%s: the cluster publishes set %d", h.Name, r.Set)
	case set.Statement.Set < r.Set:
		c.say("keyring", healthWarn, fetch, "%s: the cluster publishes set %d, and the note has set %d", h.Name, r.Set, set.Statement.Set)
	case set.Statement.Set > r.Set:
		c.say("keyring", healthFail, "was the keyring restored from an old backup? Ask its administrators", "%s: the cluster publishes set %d, older than the note's %d", h.Name, r.Set, set.Statement.Set)
	default:
		c.say("keyring", healthOK, "", "%s: the note is what the cluster publishes, set %d of %s", h.Name, r.Set, r.At.UTC().Format(time.DateOnly))
	}
}
