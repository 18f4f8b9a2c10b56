package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/cli/cluster"
)

const (
	// controllerSelector picks the controller's StatefulSet, of the chart or of the plain manifests.
	controllerSelector = "app.kubernetes.io/name in (waxwing,waxwing-controller)"
	// controllerLease is the Lease of its leader election.
	controllerLease = "waxwing-controller"
	labelVersion    = "app.kubernetes.io/version"
	// auditFolder is where the audit log lies in the controller's container, auditVolume the volume there.
	auditFolder, auditVolume = "/var/lib/waxwing", "audit"
)

// checkController looks whether the controller runs, and where its audit log lies.
func (c *clusterDoctor) checkController(ctx context.Context) {
	lease, err := asked(ctx, c.doctor, func(ctx context.Context) (*cluster.Lease, error) { return c.client.Lease(ctx, c.home, controllerLease) })
	unseen := ""
	switch {
	case refusedWith(err, http.StatusForbidden):
		unseen = "who leads cannot be seen: " + err.Error()
	case refusedWith(err, http.StatusNotFound):
		c.say("controller", healthFail, "install it, or name its namespace with -n", "no controller has ever led in namespace %s", c.home)
	case err != nil:
		c.away(err)
		return
	default:
		d := leaseDiagnosis(lease, c.clusterNow())
		c.leads = d.State == healthOK
		c.results = append(c.results, d)
	}
	sets, err := asked(ctx, c.doctor, func(ctx context.Context) ([]cluster.StatefulSet, error) {
		return c.client.StatefulSets(ctx, c.home, controllerSelector)
	})
	switch {
	case refusedWith(err, http.StatusForbidden):
		if unseen != "" {
			c.say("controller", healthSkip, "", "you may not look at it in namespace %s; seal status shows whether it works", c.home)
		}
		c.say("volume", healthSkip, "", "you may not look at it: ask those who run Waxwing whether the audit log lies on a volume that stays")
		return
	case err != nil:
		c.away(err)
		return
	case unseen != "":
		c.say("controller", healthSkip, "", "%s", unseen)
	}
	if len(sets) == 0 {
		c.say("volume", healthSkip, "", "there is no StatefulSet of the controller in namespace %s: where its audit log lies cannot be seen", c.home)
		return
	}
	for i := range sets {
		c.checkSet(ctx, &sets[i])
	}
}

// clusterNow is the API server's clock, or where it says none, the one here.
func (c *clusterDoctor) clusterNow() time.Time {
	now := c.env.Now()
	if c.server.Date.IsZero() {
		return now
	}
	return now.Add(c.server.Date.Sub(c.server.After))
}

// leaseDiagnosis says whether somebody leads.
func leaseDiagnosis(l *cluster.Lease, now time.Time) diagnosis {
	age := now.Sub(l.Spec.Renewed)
	// A leader may be late once, and clocks be a little apart.
	late := 2*time.Duration(l.Spec.Duration)*time.Second + 5*time.Second
	// The identity is the host's name with a random part.
	holder, _, _ := strings.Cut(l.Spec.Holder, "_")
	d := diagnosis{Check: "controller", State: healthFail, Hint: "kubectl get pods and kubectl logs in the controller's namespace say why; what is in Secrets stays as it is in the meantime"}
	switch {
	case l.Spec.Holder == "":
		d.Message = "no controller leads: the last one has stopped"
	case age > late:
		d.Message = fmt.Sprintf("no controller runs: %s led last, %s", shown(holder), ageWords(age))
	default:
		d.State, d.Hint, d.Message = healthOK, "", shown(holder)+" leads"
	}
	return d
}

func (c *clusterDoctor) checkSet(ctx context.Context, s *cluster.StatefulSet) {
	name := shown(s.Metadata.Name)
	wanted := 1
	if s.Spec.Replicas != nil {
		wanted = *s.Spec.Replicas
	}
	describe := fmt.Sprintf("kubectl -n %s describe statefulset %s, and its pods", c.home, name)
	switch ready := s.Status.ReadyReplicas; {
	case wanted == 0 && c.leads:
		c.say("controller", healthWarn, "", "StatefulSet %s is scaled to 0; the leader runs elsewhere, and where its audit log lies cannot be seen", name)
	case wanted == 0:
		c.say("controller", healthFail, fmt.Sprintf("kubectl -n %s scale statefulset %s --replicas 1", c.home, name), "StatefulSet %s is scaled to 0", name)
	case ready == 0:
		c.say("controller", healthFail, describe, "none of %s of StatefulSet %s is ready", countOf(wanted, "replica"), name)
	case ready < wanted:
		c.say("controller", healthWarn, describe, "%d of %s of StatefulSet %s ready", ready, countOf(wanted, "replica"), name)
	default:
		c.say("controller", healthOK, "", "%d of %s of StatefulSet %s ready", ready, countOf(wanted, "replica"), name)
	}
	if only := onlyNamespaces(s); only != "" {
		c.say("controller", healthOK, "", "StatefulSet %s opens GitSecrets of these namespaces only: %s", name, shown(only))
	}
	c.version = cmp.Or(c.version, setVersion(s))
	if wanted > 0 {
		c.checkVolume(ctx, s, wanted)
	}
}

// onlyNamespaces is the list of the controller's flag --namespaces; empty: all of the cluster.
func onlyNamespaces(s *cluster.StatefulSet) string {
	var names []string
	for _, container := range s.Spec.Template.Spec.Containers {
		for _, arg := range container.Args {
			if list, ok := strings.CutPrefix(arg, "--namespaces="); ok {
				names = append(names, strings.ReplaceAll(list, ",", ", "))
			}
		}
	}
	return strings.Join(names, ", ")
}

// setVersion is the controller's version, as label and image say it.
func setVersion(s *cluster.StatefulSet) string {
	if v := s.Metadata.Labels[labelVersion]; v != "" {
		return v
	}
	for _, container := range s.Spec.Template.Spec.Containers {
		return imageVersion(container.Image)
	}
	return ""
}

// auditClaim finds the volume of the audit log: the claims of its replicas, or why there are none.
func auditClaim(s *cluster.StatefulSet, replicas int) (claims []string, ephemeral bool) {
	volume := auditVolume
	for _, container := range s.Spec.Template.Spec.Containers {
		for _, m := range container.VolumeMounts {
			if path.Clean(m.MountPath) == auditFolder {
				volume = m.Name
			}
		}
	}
	for _, t := range s.Spec.VolumeClaimTemplates {
		if t.Metadata.Name == volume {
			for i := range replicas {
				claims = append(claims, fmt.Sprintf("%s-%s-%d", volume, s.Metadata.Name, i))
			}
			return claims, false
		}
	}
	for _, v := range s.Spec.Template.Spec.Volumes {
		if v.Name == volume && v.PersistentVolumeClaim != nil {
			return []string{v.PersistentVolumeClaim.ClaimName}, false
		}
	}
	return nil, true
}

func (c *clusterDoctor) checkVolume(ctx context.Context, s *cluster.StatefulSet, replicas int) {
	claims, ephemeral := auditClaim(s, replicas)
	if ephemeral {
		c.say("volume", healthWarn, "give it a volume: helm upgrade with persistence.enabled=true",
			"the audit log of StatefulSet %s lies on a volume that goes with the pod: what it proves goes, too", shown(s.Metadata.Name))
		return
	}
	var bound, waiting []string
	for _, name := range claims {
		claim, err := asked(ctx, c.doctor, func(ctx context.Context) (*cluster.Claim, error) { return c.client.Claim(ctx, c.home, name) })
		switch {
		case refusedWith(err, http.StatusForbidden):
			c.say("volume", healthSkip, "", "the audit log has claims of its own; you may not see whether they are bound")
			return
		case refusedWith(err, http.StatusNotFound):
			waiting = append(waiting, name+" (not there)")
		case err != nil:
			c.away(err)
			return
		case claim.Status.Phase != "Bound":
			waiting = append(waiting, name+" ("+cmp.Or(claim.Status.Phase, "Pending")+")")
		default:
			bound = append(bound, name)
		}
	}
	if len(waiting) > 0 {
		c.say("volume", healthFail, fmt.Sprintf("kubectl -n %s describe pvc says what it waits for; a missing storage class is the most frequent", c.home),
			"the audit log has no volume yet: %s", some(waiting))
		return
	}
	slices.Sort(bound)
	c.say("volume", healthOK, "", "the audit log lies on %s", some(bound))
}
