package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/change"
)

const textconvLong = `Print FILE with one short line in place of each ciphertext, wrap and signature: the item's envelope
and when it was sealed, and the holders with the ids of their keys. Everything else stays as it is,
and so does a file that holds no GitSecret or cannot be read as a manifest. Nothing is opened, and
nothing is checked.

This is what git diff compares when it is told so; seal install does that. An argument is always
a file, whatever it begins with.`

const textconvExample = `  seal textconv db.yaml
  git -c diff.seal.textconv='seal textconv' diff      (where .gitattributes has: *.yaml diff=seal)`

func newTextconvCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:                   "textconv FILE|-",
		Short:                 "Print a sealed file as git diff shows it",
		Long:                  textconvLong,
		Example:               textconvExample,
		Hidden:                true,
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			named := len(args) > 0 && args[0] == "--"
			if named {
				args = args[1:]
			}
			if err := exactArgs("FILE")(cmd, args); err != nil {
				return err
			}
			if named && args[0] == stdinArg {
				args[0] = "./" + stdinArg
			}
			return runTextconv(cmd.Context(), env, args[0])
		},
	}
}

func runTextconv(ctx context.Context, env *Env, name string) error {
	if name != stdinArg {
		if info, err := os.Stat(env.path(name)); err == nil && info.Mode().IsRegular() && info.Size() > maxManifest {
			return env.copyOut(ctx, name)
		}
	}
	data, err := env.read(ctx, name, "a manifest", maxTextconv)
	if err != nil {
		return err
	}
	return env.writeOut(stdinArg, textconv(shownName(name), data), 0)
}

// maxTextconv bounds what is read from a pipe, in bytes: it is all kept, since it has to be printed as it is where it is no manifest.
const maxTextconv = 256 << 20

// copyOut prints a file that is too large to be a manifest.
func (e *Env) copyOut(ctx context.Context, name string) error {
	f, err := os.Open(e.path(name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, pathCause(err))
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.Close() })()
	if _, err := io.Copy(e.Stdout, f); err != nil {
		return fmt.Errorf("%s: %w", name, pathCause(err))
	}
	return nil
}

// textconv is data with its GitSecrets made short; data itself wherever that does not go.
func textconv(name string, data []byte) []byte {
	file, all, err := parse(name, data)
	if err != nil {
		return data
	}
	for _, o := range all {
		if o.role != isSealed {
			continue
		}
		if err := shorten(o); err != nil {
			return data
		}
	}
	if _, err := flush(all); err != nil {
		return data
	}
	return file.Bytes()
}

// shorten replaces the sealed parts of a GitSecret.
func shorten(o object) error {
	doc, err := o.JSON()
	if err != nil {
		return err
	}
	var top, spec map[string]json.RawMessage
	if json.Unmarshal(doc, &top) != nil || json.Unmarshal(top["spec"], &spec) != nil {
		return nil // an object without a spec has nothing to shorten
	}
	parts := sealedParts(change.Read(doc), spec)
	if len(o.path) == 0 && o.long == nil {
		d, err := o.inPlace()
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			if err == nil {
				err = d.Set([]string{"spec", part}, parts[part])
			}
		}
		if err == nil {
			return nil
		}
		// Anchors, for example, do not let their parts be changed; the object as a whole can be.
	}
	maps.Copy(spec, parts)
	if top["spec"], err = secret.Marshal(spec); err != nil {
		return err
	}
	if doc, err = secret.Marshal(top); err != nil {
		return err
	}
	return o.Replace(doc)
}

// sealedParts gives the short forms of those members of spec that are there.
func sealedParts(o change.Object, spec map[string]json.RawMessage) map[string]json.RawMessage {
	items := map[string]string{}
	for name, item := range o.Spec.Items {
		items[name] = fmt.Sprintf("sealed %s in %s, ciphertext %s", o.Spec.Envelopes[item.Envelope].SealedAt, item.Envelope, fingerprint(item.Value))
	}
	envelopes := map[string]map[string]string{}
	for id, e := range o.Spec.Envelopes {
		about := map[string]string{"sealedAt": e.SealedAt, "commit": fingerprint(e.Commit)}
		for holder, w := range e.Wraps {
			about["opens for "+holder] = wrapLine(w)
		}
		envelopes[id] = about
	}
	out := map[string]json.RawMessage{}
	for part, short := range map[string]any{"items": items, "envelopes": envelopes, "signature": signatureLine(o.Spec.Signature)} {
		raw, err := secret.Marshal(short)
		// What is no mapping has no form that could be made short.
		if err == nil && bytes.HasPrefix(spec[part], []byte("{")) {
			out[part] = raw
		}
	}
	return out
}

func wrapLine(w seal.Wrap) string {
	text := "keys " + shownKeys(w.Keys)
	if len(w.WrappedBefore) > 0 {
		text += ", earlier " + shownKeys(w.WrappedBefore)
	}
	return text + ", wrap " + fingerprint(w.Age)
}

func signatureLine(s *seal.Signature) string {
	if s == nil {
		return ""
	}
	return "by " + s.Signer + ", " + fingerprint(s.SSHSig)
}

// fingerprint tells one ciphertext from another. It is a digest of what is public.
func fingerprint(text string) string {
	const shownBytes = 4
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:shownBytes])
}
