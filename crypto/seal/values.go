package seal

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
)

const redacted = "[redacted]"

// Value is one plaintext. It prints as [redacted] through fmt, slog and encoding/json; only Bytes gives the content.
//
// The bytes lie in a function because fmt calls no method of a value in an unexported field, and follows pointers where a verb does not fit: of a
// function it prints an address at most. So values do not compare with reflect.DeepEqual; compare Bytes.
type Value struct{ bytes func() []byte }

// NewValue keeps b, without a copy.
func NewValue(b []byte) Value { return Value{func() []byte { return b }} }

// Bytes is the plaintext itself; nil for the zero Value. The caller must not change it.
func (v Value) Bytes() []byte {
	if v.bytes == nil {
		return nil
	}
	return v.bytes()
}

// Len is the plaintext's length in bytes.
func (v Value) Len() int { return len(v.Bytes()) }

// Format implements fmt.Formatter for every verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String implements fmt.Stringer.
func (Value) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML encoders.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Values are the plaintexts of one object by item name. They print as Value does.
type Values map[string]Value

// Names lists the item names in byte order.
func (v Values) Names() []string { return slices.Sorted(maps.Keys(v)) }
