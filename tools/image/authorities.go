package main

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// authoritiesFile is where Go's crypto/x509 looks for the certificates of public authorities.
const authoritiesFile = "etc/ssl/certs/ca-certificates.crt"

// authorities are the certificates of the public authorities that Mozilla trusts, in PEM. One that is trusted for older certificates only is left out, because a file cannot say so.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return b.Bytes()
}
