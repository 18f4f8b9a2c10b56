package sealed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// Vault is what this package asks of Vault. A vault.Client implements it.
type Vault interface {
	Read(ctx context.Context, path string) (*vault.Answer, error)
	Write(ctx context.Context, path string, body map[string]any) (*vault.Answer, error)
}

// transit is one key of a Transit engine.
type transit struct {
	vault      Vault
	mount, key string
}

// sealedText is a ciphertext with its associated data, as binding gives them.
type sealedText struct{ ciphertext, binding string }

// opened is a sealedText in the clear, or why it is not: a part of a sentence that begins with the place of the ciphertext.
type opened struct {
	plain []byte
	err   error
}

var ciphertextRE = regexp.MustCompile(`^vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/]+={0,2}$`)

func (s sealedText) wellFormed() bool { return ciphertextRE.MatchString(s.ciphertext) }

// version of the Transit key that a text is encrypted with.
func (s sealedText) version() string {
	if parts := ciphertextRE.FindStringSubmatch(s.ciphertext); parts != nil {
		return parts[1]
	}
	return "unknown"
}

func (t transit) keyPath() string { return t.mount + "/keys/" + t.key }

// problem says what a person must do about the Transit key.
func (t transit) problem(format string, args ...any) error {
	return &keyring.Problem{Where: "Vault's " + t.keyPath(), Msg: fmt.Sprintf(format, args...)}
}

// refused turns an answer that trying again does not change into a Problem.
func refused(path string, err error) error {
	var e *vault.Error
	if errors.As(err, &e) && e.Kind == vault.Refused {
		return &keyring.Problem{Where: "Vault's " + path, Msg: "refuses the request: " + e.Msg}
	}
	return err
}

// check refuses a Transit key that does not keep what it encrypts. It comes before everything that is encrypted, because a key that does not exist would be made by that.
func (t transit) check(ctx context.Context) error {
	answer, err := t.vault.Read(ctx, t.keyPath())
	if vault.KindOf(err) == vault.Missing {
		return t.problem("does not exist, or there is no Transit engine at %s: make it with `vault write -f %s type=aes256-gcm96`; Waxwing makes none", t.mount, t.keyPath())
	}
	if err != nil {
		return refused(t.keyPath(), err)
	}
	var key struct {
		Type            string `json:"type"`
		Exportable      *bool  `json:"exportable"`
		PlaintextBackup *bool  `json:"allow_plaintext_backup"`
		Derived         bool   `json:"derived"`
		Convergent      bool   `json:"convergent_encryption"`
	}
	if err := json.Unmarshal(answer.Data, &key); err != nil {
		return t.problem("is described by something that is no answer of Vault's Transit engine: is mount %s one?", t.mount)
	}
	switch {
	case key.Type != "aes256-gcm96":
		return t.problem("is of type %q, not aes256-gcm96: name another key in encryptedBy.transit.key", key.Type)
	case key.Exportable == nil || *key.Exportable:
		return t.problem("is exportable, and so is every key that it encrypts. Vault does not take that back: name another key in encryptedBy.transit.key")
	case key.PlaintextBackup == nil || *key.PlaintextBackup:
		return t.problem("has allow_plaintext_backup, so that it can be read out. Vault does not take that back: name another key in encryptedBy.transit.key")
	case key.Derived || key.Convergent:
		return t.problem("is derived or convergent, which sealed keys are not made for: name another key in encryptedBy.transit.key")
	}
	return t.noUpsert(ctx)
}

// noUpsert refuses a token that could make the Transit key by using it: after a deletion, keys would be encrypted with one that nobody has looked at.
func (t transit) noUpsert(ctx context.Context) error {
	path := t.mount + "/encrypt/" + t.key
	answer, err := t.vault.Write(ctx, "sys/capabilities-self", map[string]any{"paths": []string{path}})
	if vault.KindOf(err) == vault.Denied {
		return nil // a token without Vault's default policy cannot ask; that the key exists was looked up just now
	}
	if err != nil {
		return refused("sys/capabilities-self", err)
	}
	var can map[string]json.RawMessage
	var on []string
	if json.Unmarshal(answer.Data, &can) != nil || json.Unmarshal(can[path], &on) != nil {
		return nil
	}
	if !slices.Contains(on, "create") && !slices.Contains(on, "root") {
		return nil
	}
	if answer, err := t.vault.Read(ctx, t.mount+"/config/keys"); err == nil {
		var config struct {
			DisableUpsert bool `json:"disable_upsert"`
		}
		if json.Unmarshal(answer.Data, &config) == nil && config.DisableUpsert {
			return nil
		}
	}
	return t.problem("could be made anew by this controller, whose token may do more than it needs: take `create` from its policy for %s, which needs `update` alone", path)
}

// encrypt gives the ciphertext of plain.
func (t transit) encrypt(ctx context.Context, plain []byte, binding string) ([]byte, error) {
	path := t.mount + "/encrypt/" + t.key
	answer, err := t.vault.Write(ctx, path, map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain), "associated_data": binding})
	clear(plain)
	if err != nil {
		return nil, refused(path, err)
	}
	var data struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil || !(sealedText{ciphertext: data.Ciphertext}).wellFormed() {
		return nil, &keyring.Problem{Where: "Vault's " + path, Msg: "has answered without a ciphertext"}
	}
	return []byte(data.Ciphertext), nil
}

// decrypt opens texts, all of which are well-formed, in one request; they have answers of their own. An error is about all of them.
func (t transit) decrypt(ctx context.Context, texts []sealedText) ([]opened, error) {
	results, err := t.batch(ctx, texts)
	var e *vault.Error
	if !errors.As(err, &e) || (e.Status != http.StatusBadRequest && e.Status != http.StatusInternalServerError) {
		return results, err
	}
	// Vault answers so, and says nothing of the texts, if none of them opens, or if it has a fault of its own. With one more that does open it tells.
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	canary, err := t.encrypt(ctx, []byte(purposeCanary), binding(purposeCanary, "", "", ""))
	if err != nil {
		return nil, err
	}
	results, err = t.batch(ctx, append([]sealedText{{string(canary), binding(purposeCanary, "", "", "")}}, texts...))
	if err != nil {
		return nil, refused(t.mount+"/decrypt/"+t.key, err)
	}
	return results[1:], nil
}

func (t transit) batch(ctx context.Context, texts []sealedText) ([]opened, error) {
	input := make([]map[string]string, len(texts))
	for i, s := range texts {
		input[i] = map[string]string{"ciphertext": s.ciphertext, "associated_data": s.binding, "reference": strconv.Itoa(i)}
	}
	path := t.mount + "/decrypt/" + t.key
	answer, err := t.vault.Write(ctx, path, map[string]any{"batch_input": input, "partial_failure_response_code": http.StatusOK})
	if err != nil {
		return nil, err
	}
	defer clear(answer.Data)
	var data struct {
		Results []struct {
			Plaintext []byte `json:"plaintext"`
			Error     string `json:"error"`
			Reference string `json:"reference"`
		} `json:"batch_results"`
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil || len(data.Results) != len(texts) {
		return nil, fmt.Errorf("decrypting with %s: Vault has not answered for each of %d texts", t.keyPath(), len(texts))
	}
	out := make([]opened, len(texts))
	for i, r := range data.Results {
		switch {
		case r.Reference != strconv.Itoa(i):
			return nil, fmt.Errorf("decrypting with %s: Vault has answered in another order", t.keyPath())
		case r.Error != "":
			out[i].err = t.refusal(texts[i], r.Error)
		default:
			out[i].plain = r.Plaintext
		}
	}
	return out, nil
}

// refusal says why a text does not open, and what to do about it.
func (t transit) refusal(s sealedText, says string) error {
	switch {
	case strings.Contains(says, "too old"):
		return fmt.Errorf("is encrypted with version %s of Vault's %s, which is disabled: lower its min_decryption_version to %s (`vault write %s/config min_decryption_version=%s`)",
			s.version(), t.keyPath(), s.version(), t.keyPath(), s.version())
	case strings.Contains(says, "too new"):
		return fmt.Errorf("is encrypted with version %s of Vault's %s, which has no such version: was Vault restored from an older snapshot? Restore a newer one, or the key from its backup",
			s.version(), t.keyPath())
	case strings.Contains(says, "authentication failed"):
		return fmt.Errorf("does not open with Vault's %s: it was sealed by another key, or for another cluster, keyring, key or purpose, or it was changed. A sealed key cannot be copied: "+
			"restore the Secret as it was in this cluster, or move the key with `seal keys move`", t.keyPath())
	}
	return fmt.Errorf("does not open with Vault's %s: Vault refuses to decrypt it", t.keyPath())
}
