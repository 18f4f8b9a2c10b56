package giteatest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// Options say what the Gitea of a test is like. The zero value has TLS, at 127.0.0.1.
type Options struct {
	// PlainHTTP has no TLS.
	PlainHTTP bool
}

// Gitea is a forge. Its methods fail the test that it was started for; they may be called concurrently unless they stop it.
type Gitea struct {
	// URL of its pages, API and repositories, without a slash at the end; it stays the same when Gitea is started again.
	URL string
	// CA is the certificate, in PEM, that vouches for its own; empty with PlainHTTP.
	CA string
	// SSH is HOST:PORT of its SSH server, whose user is git, and KnownHosts the line of a known_hosts file for it.
	SSH, KnownHosts string
	// Admin may do everything.
	Admin *User

	t       testing.TB
	binary  string
	dir     string
	config  string
	client  *http.Client
	process *harness.Process
}

// adminName is the account that is there from the start; Gitea takes the name "admin" for itself.
const adminName = "root"

// Start returns when Gitea answers, with one account, Admin, and no repository.
func Start(t testing.TB, o Options) *Gitea {
	t.Helper()
	binary, err := harness.Tool(t.Context(), "gitea")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gitea{t: t, binary: binary, dir: harness.Folder(t, "gitea")}
	g.configure(o)
	g.command("migrate")
	g.Admin = &User{Name: adminName, Password: password(t), gitea: g}
	g.command("admin", "user", "create", "--admin", "--username", adminName, "--password", g.Admin.Password, "--email", g.Admin.Email(), "--must-change-password=false")
	g.run()
	return g
}

// configure chooses ports, makes keys and certificates and writes app.ini.
func (g *Gitea) configure(o Options) {
	g.t.Helper()
	web, shell := harness.FreeAddress(g.t), harness.FreeAddress(g.t)
	_, webPort, _ := net.SplitHostPort(web)
	_, sshPort, _ := net.SplitHostPort(shell)
	g.SSH, g.KnownHosts = shell, g.hostKey(shell)
	g.client = &http.Client{Transport: &http.Transport{}}
	server := map[string]string{
		"HTTP_ADDR": "127.0.0.1", "HTTP_PORT": webPort, "DOMAIN": "127.0.0.1", "OFFLINE_MODE": "true", "STATIC_ROOT_PATH": g.sources(), "ALLOW_GRACEFUL_RESTARTS": "false",
		"START_SSH_SERVER": "true", "SSH_DOMAIN": "127.0.0.1", "SSH_PORT": sshPort, "SSH_LISTEN_HOST": "127.0.0.1", "SSH_LISTEN_PORT": sshPort, "SSH_USER": "git",
		"BUILTIN_SSH_SERVER_USER": "git", "SSH_SERVER_HOST_KEYS": g.path("host-key"), "SSH_ROOT_PATH": g.path("ssh"),
	}
	if o.PlainHTTP {
		g.URL = "http://" + web
	} else {
		g.URL = "https://" + web
		authority := certs.New(g.t)
		cert, key := authority.Issue(g.t, certs.Certificate{Names: []string{"127.0.0.1", "localhost"}})
		g.CA = authority.PEM
		server["PROTOCOL"], server["CERT_FILE"], server["KEY_FILE"] = "https", g.file("tls.crt", cert), g.file("tls.key", key)
		g.file("ca.crt", g.CA)
		g.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
		if !g.client.Transport.(*http.Transport).TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(g.CA)) {
			g.t.Fatal("the authority's certificate is none")
		}
	}
	server["ROOT_URL"] = g.URL + "/"
	g.config = g.file("app.ini", appINI(g.dir, server))
}

// appINI is Gitea's configuration. As root, which is who runs the tests in a container, Gitea starts only if it is told to: it is reached from the loopback, and all that it has
// is in its own folder. The queues of pushes and hooks are in memory, as into those on a disk Gitea looks every two seconds only where there was little to do; pushes are seen to in order.
func appINI(dir string, server map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\nWORK_PATH = %s\n\n[server]\n", dir)
	for key, value := range server {
		fmt.Fprintf(&b, "%s = %s\n", key, value)
	}
	b.WriteString(`
[security]
INSTALL_LOCK = true

[database]
DB_TYPE = sqlite3
SQLITE_JOURNAL_MODE = WAL
SQLITE_TIMEOUT = 60000

[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 120
SKIP_TLS_VERIFY = true

[service]
DISABLE_REGISTRATION = true

[repository]
DEFAULT_BRANCH = main

[log]
MODE = console
LEVEL = Warn

[indexer]
ISSUE_INDEXER_TYPE = db

[actions]
ENABLED = false

[cron]
ENABLED = false

[queue.push_update]
TYPE = channel
MAX_WORKERS = 1

[queue.webhook_sender]
TYPE = channel
`)
	return b.String()
}

// sources is Gitea's folder in the module cache.
func (g *Gitea) sources() string {
	g.t.Helper()
	root, err := toolcache.FindRoot(".")
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(harness.Run(g.t, harness.Command{
		Path: "go", Args: []string{"list", "-m", "-f", "{{.Dir}}", "code.gitea.io/gitea"}, Dir: filepath.Join(root, "e2e", "tools", "gitea"), Env: []string{"GOWORK=off", "GOFLAGS=-mod=readonly"},
	}))
}

func (g *Gitea) path(name string) string { return filepath.Join(g.dir, name) }

func (g *Gitea) file(name, text string) string {
	g.t.Helper()
	if err := os.WriteFile(g.path(name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return g.path(name)
}

// env keeps what Gitea and the git that it runs read of a home folder in its own one.
func (g *Gitea) env() []string {
	return []string{"HOME=" + g.dir, "XDG_CONFIG_HOME=" + g.dir, "GITEA_WORK_DIR=" + g.dir, "GIT_CONFIG_NOSYSTEM=1"}
}

// command runs a command of Gitea to its end.
func (g *Gitea) command(args ...string) string {
	g.t.Helper()
	return harness.Run(g.t, harness.Command{Name: "gitea", Path: g.binary, Args: append(args, "--config", g.config), Dir: g.dir, Env: g.env()})
}

// run starts the server and waits until it answers.
func (g *Gitea) run() {
	g.t.Helper()
	g.process = harness.StartProcess(g.t, harness.Command{Name: "gitea", Path: g.binary, Args: []string{"web", "--config", g.config}, Dir: g.dir, Env: g.env()})
	p := g.process
	harness.Eventually(g.t.Context(), g.t, "Gitea answers", func(ctx context.Context) error {
		running := p.Running()
		err := g.answers(ctx)
		if err != nil && !running {
			return harness.Permanent(fmt.Errorf("%w, and it has ended: %s", err, p.State()))
		}
		return err
	})
}

// answers asks both servers whether they are there.
func (g *Gitea) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/api/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it says %s", resp.Status)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.SSH)
	if err != nil {
		return err
	}
	return c.Close()
}
