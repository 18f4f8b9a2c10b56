package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	// absent is a resource version that no object ever has. As a precondition of a server-side apply it makes the API server create the object or refuse: one that the cache does
	// not know of is never taken over.
	absent = "1"
	// writeTries is how often a write is tried that others come before.
	writeTries = 5
)

// Writer writes the objects of one SecretSync as one ServiceAccount. Safe for concurrent use.
type Writer struct {
	// Sync is the SecretSync, NAMESPACE/NAME.
	Sync    string
	Account *Account
	// Exists says whether there is a SecretSync, NAMESPACE/NAME: the mark of one that is no more binds nobody. Nil: all are there.
	Exists func(sync string) bool
}

// body is what is applied of an object.
type body struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   bodyMetadata `json:"metadata"`
	Spec       *seal.Spec   `json:"spec"`
}

type bodyMetadata struct {
	Namespace       string            `json:"namespace"`
	Name            string            `json:"name"`
	UID             types.UID         `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations"`
}

// Apply makes the object what manifest says, by a server-side apply at the version that was seen, and gives it as it is then. An object that another SecretSync has taken
// meanwhile is left alone. The error is a *Failure.
func (w Writer) Apply(ctx context.Context, a Apply, manifest *v1alpha1.GitSecret) (Live, error) {
	key, seen := a.Object.Key, a.Live
	if manifest.Namespace != key.Namespace || manifest.Name != key.Name {
		return Live{}, &Failure{Reason: ApplyFailed, Message: fmt.Sprintf("the manifest is that of %s/%s", manifest.Namespace, manifest.Name)}
	}
	for range writeTries {
		text, err := w.body(manifest, seen)
		if err != nil {
			return Live{}, &Failure{Reason: ApplyFailed, Message: "it cannot be encoded", Err: err}
		}
		o, err := w.Account.apply(ctx, key, text)
		if err == nil {
			if live := Seen(o); live.Digest == a.Object.Digest {
				return live, nil
			}
			if o, err = w.exact(ctx, o, manifest); err == nil {
				return w.done(a, Seen(o))
			}
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return Live{}, failed(err, w.Account.Name)
		}
		if seen, err = w.again(ctx, key); err != nil {
			return Live{}, err
		}
		if seen != nil && seen.Digest == a.Object.Digest && seen.Sync == w.Sync {
			return *seen, nil
		}
	}
	return Live{}, &Failure{Reason: ChangedMeanwhile, Message: "others write it all the time", Again: true}
}

// done says what is wrong with an object that is not what was written.
func (w Writer) done(a Apply, live Live) (Live, error) {
	if live.Digest == a.Object.Digest {
		return live, nil
	}
	return live, &Failure{Reason: Altered, Message: "the cluster changes it while it is written: look for an admission webhook or policy that does"}
}

// body is the manifest with the SecretSync's mark, and with the version that was seen as a precondition.
func (w Writer) body(manifest *v1alpha1.GitSecret, seen *Live) ([]byte, error) {
	annotations := maps.Clone(manifest.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationSync] = w.Sync
	b := body{APIVersion: seal.APIVersion, Kind: seal.Kind, Spec: &manifest.Spec, Metadata: bodyMetadata{
		Namespace: manifest.Namespace, Name: manifest.Name, ResourceVersion: absent, Labels: manifest.Labels, Annotations: annotations,
	}}
	if seen != nil {
		b.Metadata.UID, b.Metadata.ResourceVersion = seen.UID, seen.ResourceVersion
	}
	return json.Marshal(&b)
}

// exact takes off an object that was applied what others have added to its spec, and to the annotations that a signature covers: a server-side apply lets that stay.
func (w Writer) exact(ctx context.Context, o, manifest *v1alpha1.GitSecret) (*v1alpha1.GitSecret, error) {
	was := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, ResourceVersion: o.ResourceVersion, Annotations: o.Annotations}, Spec: o.Spec}
	is := was.DeepCopy()
	is.Spec = manifest.Spec
	maps.DeleteFunc(is.Annotations, func(key, _ string) bool {
		_, wanted := manifest.Annotations[key]
		return strings.HasPrefix(key, seal.SignedAnnotationPrefix) && !wanted
	})
	patch, err := client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}).Data(is)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch: %w", err)
	}
	return w.Account.merge(ctx, types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, patch)
}

// again looks at an object that has changed meanwhile; nil where it has gone.
func (w Writer) again(ctx context.Context, key types.NamespacedName) (*Live, error) {
	o, err := w.Account.get(ctx, key)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, failed(err, w.Account.Name)
	}
	live := Seen(o)
	switch {
	case live.Sync != "" && live.Sync != w.Sync && (w.Exists == nil || w.Exists(live.Sync)):
		return nil, &Failure{Reason: TakenBySync, Message: fmt.Sprintf("SecretSync %s has taken it meanwhile", live.Sync)}
	case live.Deleting:
		return nil, &Failure{Reason: ChangedMeanwhile, Message: "it is being deleted", Again: true}
	}
	return &live, nil
}

// Delete deletes an object, if it is still what was seen and still this SecretSync's. That its status has changed does not count. The error is a *Failure.
func (w Writer) Delete(ctx context.Context, d Delete) error {
	seen := d.Live
	for range writeTries {
		if seen.Sync != w.Sync {
			return &Failure{Reason: ChangedMeanwhile, Message: "it is not this SecretSync's any more"}
		}
		err := w.Account.delete(ctx, d.Key, seen)
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return failed(err, w.Account.Name)
		}
		o, err := w.Account.get(ctx, d.Key)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return failed(err, w.Account.Name)
		}
		now := Seen(o)
		if now.UID != seen.UID || now.Digest != seen.Digest {
			return &Failure{Reason: ChangedMeanwhile, Message: "somebody has changed it meanwhile", Again: true}
		}
		if now.Deleting {
			return nil
		}
		seen = now
	}
	return &Failure{Reason: ChangedMeanwhile, Message: "others write it all the time", Again: true}
}

// Failure is why an object could not be written.
type Failure struct {
	// Reason is one word, Message what people are told.
	Reason, Message string
	// Again says that trying again may help, with nothing changed by anybody.
	Again bool
	Err   error // may be nil
}

// Reasons of a Failure, besides TakenBySync.
const (
	ApplyFailed       = "ApplyFailed"       // anything else
	Forbidden         = "Forbidden"         // the ServiceAccount may not, or a policy refuses it
	NamespaceNotFound = "NamespaceNotFound" //
	Invalid           = "Invalid"           // the API server does not take it
	Altered           = "Altered"           // something in the cluster changes it as it is written
	ChangedMeanwhile  = "ChangedMeanwhile"  // others were faster
	Unavailable       = "Unavailable"       // the API server does not answer, or asks for patience
)

// maxMessage is how much of what the API server says is kept, in bytes.
const maxMessage = 512

// Error is the message.
func (f *Failure) Error() string { return f.Message }

// Unwrap gives what is behind it.
func (f *Failure) Unwrap() error { return f.Err }

// failed makes a Failure of an answer of the API server.
func failed(err error, account types.NamespacedName) error {
	f := &Failure{Reason: ApplyFailed, Message: clip(err.Error()), Again: true, Err: err}
	var status apierrors.APIStatus
	switch {
	case apierrors.IsForbidden(err):
		f.Reason, f.Message = Forbidden, clip(fmt.Sprintf("as ServiceAccount %s: %v", account, err))
	case apierrors.IsNotFound(err):
		f.Reason = NamespaceNotFound
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		f.Reason, f.Again = Invalid, false
	case !errors.As(err, &status), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		f.Reason = Unavailable
	}
	return f
}

func clip(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}
