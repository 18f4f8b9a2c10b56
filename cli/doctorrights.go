package cli

import (
	"context"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
)

// right is something that a command of seal needs.
type right struct {
	cluster.Access
	needs string // the commands
	lack  string // what becomes of them without it
	hint  string
	rare  bool // most people do well without it
}

// rights are those of all commands that ask a cluster, in one namespace.
func rights(namespace, home string) []right {
	waxwing := func(verb, resource, namespace string) cluster.Access {
		return cluster.Access{Verb: verb, Group: v1alpha1.GroupName, Resource: resource, Namespace: namespace}
	}
	return []right{
		{Access: waxwing("list", "gitsecrets", namespace), needs: "seal status",
			lack: "seal status cannot look there", hint: "ask for Waxwing's role for viewers in that namespace"},
		{Access: waxwing("get", "keyrings", ""), needs: "seal status, keys, init",
			lack: "seal status does not know which keys are sealed to now; seal keys fetch and init need the ConfigMap in " + home,
			hint: "ask for: kubectl create clusterrole waxwing-keyrings --verb=get,list --resource=keyrings." + v1alpha1.GroupName + ", bound to you"},
		{Access: cluster.Access{Verb: "list", Resource: "secrets", Namespace: namespace}, needs: "seal status, from-cluster",
			lack: "seal status goes by the controller's word about Secrets, and seal from-cluster cannot list them", rare: true},
		{Access: cluster.Access{Verb: "get", Resource: "secrets", Namespace: namespace}, needs: "seal from-cluster",
			lack: "seal from-cluster cannot read Secrets", rare: true},
		{Access: waxwing("patch", "keyrings", ""), needs: "seal keys rotate, move and others that change keyrings",
			lack: "seal keys cannot have keys rotated or retired", rare: true},
	}
}

// text is the right in words.
func (r right) text() string {
	what := r.Verb + " " + r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Namespace != "" {
		what += " in namespace " + r.Namespace
	}
	return what
}

// checkRights asks what the user may do in the namespace of the kubeconfig's context.
func (c *clusterDoctor) checkRights(ctx context.Context) {
	var have, without []string
	for _, r := range rights(c.client.Namespace(), c.home) {
		may, err := asked(ctx, c.doctor, func(ctx context.Context) (bool, error) { return c.client.May(ctx, r.Access) })
		switch {
		case err != nil:
			c.say("rights", healthWarn, "kubectl auth can-i --list", "the API server does not say what you may do: %v", err)
			return
		case may:
			have = append(have, r.text()+" ("+r.needs+")")
		case r.rare:
			without = append(without, "you may not "+r.text()+": "+r.lack)
		default:
			c.say("rights", healthWarn, r.hint, "you may not %s: %s", r.text(), r.lack)
		}
	}
	if len(have) > 0 {
		c.say("rights", healthOK, "", "you may %s", strings.Join(have, ", "))
	}
	if len(without) > 0 {
		c.say("rights", healthOK, "", "%s; few people need that", strings.Join(without, "; "))
	}
}
