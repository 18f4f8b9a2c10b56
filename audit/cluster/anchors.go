package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/audit"
)

// Keys of an anchor's ConfigMap: the fields of audit.Anchor.
const (
	dataOrigin     = "origin"
	dataKey        = "key"
	dataPart       = "part"
	dataCheckpoint = "checkpoint"
	dataClosed     = "closed"  // a JSON array
	dataRestart    = "restart" // the JSON of audit.Restart; absent for none
)

// ConfigMaps reads and writes ConfigMaps of one namespace, uncached. client-go's ConfigMapInterface implements it.
type ConfigMaps interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.ConfigMap, error)
	List(ctx context.Context, opts metav1.ListOptions) (*corev1.ConfigMapList, error)
	Create(ctx context.Context, cm *corev1.ConfigMap, opts metav1.CreateOptions) (*corev1.ConfigMap, error)
	Patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.ConfigMap, error)
}

// Anchors is audit.Anchors for the log of a replica. It is safe for concurrent use.
type Anchors struct {
	maps    ConfigMaps
	replica string
}

var _ audit.Anchors = (*Anchors)(nil)

// NewAnchors gives the anchors in the ConfigMaps of the controller's namespace.
func NewAnchors(maps ConfigMaps, replica string) *Anchors { return &Anchors{maps, replica} }

// Load implements audit.Anchors. The version is a resource version, empty where there is no ConfigMap.
func (a *Anchors) Load(ctx context.Context) (audit.Anchor, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cm, err := a.maps.Get(ctx, AnchorName(a.replica), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return audit.Anchor{}, "", nil
	}
	if err != nil {
		return audit.Anchor{}, "", fmt.Errorf("reading the audit log's anchor, ConfigMap %s: %w", AnchorName(a.replica), err)
	}
	anchor, err := Parse(cm)
	return anchor, cm.ResourceVersion, err
}

// Save implements audit.Anchors.
func (a *Anchors) Save(ctx context.Context, anchor audit.Anchor, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := AnchorName(a.replica)
	data, err := encode(anchor)
	if err != nil {
		return "", err
	}
	var cm *corev1.ConfigMap
	if version == "" {
		cm = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{LabelAnchor: "true"}}, Data: map[string]string{}}
		for key, value := range data {
			if value != nil {
				cm.Data[key] = *value
			}
		}
		cm, err = a.maps.Create(ctx, cm, metav1.CreateOptions{FieldManager: manager})
	} else {
		// A merge patch with the version compares and swaps, and needs no further right. What is null is removed.
		var patch []byte
		patch, err = json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": version, "labels": map[string]string{LabelAnchor: "true"}},
			"data":     data,
		})
		if err != nil {
			return "", err
		}
		cm, err = a.maps.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return "", audit.ErrConflict
	}
	if err != nil {
		return "", fmt.Errorf("writing the audit log's anchor, ConfigMap %s: %w", name, err)
	}
	return cm.ResourceVersion, nil
}

// Others implements audit.Anchors. What is labelled as an anchor and is none is left out: whoever can make ConfigMaps there must not be able to hold up a leader.
func (a *Anchors) Others(ctx context.Context) ([]audit.Anchor, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := a.maps.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{LabelAnchor: "true"}.String()})
	if err != nil {
		return nil, fmt.Errorf("reading the anchors of the other replicas' audit logs: %w", err)
	}
	var others []audit.Anchor
	for i := range list.Items {
		if list.Items[i].Name == AnchorName(a.replica) {
			continue
		}
		if anchor, err := Parse(&list.Items[i]); err == nil && anchor.Part > 0 {
			others = append(others, anchor)
		}
	}
	return others, nil
}

// Parse reads an anchor. A ConfigMap without data has the zero Anchor.
func Parse(cm *corev1.ConfigMap) (audit.Anchor, error) {
	if len(cm.Data) == 0 {
		return audit.Anchor{}, nil
	}
	anchor := audit.Anchor{Origin: cm.Data[dataOrigin], Key: cm.Data[dataKey], Checkpoint: cm.Data[dataCheckpoint]}
	bad := func(key string) (audit.Anchor, error) {
		return audit.Anchor{}, fmt.Errorf("ConfigMap %s is not an audit log's anchor: its %s cannot be read", cm.Name, key)
	}
	var err error
	if anchor.Part, err = strconv.Atoi(cm.Data[dataPart]); err != nil || anchor.Part < 1 {
		return bad(dataPart)
	}
	if text, ok := cm.Data[dataClosed]; ok && json.Unmarshal([]byte(text), &anchor.Closed) != nil {
		return bad(dataClosed)
	}
	if text, ok := cm.Data[dataRestart]; ok && json.Unmarshal([]byte(text), &anchor.Restart) != nil {
		return bad(dataRestart)
	}
	return anchor, nil
}

// encode gives the data of a ConfigMap; nil is a key that it must not have.
func encode(anchor audit.Anchor) (map[string]*string, error) {
	if anchor.Part < 1 {
		return nil, errors.New("an anchor without a part")
	}
	part := strconv.Itoa(anchor.Part)
	data := map[string]*string{dataOrigin: &anchor.Origin, dataKey: &anchor.Key, dataPart: &part, dataCheckpoint: &anchor.Checkpoint, dataClosed: nil, dataRestart: nil}
	for key, value := range map[string]any{dataClosed: anchor.Closed, dataRestart: anchor.Restart} {
		if key == dataClosed && len(anchor.Closed) == 0 || key == dataRestart && anchor.Restart == nil {
			continue
		}
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		text := string(b)
		data[key] = &text
	}
	return data, nil
}
