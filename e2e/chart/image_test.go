package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// descriptor, index, manifest and config are what is needed of the OCI image format's documents.
type (
	descriptor struct {
		Digest   string `json:"digest"`
		Platform struct {
			OS           string `json:"os"`
			Architecture string `json:"architecture"`
		} `json:"platform"`
		Annotations map[string]string `json:"annotations"`
	}
	index    struct{ Manifests []descriptor }
	manifest struct {
		Config descriptor
		Layers []descriptor
	}
	config struct {
		Created *string `json:"created"`
		Config  struct {
			User       string
			Entrypoint []string
			Cmd        []string
			Env        []string
			Labels     map[string]string
		} `json:"config"`
	}
)

// TestImages builds each image twice, the second time from a copy of the sources in another folder, and looks into it.
func TestImages(t *testing.T) {
	for _, program := range []string{"waxwing-controller", "waxwing-agent"} {
		t.Run(program, func(t *testing.T) { testImage(t, program) })
	}
}

func testImage(t *testing.T, program string) {
	builder, err := harness.Tool(t.Context(), "image")
	if err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(t.TempDir(), "first.tar"), filepath.Join(t.TempDir(), "second.tar")
	build := func(sources, out string) string {
		return strings.TrimSpace(harness.Run(t, harness.Command{Path: builder, Args: []string{"--root", sources, "--program", program, "--version", "v1.2.3", "--revision", "abc", "--name", program + ":v1.2.3", "--out", out}}))
	}
	digest := build(root, first)
	if again := build(copySources(t), second); again != digest {
		t.Errorf("the same sources make %s and %s", digest, again)
	}
	one, two := files(t, bytes.NewReader(readFile(t, first))), files(t, bytes.NewReader(readFile(t, second)))
	if !maps.EqualFunc(one, two, bytes.Equal) {
		t.Error("the two files differ")
	}
	var top, images index
	parseJSON(t, one["index.json"], &top)
	if len(top.Manifests) != 1 || top.Manifests[0].Digest != digest || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != program+":v1.2.3" {
		t.Fatalf("index.json names %+v, the program says %s", top.Manifests, digest)
	}
	parseJSON(t, blob(t, one, digest), &images)
	var platforms []string
	for _, image := range images.Manifests {
		platforms = append(platforms, image.Platform.OS+"/"+image.Platform.Architecture)
		checkImage(t, one, image, program)
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Error(diff)
	}
}

// checkImage holds that the image of one platform is the program and nothing else, but for the agent's certificates, and runs as the user of the chart's pods.
func checkImage(t *testing.T, layout map[string][]byte, image descriptor, program string) {
	t.Helper()
	var m manifest
	var c config
	parseJSON(t, blob(t, layout, image.Digest), &m)
	parseJSON(t, blob(t, layout, m.Config.Digest), &c)
	if c.Config.User != "65532:65532" || !slices.Equal(c.Config.Entrypoint, []string{"/" + program}) || c.Config.Cmd != nil || c.Config.Env != nil {
		t.Errorf("the configuration is %+v", c.Config)
	}
	if c.Created != nil && *c.Created != "0001-01-01T00:00:00Z" {
		t.Errorf("it has a date: %s", *c.Created)
	}
	for label, want := range map[string]string{"version": "v1.2.3", "revision": "abc", "licenses": "Apache-2.0", "title": program} {
		if got := c.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q", label, got)
		}
	}
	if len(m.Layers) != 1 {
		t.Fatalf("%d layers", len(m.Layers))
	}
	layer, err := gzip.NewReader(bytes.NewReader(blob(t, layout, m.Layers[0].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	inside := files(t, layer)
	want := []string{program}
	if program == "waxwing-agent" {
		want = []string{"etc/ssl/certs/ca-certificates.crt", program}
		checkAuthorities(t, inside[want[0]])
	}
	if names := slices.Sorted(maps.Keys(inside)); !slices.Equal(names, want) {
		t.Fatalf("it holds %s", names)
	}
	checkProgram(t, inside[program], image.Platform.Architecture)
}

// checkAuthorities holds that a file has the certificates of public authorities, each able to vouch for others.
func checkAuthorities(t *testing.T, file []byte) {
	t.Helper()
	count := 0
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !cert.IsCA {
			t.Errorf("certificate %d is of no authority: %v", count, err)
		}
		count++
	}
	if count < 50 {
		t.Errorf("%d certificates of public authorities", count)
	}
}

func checkProgram(t *testing.T, program []byte, arch string) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		t.Errorf("for %s: a program for %s", arch, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("for %s: it is not static", arch)
		}
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(program, []byte(here)) {
		t.Errorf("for %s: it names the folder that it was built in", arch)
	}
	if runtime.GOOS != "linux" || arch != runtime.GOARCH {
		return
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if out := harness.Run(t, harness.Command{Path: path, Args: []string{"--version"}}); out != "v1.2.3\n" {
		t.Errorf("it calls itself %q", out)
	}
}

// copySources copies what the program is built from.
func copySources(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	for _, file := range []string{"go.mod", "go.sum"} {
		write(t, filepath.Join(to, file), string(readFile(t, filepath.Join(root, file))))
	}
	for _, dir := range []string{"agent", "api", "audit", "cmd", "controller", "crypto", "keyring", "manifest", "repo", "unseal"} {
		if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// files are the contents of a tar file by name, every one without a date or an owner.
func files(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() > 0 {
			t.Errorf("%s: owner %d:%d, date %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if all[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

func blob(t *testing.T, layout map[string][]byte, digest string) []byte {
	t.Helper()
	b, ok := layout["blobs/"+strings.Replace(digest, ":", "/", 1)]
	if !ok {
		t.Fatalf("no blob %s", digest)
	}
	return b
}

func parseJSON(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
