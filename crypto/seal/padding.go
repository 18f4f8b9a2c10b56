package seal

import (
	"encoding/binary"
	"math/bits"
)

const lengthPrefix = 4

// paddedSize is P(n) of section 8: multiples of 64 up to 1 KiB, then Padmé, which adds at most 12 %.
func paddedSize(n int) int {
	if n <= 1024 {
		return (n + 63) &^ 63
	}
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	mask := 1<<(e-s) - 1
	return (n + mask) &^ mask
}

func pad(value []byte) []byte {
	out := make([]byte, paddedSize(lengthPrefix+len(value)))
	binary.BigEndian.PutUint32(out, uint32(len(value)))
	copy(out[lengthPrefix:], value)
	return out
}

// unpad gives back the value inside padded, without a copy; false where the padding is not exactly what pad makes.
func unpad(padded []byte) ([]byte, bool) {
	if len(padded) < lengthPrefix {
		return nil, false
	}
	n := binary.BigEndian.Uint32(padded)
	if uint64(n) > uint64(len(padded)-lengthPrefix) || paddedSize(lengthPrefix+int(n)) != len(padded) {
		return nil, false
	}
	value := padded[lengthPrefix : lengthPrefix+int(n)]
	for _, b := range padded[lengthPrefix+int(n):] {
		if b != 0 {
			return nil, false
		}
	}
	return value, true
}
