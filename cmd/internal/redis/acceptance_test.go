package redis

import (
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/actions/actionstest"
	"teamsdlp/cmd/internal/storetest"
	"teamsdlp/test/redistest"
)

func TestLedgerSuite(t *testing.T) {
	srv := sharedServer(t)
	actionstest.TestLedger(t, func() (actions.Ledger, actions.Log, actions.Reader) {
		s := flushed{t, owner(t, testOptions(t, srv))}
		return s, s, s
	})
}

type opener struct {
	server func(testing.TB) *redistest.Server
}

func (x opener) Open(t *testing.T, b storetest.Bounds) storetest.Store {
	o := testOptions(t, x.server(t))
	o.Timeout = 10 * time.Second // of which a third is for a sync: the suite is not about slow disks
	o.MaxItems, o.MaxBytes, o.MaxUnverified = b.Items, b.Bytes, b.Unverified
	return owner(t, o)
}

func (opener) Reopen(t *testing.T, s storetest.Store) storetest.Store {
	old := s.(*Store)
	must(t, old.Close())
	return owner(t, old.opts)
}

var suiteErrors = storetest.Errors{Receipt: ErrReceipt, NotClaimed: ErrNotClaimed}

func TestStoreSuite(t *testing.T) { storetest.Test(t, opener{sharedServer}, suiteErrors) }

// On a server that syncs once a second, and before where WAITAOF asks for it.
func TestStoreSuiteWaitAOF(t *testing.T) {
	srv := redistest.StartValkey(t)
	storetest.Test(t, opener{func(testing.TB) *redistest.Server { return srv }}, suiteErrors)
}
