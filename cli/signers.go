package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// allowedSigner is a key whose signatures count.
type allowedSigner struct {
	name       string
	pub        ssh.PublicKey
	namespaces string    // pattern list of OpenSSH; empty for any
	from, to   time.Time // zero for no limit
}

// refuses says why the signer's key does not count now; empty where it does.
func (s allowedSigner) refuses(now time.Time) string {
	switch {
	case s.namespaces != "" && !matchesList(seal.SignatureNamespace, s.namespaces):
		return "may not sign " + seal.SignatureNamespace
	case !s.from.IsZero() && now.Before(s.from):
		return "may not sign before " + s.from.Format(time.RFC3339)
	case !s.to.IsZero() && now.After(s.to):
		return "may not sign any more since " + s.to.Format(time.RFC3339)
	}
	return ""
}

// findSigner looks for pub among the allowed ones. Without one that counts, why says what stands against the best of them.
func findSigner(all []allowedSigner, pub ssh.PublicKey, now time.Time) (name, why string, ok bool) {
	for _, s := range all {
		if !bytes.Equal(s.pub.Marshal(), pub.Marshal()) {
			continue
		}
		refusal := s.refuses(now)
		if refusal == "" {
			return s.name, "", true
		}
		why = s.name + " " + refusal
	}
	return "", why, false
}

// isKeyText tells the text of a public key from the name of a file.
func isKeyText(text string) bool {
	return slices.ContainsFunc([]string{"ssh-", "ecdsa-", "sk-"}, func(prefix string) bool { return strings.HasPrefix(text, prefix) }) && strings.ContainsAny(text, " \t")
}

// readSigner reads the argument of --signer: [NAME=]KEY, or [NAME=]FILE of a public key. Without a NAME, it is the key's comment or fingerprint.
func readSigner(ctx context.Context, env *Env, arg string) (allowedSigner, error) {
	name, text := "", arg
	if !isKeyText(text) {
		if before, after, ok := strings.Cut(text, "="); ok {
			name, text = before, after
		}
	}
	place := "--signer"
	if !isKeyText(text) {
		b, err := env.read(ctx, text, "a public key", maxKeyFile)
		if err != nil {
			return allowedSigner{}, err
		}
		place = shownName(text)
		if b, err = keyText(place, b); err != nil {
			return allowedSigner{}, err
		}
		text = string(b)
	}
	pub, err := parsePublicKey(text)
	if err != nil {
		return allowedSigner{}, failed("give a public key, as ssh-keygen writes it into the .pub file", "%s: is no key to sign with: %v", place, err)
	}
	return allowedSigner{name: signerName(name, text, pub), pub: pub}, nil
}

func signerName(name, text string, pub ssh.PublicKey) string {
	if name != "" {
		return name
	}
	if _, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(text)); err == nil && comment != "" {
		return comment
	}
	return ssh.FingerprintSHA256(pub)
}

// parseAllowedSigners reads a file of OpenSSH's form (ssh-keygen(1), ALLOWED SIGNERS). Authorities that sign certificates are left out, with a warning: certificates do
// not sign objects.
func parseAllowedSigners(name string, b []byte, zone *time.Location) (signers []allowedSigner, warnings []string, err error) {
	b, err = keyText(name, b)
	if err != nil {
		return nil, nil, err
	}
	for n, line := range keyLines(b) {
		s, err := parseAllowedSigner(line, zone)
		switch {
		case errors.Is(err, errAuthority):
			warnings = append(warnings, fmt.Sprintf("%s:%d: is left out: %v", name, n, err))
		case err != nil:
			return nil, nil, failed(`write PRINCIPALS [namespaces="…",valid-after="…",valid-before="…"] KEY`, "%s:%d: %v", name, n, err)
		default:
			signers = append(signers, s)
		}
	}
	switch {
	case len(signers) == 0 && len(warnings) > 0:
		return nil, nil, failed("", "%s: holds no allowed signer: %v", name, errAuthority)
	case len(signers) == 0:
		return nil, nil, failed("", "%s: holds no allowed signer", name)
	}
	return signers, warnings, nil
}

var errAuthority = errors.New("certificates do not sign objects")

func parseAllowedSigner(line string, zone *time.Location) (allowedSigner, error) {
	principals, rest := firstField(line)
	if principals == "" || rest == "" {
		return allowedSigner{}, errors.New("is no line of allowed signers")
	}
	pub, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return allowedSigner{}, errors.New("holds no key")
	}
	s := allowedSigner{name: principals, pub: pub}
	seen := map[string]bool{}
	for _, option := range options {
		name, _, _ := strings.Cut(strings.ToLower(option), "=")
		if seen[name] {
			return s, fmt.Errorf("the option %s is given twice", shown(name)) // ssh-keygen refuses it, too
		}
		seen[name] = true
		if err := s.apply(option, zone); err != nil {
			return s, err
		}
	}
	return s, checkKeyType(pub)
}

func (s *allowedSigner) apply(option string, zone *time.Location) (err error) {
	name, value, _ := strings.Cut(option, "=")
	value = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
	switch strings.ToLower(name) {
	case "cert-authority":
		return errAuthority
	case "namespaces":
		if value == "" {
			return errors.New("the option namespaces is empty")
		}
		s.namespaces = value
	case "valid-after":
		s.from, err = parseTime(value, zone)
	case "valid-before":
		s.to, err = parseTime(value, zone)
	default:
		err = fmt.Errorf("the option %s is not known", shown(name))
	}
	return err
}

// parseTime reads OpenSSH's times: YYYYMMDD[HHMM[SS]], in UTC with a Z at the end and else in zone.
func parseTime(text string, zone *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.ParseInLocation(layout, digits, zone); err == nil && len(digits) == len(layout) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is no time of the form YYYYMMDD[HHMM[SS]][Z]", shown(text))
}

// firstField cuts the first field off, which may stand in quotes.
func firstField(line string) (field, rest string) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		field, rest, _ = strings.Cut(quoted, `"`)
		return field, strings.TrimSpace(rest)
	}
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimSpace(line[i:])
}

// matchesList is OpenSSH's match_pattern_list: patterns with * and ?, separated by commas; one with ! in front that matches refuses.
func matchesList(text, list string) bool {
	found := false
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, refused := strings.CutPrefix(pattern, "!")
		if !matches(text, pattern) {
			continue
		}
		if refused {
			return false
		}
		found = true
	}
	return found
}

// matches is a glob match in time linear in text for each star of pattern.
func matches(text, pattern string) bool {
	t, p, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			t++
			p++
		case star >= 0:
			mark++
			t, p = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
