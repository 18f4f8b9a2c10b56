// Package harness lets tests run this project's real programs against a real Kubernetes API server.
//
// A test package hands its TestMain to Main. The first Start of the process then starts one control plane (the tool
// e2e/tools/controlplane: etcd, kube-apiserver with RBAC, kube-controller-manager), which all tests of the package
// share; each takes a Namespace of its own. Set WAXWING_TEST_KUBECONFIG to the kubeconfig of a cluster administrator
// and that cluster is used instead. The first build of the control plane takes minutes and its progress is lost in
// go test's buffer: run `go run ./e2e/tools/fetch controlplane` before, as the Makefile does.
//
// What is guaranteed: the processes of StartProcess, the control plane and the folder that they all write to are gone
// when the test process is, also when that panics or is killed. (Killed before its first Start, it leaves the folder;
// killed on other systems than Linux, it leaves processes.) Everything that they printed can be searched, see
// Cluster.Outputs and FindCanary. Nothing waits for a fixed time; what waits, waits for a condition and says at the
// end what was missing.
//
// The control plane has no nodes: pods are made but never run, and no Deployment becomes available.
package harness
