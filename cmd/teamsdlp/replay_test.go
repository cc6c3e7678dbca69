package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"teamsdlp/actions"
	"teamsdlp/config"
)

// Somebody who captured what Graph sent, token and all, and sends it a thousand
// times more, changes nothing: each is answered 202, and there is one effect.
func TestReplay(t *testing.T) {
	var (
		mu       sync.Mutex
		captured [][]byte
		to       = make(chan *url.URL, 1)
		proxy    *httputil.ReverseProxy
		made     sync.Once
	)
	tap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made.Do(func() { proxy = httputil.NewSingleHostReverseProxy(<-to) })
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.URL.RawQuery == "" {
			mu.Lock()
			captured = append(captured, body)
			mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	defer tap.Close()
	r := runServiceBefore(t, func(s *service) { to <- &url.URL{Scheme: "http", Host: s.public.Addr().String()} }, func(c *config.Config) { c.Public.URL = tap.URL })
	m, _ := r.blocked()
	r.quarantined(0)
	mu.Lock()
	sent := captured
	mu.Unlock()
	if len(sent) == 0 {
		t.Fatal("nothing was captured")
	}
	entries := func() int {
		list, err := r.store.Entries(context.Background(), actions.Filter{Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := entries()

	// In rounds: one conversation is one lane, and a lane is not for floods.
	const times, rounds = 1000, 10
	for round := range rounds {
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := range times / rounds / 4 {
					res, err := http.Post("http://"+r.public.Addr().String()+"/graph/notifications", "application/json", bytes.NewReader(sent[(round+g+i)%len(sent)]))
					if err != nil {
						t.Error(err)
						return
					}
					res.Body.Close()
					if res.StatusCode != http.StatusAccepted {
						t.Errorf("answered %d", res.StatusCode)
					}
				}
			})
		}
		all.Wait()
		r.quarantined(0)
	}
	if v := r.shown(m); v.PatchCount != 1 || !v.Blocked {
		t.Errorf("after %d replays: PATCHed %d times, blocked %v", times, v.PatchCount, v.Blocked)
	}
	if n := entries(); n != before {
		t.Errorf("the log grew from %d entries to %d", before, n)
	}
}
