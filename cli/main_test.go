package cli_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waxwing-io/waxwing/cli"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// canary stands in every plaintext of the scripts; no message and no sealed output may have it.
const canary = "canary-not-a-secret"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"seal":                         sealMain,
		"age-plugin-" + pluginForTests: pluginForTestsMain,
		editorForTests:                 editorForTestsMain,
	})
}

// sealMain is cmd/seal's main, which cannot be imported.
func sealMain() {
	ctx, stop := signal.NotifyContext(context.Background(), cli.EndSignals()...)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader,
		Terminal: cli.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
	}, os.Args[1:]))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": runCode,
			"mode": checkMode,
			"keep": keepOutput,

			"sshkey":   makeSSHKey,
			"agent":    startAgent,
			"resign":   resign,
			"signjson": signJSON,
			"gone":     checkGone,
			"cluster":  makeCluster,
			"note":     makeNote,
		},
	})
}

// setUp gives each script keys of its own, and the answers of an API server.
func setUp(env *testscript.Env) error {
	dir := filepath.Join(env.WorkDir, "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	k, err := newKeys(dir)
	if err != nil {
		return err
	}
	if err := writeKeyFiles(dir); err != nil {
		return err
	}
	env.Setenv("KEYS", dir)
	env.Setenv("RECIPIENT", k.recipient)
	env.Setenv("OTHER_RECIPIENT", k.other)
	env.Setenv("CLASSICAL_RECIPIENT", k.classical)
	env.Setenv("VKEY", k.vkey)
	env.Setenv("OTHER_VKEY", k.otherVkey)
	env.Setenv("SIGNER_KEY", k.signerKey)
	env.Setenv("OTHER_SIGNER_KEY", k.otherSignerKey)
	env.Setenv("HOME", env.WorkDir)
	if err := givePeopleKeys(env, dir); err != nil {
		return err
	}
	return errors.Join(serveCluster(env, k), serveOffers(env), setUpRepository(env, k))
}

// keys are what a script can use: in the folder, key.txt opens what is sealed for r.txt or prod.note.
type keys struct {
	recipient, other, classical string
	vkey, otherVkey             string
	signerKey, otherSignerKey   string
	note, oldNote, backup       []byte
}

func newKeys(dir string) (keys, error) {
	var k keys
	mine, err1 := age.GenerateHybridIdentity()
	other, err2 := age.GenerateHybridIdentity()
	classical, err3 := age.GenerateX25519Identity()
	if err := errors.Join(err1, err2, err3); err != nil {
		return k, err
	}
	k.recipient, k.other, k.classical = mine.Recipient().String(), other.Recipient().String(), classical.Recipient().String()
	files := map[string]string{
		"key.txt":       "# a key for tests\n" + mine.String() + "\n",
		"other.txt":     other.String() + "\n",
		"both.txt":      "\n# two keys\n" + other.String() + "\r\n" + mine.String() + "\n",
		"classical.txt": classical.String() + "\n",
		"r.txt":         "# recipients for tests\n\n" + k.recipient + "\n",
		"two.txt":       "default=" + k.recipient + "\nbreakglass = " + k.other + "\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return k, err
		}
	}
	return k, k.sign(dir)
}

// sign writes prod.note and old.note of holder prod.
func (k *keys) sign(dir string) error {
	signerKey, vkey, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		return err
	}
	if k.otherSignerKey, k.otherVkey, err = statement.GenerateKey(rand.Reader, "prod"); err != nil {
		return err
	}
	k.signerKey, k.vkey = signerKey, vkey
	signer, err := statement.NewSigner(signerKey)
	if err != nil {
		return err
	}
	r, err := seal.ParseRecipient(k.recipient)
	if err != nil {
		return err
	}
	set := statement.Recipients{Holder: "prod", Set: 7, At: time.Now(), Recipients: []seal.Recipient{r}}
	if k.note, err = set.Sign(signer); err != nil {
		return err
	}
	set.Set = 3
	if k.oldNote, err = set.Sign(signer); err != nil {
		return err
	}
	if err := k.backUp(dir, signerKey, signer); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "prod.note"), k.note, 0o644),
		os.WriteFile(filepath.Join(dir, "old.note"), k.oldNote, 0o644),
	)
}

// messageRE is what may stand on standard error, by the conventions: lower case, no full stop, "seal:" first, "hint:" after.
var messageRE = regexp.MustCompile(`^(seal: [^A-Z].*[^.\n]|hint: [^A-Z].*[^.\n]|Public key: age1\S+|statement key: \S+)$`)

// runCode is the script command "code N ARGS": seal ARGS exits with N. Whatever it does, messages keep their form, and neither they nor sealed output show the canary.
func runCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: code N [ARG]...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec("seal", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("seal exits with %d, not %d", code, want)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if strings.Contains(stderr, canary) {
		ts.Fatalf("standard error shows a plaintext")
	}
	if code != 0 && stdout != "" && !reports(args[1:]) {
		ts.Fatalf("a command that fails has written to standard output")
	}
	if !slices.Contains(args, "open") && (strings.Contains(stdout, canary) || strings.Contains(stdout, "Y2FuYXJ5")) {
		ts.Fatalf("standard output shows a plaintext")
	}
	if strings.Contains(stderr, "Usage:") {
		return
	}
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSuffix(line, "\n"); !messageRE.MatchString(line) {
			ts.Fatalf("not a message by the conventions: %q", line)
		}
	}
}

// reports says whether the command is one whose findings are data: they go to standard output, and the exit code is not 0.
func reports(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"verify", "check", "doctor", "explain", "status"}, args[0]) || slices.Contains(args, "exposed") || slices.Contains(args, "--check")
}

// checkMode is the script command "mode OCTAL FILE".
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], got, args[0])
	}
}

// keepOutput is the script command "keep FILE": the last standard output, byte for byte, in a file.
func keepOutput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile("stdout")), 0o644))
}

// checkGone is the script command "gone FILE": the file that FILE names does not exist, nor does its folder.
func checkGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	path := strings.TrimSpace(ts.ReadFile(args[0]))
	if !filepath.IsAbs(path) {
		ts.Fatalf("%s names no path", args[0])
	}
	if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		ts.Fatalf("%s is still there (%v)", filepath.Dir(path), err)
	}
}
