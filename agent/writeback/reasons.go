package writeback

import (
	"errors"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// Reasons of status.writeBack.unhelped: why nothing could be done for a file.
const (
	becauseNotPinned     = "NotPinned"     // the repository pins no statement key for the holder
	becauseNotEditable   = "NotEditable"   // the file cannot be edited in place, or would be too large then
	becauseInvalidFormat = "InvalidFormat" // the object cannot be read
	becauseNotInCluster  = "NotInCluster"  // no object of the cluster has the envelope
	becauseNotOpened     = "NotOpened"     // the object that has it was not opened
	becauseNotOffered    = "NotOffered"    // nothing is offered yet
	becauseOtherCopy     = "OtherCopy"     // the cluster has it with the new keys, as another copy of the file has
	becauseOlderOffer    = "OlderOffer"    // the offer is for an older set of recipients than the repository has
	becauseNewerOffer    = "NewerOffer"    // the offer is for a newer one than the Keyring shows
	becauseOtherKeys     = "OtherKeys"     // the offer is not for the recipients of its set
	becauseOtherEnvelope = "OtherEnvelope" // the cluster has another envelope under this id
	becauseOtherClass    = "OtherClass"    // the offer is post-quantum and the object classical, or the other way round
	becauseTooOften      = "TooOften"      // it was wrapped for too many keys before
)

func (l *look) unhelped(f *file, document int32, reason, message string) {
	if len(l.found.Unhelped) == maxUntaken {
		return
	}
	l.found.Unhelped = append(l.found.Unhelped, v1alpha1.SyncRefusal{Path: shown(f.Path), Document: document, Reason: reason, Message: clean(message)})
}

// reasonOf is one word for why nothing is offered.
func reasonOf(err error) string {
	var closed *rewrap.NotOpenedError
	for _, known := range []struct {
		err  error
		word string
	}{
		{rewrap.ErrNotThere, becauseNotInCluster}, {rewrap.ErrHasNewKeys, becauseOtherCopy}, {rewrap.ErrNotYet, becauseNotOffered}, {rewrap.ErrOlderOffer, becauseOlderOffer},
		{rewrap.ErrNewerOffer, becauseNewerOffer}, {rewrap.ErrOtherKeys, becauseOtherKeys}, {rewrap.ErrOtherCommit, becauseOtherEnvelope}, {rewrap.ErrOtherClass, becauseOtherClass},
		{rewrap.ErrTooOften, becauseTooOften},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	if errors.As(err, &closed) {
		return becauseNotOpened
	}
	return becauseNotOffered
}
