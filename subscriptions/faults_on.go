//go:build faults

package subscriptions

import (
	"context"
	"os"
	"sync"
	"time"
)

// spoil breaks the promise that TEAMSDLP_FAULT names; the names are those of
// teamsdlp/cmd/internal/faults.
func spoil(o Options) Options {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	switch os.Getenv("TEAMSDLP_FAULT") {
	case "renew-late":
		o.API = lateAPI{o.API, now}
	case "renew-once":
		o.API = &hastyAPI{API: o.API, refused: map[string]error{}}
	case "no-gap":
		o.Gaps = silent{}
	}
	return o
}

// lateAPI renews a subscription in the last hour of its life alone.
type lateAPI struct {
	API
	now func() time.Time
}

func (a lateAPI) Renew(ctx context.Context, s Subscription, cert Certificate, until time.Time) (Subscription, error) {
	if s.Expires.Sub(a.now()) > time.Hour {
		return Subscription{}, &APIError{Status: 503}
	}
	return a.API.Renew(ctx, s, cert, until)
}

// hastyAPI takes the first refusal of a renewal for the last word.
type hastyAPI struct {
	API
	mu      sync.Mutex
	refused map[string]error
}

func (a *hastyAPI) Renew(ctx context.Context, s Subscription, cert Certificate, until time.Time) (Subscription, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refused[s.ID]; err != nil {
		return Subscription{}, err
	}
	got, err := a.API.Renew(ctx, s, cert, until)
	if err != nil {
		a.refused[s.ID] = err
	}
	return got, err
}

// silent records no gap.
type silent struct{}

func (silent) Gap(context.Context, Gap) error { return nil }
