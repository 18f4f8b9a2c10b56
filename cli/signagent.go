package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	envAgent     = "SSH_AUTH_SOCK"
	pipePrefix   = `\\.\pipe\`
	maxAgentKeys = 4096
)

// errNoAgent is the error of withAgent where there is none to ask.
var errNoAgent = errors.New("no SSH agent is running")

// withAgent runs use on a new connection to the SSH agent. The connection ends with use, or with ctx.
func withAgent(ctx context.Context, env *Env, use func(agent.ExtendedAgent) error) error {
	conn, err := dialAgent(ctx, env)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	err = use(agent.NewClient(conn))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func dialAgent(ctx context.Context, env *Env) (io.ReadWriteCloser, error) {
	address := env.Getenv(envAgent)
	if address == "" {
		address = defaultAgent
	}
	switch {
	case address == "":
		return nil, errNoAgent
	case strings.HasPrefix(address, pipePrefix):
		pipe, err := os.OpenFile(address, os.O_RDWR, 0)
		if err != nil {
			return nil, errNoAgent
		}
		return pipe, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w behind %s", errNoAgent, envAgent)
	}
	return conn, nil
}

// agentKeys lists the keys of the agent that can sign objects.
func agentKeys(ctx context.Context, env *Env) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	err := withAgent(ctx, env, func(a agent.ExtendedAgent) error {
		all, err := a.List()
		if err != nil {
			return fmt.Errorf("asking the SSH agent for its keys: %w", err)
		}
		if len(all) > maxAgentKeys {
			return fmt.Errorf("the SSH agent holds more than %d keys", maxAgentKeys)
		}
		for _, k := range all {
			if pub, err := ssh.ParsePublicKey(k.Blob); err == nil && seal.CanSign(pub) {
				keys = append(keys, pub)
			}
		}
		return nil
	})
	return keys, err
}

// agentSignerFor is the signer of a key that the agent holds.
func agentSignerFor(ctx context.Context, env *Env, pub ssh.PublicKey) (ssh.Signer, error) {
	keys, err := agentKeys(ctx, env)
	if errors.Is(err, errNoAgent) {
		return nil, failed("start it and add the key with ssh-add, or give the private key with --sign-key", "%v, and the private key of %s is needed", err, signedBy(pub))
	}
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if bytes.Equal(k.Marshal(), pub.Marshal()) {
			return &agentSigner{ctx: ctx, env: env, pub: k}, nil
		}
	}
	return nil, failed("add it with ssh-add, or give the private key with --sign-key", "the SSH agent does not hold the key %s", signedBy(pub))
}

// onlyAgentKey is the signer of the one key that the agent holds. more is said to those who would have expected another source.
func onlyAgentKey(ctx context.Context, env *Env, more string) (ssh.Signer, error) {
	hint := "give --sign-key FILE, or set gpg.format=ssh and user.signingKey in Git's configuration" + more
	keys, err := agentKeys(ctx, env)
	switch {
	case errors.Is(err, errNoAgent):
		return nil, usage(hint, "no key to sign with: %v", err)
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, usage(hint, "no key to sign with: the SSH agent holds none that can sign")
	case len(keys) > 1:
		names := make([]string, len(keys))
		for i, k := range keys {
			names[i] = signedBy(k)
		}
		return nil, usage(hint, "which key signs? The SSH agent holds %s", some(names))
	}
	return &agentSigner{ctx: ctx, env: env, pub: keys[0]}, nil
}

// agentSigner signs with a key of the SSH agent, on a connection for each signature: nothing is left open. The agent may ask its owner, so that a signature
// ends with ctx.
type agentSigner struct {
	ctx context.Context
	env *Env
	pub ssh.PublicKey
}

// PublicKey implements ssh.Signer.
func (s *agentSigner) PublicKey() ssh.PublicKey { return s.pub }

// Sign implements ssh.Signer. The randomness is the agent's own.
func (s *agentSigner) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) { return s.sign(data, 0) }

// SignWithAlgorithm implements ssh.AlgorithmSigner, for RSA's sake. The randomness is the agent's own.
func (s *agentSigner) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	switch algorithm {
	case "", s.pub.Type():
		return s.sign(data, 0)
	case ssh.KeyAlgoRSASHA512:
		return s.sign(data, agent.SignatureFlagRsaSha512)
	}
	return nil, fmt.Errorf("the SSH agent is not asked for signatures of type %s", algorithm)
}

func (s *agentSigner) sign(data []byte, flags agent.SignatureFlags) (sig *ssh.Signature, err error) {
	if strings.HasPrefix(s.pub.Type(), "sk-") {
		message(s.env.Stderr, "seal: ", "confirm the use of the key "+signedBy(s.pub)+" by touching it")
	}
	err = withAgent(s.ctx, s.env, func(a agent.ExtendedAgent) error {
		sig, err = a.SignWithFlags(s.pub, data, flags)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the SSH agent refused, or lost its key: %w", err)
	}
	return sig, nil
}
