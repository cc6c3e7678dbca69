package graphtwin

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Attempt is one item in one POST: what the sender's own list holds.
type Attempt struct {
	At             time.Time `json:"at"`
	SubscriptionID string    `json:"subscription_id"`
	MessageID      string    `json:"message_id,omitempty"` // Message.ID
	ETag           string    `json:"etag,omitempty"`       // of the version notified
	Change         string    `json:"change"`               // changeType or lifecycleEvent
	Number         int       `json:"number"`               // 1 for the first attempt
	Status         int       `json:"status"`               // 0: no answer in time
	Fault          string    `json:"fault,omitempty"`      // what the fault desk did to it
	Items          int       `json:"items"`                // in the same POST
	Delivered      bool      `json:"delivered"`
}

// item is one element of a changeNotificationCollection on its way.
type item struct {
	sub       *subscription
	ref, etag string
	change    string
	app       *App // whose validation token it needs; nil: none
	body      wireNotification
	fault     string
	solo      bool // in a POST of its own
}

// batch is one POST, kept together over its retries.
type batch struct {
	url      string
	items    []*item
	attempts int
	first    time.Time
}

// queue is what waits for one URL. A goroutine drains it while it has work.
type queue struct {
	url     string
	items   []*item
	running bool
	// late is an item that lets the next one pass.
	late *item
}

type wireNotification struct {
	SubscriptionID string            `json:"subscriptionId"`
	ChangeType     string            `json:"changeType,omitempty"`
	LifecycleEvent string            `json:"lifecycleEvent,omitempty"`
	ClientState    *string           `json:"clientState"`
	Expiration     string            `json:"subscriptionExpirationDateTime"`
	TenantID       string            `json:"tenantId"`
	Resource       string            `json:"resource,omitempty"`
	ResourceData   *wireResourceData `json:"resourceData,omitempty"`
	Encrypted      *wireEncrypted    `json:"encryptedContent,omitempty"`
	Padding        json.RawMessage   `json:"x_twin,omitempty"`
}

type wireResourceData struct {
	ID   string `json:"id"`
	Type string `json:"@odata.type"`
	Path string `json:"@odata.id"`
}

type wireEncrypted struct {
	Data          string `json:"data"`
	DataSignature string `json:"dataSignature"`
	DataKey       string `json:"dataKey"`
	CertificateID string `json:"encryptionCertificateId"`
	Thumbprint    string `json:"encryptionCertificateThumbprint"`
}

// expirationForm is seven digits and an offset, as Graph writes it here.
const expirationForm = "2006-01-02T15:04:05.0000000-07:00"

// notify queues a change of m for every subscription that wants it, with the
// message as it is now; t.mu is held.
func (t *Twin) notify(m *message, changeType string) {
	t.sweep()
	for _, id := range sortedKeys(t.subs) {
		if s := t.subs[id]; s.wants(m, changeType) {
			t.enqueue(t.changeItem(s, m, changeType))
		}
	}
}

func (t *Twin) changeItem(s *subscription, m *message, changeType string) *item {
	it := &item{sub: s, ref: m.ref, etag: fmt.Sprint(m.stamp), change: changeType}
	it.body = wireNotification{
		SubscriptionID: s.ID, ChangeType: changeType, ClientState: text(s.ClientState), Expiration: s.Expires.Format(expirationForm),
		TenantID: s.TenantID, Resource: m.resource(),
		ResourceData: &wireResourceData{m.id, "#Microsoft.Graph." + oddCase("chatMessage", t.switches.OddCasing), m.resource()},
	}
	if s.IncludeResourceData {
		it.app = t.apps[appKey{s.TenantID, s.AppID}]
		var plain bytes.Buffer
		writeJSON(&plain, t.wire(m, reading{tenant: s.TenantID, notification: true, unknownMembers: s.UnknownEnumMembers}))
		it.body.Encrypted = encrypt(bytes.TrimSpace(plain.Bytes()), s.cert, s.CertificateID, s.thumbprint(), sha1.New())
	}
	return it
}

// encrypt is Graph's scheme: a fresh 256-bit key K; AES-256-CBC with IV K[:16]
// and PKCS#7 padding; HMAC-SHA256 under K over the ciphertext; K by RSA-OAEP.
// Source: learn.microsoft.com/graph/change-notifications-with-resource-data.
func encrypt(plain []byte, cert *x509.Certificate, id, thumbprint string, oaep hash.Hash) *wireEncrypted {
	k := make([]byte, 32)
	_, _ = rand.Read(k) // never fails
	block, err := aes.NewCipher(k)
	if err != nil {
		panic("graphtwin: " + err.Error())
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, k[:aes.BlockSize]).CryptBlocks(data, data)
	mac := hmac.New(sha256.New, k)
	mac.Write(data)
	wrapped, err := rsa.EncryptOAEP(oaep, rand.Reader, cert.PublicKey.(*rsa.PublicKey), k, nil)
	if err != nil {
		panic("graphtwin: wrapping a key: " + err.Error())
	}
	b64 := base64.StdEncoding.EncodeToString
	return &wireEncrypted{b64(data), b64(mac.Sum(nil)), b64(wrapped), id, thumbprint}
}

// The lifecycle events.
const (
	ReauthorizationRequired = "reauthorizationRequired"
	SubscriptionRemoved     = "subscriptionRemoved"
	Missed                  = "missed"
)

// Lifecycle sends an event to the lifecycleNotificationUrl of a subscription,
// or of all if id is empty. SubscriptionRemoved deletes it first. It returns how
// many were sent.
func (t *Twin) Lifecycle(event, id string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains([]string{ReauthorizationRequired, SubscriptionRemoved, Missed}, event) {
		return 0, fmt.Errorf("lifecycle event %q: want %s, %s or %s", event, ReauthorizationRequired, SubscriptionRemoved, Missed)
	}
	t.sweep()
	sent := 0
	for _, key := range sortedKeys(t.subs) {
		s := t.subs[key]
		if id != "" && s.ID != id || s.LifecycleURL == "" {
			continue
		}
		if event == SubscriptionRemoved {
			delete(t.subs, s.ID)
		}
		t.enqueue(&item{sub: s, change: event, body: wireNotification{
			SubscriptionID: s.ID, LifecycleEvent: event, ClientState: text(s.ClientState),
			Expiration: s.Expires.Format(expirationForm), TenantID: s.TenantID,
		}})
		sent++
	}
	if id != "" && sent == 0 {
		return 0, fmt.Errorf("subscription %s: none that has a lifecycleNotificationUrl", id)
	}
	t.changed()
	return sent, nil
}

// enqueue hands an item to its URL's queue, by way of the fault desk; t.mu is held.
func (t *Twin) enqueue(it *item) {
	if t.closed {
		return
	}
	f := t.takeDelivery(it)
	if f == nil {
		t.push(it)
		return
	}
	it.fault = f.Kind
	switch f.Kind {
	case FaultDrop:
		t.stats[it.sub.ID].Dropped++
		t.deliveries = remember(t.deliveries, it.attempt(t.now(), 0, 0, 1))
	case FaultDuplicate:
		second := *it
		t.push(it)
		second.solo = true
		t.push(&second)
	case FaultDelay:
		t.later(it, time.Duration(f.Delay))
	case FaultReorder:
		t.reorder(it, time.Duration(f.Delay))
	default:
		genuine := *it
		genuine.fault = ""
		t.spoil(it)
		it.solo = true
		t.push(it)
		if f.Genuine {
			genuine.solo = true
			t.push(&genuine)
		}
	}
}

func (it *item) endpoint() string {
	if it.body.LifecycleEvent != "" {
		return it.sub.LifecycleURL
	}
	return it.sub.NotificationURL
}

// queueFor is the queue of a URL; t.mu is held.
func (t *Twin) queueFor(u string) *queue {
	q := t.queues[u]
	if q == nil {
		q = &queue{url: u}
		t.queues[u] = q
	}
	return q
}

// push queues an item and wakes its queue; t.mu is held.
func (t *Twin) push(it *item) {
	q := t.queueFor(it.endpoint())
	q.items = append(q.items, it)
	t.undelivered++
	if q.late != nil {
		q.items = append(q.items, q.late)
		q.late = nil
	}
	t.start(q)
}

// start gives the queue its goroutine; t.mu is held.
func (t *Twin) start(q *queue) {
	if q.running || len(q.items) == 0 || t.faults.Hold || t.closed {
		return
	}
	q.running = true
	t.wg.Go(func() { t.drain(q) })
}

// later pushes an item after a delay; it counts as undelivered meanwhile.
func (t *Twin) later(it *item, d time.Duration) {
	t.undelivered++
	t.clock.AfterFunc(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.undelivered--
		if !t.closed {
			t.push(it)
		}
	})
}

// reorder lets the next item for the same URL pass, or the delay (default 1 s).
func (t *Twin) reorder(it *item, d time.Duration) {
	if d == 0 {
		d = time.Second
	}
	q := t.queueFor(it.endpoint())
	if q.late != nil { // one is late already: this is the one that passes it
		t.push(it)
		return
	}
	q.late = it
	t.undelivered++
	t.clock.AfterFunc(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.late == it {
			q.late = nil
			q.items = append(q.items, it)
			t.start(q)
		}
	})
}

// drain sends what waits for one URL, batch after batch, until nothing does.
func (t *Twin) drain(q *queue) {
	for {
		t.mu.Lock()
		if len(q.items) == 0 || t.faults.Hold || t.closed {
			q.running = false
			t.mu.Unlock()
			return
		}
		n := 1
		for !q.items[0].solo && n < len(q.items) && n < t.opts.Delivery.Batch && !q.items[n].solo {
			n++
		}
		b := &batch{url: q.url, items: slices.Clone(q.items[:n]), first: t.now()}
		q.items = slices.Delete(q.items, 0, n)
		t.mu.Unlock()
		t.send(b)
	}
}

// send makes one attempt at a batch and sees to the next, if one is due.
func (t *Twin) send(b *batch) {
	d := t.opts.Delivery
	timeout := d.RetryTimeout
	if b.attempts == 0 {
		timeout = d.FirstTimeout
	}
	b.attempts++
	body := t.collection(b)
	status, _, err := t.post(t.ctx, b.url, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {""}}, body, timeout)
	delivered := err == nil && status >= 200 && status < 300
	if err != nil {
		status = 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, it := range b.items {
		st := t.stats[it.sub.ID]
		st.Attempts++
		st.Statuses[status]++
		if delivered {
			st.Delivered++
		} else {
			st.Failed++
		}
		a := it.attempt(now, b.attempts, status, len(b.items))
		a.Delivered = delivered
		t.deliveries = remember(t.deliveries, a)
	}
	t.logf("%d notifications to %s, attempt %d -> %d", len(b.items), b.url, b.attempts, status)
	defer t.changed()
	if delivered {
		t.undelivered -= len(b.items)
		return
	}
	wait, giveUp := d.wait(b.attempts), scaled(d.GiveUp, d.Scale)
	if t.closed || now.Add(wait).Sub(b.first) > giveUp {
		t.undelivered -= len(b.items)
		for _, it := range b.items {
			t.stats[it.sub.ID].Dropped++
		}
		return
	}
	t.retries[b] = t.clock.AfterFunc(wait, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if _, waiting := t.retries[b]; waiting && !t.closed {
			delete(t.retries, b)
			t.wg.Go(func() { t.send(b) })
		}
	})
}

func scaled(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// wait is the back-off after so many attempts: doubling, up to the bound.
func (d Delivery) wait(attempts int) time.Duration {
	w := d.Backoff
	for i := 1; i < attempts && w < d.MaxBackoff; i++ {
		w *= 2
	}
	return scaled(min(w, d.MaxBackoff), d.Scale)
}

func (it *item) attempt(at time.Time, number, status, items int) Attempt {
	return Attempt{
		At: at, SubscriptionID: it.sub.ID, MessageID: it.ref, ETag: it.etag, Change: it.change,
		Number: number, Status: status, Fault: it.fault, Items: items,
	}
}

// collection is the body of a POST: the items, and one validation token for
// each (app, tenant) that has rich content among them.
func (t *Twin) collection(b *batch) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]any{}
	values := []any{}
	var tokens []string
	seen := map[*App]bool{}
	flaw := ""
	for _, it := range b.items {
		values = append(values, it.body)
		if it.app != nil && !seen[it.app] {
			seen[it.app] = true
			tokens = append(tokens, t.validationToken(it.app, it.fault))
		}
		if strings.HasPrefix(it.fault, "tokens-") {
			flaw = it.fault
		}
	}
	out["value"] = values
	switch {
	case flaw == FaultTokensNull:
		out["validationTokens"] = nil
	case flaw == FaultTokensEmpty:
		out["validationTokens"] = []string{}
	case flaw == FaultTokensMissing, tokens == nil:
	default:
		out["validationTokens"] = tokens
	}
	var body bytes.Buffer
	writeJSON(&body, out)
	return body.Bytes()
}

// Deliveries returns every attempt to deliver an item, oldest first.
func (t *Twin) Deliveries() []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.deliveries)
}

// Hold stops (true) or resumes the delivery of notifications. What was held
// goes out in batches that mix subscriptions and tenants of one URL.
func (t *Twin) Hold(hold bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults.Hold = hold
	for _, u := range sortedKeys(t.queues) {
		t.start(t.queues[u])
	}
}
