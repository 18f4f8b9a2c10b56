package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// stopLimit bounds the wait for the control plane to stop; it takes about a second.
const stopLimit = 30 * time.Second

// Tool is the path of a program of toolcache.Catalogue, built first if need be, with progress on standard error.
func Tool(ctx context.Context, name string) (string, error) {
	b, err := toolcache.FromEnvironment(os.Stderr)
	if err != nil {
		return "", err
	}
	return b.Path(ctx, name)
}

// ControlPlaneOptions say how to run a control plane.
type ControlPlaneOptions struct {
	// Binary is the controlplane program.
	Binary string
	// APIServerFlags are added to kube-apiserver's.
	APIServerFlags []string
	// Controllers is kube-controller-manager's --controllers; empty runs none.
	Controllers string
	// Args are further arguments of the program.
	Args []string
}

// ControlPlane is a running control plane. It stops with this process, however this process ends.
type ControlPlane struct {
	// The fields of its ready line.
	Server     string  `json:"server"`
	Etcd       string  `json:"etcd"`
	Kubeconfig string  `json:"kubeconfig"`
	Dir        string  `json:"dir"`
	Log        string  `json:"log"`
	Version    string  `json:"version"`
	PID        int     `json:"pid"`
	Seconds    float64 `json:"seconds"`

	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *lockedBuffer
	exited chan struct{}
	err    error // of the process; read after exited is closed
}

// LaunchControlPlane returns when the control plane is ready. Without --dir among the arguments its state is in a
// temporary folder that goes when it stops. The context bounds the start only.
func LaunchControlPlane(ctx context.Context, o ControlPlaneOptions) (*ControlPlane, error) {
	args := []string{"--stop-on-stdin-eof", "--controllers=" + o.Controllers}
	for _, f := range o.APIServerFlags {
		args = append(args, "--apiserver-flags="+f)
	}
	p := &ControlPlane{
		cmd:    exec.Command(o.Binary, append(args, o.Args...)...),
		stderr: &lockedBuffer{},
		exited: make(chan struct{}),
	}
	p.cmd.Stderr = p.stderr
	// A tenth of its CPU time is the garbage collector's with the default, and four of them share two processors; memory is cheaper, up to the limit.
	p.cmd.Env = append(os.Environ(), "GOGC=250", "GOMEMLIMIT=800MiB")
	// Out of the reach of signals to this process's group, which would kill it before it has tidied up.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	line := make(chan []byte, 1)
	go func() {
		defer close(p.exited)
		r := bufio.NewReader(stdout)
		first, _ := r.ReadBytes('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		p.err = p.cmd.Wait()
	}()
	select {
	case first := <-line:
		if err = json.Unmarshal(first, p); err == nil {
			return p, nil
		}
		err = fmt.Errorf("reading its ready line: %w", err)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), p.Stop())
}

// Stop ends the control plane and waits for it. It says so if the control plane had ended by itself, or does not
// end; then it is killed.
func (p *ControlPlane) Stop() error {
	_ = p.stdin.Close() // that is what it stops at
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("stopping the control plane: killed after %s", stopLimit)
	}
	if p.err != nil {
		return fmt.Errorf("the control plane ended with: %w: %s", p.err, strings.TrimSpace(p.stderr.String()))
	}
	return nil
}

// lockedBuffer is a buffer that one goroutine writes and others read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes is a copy of what was written so far.
func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (l *lockedBuffer) String() string { return string(l.Bytes()) }
