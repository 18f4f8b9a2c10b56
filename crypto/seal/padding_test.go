package seal

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func TestPaddedSizes(t *testing.T) {
	for n, want := range map[int]int{
		0: 0, 1: 64, 4: 64, 63: 64, 64: 64, 65: 128, 1023: 1024, 1024: 1024,
		// Padmé, worked out by hand from E, S and z of section 8.
		1025: 1088, 1088: 1088, 1089: 1152, 2047: 2048, 2048: 2048, 2049: 2176, 4096: 4096, 4097: 4352, 5004: 5120,
		65_535: 65_536, 65_536: 65_536, 65_537: 67_584, 1_000_000: 1_015_808, 1_048_580: 1_081_344,
	} {
		if got := paddedSize(n); got != want {
			t.Errorf("P(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestPaddingAddsLittleAndNeverShrinks(t *testing.T) {
	last := 0
	for n := 1; n <= 1<<18; n++ {
		p := paddedSize(n)
		if p < n || p < last {
			t.Fatalf("P(%d) = %d, after %d", n, p, last)
		}
		if n > 1024 && float64(p-n) > 0.12*float64(n) {
			t.Fatalf("P(%d) = %d adds more than 12 %%", n, p)
		}
		if paddedSize(p) != p {
			t.Fatalf("P(%d) = %d is no fixed point", n, p)
		}
		last = p
	}
}

func TestPadThenUnpad(t *testing.T) {
	for _, n := range []int{0, 1, 59, 60, 61, 123, 124, 125, 1019, 1020, 1021, 1084, 1085, 4092, 4093, 65_532, 65_533, MaxValues} {
		value := bytes.Repeat([]byte{0xa5}, n)
		padded := pad(value)
		if len(padded) != paddedSize(4+n) {
			t.Errorf("%d bytes are padded to %d, want %d", n, len(padded), paddedSize(4+n))
		}
		got, ok := unpad(padded)
		if !ok || !bytes.Equal(got, value) {
			t.Errorf("%d bytes do not come back", n)
		}
	}
}

func TestUnpadRefusesEveryOtherForm(t *testing.T) {
	with := func(value []byte, size int, bend func([]byte)) []byte {
		b := make([]byte, size)
		binary.BigEndian.PutUint32(b, uint32(len(value)))
		copy(b[4:], value)
		bend(b)
		return b
	}
	length := func(n uint32) func([]byte) { return func(b []byte) { binary.BigEndian.PutUint32(b, n) } }
	set := func(i int) func([]byte) { return func(b []byte) { b[i] = 1 } }
	none := func([]byte) {}
	v := []byte("app")
	for name, padded := range map[string][]byte{
		"nothing at all":                              nil,
		"three bytes":                                 make([]byte, 3),
		"a length without padding":                    make([]byte, 4),
		"one byte less than a step":                   with(v, 63, none),
		"one byte more than a step":                   with(v, 65, none),
		"a step too many":                             with(v, 128, none),
		"a length beyond the end by one":              with(v, 64, length(61)),
		"a length that needs more steps":              with(v, 64, length(100)),
		"a length that is the whole":                  with(v, 64, length(64)),
		"the largest length":                          with(v, 64, length(math.MaxUint32)),
		"a length that would be negative in 32 bits":  with(v, 64, length(1<<31)),
		"a length that wraps around with its four":    with(v, 64, length(math.MaxUint32-3)),
		"a fill that begins with another byte":        with(v, 64, set(7)),
		"a fill that ends with another byte":          with(v, 64, set(63)),
		"a shorter length, so that fill is not zero":  with(v, 64, length(2)),
		"a length below the step that the size needs": with(make([]byte, 100), 128, length(60)),
		"64-byte steps above 1024":                    with(make([]byte, 5000), 5056, none),
		"a Padmé step too many":                       with(make([]byte, 5000), 5376, none),
	} {
		if got, ok := unpad(padded); ok {
			t.Errorf("%s: unpads to %d bytes", name, len(got))
		}
	}
}

// FuzzUnpad: whatever unpads is what pad makes of the result.
func FuzzUnpad(f *testing.F) {
	for _, n := range []int{0, 1, 60, 61, 1020, 1021} {
		f.Add(pad(make([]byte, n)))
	}
	f.Fuzz(func(t *testing.T, padded []byte) {
		value, ok := unpad(padded)
		if ok && !bytes.Equal(pad(value), padded) {
			t.Errorf("%d bytes unpad to %d, which pads otherwise", len(padded), len(value))
		}
		if back, ok := unpad(pad(padded)); !ok || !bytes.Equal(back, padded) {
			t.Errorf("%d bytes do not come back", len(padded))
		}
	})
}
