package audit

// Action is what was done, or tried.
type Action string

// The actions that are recorded. docs/audit-records.md has an example of each.
const (
	ActionEnvelopeSeen   Action = "envelope.seen"   // an envelope is met for the first time
	ActionUnseal         Action = "unseal"          // open a GitSecret and write its Secret
	ActionRefuse         Action = "refuse"          // a GitSecret was not opened; Reason says why
	ActionDriftRepair    Action = "drift.repair"    // a Secret that something else has changed is written anew
	ActionSecretDeleted  Action = "secret.deleted"  // a Secret that we wrote is gone, as observed
	ActionKeyGenerate    Action = "key.generate"    // make a sealing key or a statement key
	ActionKeyActivate    Action = "key.activate"    // a proved key becomes the one to seal to
	ActionKeySuspend     Action = "key.suspend"     // a key is not to be used for now
	ActionKeyResume      Action = "key.resume"      // a suspended key is used again
	ActionKeyDeactivate  Action = "key.deactivate"  // a key opens only
	ActionKeyCompromise  Action = "key.compromise"  // a key is known to others
	ActionKeyDestroy     Action = "key.destroy"     // a key is deleted
	ActionKeyMove        Action = "key.move"        // a key goes to another source
	ActionKeyLoad        Action = "key.load"        // read private keys from their source into memory
	ActionKeyUnwrap      Action = "key.unwrap"      // have the place where a private key stays decrypt the keys of envelopes
	ActionKeyBackup      Action = "key.backup"      // write private keys into a backup
	ActionKeyRestore     Action = "key.restore"     // take private keys from a backup
	ActionPublish        Action = "keyring.publish" // sign and publish a recipient set
	ActionKeyringDeleted Action = "keyring.deleted" // a Keyring is gone, as observed
	ActionRewrapOffered  Action = "rewrap.offered"  // new wraps were made and offered
	ActionRewrapSeen     Action = "rewrap.seen"     // an offered wrap came back from Git
	ActionSyncSynced     Action = "sync.synced"     // a commit was taken, and all of it is in the cluster but for what was refused
	ActionSyncApplied    Action = "sync.applied"    // GitSecrets from Git are applied
	ActionSyncPruned     Action = "sync.pruned"     // GitSecrets that are not in Git any more are deleted
	ActionSyncDenied     Action = "sync.denied"     // something in Git was not applied
	ActionSyncPushed     Action = "sync.pushed"     // new wraps and notes were pushed to Git
	ActionSyncAnchored   Action = "sync.anchored"   // checkpoints of audit logs were pushed to Git
	ActionExport         Action = "export"          // records left the log as a compliance export
	ActionTermBegan      Action = "term.began"      // a replica leads from here on
	ActionLogStarted     Action = "log.started"
	ActionLogStopped     Action = "log.stopped"
	ActionLogAnchored    Action = "log.anchored"  // a checkpoint is held outside the volume for the first time since the start
	ActionLogContinued   Action = "log.continued" // a part begins because the one before is full
	ActionLogRestarted   Action = "log.restarted" // a part begins because somebody asked for it: the one before cannot be gone on with
)

// Opens says whether an object is opened for an action: its values are in memory and its Secret is written then.
func (a Action) Opens() bool { return a == ActionUnseal || a == ActionDriftRepair }
