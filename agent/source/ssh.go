package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// maxComplaint is how much of what a server writes to standard error is kept.
const maxComplaint = 4 << 10

// sshService is one run of a Git service over SSH.
type sshService struct {
	conn    *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     *bufio.Reader
	auth    Auth
	said    *complaint
	wait    sync.Once // a session can be waited for once
	asked   bool
	release func() bool
}

// dialSSH connects, checks the server's key, and starts the service. folder is one for files of a moment.
func dialSSH(ctx context.Context, a address, auth Auth, service, folder string) (*sshService, error) {
	config, err := sshConfig(a, auth, folder)
	if err != nil {
		return nil, err
	}
	raw, err := (&net.Dialer{Timeout: connecting}).DialContext(ctx, "tcp", a.host)
	if err != nil {
		return nil, err
	}
	// The library knows no contexts: the connection is closed when it ends.
	release := context.AfterFunc(ctx, func() { _ = raw.Close() })
	conn, channels, requests, err := ssh.NewClientConn(raw, a.host, config)
	if err != nil {
		release()
		_ = raw.Close()
		return nil, sshRefused(ctx, err)
	}
	s := &sshService{conn: ssh.NewClient(conn, channels, requests), auth: auth, said: &complaint{}, release: release}
	if err := s.start(service, a.path); err != nil {
		_ = s.Close()
		return nil, ended(ctx, err)
	}
	return s, nil
}

func (s *sshService) start(service, path string) (err error) {
	if s.session, err = s.conn.NewSession(); err != nil {
		return err
	}
	if s.in, err = s.session.StdinPipe(); err != nil {
		return err
	}
	out, err := s.session.StdoutPipe()
	if err != nil {
		return err
	}
	s.out, s.session.Stderr = bufio.NewReader(out), s.said
	// As Git does: ssh://HOST/~USER/PATH is ~USER/PATH on the server.
	if strings.HasPrefix(path, "/~") {
		path = path[1:]
	}
	return s.session.Start(service + " '" + strings.ReplaceAll(strings.ReplaceAll(path, "'", `'\''`), "!", `'\!'`) + "'")
}

// sshConfig has the key that is shown, and those that the server may show.
func sshConfig(a address, auth Auth, folder string) (*ssh.ClientConfig, error) {
	if len(auth.Identity) == 0 {
		return nil, fail(AuthenticationFailed, "SSH needs credentials with a file identity")
	}
	key, err := ssh.ParsePrivateKey(auth.Identity)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fail(AuthenticationFailed, "identity of the credentials has a passphrase; make a key without one for the agent")
	case err != nil:
		return nil, fail(AuthenticationFailed, "identity of the credentials is no SSH private key")
	}
	known, err := knownHosts(auth.KnownHosts, folder)
	if err != nil {
		return nil, err
	}
	algorithms := known.HostKeyAlgorithms(a.host)
	if len(algorithms) == 0 {
		return nil, fail(HostUnknown, "known_hosts of the credentials has no key of %s", clean(a.host))
	}
	user := a.user
	if user == "" {
		user = "git"
	}
	return &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: known.HostKeyCallback(), HostKeyAlgorithms: algorithms,
		ClientVersion: "SSH-2.0-waxwing", Timeout: connecting,
	}, nil
}

// knownHosts reads lines of known_hosts. The library reads files only, so they are one for a moment.
func knownHosts(lines []byte, folder string) (*knownhosts.HostKeyDB, error) {
	if len(bytes.TrimSpace(lines)) == 0 {
		return nil, fail(HostUnknown, "SSH needs credentials with a file known_hosts: the server's key is not taken on trust")
	}
	f, err := os.CreateTemp(folder, temporary+"*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(lines)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	known, err := knownhosts.NewDB(f.Name())
	if err != nil {
		return nil, fail(HostUnknown, "known_hosts of the credentials cannot be read: %s", clean(strings.ReplaceAll(err.Error(), f.Name(), "line")))
	}
	return known, nil
}

// sshRefused is the Error for a connection that did not come about.
func sshRefused(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case knownhosts.IsHostKeyChanged(err):
		return fail(HostUnknown, "its SSH host key is not the one in known_hosts of the credentials")
	case knownhosts.IsHostUnknown(err):
		return fail(HostUnknown, "its SSH host key is not in known_hosts of the credentials")
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fail(AuthenticationFailed, "it does not take the SSH key of the credentials")
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return fail(HostUnknown, "it has no SSH host key of a kind that known_hosts of the credentials has")
	default:
		return err
	}
}

func (s *sshService) advertised(ctx context.Context) (io.Reader, error) {
	return &sshReader{ctx: ctx, of: s, left: maxAdvertised}, nil
}

func (s *sshService) ask(ctx context.Context, request []byte) (io.ReadCloser, error) {
	s.asked = true
	if _, err := s.in.Write(request); err != nil {
		return nil, ended(ctx, s.complained(err))
	}
	_ = s.in.Close()
	return io.NopCloser(&sshReader{ctx: ctx, of: s, left: 1 << 62}), nil
}

func (s *sshService) Close() error {
	if s.in != nil && !s.asked {
		// So the service knows that nothing is wanted of it.
		_, _ = s.in.Write(pktline.FlushPkt)
	}
	s.release()
	return s.conn.Close()
}

// complained is the Error for a service that ended: what it wrote to standard error, if it did.
func (s *sshService) complained(err error) error {
	said := s.auth.show(s.auth.whole(s.said.text(), maxComplaint))
	lower := strings.ToLower(said)
	switch {
	case said == "":
		return err
	case strings.Contains(lower, "permission denied"), strings.Contains(lower, "access denied"), strings.Contains(lower, "not authorized"),
		strings.Contains(lower, "unauthorized"):
		return fail(AuthenticationFailed, "it does not let this SSH key do this: %s", said)
	default:
		return fail(FetchFailed, "it says: %s", said)
	}
}

// sshReader reads what the service writes, up to a limit.
type sshReader struct {
	ctx  context.Context
	of   *sshService
	left int64
}

func (r *sshReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fail(RepositoryTooLarge, "the list of its branches and tags is larger than %d MiB", maxAdvertised/mib)
	}
	n, err := r.of.out.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case r.ctx.Err() != nil:
		return n, r.ctx.Err()
	case err == io.EOF && n == 0:
		// What the service had to complain about has come when it has ended.
		r.of.wait.Do(func() { _ = r.of.session.Wait() })
		return 0, r.of.complained(io.EOF)
	}
	return n, err
}

// ended prefers the end of a context over what came of it.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// complaint keeps the beginning of what is written to it.
type complaint struct {
	mu   sync.Mutex
	kept []byte
}

func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, p[:min(len(p), maxComplaint-len(c.kept))]...)
	return len(p), nil
}

func (c *complaint) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.kept)
}
