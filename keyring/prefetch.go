package keyring

import "context"

// MaxPrefetch is how many ciphertexts one Prefetch takes. RSA-4096 takes a core of Vault some 10 ms each.
const MaxPrefetch = 128

// Prefetcher is what the identity of a key implements whose private half is elsewhere, so that opening with it costs a request. Whoever is about to open many objects has
// many decrypted by one. Implementations are safe for concurrent use.
type Prefetcher interface {
	// Prefetch has up to MaxPrefetch ciphertexts of seal.Checked.RSACiphertexts decrypted by one request. What comes of each, that it is refused included, is kept in memory
	// until it was used as often as it was asked for or a minute has gone; where that is too much, some is lost before. An error says that they could not be asked for, and why; it quotes none of them.
	Prefetch(ctx context.Context, ciphertexts [][]byte) error
	// Prefetched says whether opening with this ciphertext needs no request, and has what is known of it kept for another minute.
	Prefetched(ciphertext []byte) bool
}

// Prefetcher gives that of the key with this id, if it is such a key and its state lets it open.
func (r *Ring) Prefetcher(id string) (p Prefetcher, ok bool) {
	identity, ok := r.Identity(id)
	if !ok {
		return nil, false
	}
	p, ok = identity.(Prefetcher)
	return p, ok
}
