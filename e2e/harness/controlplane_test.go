package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// launch starts a control plane of the test's own.
func launch(t *testing.T, o harness.ControlPlaneOptions) (*harness.ControlPlane, error) {
	t.Helper()
	var err error
	if o.Binary, err = harness.Tool(t.Context(), "controlplane"); err != nil {
		t.Fatal(err)
	}
	p, err := harness.LaunchControlPlane(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { _ = p.Stop() })
	}
	return p, err
}

// forAStart is for waits in which a whole control plane starts, which may be one of several that do.
func forAStart(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAControlPlaneThatStopsLeavesNothing(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, p *harness.ControlPlane){
		"when it is told to": func(t *testing.T, p *harness.ControlPlane) {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		},
		"at SIGTERM": func(t *testing.T, p *harness.ControlPlane) {
			if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			scratch := filepath.Join(t.TempDir(), "scratch")
			if err := os.MkdirAll(filepath.Join(scratch, "more"), 0o700); err != nil {
				t.Fatal(err)
			}
			p, err := launch(t, harness.ControlPlaneOptions{Controllers: "*", Args: []string{"--remove-at-exit=" + scratch}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(p.Kubeconfig); err != nil {
				t.Fatal(err)
			}
			stop(t, p)
			leavesNothing(t, []int{p.PID}, []string{p.Dir, scratch})
		})
	}
}

func TestAControlPlaneThatIsStoppedWhileItStartsLeavesNothing(t *testing.T) {
	binary, err := harness.Tool(t.Context(), "controlplane")
	if err != nil {
		t.Fatal(err)
	}
	for name, logged := range map[string]string{
		"before it does anything":                    "",
		"while the API server sets up":               "options.go",
		"while the API server's hooks run":           "Serving securely on",
		"while the API server makes its namespaces":  "Starting system namespaces controller",
		"while the controllers start":                `"Starting" version=`,
		"when the controllers have started just now": "Starting service account controller",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			log := filepath.Join(dir, "components.log")
			p := harness.StartProcess(t, harness.Command{Path: binary, Args: []string{"--dir=" + dir}})
			harness.Eventually(forAStart(t), t, fmt.Sprintf("it logs %q", logged), func(context.Context) error {
				if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), logged) {
					return fmt.Errorf("not in its log (%v)", err)
				}
				return nil
			})
			p.Signal(t, syscall.SIGTERM)
			if code := p.Wait(t); code != 0 {
				t.Errorf("it ended with: %s", p.State())
			}
			leavesNothing(t, nil, []string{dir})
		})
	}
}

// left is what TestNothingIsLeft's child started.
type left struct {
	PIDs []int
	Dirs []string
}

func TestNothingIsLeftWhenTheTestProcessIsKilled(t *testing.T) {
	if child(t) {
		startAndWait(t)
		return
	}
	for name, sig := range map[string]syscall.Signal{"by SIGKILL": syscall.SIGKILL, "by SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			p := harness.StartProcess(t, harness.Command{
				Name: "child",
				Path: os.Args[0],
				Args: []string{"-test.run=^TestNothingIsLeftWhenTheTestProcessIsKilled$"},
				Env:  []string{childVar + "=TestNothingIsLeftWhenTheTestProcessIsKilled", "WAXWING_TEST_KUBECONFIG="},
			})
			var l left
			if err := json.Unmarshal([]byte(p.WaitForLineUntil(forAStart(t), t, `^\{`)), &l); err != nil {
				t.Fatal(err)
			}
			p.Signal(t, sig)
			p.Wait(t)
			leavesNothing(t, l.PIDs, l.Dirs)
		})
	}
}

// startAndWait starts one of everything, prints what that is, and waits to be killed.
func startAndWait(t *testing.T) {
	c := harness.Start(t)
	p := shell(t, "echo ready; exec sleep 600")
	p.WaitForLine(t, "ready")
	state := filepath.Dir(c.Kubeconfig())
	ready, err := os.ReadFile(filepath.Join(state, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	l := left{PIDs: []int{p.PID(), pidIn(t, string(ready))}, Dirs: []string{state, filepath.Dir(p.LogFile())}}
	line, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "\n%s\n", line)
	select {}
}

func leavesNothing(t *testing.T, pids []int, dirs []string) {
	t.Helper()
	harness.Eventually(t.Context(), t, "its processes and folders are gone", func(context.Context) error {
		var errs []error
		for _, pid := range pids {
			errs = append(errs, ended(pid))
		}
		for _, dir := range dirs {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("%s is there (%v)", dir, err))
			}
		}
		return errors.Join(errs...)
	})
}

func TestAControlPlaneStartedAgain(t *testing.T) {
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	options := harness.ControlPlaneOptions{
		APIServerFlags: []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log},
		Args:           []string{"--dir=" + dir, "--port=" + port},
	}
	p, err := launch(t, options)
	if err != nil {
		t.Fatal(err)
	}
	before := connect(t, p.Kubeconfig)
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := before.CoreV1().ConfigMaps("default").Create(t.Context(), kept, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Run("has what it had, for the clients that it had", func(t *testing.T) {
		if _, err := launch(t, options); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t.Context(), t, "the old client reads the old object", func(ctx context.Context) error {
			_, err := before.CoreV1().ConfigMaps("default").Get(ctx, "kept", metav1.GetOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err) {
				return harness.Permanent(err)
			}
			return err
		})
	})
	t.Run("wrote the audit log that its flags asked for", func(t *testing.T) {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `"resource":"configmaps","namespace":"default","name":"kept"`) {
			t.Errorf("no word of the request in %d bytes", len(b))
		}
	})
}

func TestAControlPlaneThatCannotStart(t *testing.T) {
	for name, c := range map[string]struct {
		options harness.ControlPlaneOptions
		want    string
	}{
		"names a flag that the API server does not know": {
			options: harness.ControlPlaneOptions{APIServerFlags: []string{"--no-such-flag"}},
			want:    "unknown flag: --no-such-flag",
		},
		"names a flag of its own that it does not know": {
			options: harness.ControlPlaneOptions{Args: []string{"--no-such-flag"}},
			want:    "unknown flag: --no-such-flag",
		},
		"tells what is wrong with the API server's options": {
			options: harness.ControlPlaneOptions{APIServerFlags: []string{"--authorization-mode=Nobody"}},
			want:    "authorization-mode",
		},
		"tells what is wrong with the controllers": {
			options: harness.ControlPlaneOptions{Controllers: "no-such-controller"},
			want:    `"no-such-controller" is not in the list of known controllers`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := launch(t, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnExistingClusterIsUsed(t *testing.T) {
	if child(t) {
		fmt.Fprintf(os.Stdout, "\nusing %s\n", harness.Start(t).Kubeconfig())
		return
	}
	c := harness.Start(t)
	p := startChild(t, "WAXWING_TEST_KUBECONFIG="+c.Kubeconfig())
	if line := p.WaitForLine(t, "^using "); line != "using "+c.Kubeconfig() {
		t.Error(line)
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := c.Clientset().Discovery().ServerVersion(); err != nil {
		t.Errorf("the child stopped a cluster that is not its own: %v", err)
	}
}
