package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/audit/remote"
	"github.com/waxwing-io/waxwing/cli/cluster"
)

// maxToken bounds a file with a token, in bytes.
const maxToken = 64 << 10

// endpointFlags say how to speak to a controller's endpoint.
type endpointFlags struct {
	tokenFile, caFile, serverName string
	insecure                      bool
	clusterFlags
}

func (f *endpointFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.tokenFile, "token-file", "", "the `FILE` with the token for the URL (kubectl create token); if left out, that of the kubeconfig's user")
	flags.StringVar(&f.caFile, "ca-file", "", "take the URL's certificate only from the authorities in `FILE`")
	flags.StringVar(&f.serverName, "tls-server-name", "", "the `NAME` that the URL's certificate is for, if it is not the URL's host, as behind kubectl port-forward")
	flags.BoolVar(&f.insecure, "insecure-skip-tls-verify", false, "take any certificate: whoever is on the way can read the token and alter what comes")
	f.clusterFlags.addTo(flags)
}

func isURL(where string) bool {
	return strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://")
}

// check looks at the flags alone.
func (f *endpointFlags) check(remote bool) error {
	switch {
	case !remote && (f.tokenFile != "" || f.caFile != "" || f.serverName != "" || f.insecure || f.kubeconfig != "" || f.context != ""):
		return usage("a folder is read without them", "--token-file, --ca-file, --tls-server-name, --insecure-skip-tls-verify, --kubeconfig and --context go with a URL")
	case f.insecure && (f.caFile != "" || f.serverName != ""):
		return usage("give one of the two", "--insecure-skip-tls-verify does not go with --ca-file or --tls-server-name")
	case f.tokenFile != "" && (f.kubeconfig != "" || f.context != ""):
		return usage("give one of the two", "--token-file does not go with --kubeconfig or --context")
	case f.insecure && f.tokenFile == "":
		return usage("make a token for this purpose alone, with kubectl create token, and give it with --token-file", "the kubeconfig's token is not sent with --insecure-skip-tls-verify")
	}
	return nil
}

// auditSource is where a log is read from.
type auditSource struct {
	name   string
	remote bool
	part   bool // it is one part
	fsys   fs.FS
}

// open gives the log in a folder, or behind a URL.
func (f *endpointFlags) open(ctx context.Context, env *Env, where string) (*auditSource, error) {
	remote := isURL(where)
	if err := f.check(remote); err != nil {
		return nil, err
	}
	if remote {
		e, err := f.endpoint(ctx, env, where)
		if err != nil {
			return nil, err
		}
		return &auditSource{name: where, remote: true, fsys: e.FS(ctx)}, nil
	}
	return openFolder(env, where)
}

func openFolder(env *Env, where string) (*auditSource, error) {
	// A copy may come from somebody else: links in it lead nowhere else.
	root, err := os.OpenRoot(env.path(where))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, pathCause(err))
	}
	_, err = root.Lstat("checkpoint")
	return &auditSource{name: where, part: err == nil, fsys: root.FS()}, nil
}

// endpoint is what answers at a URL.
func (f *endpointFlags) endpoint(ctx context.Context, env *Env, where string) (*remote.Endpoint, error) {
	base, err := remote.ParseURL(where)
	if err != nil {
		return nil, usage("such as https://waxwing-controller.example.org:8443", "%s: %v", shown(where), err)
	}
	tls := cluster.TLS{ServerName: f.serverName, Insecure: f.insecure}
	if f.caFile != "" {
		if tls.Authorities, err = env.read(ctx, f.caFile, "certificates", maxKeyFile); err != nil {
			return nil, err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(tls.Authorities) {
			return nil, failed("", "%s: there is no certificate in it", f.caFile)
		}
	}
	e := &remote.Endpoint{Base: base}
	if f.tokenFile != "" {
		b, err := env.read(ctx, f.tokenFile, "a token", maxToken)
		if err != nil {
			return nil, err
		}
		if e.Token = strings.TrimSpace(string(b)); e.Token == "" || strings.ContainsFunc(e.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, failed("kubectl create token NAME makes one", "%s: is no token", f.tokenFile)
		}
		e.Client, err = cluster.PlainClient(tls)
		return e, err
	}
	e.Client, err = cluster.UserClient(cluster.Config{Kubeconfig: env.optionalPath(f.kubeconfig), Paths: kubeconfigs(env), Context: f.context, UserAgent: "seal"}, base, tls)
	if errors.Is(err, cluster.ErrNoToken) || errors.Is(err, cluster.ErrNoCluster) {
		return nil, failed("kubectl create token NAME > token, and give it with --token-file token", "no token for %s: %v", base.Host, err)
	}
	return e, err
}

// explain adds to an error of reading the log what can be done.
func (s *auditSource) explain(err error) error {
	if err == nil {
		return nil
	}
	var f *failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return err
	}
	hint := ""
	var refusal *remote.RefusedError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &refusal) && refusal.Code == http.StatusUnauthorized:
		hint = "the token is not known to the cluster, or has run out: kubectl create token makes a new one"
	case errors.As(err, &refusal) && refusal.Code == http.StatusForbidden:
		hint = "ask for the role waxwing-auditor, which allows to get " + remote.EndpointPath
	case errors.As(err, &refusal) && refusal.Code == http.StatusNotFound:
		hint = "is this the port of the audit endpoint, and is it switched on?"
	case errors.As(err, &unknown):
		hint = "give the authority of the endpoint's certificate with --ca-file"
	case errors.As(err, &name):
		hint = "give the name that the certificate is for with --tls-server-name"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return failed(hint, "%s: %v", s.name, pathCause(err))
}
