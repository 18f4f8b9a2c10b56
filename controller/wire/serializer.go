package wire

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/json"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Keep is given a GitSecret without its sealed part (items, envelopes, template, signature) and its whole spec as JSON. The bytes are good during the call only.
type Keep func(o *v1alpha1.GitSecret, spec []byte)

// Serializer is that of a client which watches GitSecrets: ordinary, but for watches in JSON. GitSecrets come out of these without sealed part, managed fields
// and what kubectl applied last, after keep was called with them.
func Serializer(ordinary runtime.NegotiatedSerializer, keep Keep) runtime.NegotiatedSerializer {
	return serializer{ordinary, keep}
}

type serializer struct {
	runtime.NegotiatedSerializer
	keep Keep
}

// SupportedMediaTypes implements runtime.NegotiatedSerializer.
func (s serializer) SupportedMediaTypes() []runtime.SerializerInfo {
	all := slices.Clone(s.NegotiatedSerializer.SupportedMediaTypes())
	for i := range all {
		if all[i].MediaType == runtime.ContentTypeJSON && all[i].StreamSerializer != nil {
			stream := *all[i].StreamSerializer
			stream.Serializer, stream.Framer = events{stream.Serializer}, lines{stream.Framer}
			all[i].StreamSerializer = &stream
		}
	}
	return all
}

// DecoderToVersion implements runtime.NegotiatedSerializer.
func (s serializer) DecoderToVersion(d runtime.Decoder, version runtime.GroupVersioner) runtime.Decoder {
	return objects{s.NegotiatedSerializer.DecoderToVersion(d, version), s.keep}
}

// events decodes the envelopes of a watch. The object of a metav1.WatchEvent is then a part of the data that it was read from.
type events struct{ runtime.Serializer }

// Decode implements runtime.Decoder.
func (e events) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if event, ok := into.(*metav1.WatchEvent); ok {
		if kind, object, ok := change(data); ok {
			event.Type, event.Object.Raw = string(kind), object
			return event, defaults, nil
		}
	}
	return e.Serializer.Decode(data, defaults, into)
}

// change takes apart the event of a change; ok is false for any other, and any other form.
func change(event []byte) (kind watch.EventType, object []byte, ok bool) {
	n := 0
	ok = members(event, func(name, value []byte) bool {
		n++
		switch {
		case n == 1 && string(name) == "type":
			for _, known := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
				if string(value) == `"`+string(known)+`"` {
					kind = known
				}
			}
			return kind != ""
		case n == 2 && string(name) == "object":
			object = value
			return true
		}
		return false
	})
	return kind, object, ok && n == 2
}

// objects decodes what is in the envelopes.
type objects struct {
	runtime.Decoder
	keep Keep
}

// Decode implements runtime.Decoder.
func (d objects) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if into == nil {
		if o, spec, ok := gitSecret(data); ok {
			d.keep(o, spec)
			kind := v1alpha1.GroupVersion().WithKind(seal.Kind)
			return o, &kind, nil
		}
	}
	return d.Decoder.Decode(data, defaults, into)
}

// gitSecret decodes a GitSecret without what the cache does not keep, and gives its spec as it is written; ok is false for anything else.
func gitSecret(data []byte) (o *v1alpha1.GitSecret, spec []byte, ok bool) {
	var version, kind, metadata, status []byte
	ok = members(data, func(name, value []byte) bool {
		part := new([]byte)
		switch string(name) {
		case "apiVersion":
			part = &version
		case "kind":
			part = &kind
		case "metadata":
			part = &metadata
		case "spec":
			part = &spec
		case "status":
			part = &status
		}
		if len(*part) > 0 {
			return false // there twice
		}
		*part = value
		return true
	})
	if !ok || string(version) != `"`+seal.APIVersion+`"` || string(kind) != `"`+seal.Kind+`"` {
		return nil, nil, false
	}
	thin := append(make([]byte, 0, 2<<10), `{"metadata":`...)
	if thin, ok = without(thin, metadata, cut{"annotations", []cut{{name: corev1.LastAppliedConfigAnnotation}}}); !ok {
		return nil, nil, false
	}
	thin = append(thin, `,"spec":`...)
	if thin, ok = without(thin, spec, cut{name: "items"}, cut{name: "envelopes"}, cut{name: "template"}, cut{name: "signature"}); !ok {
		return nil, nil, false
	}
	if status != nil {
		thin = append(append(thin, `,"status":`...), status...)
	}
	o = &v1alpha1.GitSecret{}
	err := json.UnmarshalCaseSensitivePreserveInts(append(thin, '}'), o)
	return o, spec, err == nil
}
