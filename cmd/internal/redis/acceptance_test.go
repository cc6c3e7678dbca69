package redis

import (
	"testing"

	"teamsdlp/actions"
	"teamsdlp/actions/actionstest"
	"teamsdlp/cmd/internal/storetest"
)

func TestLedgerSuite(t *testing.T) {
	srv := sharedServer(t)
	actionstest.TestLedger(t, func() (actions.Ledger, actions.Log, actions.Reader) {
		s := flushed{t, owner(t, testOptions(t, srv))}
		return s, s, s
	})
}

type opener struct{}

func (opener) Open(t *testing.T, b storetest.Bounds) storetest.Store {
	o := testOptions(t, sharedServer(t))
	o.MaxItems, o.MaxBytes, o.MaxUnverified = b.Items, b.Bytes, b.Unverified
	return owner(t, o)
}

func (opener) Reopen(t *testing.T, s storetest.Store) storetest.Store {
	old := s.(*Store)
	must(t, old.Close())
	return owner(t, old.opts)
}

func TestStoreSuite(t *testing.T) {
	storetest.Test(t, opener{}, storetest.Errors{Receipt: ErrReceipt, NotClaimed: ErrNotClaimed})
}
