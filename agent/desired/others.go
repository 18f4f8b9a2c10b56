package desired

import (
	"bytes"
	"fmt"
	"regexp"
)

// maxNamed is how many other manifests of a file that is not parsed are looked at for their kinds.
const maxNamed = 1000

// kindRE finds kinds in text that no parser reads, because it holds no GitSecret for certain. It is for people: what it misses is passed over all the same.
var kindRE = regexp.MustCompile(`(?m)(?:^|[{,]\s*)"?kind"?\s*:\s*"?([A-Za-z][A-Za-z0-9]{0,62})`)

// passedOver are the manifests of a file that are no GitSecrets.
type passedOver struct {
	first, count    int // the first one's document, and how many there are
	kind            string
	secret, secret1 int // Secrets among them, and the first one's document
}

func (p *passedOver) add(document int, kind string) {
	if kind == "Secret" {
		if p.secret++; p.secret == 1 {
			p.secret1 = document
		}
		return
	}
	if p.count++; p.count == 1 {
		p.first, p.kind = document, kind
	}
}

// scan finds the kinds in a file that holds no GitSecret.
func (p *passedOver) scan(data []byte) {
	// What has no apiVersion is no manifest, and a kustomization is for another program.
	if !bytes.Contains(data, []byte("apiVersion")) || bytes.Contains(data, []byte("kustomize.config.k8s.io")) {
		return
	}
	for _, m := range kindRE.FindAllSubmatch(data, maxNamed) {
		p.add(0, string(m[1]))
	}
}

// refuse says what is passed over: once for a file, because a repository may hold thousands.
func (p *passedOver) refuse(c *content) {
	if p.secret > 0 {
		c.refuse(p.secret1, Plaintext, "is a Secret in plain text, which is in Git's history now: renew its values, and seal them (seal -w FILE)"+more(p.secret), true)
	}
	if p.count > 0 {
		c.refuse(p.first, OtherKind, fmt.Sprintf("is a %s: only GitSecrets are applied%s", p.kind, more(p.count)), true)
	}
}

func more(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("; there are %d more such manifests in the file", n-1)
}
