package webhook

import (
	"os"
	"testing"

	"teamsdlp/test/trial"
)

func TestMain(m *testing.M) { os.Exit(trial.Main(m)) }
