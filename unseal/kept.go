package unseal

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// contentOf is a digest of all that an object's Secret is made from, the ciphertexts among it: of public things. Wraps, signature, and what is of no concern to the Secret, are not in
// it. An envelope's commit and the ciphertexts in it stand for one plaintext, whoever opens them.
func contentOf(o *v1alpha1.GitSecret) string {
	s := &o.Spec
	commits := make(map[string]string, len(s.Envelopes))
	for _, id := range s.Referenced() {
		commits[id] = s.Envelopes[id].Commit
	}
	text, err := json.Marshal([]any{s.For, s.Items, commits, s.Type, s.Immutable, s.Template, s.DeletionPolicy})
	if err != nil {
		return "" // never: it is made of texts
	}
	return digest(string(text))
}

// keeps says whether the Secret holds what it should without being written: it is as it was written, from the same content, as after a rewrap. Then its version does not
// change. Like the status that it goes by, this decides about work and not about who may have what.
func keeps(in *Input, p *Plan) bool {
	s, o, ref := in.Secret, in.Object, in.Object.Status.Secret
	if s == nil || ref == nil || p.Adopts || ref.Content == "" || ref.UID != string(s.UID) {
		return false
	}
	return (ref.ResourceVersion == s.ResourceVersion || p.intact(s)) && ref.Content == contentOf(o)
}

// Kept is the outcome of an object that was opened, and whose Secret was found to be as it should be; ok is false where it has to be written.
func (p *Plan) Kept(c *Contents, o *v1alpha1.GitSecret, secret *metav1.ObjectMeta) (out Outcome, ok bool) {
	if !p.keeps {
		return Outcome{}, false
	}
	return p.Written(c, o, *secret), true
}
