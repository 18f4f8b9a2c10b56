package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// agentSigner is the name of the agent's own signature.
const agentSigner = "waxwing-agent"

// auth gives what a SecretSync's repository is asked with. name is that of credentials, empty for none. The error is a refusal.
func (r *syncs) auth(s *settings.Settings, namespace, name, url string) (source.Auth, error) {
	auth := source.Auth{Proxy: s.Proxy, InsecureHTTP: s.InsecureHTTP}
	if err := s.AllowedHTTP(url); err != nil {
		return auth, refuse(string(source.CredentialsRefused), "spec.source.url: "+err.Error())
	}
	if name == "" {
		return auth, nil
	}
	c, err := r.granted(s, namespace, name, url)
	if err != nil {
		return auth, err
	}
	auth.Username, auth.Password, auth.Token, auth.CA = c.Username, c.Password, c.Token, c.CA
	auth.Identity, auth.KnownHosts = c.Identity, c.KnownHosts
	return auth, nil
}

// granted reads credentials that a namespace may use for an address.
func (r *syncs) granted(s *settings.Settings, namespace, name, url string) (*settings.Credentials, error) {
	if err := s.Allow(name, namespace, url); err != nil {
		return nil, refuse(string(source.CredentialsRefused), err.Error())
	}
	if r.credentials == nil {
		return nil, refuse(string(source.CredentialsRefused), fmt.Sprintf("no credentials %q are mounted into the agent", name))
	}
	c, err := r.credentials.Read(name)
	if err != nil {
		return nil, refuse(string(source.CredentialsRefused), err.Error())
	}
	return c, nil
}

// signingKey gives the key that the agent's commits are signed with; nil: they are not.
func (r *syncs) signingKey(s *settings.Settings, o *v1alpha1.SecretSync) (ssh.Signer, error) {
	if o.Spec.WriteBack == nil || o.Spec.WriteBack.SigningKey == "" {
		return nil, nil
	}
	name := o.Spec.WriteBack.SigningKey
	c, err := r.granted(s, o.Namespace, name, o.Spec.Source.URL)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(c.SigningKey)
	if err != nil {
		// The library's error may quote what it read.
		return nil, refuse(string(source.CredentialsRefused), fmt.Sprintf("credentials %q: file signing-key is no SSH private key without a passphrase", name))
	}
	return signer, nil
}

// verifier says who has signed a commit.
type verifier struct {
	repo  repository
	place source.Place
	// by are the signers of spec.verify, all are they and the agent itself, where it signs.
	by, all source.Signers
	sync    string
}

func (r *syncs) verifier(s *settings.Settings, o *v1alpha1.SecretSync, repo repository, place source.Place) (*verifier, error) {
	v := &verifier{repo: repo, place: place, by: source.Signers{Now: r.now()}, sync: keyOf(o).String()}
	if o.Spec.Verify != nil {
		v.by.OpenPGP = o.Spec.Verify.OpenPGP
		for _, signer := range o.Spec.Verify.Signers {
			v.by.SSH = append(v.by.SSH, source.Signer{Name: signer.Name, Key: signer.Key})
		}
	}
	key, err := r.signingKey(s, o)
	v.all = v.by
	if key != nil {
		v.all.SSH = append(slices.Clone(v.by.SSH), source.Signer{Name: agentSigner, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))})
	}
	return v, err
}

// verify gives who has signed. What the agent has signed counts where it was made for this SecretSync, because that is made upon none but verified commits. Others may be let use the
// same key, and have it sign what they like.
func (v *verifier) verify(c source.Commit) (string, error) {
	by := v.by
	if c.Tag == "" && writeback.Made(c, v.sync) {
		by = v.all
	}
	return v.repo.Verify(c, v.place, by)
}

// verified makes sure of the signatures that spec.verify wants. since is the commit that was taken before; empty: there is none.
func (r *syncs) verified(ctx context.Context, s *settings.Settings, o *v1alpha1.SecretSync, repo repository, c source.Commit, place source.Place, since string) (string, error) {
	if o.Spec.Verify == nil {
		return "", nil
	}
	v, err := r.verifier(s, o, repo, place)
	if err != nil {
		return "", err
	}
	name, err := v.verify(c)
	if err != nil || o.Spec.Verify.Commits != v1alpha1.VerifyAll || since == "" || since == c.ID {
		return name, err
	}
	between, err := repo.Commits(since, c.ID)
	if err != nil {
		return "", refuse(string(source.CommitNotSigned), fmt.Sprintf("not every commit since %s can be looked at: %v", short(since), err))
	}
	v.place.Tag = ""
	for _, one := range between {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		one.Tag = ""
		if _, err := v.verify(one); err != nil {
			return "", err
		}
	}
	return name, nil
}

func short(id string) string { return id[:min(len(id), 12)] }
