package actionstest_test

import (
	"testing"

	"teamsdlp/actions"
	"teamsdlp/actions/actionstest"
)

func TestMemory(t *testing.T) {
	actionstest.TestLedger(t, func() (actions.Ledger, actions.Log, actions.Reader) {
		m := actions.NewMemory()
		return m, m, m
	})
}
