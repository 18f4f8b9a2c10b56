package agent

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/source"
)

// Reasons of Ready, besides those of package source.
const (
	Synced           = "Synced"           // the cluster has what the commit has, but for what was refused; in mode Observe, that something applies it
	NotApplied       = "NotApplied"       // mode Observe: nothing has applied the commit yet
	PathNotFound     = "PathNotFound"     // the commit has no folder spec.source.path
	AccountRefused   = "AccountRefused"   // the ServiceAccount may do more than an account of the agent may
	AccountNotNamed  = "AccountNotNamed"  // the agent's configuration does not name it
	Progressing      = "Progressing"      // something is applied in a moment: it was changed just after it was, or is being deleted
	ApplyFailed      = "ApplyFailed"      // the API server did not take something, or somebody changes it again and again
	TooManyObjects   = "TooManyObjects"   // their names have no room in the status: nothing is written
	Suspended        = "Suspended"        // spec.suspend is set
	AuditUnavailable = "AuditUnavailable" // the audit log takes no intent: nothing is written
	DeletionFailed   = "DeletionFailed"   // it is being deleted, and its objects cannot be
)

// Reasons of the other conditions.
const (
	NotTaken     = "NotTaken"     // of Refused: something of the commit was not taken
	NoDescendant = "NoDescendant" // of Rewritten: the commit does not descend from the one before
	TooManyKeys  = "TooManyKeys"  // of KeysIncomplete: there are more than status.keys has room for
	FilesRefused = "FilesRefused" // of KeysIncomplete: files were refused that may hold objects
	NotRead      = "NotRead"      // of KeysIncomplete: what the repository has now was not read
	NotGrown     = "NotGrown"     // of CheckpointsRefused: an audit log does not extend what Git has of it

	NothingDue      = "NothingDue"      // of WrittenBack, True: Git has all that rotations have offered
	Waiting         = "Waiting"         // of WrittenBack: a rotation is under way
	PullRequestOpen = "PullRequestOpen" // of WrittenBack: a person is to merge it
	NotWritten      = "NotWritten"      // of WrittenBack: something is in the way of what is due
)

// outcome is what came of a look at a SecretSync.
type outcome struct {
	reason, message string
}

// then is what a reason means for who waits.
type then int

const (
	settled  then = iota // all is done
	retrying             // it comes right by itself
	stalled              // somebody has to change something; it is tried again all the same
)

// then sorts the reasons.
func (o outcome) then() then {
	switch o.reason {
	case Synced, Suspended:
		return settled
	case NotApplied, Progressing, ApplyFailed, AuditUnavailable, DeletionFailed, string(source.FetchFailed), string(source.TimedOut), string(source.PushRejected):
		return retrying
	}
	return stalled
}

func (o outcome) ready() metav1.ConditionStatus {
	if o.then() == settled {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// failure is the outcome of an error of package source, or of one that says its reason.
func failure(err error) outcome {
	var known *source.Error
	if errors.As(err, &known) {
		return outcome{string(known.Reason), known.Msg}
	}
	var own *refusal
	if errors.As(err, &own) {
		return own.outcome
	}
	return outcome{string(source.FetchFailed), err.Error()}
}

// refusal is an error that says what to report.
type refusal struct{ outcome }

func (r *refusal) Error() string { return r.message }

func refuse(reason, message string) error { return &refusal{outcome{reason, message}} }

const (
	// retryFirst and retryMax are how long after the first of several failures, and at the most, a repository is asked again; never later than by its interval.
	retryFirst, retryMax = 2 * time.Second, 5 * time.Minute
	// defaultInterval is that of the CRD.
	defaultInterval = time.Minute
)

// backoff is how long to wait after so many failures in a row. jitter is in [0, 1).
func backoff(failures int, interval time.Duration, jitter float64) time.Duration {
	wait := min(interval, retryMax)
	if failures < 16 {
		wait = min(wait, retryFirst<<max(failures-1, 0))
	}
	return wait - time.Duration(jitter*float64(wait)/10)
}

// pause is how long to wait after a good fetch. Those that began together drift apart.
func pause(interval time.Duration, jitter float64) time.Duration {
	return interval - time.Duration(jitter*float64(interval)/10)
}
