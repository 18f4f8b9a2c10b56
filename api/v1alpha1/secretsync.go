package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SecretSync keeps the GitSecrets of a folder of a Git repository in the cluster, and puts what rotations ask for back into Git. The agent carries it out.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=waxwing
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.applied.revision`
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.objects`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refusals`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SecretSync struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec SecretSyncSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status SecretSyncStatus `json:"status,omitempty"`
}

// SecretSyncSpec says what is taken from where, and what becomes of it.
//
// +kubebuilder:validation:XValidation:rule="(has(self.mode) ? self.mode : 'Apply') != 'Apply' || has(self.serviceAccountName)",message="mode Apply needs serviceAccountName: the agent applies as that account, never as itself"
// +kubebuilder:validation:XValidation:rule="(has(self.mode) ? self.mode : 'Apply') != 'Observe' || !has(self.prune)",message="mode Observe changes nothing in the cluster: leave prune out"
type SecretSyncSpec struct {
	// source is the repository.
	Source SyncSource `json:"source"`
	// mode is Apply (the agent applies what is in Git) or Observe (something else does; the agent says which commit the objects are of).
	// +kubebuilder:validation:Enum=Apply;Observe
	// +kubebuilder:default=Apply
	// +optional
	Mode string `json:"mode,omitempty"`
	// serviceAccountName is the ServiceAccount of this namespace as which the agent applies. It must be one that the agent may impersonate, and must neither read Secrets nor
	// make pods.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// prune says what becomes of objects that were applied and are not in Git any more. Absent: they stay, and are counted.
	// +optional
	Prune *SyncPrune `json:"prune,omitempty"`
	// verify has nothing taken but what an allowed signer has signed. Absent: signatures of commits are not looked at.
	// +optional
	Verify *SyncVerify `json:"verify,omitempty"`
	// writeBack has the agent put new wraps and notes of rotations into Git. Absent: it does not write to Git.
	// +optional
	WriteBack *WriteBack `json:"writeBack,omitempty"`
	// suspend has the agent leave all as it is, in the cluster and in Git.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// deletionPolicy is what becomes of the objects when the SecretSync is deleted: Retain or Delete.
	// +kubebuilder:validation:Enum=Retain;Delete
	// +kubebuilder:default=Retain
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// SyncSource is a folder of a branch, or at a tag, of a Git repository.
//
// +kubebuilder:validation:XValidation:rule="has(self.branch) != has(self.tag)",message="set branch, or tag, and not both"
type SyncSource struct {
	// url of the repository: https://HOST/PATH or ssh://USER@HOST/PATH, without a password in it.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^(https|http|ssh)://[^\s]+$`
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://[^/]*@')",message="a user or password does not belong into the address: put them into the credentials"
	URL string `json:"url"`
	// branch that is followed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// tag that is followed, wherever it is moved to.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Tag string `json:"tag,omitempty"`
	// path of the folder in the repository, without a / at its beginning. Absent: all of it.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..' || p == '.git')",message="path is that of a folder inside of the repository"
	// +optional
	Path string `json:"path,omitempty"`
	// credentials is the name of credentials that were mounted into the agent, and that its configuration lets this namespace use for this address. Absent: none.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	// +optional
	Credentials string `json:"credentials,omitempty"`
	// interval is how often the repository is asked for news; a webhook asks at once.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10s')",message="the interval is 10s at least: a webhook is quicker than any"
	// +kubebuilder:default="1m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// rewritten is what becomes of a branch or tag whose new commit does not descend from the one before: Report (it is taken, and condition Rewritten and an event say so) or
	// Stop (it is not taken, until spec.source.accept names it).
	// +kubebuilder:validation:Enum=Report;Stop
	// +kubebuilder:default=Report
	// +optional
	Rewritten string `json:"rewritten,omitempty"`
	// accept is the full id of a commit that is taken although it does not descend from the one before.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}([0-9a-f]{24})?$`
	// +optional
	Accept string `json:"accept,omitempty"`
}

// SyncPrune says how objects are deleted that are not in Git any more.
type SyncPrune struct {
	// mode is Delete, or DryRun: status.pruning says how many would be deleted, and none is.
	// +kubebuilder:validation:Enum=Delete;DryRun
	// +kubebuilder:default=Delete
	// +optional
	Mode string `json:"mode,omitempty"`
	// maxPercent is the greatest share of the inventory, in percent, that is deleted at a time. More needs this to be raised; one object may always go.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:default=20
	// +optional
	MaxPercent *int32 `json:"maxPercent,omitempty"`
}

// SyncVerify says whose commits are taken.
//
// +kubebuilder:validation:XValidation:rule="size(self.signers) + (has(self.openPGP) ? size(self.openPGP) : 0) > 0",message="name a signer, or an openPGP key"
type SyncVerify struct {
	// commits is Head (the commit that is taken has to be signed) or All (each that came since the one before, too, but for those of the agent itself, which it signs).
	// +kubebuilder:validation:Enum=Head;All
	// +kubebuilder:default=Head
	// +optional
	Commits string `json:"commits,omitempty"`
	// signers are the SSH keys whose signatures count.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:default={}
	// +optional
	Signers []Signer `json:"signers,omitempty"`
	// openPGP are armored public keys whose signatures count.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=65536
	// +listType=atomic
	// +optional
	OpenPGP []string `json:"openPGP,omitempty"`
}

// WriteBack says how new wraps and notes get into Git. The agent never pushes over what somebody else has pushed.
type WriteBack struct {
	// strategy is Push (to source.branch), Branch (to writeBack.branch, for others to merge) or PullRequest. Push becomes PullRequest where the branch is protected and a forge
	// is named.
	// +kubebuilder:validation:Enum=Push;Branch;PullRequest
	// +kubebuilder:default=PullRequest
	// +optional
	Strategy string `json:"strategy,omitempty"`
	// branch that is pushed to where it is not source.branch. Absent: waxwing/NAMESPACE/NAME of the SecretSync.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// forge is where pull requests are made.
	// +optional
	Forge *Forge `json:"forge,omitempty"`
	// credentials to push and to make pull requests with. Absent: source.credentials.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	// +optional
	Credentials string `json:"credentials,omitempty"`
	// author of the commits. Absent: "Waxwing" and an address at "waxwing.invalid".
	// +optional
	Author *CommitAuthor `json:"author,omitempty"`
	// signingKey is the name of credentials with a file signing-key, an SSH private key that commits are signed with. Absent: they are not signed.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	// +optional
	SigningKey string `json:"signingKey,omitempty"`
	// checkpoints is a folder of the repository that the newest checkpoints of the cluster's audit logs are kept in. Absent: they are not.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '' || p == '.' || p == '..' || p == '.git')",message="checkpoints is the path of a folder inside of the repository"
	// +optional
	Checkpoints string `json:"checkpoints,omitempty"`
}

// Forge is a server with pull requests.
type Forge struct {
	// type is Gitea, GitHub or GitLab.
	// +kubebuilder:validation:Enum=Gitea;GitHub;GitLab
	Type string `json:"type"`
	// url of its API's server. Absent: https:// and the host of source.url.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s@]+$`
	// +optional
	URL string `json:"url,omitempty"`
	// repository is OWNER/NAME, with groups where it has them. Absent: the path of source.url.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Repository string `json:"repository,omitempty"`
}

// CommitAuthor is who commits say they are of.
type CommitAuthor struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[^<>\n\r]+$`
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[^<>\s]+@[^<>\s]+$`
	Email string `json:"email"`
}

// Values of SecretSync.
const (
	SyncApply        = "Apply"
	SyncObserve      = "Observe"
	RewrittenReport  = "Report"
	RewrittenStop    = "Stop"
	PruneDelete      = "Delete"
	PruneDryRun      = "DryRun"
	VerifyHead       = "Head"
	VerifyAll        = "All"
	DeletionRetain   = "Retain"
	DeletionDelete   = "Delete"
	WritePush        = "Push"
	WriteBranch      = "Branch"
	WritePullRequest = "PullRequest"
	ForgeGitea       = "Gitea"
	ForgeGitHub      = "GitHub"
	ForgeGitLab      = "GitLab"
	FinalizerSync    = "waxwing.io/sync"
	// AnnotationSync on a GitSecret is NAMESPACE/NAME of the SecretSync that applies it. It is not among those that a signature covers, waxwing.io/..., because whoever signs
	// the file cannot know it.
	AnnotationSync    = "agent.waxwing.io/sync"
	AnnotationSyncNow = "waxwing.io/sync-at" // on a SecretSync: a new value has the repository asked at once; status.lastHandledSyncAt follows
)
