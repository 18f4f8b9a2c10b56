// Command controlplane runs a real Kubernetes control plane for tests: etcd, kube-apiserver and
// kube-controller-manager in one process, on free loopback ports, with RBAC on.
//
// When everything works it prints one line of JSON (see plane.Info) to standard output and nothing else there; its
// own messages go to standard error and the components' logs to a file. It stops on SIGINT and SIGTERM, and with
// --stop-on-stdin-eof also when standard input ends, which a pipe does whenever the process holding its other end
// dies, however it dies. A state folder that it made itself is gone when it has stopped.
//
// It has no nodes and no scheduler, so no pod ever runs; and etcd does not fsync, so only the state of a process
// that stopped, not of a machine that lost power, can be used again with --dir.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/e2e/tools/controlplane/internal/plane"
)

// stopGrace bounds a clean stop, which takes about a second. A controller manager that has not started yet does not
// listen to anybody for as long as ten.
const stopGrace = 4 * time.Second

// tailLines of the components' log are shown when they fail.
const tailLines = 25

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	plane        plane.Config
	stopOnEOF    bool
	removeAtExit []string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var apiFlags []string
	fs := pflag.NewFlagSet("controlplane", pflag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.plane.Dir, "dir", "", "state folder; one that does not exist is made and removed at exit, one that exists is kept and used again (default: a temporary one)")
	fs.StringVar(&o.plane.Kubeconfig, "kubeconfig", "", "where to write the admin kubeconfig (default DIR/kubeconfig)")
	fs.IntVar(&o.plane.Port, "port", 0, "port of the API server on 127.0.0.1 (0: a free one)")
	fs.StringVar(&o.plane.Controllers, "controllers", "*", "kube-controller-manager's --controllers; empty: do not run it")
	fs.StringArrayVar(&apiFlags, "apiserver-flags", nil, "further kube-apiserver flags, separated by spaces (repeatable)")
	fs.StringVar(&o.plane.LogFile, "log", "", "where the components log to (default DIR/components.log)")
	fs.BoolVar(&o.stopOnEOF, "stop-on-stdin-eof", false, "stop when standard input ends, so also when the parent that holds it dies")
	fs.StringArrayVar(&o.removeAtExit, "remove-at-exit", nil, "a further folder to remove after stopping, such as its parent's scratch folder (repeatable)")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	for _, f := range apiFlags {
		o.plane.APIServerFlags = append(o.plane.APIServerFlags, strings.Fields(f)...)
	}
	return o, nil
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	began := time.Now()
	o, err := parse(args, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if o.stopOnEOF {
		go func() {
			// Bytes carry no meaning here; only the end of the stream does.
			_, _ = io.Copy(io.Discard, stdin)
			cancel()
		}()
	}
	dir, made, err := stateDir(o.plane.Dir)
	if err != nil {
		return err
	}
	o.plane.Dir = dir
	if made {
		o.removeAtExit = append(o.removeAtExit, dir)
	}
	if o.plane.Kubeconfig == "" {
		o.plane.Kubeconfig = filepath.Join(dir, "kubeconfig")
	}
	if o.plane.LogFile == "" {
		o.plane.LogFile = filepath.Join(dir, "components.log")
	}
	// For people who find a control plane that they kept.
	pid := filepath.Join(dir, "pid")
	if err := os.WriteFile(pid, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return err
	}
	o.removeAtExit = append(o.removeAtExit, pid)
	err = serve(ctx, o.plane, began, stdout)
	if err != nil {
		logTail(o.plane.LogFile, stderr) // the file may be about to go
	}
	return errors.Join(err, removeAll(o.removeAtExit))
}

// logTail copies the end of the components' log.
func logTail(file string, to io.Writer) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) == 0 {
		return
	}
	lines := strings.SplitAfter(string(b), "\n")
	fmt.Fprintf(to, "the end of the components' log:\n%s\n", strings.Join(lines[max(0, len(lines)-tailLines):], ""))
}

// serve runs the plane until ctx ends or a component does.
func serve(ctx context.Context, cfg plane.Config, began time.Time, stdout io.Writer) error {
	p, err := plane.Start(ctx, cfg)
	if ctx.Err() != nil {
		err = nil // told to stop while starting: not a failure
	}
	if p != nil {
		defer p.Stop(stopGrace)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	info := p.Info()
	info.PID = os.Getpid()
	info.Seconds = time.Since(began).Seconds()
	line, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("encoding the ready line: %w", err)
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", line); err != nil {
		return fmt.Errorf("printing the ready line: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.Ended():
		return err
	}
}

// stateDir makes the state folder if there is none and says whether it did.
func stateDir(dir string) (path string, made bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "controlplane-")
		return path, err == nil, err
	}
	if path, err = filepath.Abs(dir); err != nil {
		return "", false, err
	}
	if _, err := os.Stat(path); err == nil {
		return path, false, nil
	}
	return path, true, os.MkdirAll(path, 0o700)
}

// removeAll removes files and folders. A process that is being killed at this moment may still create a file in one of
// them, so a folder that is not empty is tried again for a while.
func removeAll(paths []string) error {
	var errs []error
	for _, path := range paths {
		err := os.RemoveAll(path)
		for tries := 0; err != nil && tries < 20; tries++ {
			time.Sleep(50 * time.Millisecond)
			err = os.RemoveAll(path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
