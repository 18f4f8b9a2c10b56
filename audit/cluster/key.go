package cluster

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/mod/sumdb/note"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Keys of the Secret's data.
const (
	DataSigner   = "signer"   // the private key, in C2SP form
	DataVerifier = "verifier" // the public key, in C2SP form
)

// algEd25519 is the type byte of Ed25519 in signed notes (C2SP signed-note).
const algEd25519 = 1

// Secrets reads and makes Secrets of one namespace, uncached. client-go's SecretInterface implements it.
type Secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
}

// Key gives the key that signs the checkpoints of a replica's log, and makes it where there is none. A Secret that is there is never changed.
func Key(ctx context.Context, secrets Secrets, random io.Reader, replica, origin string) (ed25519.PrivateKey, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := KeySecretName(replica)
	secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if secret, err = makeKey(random, replica, origin); err != nil {
			return nil, fmt.Errorf("making the key of the audit log: %w", err)
		}
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: manager})
		if apierrors.IsAlreadyExists(err) {
			secret, err = secrets.Get(ctx, name, metav1.GetOptions{})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the audit log's key, Secret %s: %w", name, quiet(err))
	}
	key, err := readKey(secret, origin)
	if err != nil {
		return nil, fmt.Errorf("the audit log's key: Secret %s %w", name, err)
	}
	return key, nil
}

func makeKey(random io.Reader, replica, origin string) (*corev1.Secret, error) {
	signer, verifier, err := newKey(random, origin)
	if err != nil {
		return nil, err
	}
	immutable := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: KeySecretName(replica), Labels: map[string]string{LabelKey: "true"}},
		Type:       KeyType, Immutable: &immutable,
		Data: map[string][]byte{DataSigner: []byte(signer + "\n"), DataVerifier: []byte(verifier + "\n")},
	}, nil
}

// newKey makes a key, in C2SP form.
func newKey(random io.Reader, origin string) (signer, verifier string, err error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return "", "", err
	}
	if verifier, err = note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey)); err != nil {
		return "", "", err
	}
	hash := strings.Split(verifier, "+")[1]
	return "PRIVATE+KEY+" + origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, key.Seed()...)), verifier, nil
}

// readKey reads a key. Its errors are part of a sentence that begins with the Secret's name, and never quote data.
func readKey(secret *corev1.Secret, origin string) (ed25519.PrivateKey, error) {
	if secret.Type != KeyType {
		return nil, fmt.Errorf("has the name of an audit log's key but is of type %s, not %s: it was not made by Waxwing and stays as it is", secret.Type, KeyType)
	}
	of, key, err := parseKey(secret.Data[DataSigner])
	if err != nil {
		return nil, fmt.Errorf("has a malformed key in %s", DataSigner)
	}
	if of != origin {
		return nil, fmt.Errorf("has the key of the audit log of another cluster or replica, not of %s: if it came with a backup of another cluster, delete it and ConfigMap %s, and begin with an empty volume",
			origin, AnchorName(strings.TrimPrefix(secret.Name, KeySecretName(""))))
	}
	verifier, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil || strings.TrimSpace(string(secret.Data[DataVerifier])) != verifier {
		return nil, fmt.Errorf("has a %s and a %s that do not belong together", DataSigner, DataVerifier)
	}
	return key, nil
}

var errMalformed = errors.New("malformed key")

// parseKey reads a key in C2SP form, and the name of the log that it is of.
func parseKey(text []byte) (origin string, key ed25519.PrivateKey, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "PRIVATE+KEY+")
	parts := strings.SplitN(rest, "+", 3) // base64 may have a +
	if !ok || len(parts) != 3 {
		return "", nil, errMalformed
	}
	seed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != algEd25519 {
		return "", nil, errMalformed
	}
	return parts[0], ed25519.NewKeyFromSeed(seed[1:]), nil
}

// quiet is an error of a request that carried a key without its text: whoever answers (an admission webhook, a proxy) may quote the request.
func quiet(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return fmt.Errorf("the API server answered %d %s", status.Status().Code, http.StatusText(int(status.Status().Code)))
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("the API server cannot be reached")
}
