package cli

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// finisher checks the values of a new Secret, or makes of what was read what is to be sealed.
type finisher = func(seal.Values) (seal.Values, []string, error)

// checkPair holds a certificate against its private key, and says when it is of no use now. Go's errors speak of the form of keys and never quote them.
func checkPair(now time.Time, cert, key string) finisher {
	return func(values seal.Values) (seal.Values, []string, error) {
		pair, err := tls.X509KeyPair(values[keyCert].Bytes(), values[keyKey].Bytes())
		if err != nil {
			hint := "the files are PEM: the leaf's certificate first, and the private key that it was made for"
			if bytes.Contains(values[keyKey].Bytes(), []byte("ENCRYPTED")) {
				hint = "the private key has a passphrase, which nothing in the cluster could give: remove it first"
			}
			return nil, nil, failed(hint, "%s and %s are no pair: %v", shownName(cert), shownName(key), strings.TrimPrefix(err.Error(), "tls: "))
		}
		var warnings []string
		const day = "2006-01-02"
		switch leaf := pair.Leaf; {
		case now.After(leaf.NotAfter):
			warnings = append(warnings, fmt.Sprintf("%s: the certificate has expired on %s", shownName(cert), leaf.NotAfter.UTC().Format(day)))
		case now.Before(leaf.NotBefore):
			warnings = append(warnings, fmt.Sprintf("%s: the certificate is not valid before %s", shownName(cert), leaf.NotBefore.UTC().Format(day)))
		}
		return values, warnings, nil
	}
}

// checkSSHKey refuses what is taken for a private key by mistake.
func checkSSHKey(values seal.Values) (seal.Values, []string, error) {
	b := values[keySSH].Bytes()
	_, err := ssh.ParseRawPrivateKey(b)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return values, nil, nil
	case errors.As(err, &locked):
		return values, []string{"the private key has a passphrase: what reads the Secret must know it"}, nil
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil {
		return nil, nil, failed("give the file without .pub", "%s is a public key", keySSH)
	}
	return nil, nil, failed("keys in PEM and in OpenSSH's form are taken; to seal something else, write seal create generic --type "+typeSSHAuth, "%s is not a private key", keySSH)
}

// dockerAuth and dockerConfig are the parts of a Docker configuration that kubectl writes, in its order.
type dockerAuth struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Email    string `json:"email,omitempty"`
	Auth     string `json:"auth,omitempty"`
}

type dockerConfig struct {
	Auths map[string]dockerAuth `json:"auths"`
}

// config makes the configuration of the password, without the newline that pipes end it with.
func (o *dockerOptions) config(values seal.Values) (seal.Values, []string, error) {
	password := strings.TrimSuffix(strings.TrimSuffix(string(values[keyPassword].Bytes()), "\n"), "\r")
	delete(values, keyPassword)
	if password == "" {
		return nil, nil, failed("", "the password is empty")
	}
	b, err := secret.Marshal(dockerConfig{Auths: map[string]dockerAuth{o.server: {
		Username: o.username, Password: password, Email: o.email, Auth: base64.StdEncoding.EncodeToString([]byte(o.username + ":" + password)),
	}}})
	if err != nil {
		return nil, nil, err
	}
	values[keyDocker] = seal.NewValue(b)
	return values, nil, nil
}

// checkDockerConfig refuses a configuration with which no image is pulled: on a workstation the credentials are often in a helper program, not in the file.
func checkDockerConfig(values seal.Values) (seal.Values, []string, error) {
	var config struct {
		Auths      map[string]map[string]json.RawMessage `json:"auths"`
		CredsStore string                                `json:"credsStore"`
	}
	if json.Unmarshal(values[keyDocker].Bytes(), &config) != nil || config.Auths == nil {
		return nil, nil, failed("it is Docker's config.json, with a member auths", "%s is not a Docker configuration", keyDocker)
	}
	for _, auth := range config.Auths {
		for _, member := range []string{"auth", "password", "identitytoken", "registrytoken"} {
			if len(auth[member]) > 0 {
				return values, nil, nil
			}
		}
	}
	why := "it names no credentials"
	if config.CredsStore != "" {
		why = "its credentials are in a helper program (credsStore)"
	}
	return nil, nil, failed("give --docker-server and --docker-username instead", "%s: %s", keyDocker, why)
}
