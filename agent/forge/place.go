package forge

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// At is the Access, without credentials, to the forge that spec.writeBack.forge names for a repository: what it leaves out is taken from the address of the repository.
func At(f v1alpha1.Forge, source string) (Access, error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return Access{}, fmt.Errorf("the address of the repository is none such as https://git.example.com/team/infra.git")
	}
	a := Access{URL: strings.TrimRight(f.URL, "/"), Repository: f.Repository}
	if a.URL == "" {
		a.URL = "https://" + u.Host
		switch u.Scheme {
		case "http":
			a.URL = "http://" + u.Host
		case "ssh":
			a.URL = "https://" + u.Hostname() // its port is SSH's
			if strings.Contains(u.Hostname(), ":") {
				a.URL = "https://[" + u.Hostname() + "]"
			}
		}
	}
	if a.Repository == "" {
		path := strings.Trim(u.Path, "/")
		if at, err := url.Parse(a.URL); err == nil && u.Scheme != "ssh" {
			// The server may be below a path.
			path = strings.TrimPrefix(path, strings.Trim(at.Path, "/")+"/")
		}
		a.Repository = strings.TrimSuffix(path, ".git")
	}
	return a, nil
}

// Address is where the repository is, by HTTPS. Whoever writes a SecretSync chooses it: credentials are for it only where the agent's configuration lets them be used there.
func (a Access) Address() string {
	return strings.TrimRight(a.URL, "/") + "/" + strings.Trim(a.Repository, "/")
}
