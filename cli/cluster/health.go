package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Server is what the API server says of itself.
type Server struct {
	Version string // such as v1.37.2
	// Date is the server's clock, to the second, when it answered; zero where it says none. Before and After are this machine's around the request.
	Date, Before, After time.Time
}

// Server asks for the version, which everybody may who is logged in. now is this machine's clock.
func (c *Client) Server(ctx context.Context, now func() time.Time) (*Server, error) {
	s := &Server{Before: now()}
	resp, err := c.send(ctx, http.MethodGet, c.base.JoinPath("version"), "application/json", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	s.After = now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		s.Date = date
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := c.answer(resp, &v); err != nil {
		return nil, err
	}
	s.Version = v.GitVersion
	return s, nil
}

// Access is something that somebody may be allowed to do.
type Access struct {
	Verb      string `json:"verb"`
	Group     string `json:"group"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"` // empty for all, or for what has none
}

// May asks whether the user may do it (SelfSubjectAccessReview; nothing is stored).
func (c *Client) May(ctx context.Context, a Access) (bool, error) {
	body, err := json.Marshal(map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": a}})
	if err != nil {
		return false, err
	}
	resp, err := c.send(ctx, http.MethodPost, c.base.JoinPath("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"), "application/json", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var review struct {
		Status struct{ Allowed bool } `json:"status"`
	}
	err = c.answer(resp, &review)
	return review.Status.Allowed, err
}

// Kind is a kind as the cluster has it installed.
type Kind struct {
	Spec struct {
		Versions []KindVersion `json:"versions"`
	} `json:"spec"`
	Status struct {
		Conditions []struct{ Type, Status, Reason, Message string } `json:"conditions"`
	} `json:"status"`
}

// KindVersion is one version of a kind.
type KindVersion struct {
	Name   string `json:"name"`
	Served bool   `json:"served"`
	Schema struct {
		OpenAPI Schema `json:"openAPIV3Schema"`
	} `json:"schema"`
}

// Schema is the shape of what the API server takes.
type Schema struct {
	Properties map[string]Schema `json:"properties"`
	Items      *Schema           `json:"items"`
	Values     *Schema           `json:"additionalProperties"`
	Enum       []any             `json:"enum"`
}

// UnmarshalJSON takes a boolean in place of a schema for one that says nothing.
func (s *Schema) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		*s = Schema{}
		return nil
	}
	type plain Schema
	return json.Unmarshal(b, (*plain)(s))
}

// Kind reads the CustomResourceDefinition of the resource called plural.
func (c *Client) Kind(ctx context.Context, plural string) (*Kind, error) {
	var k Kind
	err := installed(c.get(ctx, &k, "apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions", plural+"."+v1alpha1.GroupName))
	return &k, err
}

// Served lists the resources of this API version that the cluster serves, which everybody may ask who is logged in.
func (c *Client) Served(ctx context.Context) ([]string, error) {
	var list struct {
		Resources []struct{ Name string } `json:"resources"`
	}
	if err := installed(c.get(ctx, &list, "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version)); err != nil {
		return nil, err
	}
	names := make([]string, len(list.Resources))
	for i, r := range list.Resources {
		names[i] = r.Name
	}
	return names, nil
}

// Meta is what is read of an object's metadata.
type Meta struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

// StatefulSet is what is read of one.
type StatefulSet struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		Replicas *int `json:"replicas"`
		Template struct {
			Spec struct {
				Containers []struct {
					Name, Image  string
					Args         []string
					VolumeMounts []struct{ Name, MountPath string } `json:"volumeMounts"`
				} `json:"containers"`
				Volumes []struct {
					Name                  string    `json:"name"`
					EmptyDir              *struct{} `json:"emptyDir"`
					PersistentVolumeClaim *struct {
						ClaimName string `json:"claimName"`
					} `json:"persistentVolumeClaim"`
				} `json:"volumes"`
			} `json:"spec"`
		} `json:"template"`
		VolumeClaimTemplates []struct {
			Metadata Meta `json:"metadata"`
		} `json:"volumeClaimTemplates"`
	} `json:"spec"`
	Status struct {
		Replicas      int `json:"replicas"`
		ReadyReplicas int `json:"readyReplicas"`
	} `json:"status"`
}

// StatefulSets lists those of a namespace that a label selector picks.
func (c *Client) StatefulSets(ctx context.Context, namespace, selector string) (sets []StatefulSet, err error) {
	err = c.list(ctx, c.resources(namespace, "statefulsets", "apis", "apps", "v1"), url.Values{"labelSelector": {selector}}, "application/json", func(item Decode) error {
		var s StatefulSet
		err := item(&s)
		sets = append(sets, s)
		return err
	})
	return sets, err
}

// Claim is a PersistentVolumeClaim.
type Claim struct {
	Metadata Meta `json:"metadata"`
	Status   struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// Claim reads one.
func (c *Client) Claim(ctx context.Context, namespace, name string) (*Claim, error) {
	var claim Claim
	err := c.get(ctx, &claim, "api", "v1", "namespaces", namespace, "persistentvolumeclaims", name)
	return &claim, err
}

// Lease is who leads.
type Lease struct {
	Spec struct {
		Holder   string    `json:"holderIdentity"`
		Renewed  time.Time `json:"renewTime"`
		Duration int       `json:"leaseDurationSeconds"`
	} `json:"spec"`
}

// Lease reads one.
func (c *Client) Lease(ctx context.Context, namespace, name string) (*Lease, error) {
	var l Lease
	err := c.get(ctx, &l, "apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", name)
	return &l, err
}

// Keyrings lists all of them, some hundred at most.
func (c *Client) Keyrings(ctx context.Context) (all []v1alpha1.Keyring, err error) {
	err = installed(c.list(ctx, c.resources("", "keyrings", "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version), url.Values{}, "application/json", func(item Decode) error {
		var k v1alpha1.Keyring
		err := item(&k)
		all = append(all, k)
		return err
	}))
	return all, err
}
