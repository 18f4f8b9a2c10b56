package cli

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
)

// keyringFlag says which Keyring of which cluster is meant.
type keyringFlag struct {
	keyring string
	clusterFlags
}

func (f *keyringFlag) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.keyring, "keyring", "", "the `NAME` of the keyring, where several could be meant")
	f.clusterFlags.addTo(flags)
}

func (f *keyringFlag) check() error {
	if f.keyring != "" && !secret.ValidName(f.keyring) {
		return usage("kubectl get keyrings lists them", "no keyring can be called %s", shown(f.keyring))
	}
	return nil
}

// keyrings reads the Keyring of the flag, or all that there are.
func (f *keyringFlag) keyrings(ctx context.Context, client *cluster.Client) ([]v1alpha1.Keyring, error) {
	if f.keyring != "" {
		kr, err := readKeyring(ctx, client, f.keyring)
		if err != nil {
			return nil, err
		}
		return []v1alpha1.Keyring{*kr}, nil
	}
	all, err := unlessDone(ctx, func() ([]v1alpha1.Keyring, error) { return client.Keyrings(ctx) })
	switch {
	case isForbidden(err):
		return nil, failed("if you may get one of them, name it with --keyring", "%v", err)
	case err != nil:
		return nil, withClusterHint(err)
	case len(all) == 0:
		return nil, failed("is the controller running? When it starts and there is none, it makes the keyring default", "the cluster has no keyring")
	}
	return all, nil
}

// only gives the Keyring of the flag, or the only one that there is.
func (f *keyringFlag) only(ctx context.Context, client *cluster.Client) (*v1alpha1.Keyring, error) {
	all, err := f.keyrings(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		return nil, usage("name it with --keyring", "the cluster has several keyrings: %s", keyringNames(all))
	}
	return &all[0], nil
}

func keyringNames(all []v1alpha1.Keyring) string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = shown(all[i].Name)
	}
	return some(names)
}

// readKeyring reads one, which may be away for the time of a credential plugin.
func readKeyring(ctx context.Context, client *cluster.Client, name string) (*v1alpha1.Keyring, error) {
	kr, err := unlessDone(ctx, func() (*v1alpha1.Keyring, error) { return client.KeyringObject(ctx, name) })
	if err != nil {
		return nil, keyringRefusal(name, err)
	}
	return kr, nil
}

// keyringRefusal explains what the API server has said of a Keyring.
func keyringRefusal(name string, err error) error {
	switch {
	case errors.Is(err, cluster.ErrNoKeyring):
		return failed("kubectl get keyrings lists them", "there is no Keyring %s", name)
	case refusedWith(err, http.StatusConflict):
		return failed("try again", "keyring %s was changed by somebody else in between", name)
	case isForbidden(err):
		return failed("the chart's ClusterRole waxwing-keyring-admin has the right to change Keyrings", "%v", err)
	}
	return withClusterHint(err)
}

// foundKey is a key as its Keyring shows it.
type foundKey struct {
	kr  *v1alpha1.Keyring
	key v1alpha1.KeyStatus
}

// display is the key's id as people see it.
func (k *foundKey) display() string { return displayID(k.key.ID) }

// displayID is a key id as people see it; ids come from a status, which may hold anything.
func displayID(id string) string {
	if len(id) == seal.KeyIDSize {
		id = id[:seal.KeyIDDisplay]
	}
	return shown(id)
}

var keyIDPrefixRE = regexp.MustCompile(`^[0-9a-f]{8,32}$`)

// keyIDPrefix is what the id of the key that the user calls text begins with: text names it by digits, or is its recipient.
func keyIDPrefix(text string) (string, error) {
	if sshkey.Is(text) {
		if r, err := sshkey.ParseRecipient(text); err == nil {
			return r.KeyID(), nil
		}
	} else if r, err := seal.ParseRecipient(text); err == nil {
		return r.KeyID(), nil
	}
	if id := strings.ToLower(text); keyIDPrefixRE.MatchString(id) {
		return id, nil
	}
	return "", usage("give the first 8 digits of its id at least, or its recipient; seal keys list --cluster lists the keys", "no key can be called %s", shown(text))
}

// find gives the one key that the user calls text.
func (f *keyringFlag) find(ctx context.Context, client *cluster.Client, text string) (*foundKey, error) {
	prefix, err := keyIDPrefix(text)
	if err != nil {
		return nil, err
	}
	all, err := f.keyrings(ctx, client)
	if err != nil {
		return nil, err
	}
	var found []foundKey
	for i := range all {
		for _, key := range all[i].Status.Keys {
			if strings.HasPrefix(key.ID, prefix) {
				found = append(found, foundKey{&all[i], key})
			}
		}
	}
	switch len(found) {
	case 0:
		where := "of keyring " + shown(all[0].Name)
		if len(all) > 1 {
			where = "of any keyring"
		}
		return nil, failed("seal keys list --cluster lists them", "no key %s has an id that begins with %s", where, prefix)
	case 1:
		return &found[0], nil
	}
	names := make([]string, len(found))
	for i := range found {
		names[i] = shown(found[i].key.ID) + " of keyring " + shown(found[i].kr.Name)
	}
	return nil, usage("give more digits, or the keyring with --keyring", "several keys have an id that begins with %s: %s", prefix, strings.Join(names, ", "))
}
