package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is that of the chart's pods, numeric, so that runAsNonRoot can be checked.
const user = "65532:65532"

type options struct {
	root, program, version, revision, name, out string
}

// program is one of those that run in clusters.
type program struct {
	description string
	// public says that it talks to servers whose certificates public authorities have signed.
	public bool
}

func programs() map[string]program {
	return map[string]program{
		"waxwing-controller": {description: "Opens GitSecrets inside the cluster and keeps the keys that open them"},
		"waxwing-agent":      {description: "Keeps the GitSecrets of Git repositories in the cluster and puts rotations back into Git", public: true},
	}
}

// architectures of the image, all of linux.
func architectures() []string { return []string{"amd64", "arm64"} }

// build writes the image and returns the digest of its index.
func build(ctx context.Context, o options) (v1.Hash, error) {
	work, err := os.MkdirTemp("", "waxwing-image-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(work)
	index := v1.ImageIndex(mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	for _, arch := range architectures() {
		binary, err := compile(ctx, o, arch, work)
		if err != nil {
			return v1.Hash{}, err
		}
		image, err := imageOf(o, arch, binary)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("making the image for %s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	dir := filepath.Join(work, "layout")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	// The first name is what containerd and Docker take, the second what skopeo does.
	names := layout.WithAnnotations(map[string]string{"io.containerd.image.name": o.name, "org.opencontainers.image.ref.name": o.name})
	if err := path.AppendIndex(index, names); err != nil {
		return v1.Hash{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, pack(dir, o.out)
}

// compile builds the program for one architecture and returns its bytes. Nothing of the machine gets into them.
func compile(ctx context.Context, o options, arch, work string) ([]byte, error) {
	out := filepath.Join(work, o.program+"-"+arch)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X main.version="+o.version, "-o", out, "./cmd/"+o.program)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s for %s: %w\n%s", o.program, arch, err, msg)
	}
	return os.ReadFile(out)
}

// imageOf is the image of one platform. It has no dates, so that they cannot differ.
func imageOf(o options, arch string, binary []byte) (v1.Image, error) {
	files := []content{{o.program, 0o555, binary}}
	if programs()[o.program].public {
		files = append(files, content{authoritiesFile, 0o444, authorities()})
	}
	b, err := layerOf(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch
	file.Config = v1.Config{User: user, Entrypoint: []string{"/" + o.program}, WorkingDir: "/", Labels: labels(o)}
	return mutate.ConfigFile(image, file)
}

// content is a file of an image.
type content struct {
	name string
	mode int64
	data []byte
}

// layerOf is a tar file with some files, in their order.
func layerOf(files []content) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.data)), Mode: f.mode, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func labels(o options) map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":       o.program,
		"org.opencontainers.image.description": programs()[o.program].description,
		"org.opencontainers.image.source":      "https://github.com/waxwing-io/waxwing",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     o.version,
	}
	if o.revision != "" {
		l["org.opencontainers.image.revision"] = o.revision
	}
	return l
}
