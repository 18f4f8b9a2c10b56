// Command image builds the container image of one of the programs that run in clusters, FROM scratch, as an OCI image layout in a tar file:
//
//	image --root REPOSITORY --program waxwing-controller --version v1.2.3 --out waxwing-controller.tar --name waxwing-controller:v1.2.3
//
// The image has one static binary for each platform and nothing else: no shell, no package manager. The controller's has no certificates either, because all that it talks to
// is the API server and Vaults, whose certificate authorities it is told; the agent's has those of public authorities, because it talks to Git servers. It runs as user 65532.
// The same sources, version and Go make the same bytes on every machine.
// The image's digest goes to standard output.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.program, "program", "waxwing-controller", "the program, waxwing-controller or waxwing-agent")
	flag.StringVar(&o.version, "version", "dev", "the version that the program calls itself")
	flag.StringVar(&o.revision, "revision", "", "the commit, for the image's labels")
	flag.StringVar(&o.name, "name", "", "the image's name, for what loads the file (default: that of the program, with the tag dev)")
	flag.StringVar(&o.out, "out", "", "the tar file to write; required")
	flag.Parse()
	if o.name == "" {
		o.name = o.program + ":dev"
	}
	if _, known := programs()[o.program]; !known || o.out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	digest, err := build(ctx, o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		stop()
		os.Exit(1)
	}
	fmt.Println(digest)
}
