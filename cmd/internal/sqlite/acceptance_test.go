package sqlite

import (
	"testing"

	"teamsdlp/actions"
	"teamsdlp/actions/actionstest"
)

// The store keeps the contract that every ledger keeps.
func TestAcceptance(t *testing.T) {
	actionstest.TestLedger(t, func() (actions.Ledger, actions.Log, actions.Reader) {
		s := openTest(t, testOptions(t.TempDir()))
		return s, s, s
	})
}
