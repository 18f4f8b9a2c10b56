package settings

import (
	"errors"
	"net/url"
	"strings"
)

// address is where a repository is, as far as it matters for who gets credentials.
type address struct {
	scheme, user, host, port string
	path                     string // ends with /
}

func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return address{}, errors.New("is no address such as https://git.example.com/team/ or ssh://git@git.example.com/team/")
	}
	a := address{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port()}
	switch {
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return address{}, errors.New("has a ? or #, which no address of a repository has")
	case a.scheme == "ssh":
		if _, has := u.User.Password(); has {
			return address{}, errors.New("has a password in it")
		}
		a.user = u.User.Username()
	case a.scheme != "https" && a.scheme != "http":
		return address{}, errors.New("begins with neither https:// nor ssh://")
	case u.User != nil:
		return address{}, errors.New("has a user in it")
	}
	if a.port == "" {
		a.port = map[string]string{"https": "443", "http": "80", "ssh": "22"}[a.scheme]
	}
	// A server may take %2e%2e and ..; for .., and // for /: what is not plain is not compared.
	escaped := u.EscapedPath()
	if strings.ContainsAny(escaped, `%;\`) || strings.Contains(escaped, "//") {
		return address{}, errors.New("has %, ; or // in its path")
	}
	for _, part := range strings.Split(escaped, "/") {
		if part == "." || part == ".." {
			return address{}, errors.New("has . or .. in its path")
		}
	}
	a.path = strings.TrimSuffix(escaped, "/") + "/"
	return a, nil
}

// covers says whether an address is at, or below, one that was granted.
func covers(granted, asked string) bool {
	g, err := parseAddress(granted)
	if err != nil {
		return false
	}
	a, err := parseAddress(asked)
	if err != nil {
		return false
	}
	return a.scheme == g.scheme && a.user == g.user && a.host == g.host && a.port == g.port && strings.HasPrefix(a.path, g.path)
}
