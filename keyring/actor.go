package keyring

import (
	"bytes"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// actor is who is behind what a Manager does by itself.
const actor = "waxwing-controller"

// behind is who is behind a step: the field manager that has written the request for it, or the controller.
func (r *run) behind(next Next) string {
	asked, ok := r.situation().request(next.Key)
	if !ok || !strings.HasPrefix(next.Why, asking(asked)) {
		return actor
	}
	if by := requester(r.kr, next.Key); by != "" {
		return by
	}
	return actor
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

// actorOf is that of the record of an operation.
func (r *run) actorOf() audit.Actor {
	by := r.by
	if by == "" {
		by = actor
	}
	return audit.Actor{User: audit.Unattributed, Manager: by}
}
