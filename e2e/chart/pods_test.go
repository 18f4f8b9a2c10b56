package chart_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestPodsPassPodSecurityRestricted holds that the API server admits the pod of every set of values where Pod Security "restricted" is enforced.
func TestPodsPassPodSecurityRestricted(t *testing.T) {
	c := harness.Start(t)
	ns := c.Namespace(t)
	c.ApplyYAML(t, "", `{apiVersion: v1, kind: Namespace, metadata: {name: `+ns+`, labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
	anyPod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "any"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "any", Image: "any:1"}}}}
	harness.Eventually(t.Context(), t, "the namespace's label is known where pods are admitted", func(ctx context.Context) error {
		_, err := c.Clientset().CoreV1().Pods(ns).Create(ctx, anyPod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
			return fmt.Errorf("any pod is answered with: %v", err)
		}
		return nil
	})
	h := newHelm(t, "helm", "")
	for name, s := range sets() {
		t.Run(name, func(t *testing.T) {
			for _, pod := range podsOf(t, h.render(t, s.values)) {
				c.ApplyYAML(t, ns, `{apiVersion: v1, kind: ServiceAccount, metadata: {name: `+pod.Spec.ServiceAccountName+`}}`)
				made, err := c.Clientset().CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				if err != nil {
					t.Fatal(err)
				}
				own := made.Spec.Containers[0].SecurityContext
				if own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem {
					t.Errorf("the root of %s can be written to", pod.Name)
				}
				// What "restricted" asks of a container is not met by chance.
				pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
				if _, err := c.Clientset().CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err == nil {
					t.Error("the namespace admits any pod")
				}
			}
		})
	}
}

// podsOf are the first pods that the StatefulSets' controller would make.
func podsOf(t *testing.T, r rendered) []*corev1.Pod {
	t.Helper()
	var pods []*corev1.Pod
	for _, o := range r.objects {
		if o.GetKind() == "StatefulSet" {
			pods = append(pods, podOfSet(t, o))
		}
	}
	if len(pods) == 0 {
		t.Fatal("no pods")
	}
	return pods
}

// podOf is the pod with a component's program, controller or agent.
func podOf(t *testing.T, r rendered, component string) *corev1.Pod {
	t.Helper()
	for _, pod := range podsOf(t, r) {
		if pod.Labels["app.kubernetes.io/component"] == component {
			return pod
		}
	}
	t.Fatalf("no pod of the %s", component)
	return nil
}

func podOfSet(t *testing.T, o *unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	var set appsv1.StatefulSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &set, true); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
	pod.Name = set.Name + "-0"
	for _, claim := range set.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + pod.Name},
		}})
	}
	return pod
}
