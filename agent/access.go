package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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

// signers are those whose signatures count for a SecretSync: those of spec.verify, and, for commits of its own write-back, the key that it signs with, because these are signed
// upon none but verified ones. With the same key other SecretSyncs may sign what nobody has verified.
type signers struct {
	listed source.Signers
	own    *source.Signer // nil: it does not sign
	sync   string
}

// of are those whose signatures count for a commit.
func (s *signers) of(c source.Commit) source.Signers {
	by := s.listed
	if s.own != nil && c.Tag == "" && writeback.Ours(c, s.sync) {
		by.SSH = append(slices.Clone(by.SSH), *s.own)
	}
	return by
}

func (r *syncs) signers(s *settings.Settings, o *v1alpha1.SecretSync, now time.Time) (*signers, error) {
	by := &signers{listed: source.Signers{OpenPGP: o.Spec.Verify.OpenPGP, Now: now}, sync: keyOf(o).String()}
	for _, signer := range o.Spec.Verify.Signers {
		by.listed.SSH = append(by.listed.SSH, source.Signer{Name: signer.Name, Key: signer.Key})
	}
	own, err := r.signingKey(s, o)
	if own != nil {
		by.own = &source.Signer{Name: agentSigner, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(own.PublicKey())))}
	}
	return by, err
}

// verified makes sure of the signatures that spec.verify wants. since is the commit that was taken before; empty: there is none.
func (r *syncs) verified(ctx context.Context, s *settings.Settings, o *v1alpha1.SecretSync, repo repository, c source.Commit, place source.Place, since string) (string, error) {
	if o.Spec.Verify == nil {
		return "", nil
	}
	by, err := r.signers(s, o, r.now())
	if err != nil {
		return "", err
	}
	name, err := repo.Verify(c, place, by.of(c))
	if err != nil || o.Spec.Verify.Commits != v1alpha1.VerifyAll || since == "" || since == c.ID {
		return name, err
	}
	between, err := repo.Commits(since, c.ID)
	if err != nil {
		return "", refuse(string(source.CommitNotSigned), fmt.Sprintf("not every commit since %s can be looked at: %v", short(since), err))
	}
	place.Tag = ""
	for _, one := range between {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		one.Tag = ""
		if _, err := repo.Verify(one, place, by.of(one)); err != nil {
			return "", err
		}
	}
	return name, nil
}

func short(id string) string { return id[:min(len(id), 12)] }
