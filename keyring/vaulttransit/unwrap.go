package vaulttransit

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// version1 is what Transit's texts of a key's first version begin with.
const version1 = "vault:v1:"

// alone bounds the request for one ciphertext that was not asked for before.
const alone = 10 * time.Second

// identity opens what was sealed to a Transit key. It implements keyring.Prefetcher.
type identity struct {
	age.Identity
	custody         *Custody
	name, recipient string
}

var _ keyring.Prefetcher = identity{}

func (c *Custody) identity(name, recipient string) seal.Identity {
	i := identity{custody: c, name: name, recipient: recipient}
	bare := seal.NewRSAIdentity(recipient, i.decrypt)
	i.Identity, _ = seal.NewIdentities(bare).Identity(bare.KeyID())
	return seal.NewIdentity(recipient, i)
}

// decrypt gives what was asked for before, or asks now.
func (i identity) decrypt(ciphertext []byte) ([]byte, error) {
	if e, ok := i.custody.held.take(i.place(ciphertext)); ok {
		return e.plain, e.refused
	}
	ctx, cancel := context.WithTimeout(context.Background(), alone)
	defer cancel()
	if err := i.Prefetch(ctx, [][]byte{ciphertext}); err != nil {
		return nil, &seal.Unusable{Err: err}
	}
	e, ok := i.custody.held.take(i.place(ciphertext))
	if !ok {
		return nil, &seal.Unusable{Err: errors.New("what Vault has decrypted was used by somebody else")}
	}
	return e.plain, e.refused
}

// Prefetched implements keyring.Prefetcher.
func (i identity) Prefetched(ciphertext []byte) bool {
	return i.custody.held.touch(i.place(ciphertext))
}

// Prefetch implements keyring.Prefetcher.
func (i identity) Prefetch(ctx context.Context, ciphertexts [][]byte) error {
	if len(ciphertexts) > keyring.MaxPrefetch {
		return fmt.Errorf("at most %d ciphertexts are decrypted at a time", keyring.MaxPrefetch)
	}
	ciphertexts, uses := once(ciphertexts)
	results, err := i.ask(ctx, ciphertexts)
	if allRefused(err) {
		results, err = i.askWithWitness(ctx, ciphertexts)
	}
	if err != nil {
		return i.custody.problem(err)
	}
	for _, r := range results { // before anything is kept
		if r.unusable() {
			return fmt.Errorf("%s of Vault cannot decrypt: %s", i.custody.where(i.name), r.Error)
		}
	}
	for n, r := range results {
		i.custody.held.put(i.place(ciphertexts[n]), r.entry(), uses[n])
	}
	return nil
}

// once gives each ciphertext one time, and how often it was there: one sealed object may stand in many namespaces.
func once(ciphertexts [][]byte) (each [][]byte, times []int) {
	at := map[string]int{}
	for _, c := range ciphertexts {
		n, ok := at[string(c)]
		if !ok {
			n = len(each)
			at[string(c)], each, times = n, append(each, c), append(times, 0)
		}
		times[n]++
	}
	return each, times
}

func (i identity) place(ciphertext []byte) place { return placeOf(i.name, ciphertext) }

// result is what Transit has made of one ciphertext.
type result struct {
	Plaintext string `json:"plaintext"`
	Reference string `json:"reference"`
	Error     string `json:"error"`
}

// unusable says whether an error is about the key and not about the ciphertext. What is not known to be about the ciphertext is tried again.
func (r result) unusable() bool {
	return r.Error != "" && !strings.Contains(r.Error, "failed to RSA decrypt") && !strings.Contains(r.Error, "invalid ciphertext")
}

func (r result) entry() entry {
	if r.Error != "" {
		return entry{refused: errors.New("the ciphertext is refused by Vault")}
	}
	plain, err := base64.StdEncoding.DecodeString(r.Plaintext)
	if err != nil {
		return entry{refused: errors.New("the answer of Vault is not base64")}
	}
	return entry{plain: plain}
}

// ask makes one request.
func (i identity) ask(ctx context.Context, ciphertexts [][]byte) ([]result, error) {
	input := make([]map[string]any, len(ciphertexts))
	for n, c := range ciphertexts {
		input[n] = map[string]any{"ciphertext": version1 + base64.StdEncoding.EncodeToString(c), "reference": strconv.Itoa(n)}
	}
	c := i.custody
	answer, err := c.cfg.Vault.Write(ctx, c.path("decrypt", i.name), map[string]any{"batch_input": input, "partial_failure_response_code": http.StatusOK})
	if err := c.note(ctx, answer, err); err != nil {
		return nil, err
	}
	var batch struct {
		Results []result `json:"batch_results"`
	}
	if json.Unmarshal(answer.Data, &batch) != nil || len(batch.Results) != len(ciphertexts) {
		return nil, errors.New("decrypting: Vault has not answered as Transit's decrypt does")
	}
	for n, r := range batch.Results {
		if r.Reference != strconv.Itoa(n) {
			return nil, errors.New("decrypting: Vault has answered in another order than it was asked in")
		}
	}
	return batch.Results, nil
}

// allRefused says whether an error may be that of a batch of which nothing could be decrypted: Transit answers such a one as if all of the request had failed.
func allRefused(err error) bool {
	v := (*vault.Error)(nil)
	return errors.As(err, &v) && (v.Status == http.StatusBadRequest || v.Status == http.StatusInternalServerError)
}

// askWithWitness asks for a ciphertext besides that is sure to be one of the key: if that is decrypted, it is not the key that fails.
func (i identity) askWithWitness(ctx context.Context, ciphertexts [][]byte) ([]result, error) {
	witness, err := witnessFor(i.recipient)
	if err != nil {
		return nil, err
	}
	results, err := i.ask(ctx, append(ciphertexts[:len(ciphertexts):len(ciphertexts)], witness))
	if allRefused(err) {
		return nil, i.why(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	return results[:len(ciphertexts)], nil
}

// why says why a key decrypts nothing, which Transit does not.
func (i identity) why(ctx context.Context, err error) error {
	_, described := i.custody.describe(ctx, i.name, typeRSA)
	if refused := (*fault)(nil); errors.As(described, &refused) {
		return fmt.Errorf("%s %s", i.custody.where(i.name), refused.msg)
	}
	return err
}

// witnessFor encrypts random bytes to a recipient.
func witnessFor(recipient string) ([]byte, error) {
	r, err := seal.ParseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	key, ok := r.RSA()
	if !ok {
		return nil, errors.New("the recipient of a Transit key is none of RSA")
	}
	witness, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, []byte(rand.Text()), nil)
	if err != nil {
		return nil, fmt.Errorf("encrypting with RSA: %w", err)
	}
	return witness, nil
}
