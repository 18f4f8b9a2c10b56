package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// carryOut makes the Secret and waits until the controller has done what it asks for.
func (r *restoring) carryOut(ctx context.Context) error {
	contents := []byte(r.contents.Text(r.backup))
	defer clear(contents)
	uid, err := unlessDone(ctx, func() (string, error) {
		return r.client.CreateRestore(ctx, r.namespace, cluster.Restore{Keyring: r.keyring, Backup: r.signed, Contents: contents, Recipients: r.newest, KeysOnly: r.keysOnly})
	})
	secretName := r.namespace + "/" + cluster.RestoreName(r.keyring)
	switch {
	case refusedWith(err, http.StatusConflict):
		return failed("wait for it, or take it back: kubectl -n "+r.namespace+" delete secret "+cluster.RestoreName(r.keyring), "keys are being restored into keyring %s already (Secret %s)", r.keyring, secretName)
	case isForbidden(err):
		return failed("ask for the right to create, get and delete Secrets in namespace "+r.namespace, "%v", err)
	case refusedWith(err, http.StatusNotFound):
		return failed("name the controller's namespace with -n", "%v", err)
	case err != nil:
		return withClusterHint(err)
	}
	r.say("the controller takes the keys from Secret " + secretName)
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, errTooLong)
	defer cancel()
	if err := r.await(ctx, uid); err != nil {
		if errors.Is(context.Cause(ctx), errTooLong) {
			err = failed("the controller goes on by itself; look at kubectl describe keyring "+r.keyring+". To give up, delete the Secret", "not done within %s", r.timeout)
		}
		if there, _, serr := r.client.RestoreState(context.WithoutCancel(ctx), r.namespace, r.keyring, uid); serr != nil || there {
			warn(r.env.Stderr, "the private keys are still in Secret "+secretName+" until the controller is done")
		}
		return err
	}
	return nil
}

// errTooLong is the cause of the end of waiting.
var errTooLong = errors.New("it takes too long")

// await asks until the Secret is gone and the keyring works. What is refused is taken back.
func (r *restoring) await(ctx context.Context, uid string) error {
	gone := 0
	for {
		there, refused, err := r.client.RestoreState(ctx, r.namespace, r.keyring, uid)
		switch {
		case err != nil && ctx.Err() == nil:
			return withClusterHint(err)
		case err == nil && refused != "":
			if err := r.client.DeleteRestore(ctx, r.namespace, r.keyring, uid); err != nil {
				return withClusterHint(err)
			}
			return failed("", "keyring %s: %s", r.keyring, refused)
		}
		if err == nil {
			if !there {
				gone++
			}
			kr, kerr := r.client.KeyringObject(ctx, r.keyring)
			switch {
			case kerr != nil && ctx.Err() == nil:
				return withClusterHint(kerr)
			case kerr == nil && !there && r.done(kr, uid, gone):
				return r.end(kr)
			case kerr == nil:
				if text := waitsFor(kr); text != "" && text != r.told {
					r.told = text
					r.say(text)
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restorePoll):
		}
	}
}

// waitsFor is what the controller says that hinders it.
func waitsFor(kr *v1alpha1.Keyring) string {
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionRestoring); c != nil && c.Status == "True" {
		return c.Message
	}
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != "True" {
		return c.Message
	}
	return ""
}

// lateStatus is how often the Keyring is asked for what became of a request that is gone, before its keys alone have to say it: the controller may have ended in between.
const lateStatus = 20

// done says whether the controller has said that it is done with this request, and one key is sealed to.
func (r *restoring) done(kr *v1alpha1.Keyring, uid string, gone int) bool {
	states, missing := statesOf(kr), 0
	for _, k := range r.backup.Keys {
		if k.Private == statement.Inside && states[k.Recipient.KeyID()] == "" {
			missing++
		}
	}
	c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionRestoring)
	request := " (request " + uid + ")"
	said := c != nil && c.Reason == v1alpha1.ReasonRestoreDone && strings.Contains(c.Message, request)
	ready := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady)
	if (!said && (gone < lateStatus || missing > 0)) || kr.Status.ActiveKey == "" || ready == nil || ready.Status != "True" {
		return false
	}
	if said {
		r.say("keyring " + r.keyring + ": " + strings.Replace(c.Message, request, "", 1))
	}
	return true
}

// end says which keys are there, and fails where one is not: what is left of it says that it was destroyed.
func (r *restoring) end(kr *v1alpha1.Keyring) error {
	states, n := statesOf(kr), 0
	var dead []string
	for _, k := range r.backup.Keys {
		switch state := states[k.Recipient.KeyID()]; {
		case k.Private != statement.Inside:
		case state == "" || state == "Destroyed":
			dead = append(dead, displayID16(k))
		default:
			n++
		}
	}
	if len(dead) > 0 {
		return failed("delete what is left of it, and restore again: kubectl describe keyring "+r.keyring+" says where that is",
			"keyring %s has not all of the backup: key %s was not restored", r.keyring, strings.Join(dead, ", "))
	}
	r.say(fmt.Sprintf("keyring %s has %s of the backup, and seals to key %s", r.keyring, countOf(n, "key"), kr.Status.ActiveKey))
	message(r.env.Stderr, "hint: ", "next: seal keys fetch --keyring "+r.keyring+" --save, and seal rewrap for what is to be sealed to the new key")
	return nil
}
