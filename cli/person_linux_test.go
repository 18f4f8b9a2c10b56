package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// desk is a folder with a sealed file, db.yaml, and keys that open it: key.txt, and locked.txt under a passphrase. For id_ed25519, which is under it, too, there is ssh.yaml.
func desk(t *testing.T) (dir, recipient string) {
	t.Helper()
	dir = t.TempDir()
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(edKey, "", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(edKey)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := lock([]byte(key.String()+"\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	recipient = key.Recipient().String()
	for name, content := range map[string][]byte{
		"key.txt": []byte(key.String() + "\n"), "locked.txt": locked, "r.txt": []byte(recipient + "\n"),
		"id_ed25519": pem.EncodeToMemory(block),
		"s.yaml":     []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: prod}\nstringData:\n  a: " + canary + "\n  b: other-" + canary + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for out, to := range map[string]string{"db.yaml": recipient, "ssh.yaml": string(ssh.MarshalAuthorizedKey(signer.PublicKey()))} {
		sealIn(t, dir, "-r", strings.TrimSpace(to), "--out", out, "s.yaml")
	}
	if err := os.Remove(filepath.Join(dir, "s.yaml")); err != nil {
		t.Fatal(err)
	}
	return dir, recipient
}

// sealIn runs seal, which has to succeed, and gives its standard output.
func sealIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("seal", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("seal %q: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// nowhere fails the test if text stands in a file below dir.
func nowhere(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			t.Errorf("%s holds a plaintext", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPassphraseIsAskedForWithoutEcho(t *testing.T) {
	dir, _ := desk(t)
	for name, command := range map[string]string{
		"locked.txt": "seal open -i locked.txt --key a db.yaml",
		"id_ed25519": "cat ssh.yaml | seal open -i id_ed25519 --key a - | cat",
	} {
		s := newScreen(t, dir)
		s.runs(command)
		s.waitFor("passphrase of " + name + ":")
		s.types(passphrase)
		s.keys("Enter")
		s.waitFor("exit=0")
		s.waitFor(canary)
		s.hides(passphrase)
		s.echoes()
	}
}

func TestAWrongPassphraseIsToldFromADocumentThatWasTamperedWith(t *testing.T) {
	dir, _ := desk(t)
	for name, file := range map[string]string{"locked.txt": "db.yaml", "id_ed25519": "ssh.yaml"} {
		s := newScreen(t, dir)
		s.runs("seal open -i " + name + " " + file)
		s.waitFor("passphrase of " + name + ":")
		s.types("wrong")
		s.keys("Enter")
		s.waitFor("exit=3")
		s.waitFor(name + ": wrong passphrase")
	}
}

func TestCtrlCAtThePassphraseLeavesTheTerminalAsItWas(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir)
	s.runs("seal open -i locked.txt db.yaml")
	s.waitFor("passphrase of locked.txt:")
	s.keys("C-c")
	s.waitFor("seal: interrupted")
	s.waitFor("exit=130")
	s.echoes()
}

func TestAProgramThatWasStoppedAtThePassphraseGoesOnWithoutEcho(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir)
	s.runs("seal open -i locked.txt --key a db.yaml")
	s.waitFor("passphrase of locked.txt:")
	shell := strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_pid}"))
	if out, err := exec.Command("pkill", "-STOP", "-P", shell, "seal").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.waitFor("exit=")
	s.runs("stty echo; fg")
	s.waitForTimes("passphrase of locked.txt:", 2)
	s.types(passphrase)
	s.keys("Enter")
	s.waitFor(canary)
	s.hides(passphrase)
	s.echoes()
}

// The shell would have a terminal without echo, and the rest of the passphrase would be shown after fg.
func TestCtrlZAtThePassphraseDoesNotStopTheProgram(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir)
	s.runs("seal open -i locked.txt --key a db.yaml")
	s.waitFor("passphrase of locked.txt:")
	s.keys("C-z", "C-u")
	s.types(passphrase)
	s.keys("Enter")
	s.waitFor("exit=0")
	s.waitFor(canary)
	s.hides(passphrase)
	s.echoes()
}

func TestCtrlBackslashAtThePassphraseIsAsCtrlC(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir)
	s.runs("seal open -i locked.txt db.yaml")
	s.waitFor("passphrase of locked.txt:")
	s.keys(`C-\`)
	s.waitFor("seal: interrupted")
	s.waitFor("exit=130")
	s.echoes()
}

func TestWithoutATerminalAPassphraseIsNotWaitedFor(t *testing.T) {
	dir, _ := desk(t)
	for name, file := range map[string]string{"locked.txt": "db.yaml", "id_ed25519": "ssh.yaml"} {
		cmd := exec.Command("seal", "open", "-i", name, file)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte(name+": is protected by a passphrase, and there is no terminal to ask for it\nhint: ")) {
			t.Errorf("%s: exit %d: %s", name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

func TestSetAtATerminal(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir)
	s.runs("seal set db.yaml a -R r.txt")
	s.waitFor("value of a:")
	s.types(canary + "-typed")
	s.keys("Enter")
	s.waitFor("again:")
	s.types(canary + "-typed")
	s.keys("Enter")
	s.waitFor("exit=0")
	s.hides(canary)
	if got := sealIn(t, dir, "open", "-i", "key.txt", "--key", "a", "db.yaml"); got != canary+"-typed" {
		t.Errorf("the value is %q", got)
	}
}

// editors are those to be tried: vi where there is one, and one of our own that is always there.
func editors() map[string]func(s *screen, old, new string) {
	all := map[string]func(s *screen, old, new string){
		editorForTests: func(s *screen, old, new string) {
			s.waitFor("EDIT>")
			s.types("s/" + old + "/" + new + "/")
			s.keys("Enter")
			s.types("w")
			s.keys("Enter")
			s.types("q")
			s.keys("Enter")
		},
	}
	if _, err := exec.LookPath("vi"); err == nil {
		all["vi"] = func(s *screen, old, new string) {
			s.waitFor("kind: Secret")
			s.types(":%s/" + old + "/" + new + "/")
			s.keys("Enter")
			s.types(":wq")
			s.keys("Enter")
		}
	}
	return all
}

// keepingVimrc are the settings of somebody who has vim keep everything, in the home folder.
const keepingVimrc = "set nocompatible viminfo='100,<1000,n~/viminfo backup writebackup backupdir=~ swapfile directory=~ undofile undodir=~\n"

func TestEditAtATerminal(t *testing.T) {
	for name, change := range editors() {
		t.Run(name, func(t *testing.T) {
			dir, _ := desk(t)
			if err := os.WriteFile(filepath.Join(dir, ".vimrc"), []byte(keepingVimrc), 0o600); err != nil {
				t.Fatal(err)
			}
			s := newScreen(t, dir, "EDITOR="+name, "HOME="+dir, "XDG_RUNTIME_DIR=")
			s.runs("seal edit -i locked.txt -R r.txt db.yaml")
			s.waitFor("passphrase of locked.txt:")
			s.types(passphrase)
			s.keys("Enter")
			// A mistake first: it comes back with a message, and can be mended.
			change(s, "  a: "+canary, "  a: @mistake")
			s.waitFor("ERROR: the edit:")
			change(s, "  a: @mistake", "  a: "+canary+"-edited")
			s.waitFor("exit=0")
			s.waitFor("seal: db.yaml (GitSecret prod/db): sealed a")
			if got := sealIn(t, dir, "open", "-i", "key.txt", "--key", "a", "db.yaml"); got != canary+"-edited" {
				t.Errorf("the value is %q", got)
			}
			nowhere(t, dir, canary)
			s.echoes()
		})
	}
}

func TestCtrlCInTheEditorLeavesNothing(t *testing.T) {
	dir, _ := desk(t)
	before := content(t, dir, "db.yaml")
	s := newScreen(t, dir, "EDITOR=sh -c 'echo \"$0\" > where; exec "+editorForTests+" \"$0\"'")
	s.runs("seal edit -i key.txt -R r.txt db.yaml")
	s.waitFor("EDIT>")
	s.types("s/" + canary + "/x/")
	s.keys("Enter")
	s.types("w")
	s.keys("Enter", "C-c")
	s.waitFor("seal: interrupted")
	s.waitFor("exit=130")
	if content(t, dir, "db.yaml") != before {
		t.Error("the file has changed")
	}
	where := strings.TrimSpace(content(t, dir, "where"))
	if _, err := os.Lstat(filepath.Dir(where)); !filepath.IsAbs(where) || !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", where, err)
	}
	s.echoes()
}

func TestAnEditThatCameTooLateCanBeLookedAtOnceMore(t *testing.T) {
	dir, recipient := desk(t)
	s := newScreen(t, dir, "EDITOR="+editorForTests)
	s.runs("seal edit -i key.txt -R r.txt db.yaml")
	s.waitFor("EDIT>")
	theirs := filepath.Join(dir, "theirs")
	if err := os.WriteFile(theirs, []byte(canary+"-theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	sealIn(t, dir, "set", "db.yaml", "-r", recipient, "--from-file", "b=theirs")
	now := content(t, dir, "db.yaml")
	editors()[editorForTests](s, "  a: "+canary, "  a: mine-"+canary)
	s.waitFor("was changed by somebody else meanwhile. Look at your edit once more, to copy from it? [Y/n]")
	s.keys("Enter")
	s.waitFor("hint: copy what you need: nothing that you save here is written")
	s.waitFor("  a: mine-" + canary)
	s.types("q")
	s.keys("Enter")
	s.waitFor("exit=1")
	s.waitFor("seal: your edit is not written")
	if content(t, dir, "db.yaml") != now {
		t.Error("the file of somebody else was overwritten")
	}
}

func TestAnEditThatCannotBeWrittenCanBeLookedAtOnceMore(t *testing.T) {
	dir, _ := desk(t)
	s := newScreen(t, dir, "EDITOR="+editorForTests)
	s.runs("seal edit -i key.txt -R r.txt db.yaml")
	s.waitFor("EDIT>")
	if err := os.Remove(filepath.Join(dir, "db.yaml")); err != nil {
		t.Fatal(err)
	}
	editors()[editorForTests](s, "  a: "+canary, "  a: mine-"+canary)
	s.waitFor("db.yaml cannot be written. Look at your edit once more, to copy from it? [Y/n]")
	s.keys("Enter")
	s.waitFor("  a: mine-" + canary)
	s.types("q")
	s.keys("Enter")
	s.waitFor("exit=1")
	s.waitFor("seal: your edit is not written")
}
