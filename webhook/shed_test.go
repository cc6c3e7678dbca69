package webhook

import (
	"errors"
	"net/http"
	"testing"
)

// While there is no room a notification is refused before it is read; a handshake
// and what is no notification are answered as ever, and so is everything once
// there is room again.
func TestShed(t *testing.T) {
	var full error
	b := newBench(t, func(c *Config) { c.Full = func() error { return full } })
	for _, path := range []string{NotificationsPath, LifecyclePath} {
		full = errors.New("full")
		if got, want := b.do(t, b.request(t, path, []byte("{"))), (answer{Status: http.StatusServiceUnavailable, RetryAfter: "10"}); got != want {
			t.Errorf("%s while full: %+v, want %+v", path, got, want)
		}
		if got := b.do(t, b.request(t, path+"?validationToken=hello", nil)); got.Status != http.StatusOK || got.Body != "hello" {
			t.Errorf("%s handshake while full: %+v", path, got)
		}
		full = nil
		if got := b.do(t, b.request(t, path, []byte("{"))); got.Status != http.StatusBadRequest {
			t.Errorf("%s with room again: %+v", path, got)
		}
	}
	full = errors.New("full")
	if got := b.do(t, b.request(t, "/elsewhere", nil)); got.Status != http.StatusNotFound {
		t.Errorf("another path: %+v", got)
	}
	b.seen.mu.Lock()
	defer b.seen.mu.Unlock()
	if b.seen.refused[ReasonInboxFull] != 2 || b.seen.answered[NotificationsPath+" 503"] != 1 {
		t.Errorf("counted %v and %v", b.seen.refused, b.seen.answered)
	}
}
