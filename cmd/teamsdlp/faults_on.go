//go:build faults

package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what Graph uses
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/faults"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/webhook"
)

// ---- the inbox, before the answer to Graph ----

func spoilInbox(inbox webhook.Inbox) webhook.Inbox { return faultyInbox{inbox} }

type faultyInbox struct{ webhook.Inbox }

func (i faultyInbox) Put(ctx context.Context, items []webhook.Item) error {
	if err := faults.Hit(faults.Parsed); err != nil {
		return err
	}
	if faults.On(faults.AckBeforeCommit) {
		later := context.WithoutCancel(ctx)
		time.AfterFunc(30*time.Second, func() { _ = i.Inbox.Put(later, items) })
		return nil
	}
	if faults.On(faults.Leak) {
		for range items {
			if f, err := os.Open(os.DevNull); err == nil {
				go func() { defer f.Close(); select {} }()
			}
		}
	}
	err := i.Inbox.Put(ctx, items)
	if faults.On(faults.AckWhenFull) && errors.Is(err, webhook.ErrFull) || faults.On(faults.AckWhenDown) && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return faults.Hit(faults.Committed)
}

// ---- opening and proving ----

func spoilOpener(opener pipeline.Opener, keysDir string, log *zap.Logger) pipeline.Opener {
	return faultyOpener{opener, keysDir, log}
}

type faultyOpener struct {
	pipeline.Opener
	keys string
	log  *zap.Logger
}

func (o faultyOpener) Open(e *webhook.EncryptedContent) ([]byte, error) {
	if err := faults.Hit(faults.Leased); err != nil {
		return nil, err
	}
	if faults.On(faults.NoHMAC) {
		return o.trusting(e)
	}
	data, err := o.Opener.Open(e)
	if faults.On(faults.LogText) {
		o.log.Debug("opened", zap.ByteString("content", data))
	}
	return data, err
}

// trusting decrypts without comparing the signature.
func (o faultyOpener) trusting(e *webhook.EncryptedContent) ([]byte, error) {
	file, err := os.ReadFile(filepath.Join(o.keys, "encryption-"+e.CertificateID+".key.pem"))
	if err != nil {
		return nil, err
	}
	key, err := webhook.ParsePrivateKey(file)
	if err != nil {
		return nil, err
	}
	wrapped, err := base64.StdEncoding.DecodeString(e.DataKey)
	if err != nil {
		return nil, err
	}
	k, err := rsa.DecryptOAEP(sha1.New(), nil, key, wrapped, nil) //nolint:gosec // what Graph uses
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("damaged")
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, k[:aes.BlockSize]).CryptBlocks(data, data)
	return bytes.TrimRight(data, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"), nil
}

func spoilVerifier(v pipeline.Verifier) pipeline.Verifier { return faultyVerifier{v} }

type faultyVerifier struct{ pipeline.Verifier }

func (v faultyVerifier) Prove(ctx context.Context, item webhook.Item) error {
	if faults.On(faults.TrustDeferred) {
		return nil
	}
	return v.Verifier.Prove(ctx, item)
}

// ---- what is known of a message ----

func spoilLedger(l actions.Ledger, inbox pipeline.Inbox) actions.Ledger {
	return faultyLedger{l, inbox}
}

type faultyLedger struct {
	actions.Ledger
	inbox pipeline.Inbox
}

func (l faultyLedger) Begin(ctx context.Context, key, version string) (actions.Standing, actions.Effect, error) {
	st, e, err := l.Ledger.Begin(ctx, key, version)
	if faults.On(faults.ForgetUnfinished) && e.State == actions.StateDecided {
		e.State, st.Pending = actions.StateNoop, ""
	}
	return st, e, err
}

func (l faultyLedger) Decide(ctx context.Context, e actions.Effect, st actions.Standing, entries ...actions.Entry) error {
	if err := faults.Hit(faults.Judged); err != nil {
		return err
	}
	if !faults.On(faults.NoIntent) {
		if err := l.Ledger.Decide(ctx, e, st, entries...); err != nil {
			return err
		}
	}
	return faults.Hit(faults.Decided)
}

func (l faultyLedger) Finish(ctx context.Context, e actions.Effect, st actions.Standing, receipt string, entries ...actions.Entry) error {
	if faults.On(faults.ForgetClean) && e.State == actions.StateClean && receipt != "" {
		return l.inbox.Drop(ctx, receipt, "clean")
	}
	if e.State != actions.StateApplied {
		return l.Ledger.Finish(ctx, e, st, receipt, entries...)
	}
	if err := faults.Hit(faults.PatchApplied); err != nil {
		return err
	}
	if err := l.Ledger.Finish(ctx, e, st, receipt, entries...); err != nil {
		return err
	}
	return faults.Hit(faults.Terminal)
}

// ---- Graph ----

func spoilGraph(graph func(tenant string) pipeline.Graph) func(tenant string) pipeline.Graph {
	var lied atomic.Bool
	return func(tenant string) pipeline.Graph {
		g := graph(tenant)
		if g == nil {
			return nil
		}
		return dishonestGraph{g, &lied}
	}
}

type dishonestGraph struct {
	pipeline.Graph
	lied *atomic.Bool
}

func (g dishonestGraph) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	if faults.On(faults.NoPatch) && g.lied.CompareAndSwap(false, true) {
		return actions.Call{Status: 204}, nil
	}
	call, err := g.Graph.Patch(ctx, o)
	if faults.On(faults.PatchTwice) && err == nil {
		return g.Graph.Patch(ctx, o)
	}
	var refused *actions.CallError
	if faults.On(faults.GiveUp) && errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return call, &actions.CallError{Status: http.StatusBadRequest, Code: refused.Code}
	}
	return call, err
}

func (g dishonestGraph) Read(ctx context.Context, t actions.Target) (actions.Snapshot, error) {
	if faults.On(faults.NoReadFirst) {
		return actions.Snapshot{}, nil // nothing stands, it says
	}
	s, err := g.Graph.Read(ctx, t)
	if faults.On(faults.IgnoreOverride) && s.Violation != nil {
		s.Violation.UserAction = ""
	}
	return s, err
}

// spoilUnfinished is what is taken up of a process that died.
func spoilUnfinished(unfinished unfinishedFunc) unfinishedFunc {
	return func(ctx context.Context) ([]actions.Effect, error) {
		if faults.On(faults.ForgetUnfinished) {
			return nil, nil
		}
		return unfinished(ctx)
	}
}

// spoilPage is where the next page of a list begins.
func spoilPage(f *actions.Filter) {
	if faults.On(faults.ExportSkips) && f.After != nil {
		*f.After++
	}
}

// spoilTransport is the lowest layer under the calls to Graph.
func spoilTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return faultyTransport{t}
}

type faultyTransport struct{ http.RoundTripper }

func (t faultyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPatch {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { _ = faults.Hit(faults.PatchSent) },
		}))
	}
	res, err := t.RoundTripper.RoundTrip(req)
	if err == nil && faults.On(faults.NoRetryAfter) {
		res.Header.Del("Retry-After")
	}
	return res, err
}

// spoilMark takes the mark of free space from the environment, so that a test can
// fill a small disk to its last byte.
func spoilMark() int64 {
	n, _ := strconv.ParseInt(os.Getenv("TEAMSDLP_HIT_MIN_FREE"), 10, 64)
	return n
}
