//go:build faults

package sqlite

import (
	"context"
	"sync"

	"teamsdlp/cmd/internal/faults"
)

var holding sync.Once

// spoilRead keeps the first read of a list open until the process ends.
func spoilRead(r *Reader) {
	if !faults.On(faults.ExportInOneRead) {
		return
	}
	holding.Do(func() {
		conn, err := r.db.Conn(context.Background()) //nolint:sqlclosecheck // kept: that is the fault
		if err == nil {
			_, err = conn.ExecContext(context.Background(), "BEGIN; SELECT count(*) FROM meta")
		}
		if err != nil {
			panic(err)
		}
	})
}
