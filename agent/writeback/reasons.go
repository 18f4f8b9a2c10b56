package writeback

// Reasons of status.writeBack.unhelped: why nothing could be done for a file.
const (
	becauseNotPinned     = "NotPinned"     // the repository pins no statement key for the holder
	becauseNotEditable   = "NotEditable"   // the file cannot be edited in place
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
