package main

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"teamsdlp/actions"
	"teamsdlp/config"
)

type serveCmd struct {
	Config   string `short:"c" default:"teamsdlp.yaml" type:"path" help:"Configuration file."`
	Data     string `type:"path" placeholder:"DIR" help:"Data directory, instead of the configured one."`
	LogLevel string `enum:"debug,info,warn,error" default:"info" help:"Least level of the program log: debug, info, warn or error."`
}

// Help is printed by --help.
func (serveCmd) Help() string {
	return `Runs the product: the public listener for Microsoft Graph, the pipeline, the
subscriptions, and the review desk on the private listener. The program log goes
to standard error as JSON, signed checkpoints of the action log to standard
output. Ctrl-C or SIGTERM drains and ends it.

Example:
  teamsdlp serve --config /etc/teamsdlp/teamsdlp.yaml`
}

// noConfig is what to do where there is no configuration.
const noConfig = "name it with --config FILE; teamsdlp check --example prints one to start from"

func (c *serveCmd) Run(e *env) error {
	cfg, err := config.Load(c.Config, e.getenv)
	if err != nil {
		return configFault(err, noConfig)
	}
	if c.Data != "" {
		if err := moveData(cfg, c.Data); err != nil {
			return err
		}
	}
	log, err := newLogger(e.stderr, c.LogLevel)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	for _, w := range cfg.Warnings {
		log.Warn("configuration", zap.String("file", w.File), zap.Int("line", w.Line), zap.String("warning", w.Msg))
	}
	s, err := openService(e.ctx, cfg, log, &actions.WriterSink{W: e.stdout})
	if err != nil {
		return err
	}
	warnOfCertificates(cfg, log)
	how := "works once, within 15 minutes"
	if len(cfg.Desk.Users) > 0 {
		how = "sign in with your token"
	}
	fmt.Fprintf(e.stderr, "review desk: %s (%s)\n", s.link, how)
	return s.run(e.ctx)
}

// warnOfCertificates logs what check finds about keys and certificates that do not
// keep serve from starting: one that ends soon, say.
func warnOfCertificates(cfg *config.Config, log *zap.Logger) {
	k := &checker{now: time.Now}
	k.keys(cfg.KeysDir)
	k.certificates(cfg)
	k.tls(cfg)
	for _, r := range k.results {
		if r.State == isWarn || r.State == isFault {
			fields := []zap.Field{zap.String("of", r.Check), zap.String("detail", r.Detail), zap.String("mend", r.Mend)}
			if r.Subject != "" {
				fields = append(fields, zap.String("tenant", r.Subject))
			}
			log.Warn("check", fields...)
		}
	}
}

// moveData makes cfg one of another data directory, which like the configured one
// must not hold the keys.
func moveData(cfg *config.Config, dir string) error {
	switch inside, err := config.Inside(cfg.KeysDir, dir); {
	case err != nil:
		return fmt.Errorf("--data %s: %w", dir, err)
	case inside:
		return fmt.Errorf("--data %s: keys_dir, %s, is inside it: a copy of the data would be a copy of the keys", dir, cfg.KeysDir)
	}
	cfg.DataDir = dir
	return nil
}

// newLogger returns a logger that writes JSON lines: the time in RFC 3339 with
// nanoseconds, UTC; the message constant, what varies in fields.
func newLogger(w io.Writer, level string) (*zap.Logger, error) {
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey, enc.EncodeTime = "ts", func(t time.Time, out zapcore.PrimitiveArrayEncoder) {
		out.AppendString(t.UTC().Format(time.RFC3339Nano))
	}
	enc.EncodeDuration = zapcore.StringDurationEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(zapcore.AddSync(w)), least)), nil
}
