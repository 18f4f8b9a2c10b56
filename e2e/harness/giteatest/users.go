package giteatest

import (
	"net/http"
	"net/url"
)

// User is an account.
type User struct {
	Name, Password string

	gitea *Gitea
}

// User makes an account.
func (g *Gitea) User(name string) *User {
	g.t.Helper()
	u := &User{Name: name, Password: password(g.t), gitea: g}
	g.Admin.must(http.MethodPost, "/admin/users", map[string]any{"username": name, "password": u.Password, "email": u.Email(), "must_change_password": false}, nil)
	return u
}

// Email is the user's address.
func (u *User) Email() string { return u.Name + "@example.test" }

// Token makes an access token with the scopes, such as "write:repository".
func (u *User) Token(name string, scopes ...string) string {
	u.gitea.t.Helper()
	var made struct {
		Token string `json:"sha1"`
	}
	u.must(http.MethodPost, "/users/"+u.Name+"/tokens", map[string]any{"name": name, "scopes": scopes}, &made)
	return made.Token
}

// Revoke takes a token of that name back.
func (u *User) Revoke(token string) {
	u.gitea.t.Helper()
	u.must(http.MethodDelete, "/users/"+u.Name+"/tokens/"+url.PathEscape(token), nil, nil)
}

// SSHKey makes a key with which the user is let in over SSH, and returns the private half in OpenSSH's form.
func (u *User) SSHKey(title string) string {
	u.gitea.t.Helper()
	private, public := newSSHKey(u.gitea.t)
	u.must(http.MethodPost, "/user/keys", map[string]any{"title": title, "key": public}, nil)
	return private
}

// Repository makes an empty, private one.
func (u *User) Repository(name string) *Repository {
	u.gitea.t.Helper()
	u.must(http.MethodPost, "/user/repos", map[string]any{"name": name, "private": true, "default_branch": "main", "object_format_name": "sha1"}, nil)
	return &Repository{Owner: u, Name: name}
}
