package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// clusterKey is a key of a keyring, as `seal keys list --cluster` shows it.
type clusterKey struct {
	Keyring   string            `json:"keyring"`
	KeyID     string            `json:"keyId"`
	State     string            `json:"state"`
	Since     string            `json:"since,omitempty"` // when it came into that state
	Created   string            `json:"created"`
	Activated string            `json:"activated,omitempty"`
	Recipient string            `json:"recipient"`
	Uses      *v1alpha1.KeyUses `json:"uses,omitempty"` // absent where nobody has counted
	// NextRotation is when an active key will be replaced.
	NextRotation string `json:"nextRotation,omitempty"`
	// Asked is what spec.requests asks for, and Outcome and Message what the controller says of that.
	Asked   string `json:"asked,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Message string `json:"message,omitempty"`
}

// listClusterKeys is `seal keys list --cluster`.
func listClusterKeys(ctx context.Context, env *Env, o *keysListOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	rings, err := o.keyrings(ctx, client)
	if err != nil {
		return err
	}
	keys := []clusterKey{}
	for i := range rings {
		for _, key := range rings[i].Status.Keys {
			keys = append(keys, newClusterKey(&rings[i], key))
		}
	}
	return env.writeReport(o.output == "json", keys, func(t *reportText) { clusterKeysTable(t, keys, env.Now()) })
}

func newClusterKey(kr *v1alpha1.Keyring, key v1alpha1.KeyStatus) clusterKey {
	date := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	k := clusterKey{Keyring: kr.Name, KeyID: key.ID, State: key.State, Created: date(key.Created.Time), Recipient: key.Recipient, Uses: key.Uses}
	if key.Since != nil {
		k.Since = date(key.Since.Time)
	}
	if key.Activated != nil {
		k.Activated = date(key.Activated.Time)
	}
	if kr.Status.NextRotation != nil && key.State == stateActive {
		k.NextRotation = date(kr.Status.NextRotation.Time)
	}
	for _, r := range kr.Spec.Requests {
		if r.Key != key.ID {
			continue
		}
		k.Asked = r.Do
		if s := requestStatus(kr, r); s != nil {
			k.Outcome, k.Message = s.Outcome, s.Message
		}
	}
	return k
}

func clusterKeysTable(t *reportText, keys []clusterKey, now time.Time) {
	if len(keys) == 0 {
		t.note(0, "no keyring has a key yet")
		return
	}
	table := [][]cell{{{text: "KEYRING"}, {text: "KEY ID"}, {text: "STATE"}, {text: "SINCE"}, {text: "AGE"}, {text: "USES"}, {text: "NEXT ROTATION"}}}
	var notes []string
	for _, k := range keys {
		colour := map[string]string{stateActive: green, stateCompromised: red, stateSuspended: yellow}[k.State]
		table = append(table, []cell{{text: shown(k.Keyring)}, {text: displayID(k.KeyID)}, {shown(k.State), colour}, {text: dashed(k.Since)}, {text: keyAge(k, now)}, {text: usesText(k.Uses)},
			{text: dashed(k.NextRotation)}})
		if k.Outcome == v1alpha1.RequestRefused || k.Outcome == v1alpha1.RequestWaiting {
			notes = append(notes, fmt.Sprintf("%s of key %s is %s: %s", shown(k.Asked), displayID(k.KeyID), strings.ToLower(k.Outcome), k.Message))
		}
	}
	t.table(table)
	for _, note := range notes {
		t.note(0, note)
	}
}

// keyAge is how long ago the key was made.
func keyAge(k clusterKey, now time.Time) string {
	created, err := time.Parse(time.RFC3339, k.Created)
	if err != nil || created.IsZero() {
		return "-"
	}
	return spanWords(max(now.Sub(created), 0))
}

// usesText is how many uses of a key are known.
func usesText(u *v1alpha1.KeyUses) string {
	if u == nil {
		return "-"
	}
	text := fmt.Sprint(u.Objects)
	if u.Unseen != "" {
		text += " or more"
	}
	if u.Gone > 0 {
		text += fmt.Sprintf(", %d gone", u.Gone)
	}
	if len(u.Git) > 0 {
		text += ", in Git"
	}
	return text
}
