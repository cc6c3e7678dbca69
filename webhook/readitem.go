package webhook

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// ReadItem reads an item from the JSON that encoding/json makes of it, the form in
// which an Inbox keeps it. Its error does not quote the input.
func ReadItem(b []byte) (Item, error) {
	s := itemReader(b)
	if i, ok := s.item(); ok {
		return i, nil
	}
	var i Item
	if json.Unmarshal(b, &i) != nil {
		return Item{}, errors.New("not an item")
	}
	return i, nil
}

// An itemReader is what is left to be read of an item with no byte more or less
// than encoding/json writes, and with nothing escaped: what Graph sends has hardly
// anything to escape. The strings of the item are parts of it, so that reading one
// costs little more than finding its end.
type itemReader string

// item reads the item, or reports that it has another form.
func (r *itemReader) item() (i Item, ok bool) {
	if !utf8.ValidString(string(*r)) {
		return Item{}, false
	}
	var received string
	ok = r.member(`{"received":"`, &received) && i.Received.UnmarshalText([]byte(received)) == nil &&
		r.member(`,"subscription_id":"`, &i.SubscriptionID) &&
		r.member(`,"tenant_id":"`, &i.TenantID) &&
		r.member(`,"app_id":"`, &i.AppID)
	r.member(`,"change_type":"`, &i.ChangeType)
	r.member(`,"lifecycle_event":"`, &i.LifecycleEvent)
	r.member(`,"resource":"`, &i.Resource)
	var e EncryptedContent
	if r.member(`,"encrypted":{"data":"`, &e.Data) {
		i.Encrypted = &e
		ok = ok && r.member(`,"dataKey":"`, &e.DataKey) &&
			r.member(`,"dataSignature":"`, &e.DataSignature) &&
			r.member(`,"encryptionCertificateId":"`, &e.CertificateID) &&
			r.member(`,"encryptionCertificateThumbprint":"`, &e.CertificateThumbprint) &&
			r.is("}")
	}
	var token string
	if r.member(`,"deferred":["`, &token) {
		for more := true; more; more = r.member(`,"`, &token) {
			i.Deferred = append(i.Deferred, token)
		}
		ok = ok && r.is("]")
	}
	return i, ok && r.is("}") && *r == ""
}

// is reads what is next if it is s.
func (r *itemReader) is(s string) bool {
	rest, ok := strings.CutPrefix(string(*r), s)
	*r = itemReader(rest)
	return ok
}

// member reads a string if what is before it is as said, the opening quote included.
func (r *itemReader) member(before string, value *string) bool {
	rest, ok := strings.CutPrefix(string(*r), before)
	if !ok {
		return false
	}
	v, rest, ok := strings.Cut(rest, `"`)
	if !ok || strings.IndexByte(v, '\\') >= 0 {
		return false // the rest stays, and is no item's end
	}
	*value, *r = v, itemReader(rest)
	return true
}
