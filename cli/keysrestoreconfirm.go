package cli

import (
	"context"
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// confirm tells what will be done, and asks.
func (r *restoring) confirm(ctx context.Context, kr *v1alpha1.Keyring) error {
	there := statesOf(kr)
	r.told = waitsFor(kr)
	ready := true // what a status shows of a keyring that is not well may be what was lost
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != "True" {
		ready = false
	}
	for _, line := range describeBackup(r.backup) {
		r.say(line)
	}
	for _, k := range r.backup.Keys {
		id := displayID16(k)
		switch state, known := there[k.Recipient.KeyID()]; {
		case known && ready && state == "Destroyed" && k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s is destroyed in the keyring, and stays so, unless what is left of it is deleted before", id))
		case known && state == "Destroyed" && k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s was destroyed in the keyring: it comes back as Deactivated only if what is left of it is gone as well", id))
		case known && ready:
			r.say(fmt.Sprintf("key %s is there already, as the Keyring shows (%s), and stays as it is", id, state))
		case k.Private == statement.Inside && k.State == "Compromised":
			r.say(fmt.Sprintf("key %s comes back as Compromised: it opens, and what it could open is exposed", id))
		case k.Private == statement.Inside && k.State == "Suspended":
			r.say(fmt.Sprintf("key %s was suspended, and comes back as Deactivated: it opens again", id))
		case k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s comes back as Deactivated: it opens, and nothing is sealed to it", id))
		case k.Private == statement.Gone:
			r.say(fmt.Sprintf("key %s was destroyed, and stays so", id))
		}
	}
	switch {
	case r.keysOnly || r.backup.StatementPrivate != statement.Inside:
		r.say("the statement key of keyring " + r.keyring + " stays what it is")
	case kr.Status.StatementKey == "" || kr.Status.StatementKey == r.backup.StatementKey:
		r.say("the statement key " + r.backup.StatementKey + " signs for the keyring, as before")
	default:
		r.say("the statement key " + r.backup.StatementKey + " takes the place of the new one of the cluster, if nobody can know that yet")
	}
	if r.yes {
		return nil
	}
	ok, err := r.env.confirmed(ctx, "Take these keys into keyring "+r.keyring+"?")
	if err == nil && !ok {
		err = failed("", "nothing was done")
	}
	return err
}

// statesOf are the states of a keyring's keys by id, as its status shows them.
func statesOf(kr *v1alpha1.Keyring) map[string]string {
	states := map[string]string{}
	for _, k := range kr.Status.Keys {
		states[k.ID] = k.State
	}
	return states
}
