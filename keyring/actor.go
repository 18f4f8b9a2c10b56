package keyring

import (
	"bytes"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// actor is who is behind what a Manager does by itself.
const actor = "waxwing-controller"

// behind is the field manager that has written the request for a step; empty: nobody has, or it is not known.
func (r *run) behind(next Next) string {
	if asked, ok := r.situation().request(next.Key); ok && strings.HasPrefix(next.Why, asking(asked)) {
		return requester(r.kr, next.Key)
	}
	return ""
}

// requester is the field manager that wrote the request for a key last; empty where it is not known.
func requester(kr *v1alpha1.Keyring, key string) string {
	field := []byte(`"k:{\"key\":\"` + key + `\"}"`)
	var by string
	var at int64
	for _, e := range kr.ManagedFields {
		if e.Subresource != "" || e.FieldsV1 == nil || !bytes.Contains(e.FieldsV1.GetRawBytes(), field) {
			continue
		}
		var when int64
		if e.Time != nil {
			when = e.Time.Unix()
		}
		if by == "" || when > at {
			by, at = e.Manager, when
		}
	}
	return by
}
