package secret

import (
	"encoding/base64"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Made is a Secret that is put together in memory, to be sealed.
type Made struct {
	Name, Namespace, Type string
	Labels, Annotations   map[string]string
	Immutable             bool
	Values                seal.Values
}

// JSON is the Secret as Seal reads it, with the plaintext in it.
func (m Made) JSON() ([]byte, error) {
	p := plain{
		APIVersion: "v1", Kind: "Secret",
		Metadata: metadata{Name: m.Name, Namespace: m.Namespace, Labels: m.Labels, Annotations: m.Annotations},
		Type:     m.Type,
		Data:     make(map[string]string, len(m.Values)),
	}
	if m.Immutable {
		p.Immutable = &m.Immutable
	}
	for name, v := range m.Values {
		p.Data[name] = base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return Marshal(p)
}

// Check says what Seal would refuse of the Secret whatever its values are, so that nobody is asked for values in vain.
func (m Made) Check(o SealOptions) error {
	m.Values = nil
	doc, err := m.JSON()
	if err != nil {
		return err
	}
	s, err := read(doc)
	if err != nil {
		return err
	}
	o.AllowEmpty = true
	if err := s.checkContent(o); err != nil {
		return err
	}
	_, err = s.place(o)
	return err
}
