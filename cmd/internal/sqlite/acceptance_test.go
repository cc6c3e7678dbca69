package sqlite

import (
	"context"
	"testing"

	"teamsdlp/actions"
	"teamsdlp/actions/actionstest"
)

// The store keeps the contract that every ledger keeps.
func TestAcceptance(t *testing.T) {
	actionstest.TestLedger(t, func() (actions.Ledger, actions.Log, actions.Reader) {
		s, err := Open(context.Background(), Options{Dir: t.TempDir(), MinFree: -1, PruneEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s, s, s
	})
}
