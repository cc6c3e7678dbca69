package subscriptions

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrNotFound is returned by an API for a subscription that Graph does not have
// (any more). It is final: ids do not come back.
var ErrNotFound = errors.New("no such subscription")

// ConflictError is returned by API.Create when Graph has a subscription for the
// same app and resource already (409).
type ConflictError struct {
	ID string // of the one in the way; empty if Graph's answer did not name it
}

// Error implements error.
func (e *ConflictError) Error() string {
	if e.ID == "" {
		return "another subscription is in the way"
	}
	return "subscription " + e.ID + " is in the way"
}

// APIError is returned by an API when Graph answered with any other error. It
// holds nothing of Graph's own text.
type APIError struct {
	// Status is the HTTP status; where Graph wraps an inner one in an
	// ExtensionError it is that one.
	Status     int
	Code       string        // Graph's error code
	Detail     string        // what is known of the cause, in our words; may be empty
	RetryAfter time.Duration // zero: not told
	RequestID  string
}

// Error implements error.
func (e *APIError) Error() string {
	s := "graph answered " + strconv.Itoa(e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.RequestID != "" {
		s += fmt.Sprintf(" (request %s)", e.RequestID)
	}
	return s
}

// Pauses between attempts: they double from the first to the longest. A refusal
// for want of permission is mended by people, so it starts slower.
const (
	firstPause   = 2 * time.Second
	deniedPause  = 30 * time.Second
	longestPause = 5 * time.Minute
)

// pause is how long to wait before trying again after err, the failures-th in a
// row (from 1). roll is a random number in [0,1): the pause is stretched by up
// to a fifth, so that many targets do not come back at the same moment.
func pause(err error, failures int, roll float64) time.Duration {
	base := firstPause
	var refused *APIError
	if errors.As(err, &refused) {
		if refused.Status == 401 || refused.Status == 403 {
			base = deniedPause
		}
	}
	d := base << min(max(failures-1, 0), 16)
	d = min(d, longestPause)
	if refused != nil && refused.RetryAfter > d {
		d = refused.RetryAfter
	}
	return d + time.Duration(roll*float64(d)/5)
}
