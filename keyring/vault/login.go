package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/hashicorp/vault/api"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// maxToken bounds a token file, in bytes.
const maxToken = 16 << 10

// credentials are what a login takes.
type credentials struct {
	path string // of the login
	body map[string]any
	hint string
	hide []string
}

// login makes a session of what the Keyring says.
func (c *Client) login(ctx context.Context, doing string) (*session, error) {
	auth := c.cfg.Connection.Auth
	if auth.TokenFile != nil {
		return c.fromFile(doing, auth.TokenFile.Name)
	}
	doing += ", logging in"
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	creds, err := c.credentials(limited, doing)
	if err != nil {
		if ctx.Err() != nil {
			return nil, c.noAnswer(ctx, request{doing: doing}, err)
		}
		return nil, err
	}
	secret, err := c.exchange(ctx, doing, creds)
	if err != nil {
		return nil, loginError(err, creds.hint)
	}
	s := &session{token: secret.Auth.ClientToken, since: c.cfg.Now(), revokes: !strings.HasPrefix(secret.Auth.ClientToken, "hvb.")}
	var bad *Error
	if s.api, bad = c.newAPI(s.token); bad != nil {
		return nil, bad.while(doing)
	}
	if err := s.watch(secret); err != nil {
		return nil, c.error(NoLogin, doing, "the token that the login gave cannot be watched", creds.hint)
	}
	c.cfg.Log.Info("logged in to Vault", "vault", c.cfg.Connection.Address, "login", creds.path, "seconds", secret.Auth.LeaseDuration, "renewable", secret.Auth.Renewable)
	return s, nil
}

// credentials gathers what the login takes.
func (c *Client) credentials(ctx context.Context, doing string) (credentials, error) {
	auth := c.cfg.Connection.Auth
	switch {
	case auth.Kubernetes != nil:
		return c.serviceAccount(ctx, doing, auth.Kubernetes, "kubernetes",
			"see that mount is that of the auth method (vault auth list), that the role has bound_service_account_names, bound_service_account_namespaces and audience of the controller's token (vault read auth/%s/role/%s), and that Vault can ask this cluster's API server for a review")
	case auth.JWT != nil:
		return c.serviceAccount(ctx, doing, auth.JWT, "jwt",
			"see that mount is that of the auth method (vault auth list), that the role has bound_audiences and bound_subject of the controller's token (vault read auth/%s/role/%s), and that Vault has this cluster's public keys")
	case auth.AppRole != nil:
		mount := path(auth.AppRole.Mount, "approle")
		name := auth.AppRole.SecretID.Name
		hint := fmt.Sprintf("see that mount is that of the auth method (vault auth list), that roleID is the role's (vault read auth/%s/role/NAME/role-id) and that Secret %s has a secret id that is still valid under the key secretID", mount, name)
		data, err := c.cfg.Secret(ctx, name)
		if err != nil {
			return credentials{}, c.error(NoLogin, doing, fmt.Sprintf("the secret id of the AppRole cannot be read: %v", err), hint)
		}
		id := strings.TrimSpace(string(data["secretID"]))
		if id == "" {
			return credentials{}, c.error(NoLogin, doing, fmt.Sprintf("Secret %s has no secretID", name), hint)
		}
		return credentials{"auth/" + mount + "/login", map[string]any{"role_id": auth.AppRole.RoleID, "secret_id": id}, hint, []string{id}}, nil
	}
	return credentials{}, c.error(Refused, doing, "the Keyring does not say how to log in", "set auth")
}

func (c *Client) serviceAccount(ctx context.Context, doing string, auth *v1alpha1.VaultServiceAccountAuth, standard, hint string) (credentials, error) {
	mount := path(auth.Mount, standard)
	audience := auth.Audience
	if audience == "" {
		audience = "vault"
	}
	token, err := c.cfg.ServiceAccountToken(ctx, audience)
	if err != nil {
		return credentials{}, c.error(NoLogin, doing, fmt.Sprintf("there is no token of the controller's ServiceAccount: %v", err), "the controller may make tokens of its own ServiceAccount where the chart was installed with vault.enabled=true")
	}
	return credentials{"auth/" + mount + "/login", map[string]any{"role": string(auth.Role), "jwt": token}, fmt.Sprintf(hint, mount, auth.Role), []string{token}}, nil
}

func path(p v1alpha1.VaultPath, standard string) string {
	if p == "" {
		return standard
	}
	return string(p)
}

// exchange gives Vault the credentials and takes a token.
func (c *Client) exchange(ctx context.Context, doing string, creds credentials) (*api.Secret, error) {
	anonymous, bad := c.newAPI("")
	if bad != nil {
		return nil, bad.while(doing)
	}
	raw, err := json.Marshal(creds.body)
	if err != nil {
		return nil, c.error(Refused, doing, "the login cannot be put into JSON", "")
	}
	var secret *api.Secret
	_, err = c.ask(ctx, anonymous.Logical(), request{doing: doing, again: true, hide: creds.hide, ask: func(l *api.Logical, ctx context.Context) (*api.Response, error) {
		resp, err := l.WriteRawWithContext(ctx, creds.path, raw)
		if err != nil || resp == nil {
			return resp, err
		}
		// What the answer has beside data is for logins alone.
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		secret, _ = api.ParseSecret(strings.NewReader(string(body)))
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return resp, nil
	}})
	if err != nil {
		return nil, err
	}
	switch {
	case secret == nil || secret.Auth == nil:
		return nil, c.error(NoLogin, doing, "the login gave no token", hintAuthMount)
	case secret.Auth.ClientToken == "":
		return nil, c.error(NoLogin, doing, "the login wants a second factor, which the controller does not have", "take the MFA enforcement off the controller's role")
	}
	return secret, nil
}

// loginError is err as that of a login: what Vault refuses has to do with the role and its mount.
func loginError(err error, hint string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	e = e.while(e.Doing)
	switch e.Kind {
	case Missing:
		e.Kind, e.Hint = NoLogin, hintAuthMount
	case Denied, Conflict, Refused:
		e.Kind = NoLogin
		if e.Hint != hintTLS {
			e.Hint = hint
		}
	}
	return e
}

// fromFile takes the token of a file. It gives the session that there is while that has the same token.
func (c *Client) fromFile(doing string, name v1alpha1.VaultName) (*session, error) {
	c.mu.Lock()
	present := c.now
	c.mu.Unlock()
	token, err := readToken(c.cfg.TokenDir, string(name))
	now := c.cfg.Now()
	switch {
	case err != nil && present != nil && !present.over.Load():
		present.fromFile.Store(now.UnixNano()) // it may be there again in a minute
		return present, nil
	case err != nil:
		return nil, c.error(NoLogin, doing, err.Error(), "auth.tokenFile names a file in the folder of the controller's flag --vault-tokens, such as one that Vault's agent writes")
	case present != nil && present.token == token:
		present.fromFile.Store(now.UnixNano())
		present.over.Store(false)
		return present, nil
	}
	s := &session{token: token, since: now}
	s.fromFile.Store(now.UnixNano())
	var bad *Error
	if s.api, bad = c.newAPI(token); bad != nil {
		return nil, bad.while(doing)
	}
	c.cfg.Log.Info("took a token for Vault from a file", "vault", c.cfg.Connection.Address, "file", string(name))
	return s, nil
}

// readToken reads a token from a file of the folder. A link out of it is not followed.
func readToken(dir, name string) (string, error) {
	if dir == "" {
		return "", errors.New("the controller has no folder of token files: set --vault-tokens")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", errors.New("the folder of token files cannot be opened: " + cause(err))
	}
	defer root.Close()
	// A pipe would be waited for, also one that takes the file's place just now.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("token file %s cannot be opened: %s", name, cause(err))
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("token file %s is no file", name)
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	token := strings.TrimSpace(string(raw))
	switch {
	case err != nil:
		return "", fmt.Errorf("token file %s cannot be read: %s", name, cause(err))
	case token == "" || len(raw) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("token file %s does not have one token and nothing else", name)
	}
	return token, nil
}

// cause is an error of a file without its path.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
