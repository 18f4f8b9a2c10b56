package bench_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

const (
	treeFiles = 1_000
	// sample is how many files the programs get that take one at a time; their time is scaled to all files, and the row says so.
	sample = 50
)

// rewrapFiles is how many files are rewrapped: 10,000, or WAXWING_BENCH_FILES.
func rewrapFiles() int {
	if n, err := strconv.Atoi(os.Getenv("WAXWING_BENCH_FILES")); err == nil && n > 0 {
		return n
	}
	return 10_000
}

// BenchmarkTree seals a folder of 1,000 Secrets of 5 keys for 2 post-quantum recipients with one run of `seal -w`, beside one kubeseal process for each file.
func BenchmarkTree(b *testing.B) {
	ours, theirs := harness.BuildBinary(b, "./cmd/seal"), tool(b, "kubeseal")
	m, err := newMaterial(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	second, err := age.GenerateHybridIdentity()
	if err != nil {
		b.Fatal(err)
	}
	var mine, other []time.Duration
	for range 3 {
		dir := b.TempDir()
		for i := range treeFiles {
			writeFile(b, filepath.Join(dir, fmt.Sprintf("d%02d", i%20), fmt.Sprintf("%04d.yaml", i)), strings.Replace(plainSecret, "name: db", fmt.Sprintf("name: db%d", i), 1))
		}
		_, d := timed(b, []string{ours, "-w", "-r", "prod=" + m.recipient, "-r", "breakglass=" + second.Recipient().String(), dir})
		mine = append(mine, d)
		var total time.Duration
		for range sample {
			_, d := timed(b, []string{theirs, "--cert", m.cert, "-f", m.secret, "-o", "yaml"})
			total += d
		}
		other = append(other, total*treeFiles/sample)
	}
	report(b, fmt.Sprintf("%d Secrets of 5 keys in as many files, sealed for 2 recipients, CPU time", treeFiles),
		row{what: "seal -w DIR, one process", ours: median(mine), baseline: fmt.Sprintf("a kubeseal process a file (%d runs, scaled)", sample), theirs: median(other)})
}

// BenchmarkRewrap brings 10,000 sealed files up to a new key in one offline run, beside `sops updatekeys` for each file of as many values, for age recipients of the classical
// kind, which both know.
func BenchmarkRewrap(b *testing.B) {
	ours := harness.BuildBinary(b, "./cmd/seal")
	dir, files := b.TempDir(), rewrapFiles()
	old, next := classicalKey(b, dir, "old.txt"), classicalKey(b, dir, "new.txt")
	tree := filepath.Join(dir, "tree")
	plainTree(b, tree, files)
	timed(b, []string{ours, "-w", "-r", "prod=" + old.recipient, tree})
	_, mine := timed(b, []string{ours, "rewrap", "-i", old.path, "-r", "prod=" + next.recipient, tree})
	report(b, fmt.Sprintf("%d sealed files brought up to a new key, offline, CPU time", files),
		row{what: "seal rewrap DIR, one process", ours: mine, baseline: fmt.Sprintf("a sops updatekeys process a file (%d, scaled)", sample), theirs: sopsUpdateKeys(b, dir, old, next, files)})
}

// plainTree writes as many Secrets, in 50 folders.
func plainTree(b *testing.B, tree string, files int) {
	b.Helper()
	for i := range files {
		writeFile(b, filepath.Join(tree, fmt.Sprintf("d%02d", i%50), fmt.Sprintf("%05d.yaml", i)), strings.Replace(plainSecret, "name: db", fmt.Sprintf("name: db%d", i), 1))
	}
}

// sopsUpdateKeys is what sops needs for as many files, scaled from a sample.
func sopsUpdateKeys(b *testing.B, dir string, old, next keyFile, files int) time.Duration {
	b.Helper()
	theirs, sops := tool(b, "sops"), filepath.Join(dir, "sops")
	creation := func(recipient string) {
		writeFile(b, filepath.Join(sops, ".sops.yaml"), "creation_rules: [{age: "+recipient+"}]\n")
	}
	env := append(os.Environ(), "SOPS_AGE_KEY_FILE="+old.path)
	creation(old.recipient)
	for i := range sample {
		name := fmt.Sprintf("%d.yaml", i)
		writeFile(b, filepath.Join(sops, name), plainSecret)
		timedIn(b, sops, env, theirs, "encrypt", "-i", name)
	}
	creation(next.recipient)
	var total time.Duration
	for i := range sample {
		total += timedIn(b, sops, env, theirs, "updatekeys", "--yes", fmt.Sprintf("%d.yaml", i))
	}
	return total * time.Duration(files) / sample
}

// BenchmarkVersion is what a program costs before it does anything.
func BenchmarkVersion(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello")
	source := hello + ".go"
	writeFile(b, source, "package main\n\nfunc main() { println(\"hello\") }\n")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", hello, source).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	ours := []string{harness.BuildBinary(b, "./cmd/seal"), "version"}
	report(b, "A process that does nothing, CPU time",
		compare(b, "seal version", ours, "a Go program that prints a word", []string{hello}),
		compare(b, "seal version", ours, "kubeseal --version", []string{tool(b, "kubeseal"), "--version"}))
}

type keyFile struct{ path, recipient string }

func classicalKey(b *testing.B, dir, name string) keyFile {
	b.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	k := keyFile{filepath.Join(dir, name), id.Recipient().String()}
	writeFile(b, k.path, id.String()+"\n")
	return k
}

func writeFile(b *testing.B, path, content string) {
	b.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		b.Fatal(err)
	}
}

// timedIn is timed in a folder and an environment.
func timedIn(b *testing.B, dir string, env []string, argv ...string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &out
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v: %s", filepath.Base(argv[0]), err, out.String())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
