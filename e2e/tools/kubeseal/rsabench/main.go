// Command rsabench times the cryptography of Sealed Secrets in one process, as the baseline of `make bench`: for each of 5 values one hybrid RSA-4096 encryption or decryption.
// It prints two numbers: nanoseconds for sealing and for opening 5 values, medians over the rounds.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/bitnami/sealed-secrets/pkg/crypto"
)

const (
	items  = 5
	rounds = 40
)

func main() {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		log.Fatal(err)
	}
	keys := map[string]*rsa.PrivateKey{"k": key}
	label, value := []byte("prod/db"), []byte("a value of thirty-two bytes here")
	var seal, open []time.Duration
	for range rounds {
		var sealed [items][]byte
		start := time.Now()
		for i := range sealed {
			if sealed[i], err = crypto.HybridEncrypt(rand.Reader, &key.PublicKey, value, label); err != nil {
				log.Fatal(err)
			}
		}
		seal = append(seal, time.Since(start))
		start = time.Now()
		for i := range sealed {
			if _, err = crypto.HybridDecrypt(rand.Reader, keys, sealed[i], label); err != nil {
				log.Fatal(err)
			}
		}
		open = append(open, time.Since(start))
	}
	slices.Sort(seal)
	slices.Sort(open)
	fmt.Println(seal[rounds/2].Nanoseconds(), open[rounds/2].Nanoseconds())
}
