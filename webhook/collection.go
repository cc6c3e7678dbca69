package webhook

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// Limits of a collection. Graph's own publishers submit at most 100 items at a
// time and one token for each (app, tenant); an item nests five deep.
const (
	maxTokens   = 128
	maxDepth    = 16
	maxID       = 128  // bytes of a subscription id; Graph's are GUIDs of 36
	maxResource = 4096 // bytes of a resource path; real ones are under 300
)

// collection is Graph's changeNotificationCollection.
// Source: learn.microsoft.com/graph/api/resources/changenotificationcollection.
type collection struct {
	Value  []notification
	Tokens []string
}

// notification is Graph's changeNotification, as far as it is used. What it
// does not name, resourceData above all, is skipped.
type notification struct {
	SubscriptionID string
	ChangeType     string
	LifecycleEvent string
	ClientState    string
	TenantID       string
	Resource       string
	Encrypted      *EncryptedContent
}

// parseCollection decodes a body, or says why not. Duplicate keys are refused
// at every depth and in any casing: with them, what was proved and what is
// stored could be two different values. Members that it does not know are
// ignored, because Graph adds some from time to time.
func parseCollection(body []byte, maxItems int) (collection, Reason) {
	c, err := readCollection(body, maxItems)
	switch {
	case errors.Is(err, errItems):
		return collection{}, ReasonTooManyItems
	case errors.Is(err, errCount):
		return collection{}, ReasonTooManyTokens
	case err != nil:
		return collection{}, ReasonMalformed
	}
	return c, ""
}

func readCollection(body []byte, maxItems int) (c collection, err error) {
	r, err := newJSONReader(body, maxDepth, true)
	if err != nil {
		return c, err
	}
	err = r.object(func(key string) error {
		switch {
		case equalKeys(key, "value"):
			c.Value = []notification{}
			err := r.array(maxItems, func() error {
				c.Value = append(c.Value, notification{})
				return r.notification(&c.Value[len(c.Value)-1])
			})
			if errors.Is(err, errCount) {
				return errItems
			}
			return err
		case equalKeys(key, "validationTokens"):
			if r.null() {
				return nil
			}
			return r.array(maxTokens, func() error {
				c.Tokens = append(c.Tokens, "")
				return r.member(&c.Tokens[len(c.Tokens)-1])
			})
		}
		return r.skip()
	})
	switch {
	case err != nil:
		return c, err
	case c.Value == nil:
		return c, errType
	}
	return c, r.end()
}

// errItems is errCount of the notifications.
var errItems = errors.New("too many notifications")

func (r *jsonReader) notification(n *notification) error {
	return r.object(func(key string) error {
		switch {
		case equalKeys(key, "subscriptionId"):
			return r.member(&n.SubscriptionID)
		case equalKeys(key, "changeType"):
			return r.member(&n.ChangeType)
		case equalKeys(key, "lifecycleEvent"):
			return r.member(&n.LifecycleEvent)
		case equalKeys(key, "clientState"):
			return r.member(&n.ClientState)
		case equalKeys(key, "tenantId"):
			return r.member(&n.TenantID)
		case equalKeys(key, "resource"):
			return r.member(&n.Resource)
		case equalKeys(key, "encryptedContent"):
			if r.null() {
				return nil
			}
			n.Encrypted = new(EncryptedContent)
			return r.encryptedContent(n.Encrypted)
		}
		return r.skip()
	})
}

func (r *jsonReader) encryptedContent(e *EncryptedContent) error {
	return r.object(func(key string) error {
		switch {
		case equalKeys(key, "data"):
			return r.member(&e.Data)
		case equalKeys(key, "dataKey"):
			return r.member(&e.DataKey)
		case equalKeys(key, "dataSignature"):
			return r.member(&e.DataSignature)
		case equalKeys(key, "encryptionCertificateId"):
			return r.member(&e.CertificateID)
		case equalKeys(key, "encryptionCertificateThumbprint"):
			return r.member(&e.CertificateThumbprint)
		}
		return r.skip()
	})
}

// member reads a string, or a null, which is an empty one.
func (r *jsonReader) member(to *string) (err error) {
	if !r.null() {
		*to, err = r.text()
	}
	return err
}

// checkHeader refuses what need not be read: a compressed body (net/http does
// not inflate it and neither do we) and anything that is not said to be JSON.
func checkHeader(h http.Header) Reason {
	for _, e := range h.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(e), "identity") {
			return ReasonEncoding
		}
	}
	types := h.Values("Content-Type")
	switch {
	case len(types) != 1:
		return ReasonContentType
	case types[0] == "application/json", types[0] == "application/json; charset=utf-8": // what Graph sends
		return ""
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || media != "application/json" {
		return ReasonContentType
	}
	if cs, ok := params["charset"]; ok && !strings.EqualFold(cs, "utf-8") {
		return ReasonContentType
	}
	return ""
}

// budget bounds the bytes of all bodies in memory, so that many large requests
// at once are told to come back and do not end the process. Half of it is for
// small bodies alone: a few that grow large and then stall, until they are cut
// off, must not keep Graph's usual ones out. The first buffer of each is not
// counted, or thousands that send a byte and stall would: there is one a
// connection, and MaxConnections of these.
type budget struct {
	free    atomic.Int64
	reserve int64
}

// small is the largest buffer that may use all of the budget. A hundred items of
// long messages fit into it.
const small = 1 << 20

func (b *budget) take(n int64) bool {
	if left := b.free.Add(-n); left >= 0 && (n <= small || left >= b.reserve) {
		return true
	}
	b.free.Add(n)
	return false
}

func (b *budget) give(n int64) { b.free.Add(n) }

const firstBuffer = 16 << 10

// A buffer holds a body until it was parsed, which copies it. Those of usual size
// are used again: else they would be most of the garbage.
type buffer struct{ b []byte }

// buffers has a pool for each size that readBody asks for, up to small.
var buffers = map[int64]*sync.Pool{}

func init() {
	for size := int64(firstBuffer); size <= small; size *= 2 {
		buffers[size] = &sync.Pool{New: func() any { return &buffer{make([]byte, 0, size)} }}
	}
}

func newBuffer(size int64) *buffer {
	if pool := buffers[size]; pool != nil {
		return pool.Get().(*buffer)
	}
	return &buffer{make([]byte, 0, size)}
}

// free lets the buffer be used again. Nil is none.
func (b *buffer) free() {
	if b == nil {
		return
	}
	if pool := buffers[int64(cap(b.b))]; pool != nil {
		b.b = b.b[:0]
		pool.Put(b)
	}
}

// readBody reads r up to limit bytes; one byte more is too large. It returns
// how much of the budget it holds, which the caller gives back when the body is
// no longer needed, whatever else is returned; and the body, whose buffer the
// caller frees.
func readBody(r io.Reader, declared, limit int64, b *budget) (body *buffer, held int64, why Reason) {
	if declared > limit {
		return nil, 0, ReasonTooLarge
	}
	body = newBuffer(min(firstBuffer, limit+1))
	for {
		n, err := r.Read(body.b[len(body.b):cap(body.b)])
		body.b = body.b[:len(body.b)+n]
		switch {
		case int64(len(body.b)) > limit:
			return body, held, ReasonTooLarge
		case errors.Is(err, io.EOF):
			return body, held, ""
		case err != nil:
			return body, held, ReasonUnreadable
		}
		if len(body.b) < cap(body.b) {
			continue
		}
		grown := min(2*int64(cap(body.b)), limit+1)
		if !b.take(grown) {
			return body, held, ReasonBusy
		}
		next := newBuffer(grown)
		next.b = append(next.b, body.b...)
		body.free()
		b.give(held)
		body, held = next, grown
	}
}
