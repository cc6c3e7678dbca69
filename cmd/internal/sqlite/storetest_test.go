package sqlite_test

import (
	"context"
	"testing"

	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/cmd/internal/storetest"
)

type opener struct{}

// dirs are where the open stores are.
var dirs = map[storetest.Store]sqlite.Options{}

func (opener) Open(t *testing.T, b storetest.Bounds) storetest.Store {
	return openStore(t, sqlite.Options{Dir: t.TempDir(), MinFree: -1, PruneEvery: -1, MaxItems: b.Items, MaxBytes: b.Bytes, MaxUnverified: b.Unverified})
}

func openStore(t *testing.T, o sqlite.Options) storetest.Store {
	s, err := sqlite.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	dirs[s] = o
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (opener) Reopen(t *testing.T, s storetest.Store) storetest.Store {
	if err := s.(*sqlite.Store).Close(); err != nil {
		t.Fatal(err)
	}
	return openStore(t, dirs[s])
}

func TestStoreSuite(t *testing.T) {
	storetest.Test(t, opener{}, storetest.Errors{Receipt: sqlite.ErrReceipt, NotClaimed: sqlite.ErrNotClaimed})
}
