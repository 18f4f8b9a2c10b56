package source

import (
	"net"
	"net/url"
	"strings"
)

// address is where a repository is.
type address struct {
	scheme string // https, http or ssh
	user   string // of ssh
	host   string // with the port
	path   string // as the address has it, beginning with /
	url    *url.URL
}

// parseAddress reads the address of a Place. It takes none that says who somebody is, but for the user of SSH.
func parseAddress(text string, auth Auth) (address, error) {
	refuse := func(why string) (address, error) {
		return address{}, fail(FetchFailed, "the address of the repository %s", why)
	}
	u, err := url.Parse(text)
	if err != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return refuse("is none")
	}
	a := address{scheme: u.Scheme, host: u.Host, path: u.Path, url: u}
	port := ""
	switch u.Scheme {
	case "https":
		port = "443"
	case "http":
		if !auth.InsecureHTTP {
			return refuse("begins with http://, and insecureHTTP is not set: what is fetched could be changed on the way, and credentials read")
		}
		port = "80"
	case "ssh":
		port = "22"
		a.user = u.User.Username()
	default:
		return refuse("begins neither with https:// nor with ssh://")
	}
	if _, has := u.User.Password(); has || (u.User != nil && u.Scheme != "ssh") {
		return refuse("has credentials in it; they belong into the credentials")
	}
	switch {
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-"):
		return refuse("has no host")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return refuse("has a ? or # in it")
	case strings.Trim(u.Path, "/") == "" || strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return refuse("has no path")
	}
	if u.Port() == "" {
		a.host = net.JoinHostPort(u.Hostname(), port)
	}
	return a, nil
}
