package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SecretSyncStatus is output only, but for inventory: that is what the agent may prune, and it says no more than the marks on the objects do.
type SecretSyncStatus struct {
	// observedGeneration is the generation that the conditions speak of; -1 until the agent has seen the object.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, WrittenBack where spec.writeBack is set and, only while true, Reconciling or Stalled (kstatus), Refused, Rewritten, KeysIncomplete and CheckpointsRefused.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// lastHandledSyncAt is the newest value of annotation waxwing.io/sync-at that was carried out.
	// +optional
	LastHandledSyncAt string `json:"lastHandledSyncAt,omitempty"`
	// fetched is what the repository had when it last answered.
	// +optional
	Fetched *SyncRevision `json:"fetched,omitempty"`
	// applied is what is in the cluster: all of it, but for what was refused. In mode Observe, the newest commit whose objects the cluster has.
	// +optional
	Applied *SyncRevision `json:"applied,omitempty"`
	// objects is how many objects Git has for the cluster.
	// +optional
	Objects int64 `json:"objects,omitempty"`
	// refusals is how many files, or objects of files, were not taken.
	// +optional
	Refusals int64 `json:"refusals,omitempty"`
	// refused are the first 50 of them: those that may hold objects, then others, then manifests of other kinds; each by path.
	// +optional
	// +listType=atomic
	Refused []SyncRefusal `json:"refused,omitempty"`
	// inventory are the objects that were applied, in mode Apply.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	Inventory []SyncInventory `json:"inventory,omitempty"`
	// pruning is what is to be deleted, or would be, and what it waits for.
	// +optional
	Pruning *SyncPruning `json:"pruning,omitempty"`
	// strays are objects that carry the mark of this SecretSync and are neither in Git nor in the inventory: of one of the same name that was deleted before, say, or of a status
	// that was lost. They are left alone, whatever spec.prune says.
	// +optional
	Strays *SyncStrays `json:"strays,omitempty"`
	// keys are the ids of the keys that files of the followed branch are wrapped for, 32 hex digits, sorted: going by Git, they are needed.
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +listType=atomic
	Keys []string `json:"keys,omitempty"`
	// writeBack is what was last put into Git, and what cannot be.
	// +optional
	WriteBack *WriteBackStatus `json:"writeBack,omitempty"`
}

// SyncRevision is a commit.
type SyncRevision struct {
	// revision is BRANCH@sha1:COMMIT.
	Revision string `json:"revision"`
	// at is when it was fetched, or applied.
	At metav1.Time `json:"at"`
	// signer is whose signature it has, of those in spec.verify.
	// +optional
	Signer string `json:"signer,omitempty"`
}

// SyncRefusal is something of Git that was not taken.
type SyncRefusal struct {
	// path of the file, quoted where it has unusual characters.
	Path string `json:"path"`
	// document is its number in the file, from 1 on; 0: the file.
	// +optional
	Document int32 `json:"document,omitempty"`
	// reason is a word, and message what to do.
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// SyncInventory are objects of one namespace.
type SyncInventory struct {
	Namespace string `json:"namespace"`
	// +listType=atomic
	Names []string `json:"names"`
}

// SyncPruning is what is to be deleted.
type SyncPruning struct {
	// count of the objects that are not in Git any more.
	Count int64 `json:"count"`
	// names are the first 20 of them, NAMESPACE/NAME.
	// +optional
	// +listType=atomic
	Names []string `json:"names,omitempty"`
	// revision is the newest commit that was taken, which has none of them.
	// +optional
	Revision string `json:"revision,omitempty"`
	// since is when the first good fetch without one of them was. They are deleted after another one, at least 30 s later.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// held says why they are not deleted; empty: they will be.
	// +optional
	Held string `json:"held,omitempty"`
}

// SyncStrays are objects that nobody looks after.
type SyncStrays struct {
	// count of them.
	Count int64 `json:"count"`
	// names are the first 20 of them, NAMESPACE/NAME.
	// +optional
	// +listType=atomic
	Names []string `json:"names,omitempty"`
}

// WriteBackStatus is what was put into Git.
type WriteBackStatus struct {
	// branch and commit were pushed last.
	// +optional
	Branch string `json:"branch,omitempty"`
	// +optional
	Commit string `json:"commit,omitempty"`
	// pullRequest is its address while it is open.
	// +optional
	PullRequest string `json:"pullRequest,omitempty"`
	// at is when it was pushed.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// unhelped are the first 50 files with wraps for keys that are not current, which no object of the cluster has an offer for.
	// +optional
	// +listType=atomic
	Unhelped []SyncRefusal `json:"unhelped,omitempty"`
	// message says what is in the way.
	// +optional
	Message string `json:"message,omitempty"`
}

// SecretSyncList is a list of SecretSyncs.
//
// +kubebuilder:object:root=true
type SecretSyncList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SecretSync `json:"items"`
}

// Condition types of SecretSync besides Ready, Reconciling and Stalled; each is there only while it is true, but for WrittenBack.
const (
	// ConditionRefused says that something of Git was not taken: status.refused.
	ConditionRefused = "Refused"
	// ConditionRewritten says that the commit which is in the cluster, or was not taken, does not descend from the one before.
	ConditionRewritten = "Rewritten"
	// ConditionWrittenBack says whether Git has all that rotations have offered so far.
	ConditionWrittenBack = "WrittenBack"
	// ConditionKeysIncomplete says that status.keys may lack keys that files need: there are too many, a file could not be read, or what the repository has now was not.
	ConditionKeysIncomplete = "KeysIncomplete"
	// ConditionCheckpointsRefused says that an audit log of the cluster does not extend what Git has of it: it was cut off, put back, or begun anew. Git keeps what it has.
	ConditionCheckpointsRefused = "CheckpointsRefused"
)

// MaxSyncKeys is how many key ids status.keys has at the most.
const MaxSyncKeys = 1024
