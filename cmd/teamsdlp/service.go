package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/config"
	"teamsdlp/policy"
	"teamsdlp/policy/rulefile"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// service is the whole product in one process: what serve runs, and demo too.
type service struct {
	cfg     *config.Config
	log     *zap.Logger
	metrics *metrics

	store    store
	shared   *redis.Store // the same, if it is on Redis; nil: it is not
	keys     *actions.Keys
	keyring  *webhook.Keyring
	undone   []string // keys whose retirement a kill had cut short, until that is on record
	verifier *webhook.Verifier
	receiver *webhook.Receiver
	rules    *rulefile.Watcher
	manager  coverer
	pipeline *pipeline.Pipeline
	sealer   *actions.Sealer
	newest   time.Time // of the log's entries at the start; zero: there was none
	desk     *review.Server
	graphs   *graphs

	checkpoints []actions.CheckpointSink          // further sinks
	ended       atomic.Pointer[pipeline.Pipeline] // told of leases that end, once it is there

	public, private net.Listener
	admin           net.Listener
	publicTLS       *certificate // of public; nil: TLS ends elsewhere
	changes         sync.Mutex   // held by a change that was asked for on the admin socket
	ready           atomic.Bool  // listening and not shutting down
	link            string       // where to sign in: once, or with a token
}

// grace is how long open requests and the pipeline are waited for at shutdown.
const grace = 10 * time.Second

// openService builds the service and takes its addresses, its directory and
// its lock; nothing is sent or received before run. The caller must call run or
// close.
func openService(ctx context.Context, cfg *config.Config, log *zap.Logger, checkpoints ...actions.CheckpointSink) (_ *service, err error) {
	s := &service{cfg: cfg, log: log, metrics: newMetrics()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err = s.listen(ctx); err != nil {
		return nil, err
	}
	if tlsFiles := cfg.Public.TLS; tlsFiles.On() {
		if s.publicTLS, err = newCertificate(tlsFiles.Cert, tlsFiles.Key, time.Now, log); err != nil {
			return nil, err
		}
	}
	if err = finishKeysIn(ctx, cfg.KeysDir); err != nil {
		return nil, fmt.Errorf("finishing the keys whose making was cut short: %w", err)
	}
	if s.keys, err = actions.LoadKeys(cfg.KeysDir); err != nil {
		return nil, keysFault(err, cfg.KeysDir)
	}
	interrupted := len(cutShort(cfg.KeysDir)) > 0 // then half a pair is no fault: it is mended below
	if s.keyring, err = webhook.LoadKeyring(cfg.KeysDir); err != nil && !interrupted {
		return nil, keysFault(err, cfg.KeysDir)
	}
	s.rules, err = rulefile.NewWatcher(rulefile.WatchOptions{Dir: cfg.RulesDir, OnChange: s.rulesChanged, OnFault: s.rulesRefused})
	if err != nil {
		return nil, err
	}
	if err = s.openStore(ctx); err != nil {
		return nil, err
	}
	newest, err := s.store.Entries(ctx, actions.Filter{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		s.newest = newest[0].Time
	}
	if interrupted {
		if err = s.undoRetirements(); err != nil {
			return nil, err
		}
		if s.keyring, err = webhook.LoadKeyring(cfg.KeysDir); err != nil {
			return nil, keysFault(err, cfg.KeysDir)
		}
	}
	if err = s.listenAdmin(ctx); err != nil {
		return nil, err
	}
	endpoints := cfg.Cloud.Resolve()
	if cfg.Cloud.Name == config.Custom {
		log.Warn("a custom cloud is in use: nothing of this reaches Microsoft", zap.String("graph_url", endpoints.Graph), zap.String("login_url", endpoints.Login))
	}
	s.verifier, err = webhook.NewVerifier(webhook.VerifierConfig{
		LoginURL: endpoints.Login, IssuerV1: endpoints.IssuerV1, IssuerV2: endpoints.IssuerV2,
		Tenants: tenantApps(cfg), Publisher: cfg.Cloud.PublisherAppID,
		CacheDir: filepath.Join(cfg.DataDir, "jwks"), Log: log.Named("tokens"),
	})
	if err != nil {
		return nil, err
	}
	graphs, err := openGraphs(cfg, s.keys, s.metrics, log.Named("graph"))
	if err != nil {
		return nil, err
	}
	s.graphs = graphs
	s.checkpoints = checkpoints
	s.sealer = s.newSealer()
	s.pipeline = pipeline.New(pipeline.Config{
		Inbox: s.store, Ledger: spoilLedger(sealed{s.store, s.sealer}, s.store), Log: sealed{s.store, s.sealer}, Held: s.held(), HeldKey: s.heldKey(), Working: s.working(),
		Opener: spoilOpener(s.keyring, cfg.KeysDir, log), Verifier: spoilVerifier(s.verifier),
		Graph:      spoilGraph(graphs.forPipeline),
		Rules:      s.rules.Current,
		Lifecycle:  s.lifecycle,
		Notified:   func(id string, at time.Time) { s.manager.Notified(id, at) },
		Unfinished: spoilUnfinished(s.store.UnfinishedReleases),
		Keys:       s.keys,
		Mask:       s.mask,
		CanEnforce: cfg.Cloud.CanEnforce(),
		Observer:   s.metrics,
		Program:    log.Named("pipeline"),
		Drain:      grace,
		MaxParked:  cfg.Graph.MaxParked, ParkedFor: cfg.Graph.ParkedFor,
		MaxUnproved: cfg.Webhook.MaxUnverified, Quarantined: s.setAside,
	})
	s.ended.Store(s.pipeline)
	if s.shared != nil {
		s.manager = newSharedManager(s)
	} else if s.manager, err = s.newManager(); err != nil {
		return nil, err
	}
	if err = s.manager.Load(ctx); err != nil {
		return nil, err
	}
	s.receiver, err = webhook.New(webhook.Config{
		Inbox: spoilInbox(s.store), Full: s.store.Ready, Subscriptions: registry{s.manager}, Verifier: s.verifier,
		MaxBody: cfg.Webhook.MaxBody, MaxItems: cfg.Webhook.MaxItems, StoreTimeout: cfg.Webhook.StoreTimeout,
		TrustedProxies: cfg.Public.TrustedProxies, Observer: s.metrics, Log: log.Named("webhook"),
	})
	if err != nil {
		return nil, err
	}
	if err = s.openDesk(graphs); err != nil {
		return nil, err
	}
	s.gauges(graphs)
	s.link = s.deskURL() + "/login"
	if len(cfg.Desk.Users) == 0 {
		// Where people have names, nobody decides without one.
		s.link = s.desk.OneTimeLink(s.deskURL())
	}
	return s, nil
}

// listen takes the addresses, so that one in use fails before anything begins.
// A public URL with port 0 becomes that of the address taken.
func (s *service) listen(ctx context.Context) (err error) {
	var l net.ListenConfig
	if s.public, err = l.Listen(ctx, "tcp", s.cfg.Public.Listen); err != nil {
		return listenFault("public.listen", err)
	}
	if s.private, err = l.Listen(ctx, "tcp", s.cfg.Private.Listen); err != nil {
		return listenFault("private.listen", err)
	}
	if base, ok := strings.CutSuffix(s.cfg.Public.URL, ":0"); ok {
		s.cfg.Public.URL = fmt.Sprintf("%s:%d", base, s.public.Addr().(*net.TCPAddr).Port)
	}
	return nil
}

// listenFault says what to do about an address that cannot be listened on.
func listenFault(key string, err error) error {
	mend := "name an address of this machine and a port"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		mend = "another process listens there, perhaps a second serve: stop it, or name another port"
	case errors.Is(err, fs.ErrPermission):
		mend = "a port below 1024 wants the capability CAP_NET_BIND_SERVICE, which the unit in README.md gives; or name a higher one"
	}
	return fmt.Errorf("%s: %w (%s)", key, err, mend)
}

// listenAdmin makes the admin socket. The store's lock must be held: then a
// socket that is there is of a process that was killed.
func (s *service) listenAdmin(ctx context.Context) (err error) {
	socket := adminSocket(s.cfg.DataDir)
	_ = os.Remove(socket)
	if s.admin, err = (&net.ListenConfig{}).Listen(ctx, "unix", socket); err != nil {
		if len(socket) > maxSocket {
			err = fmt.Errorf("%w (its path has %d bytes; name a data_dir with a shorter one)", err, len(socket))
		}
		return fmt.Errorf("admin socket: %w", err)
	}
	if err = os.Chmod(socket, 0o600); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	return nil
}

// maxSocket is how long the path of a unix socket may be on every system.
const maxSocket = 103

// deskURL is where the desk can be opened on this machine.
func (s *service) deskURL() string {
	at := s.private.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", at.Port)
	}
	return "http://" + at.String()
}

// run serves until ctx ends and has then drained: no request is open, the
// pipeline has finished what it had begun, the log is sealed and the store is
// closed. It returns an error if anything that must not end did.
func (s *service) run(ctx context.Context) error {
	defer s.close()
	// No record, no action: what judges the first message is on record before it.
	if err := s.pipeline.Recorder().Rules(ctx, s.rules.Current().Generation, inForce(s.rules.Current())); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop before it began
		}
		return err
	}
	if err := s.recordUndone(ctx); err != nil {
		return err
	}
	if err := s.recordKeys(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	// Each part runs under the context of its stage; stages end in the order in
	// which data flows, so that nothing accepted is left without its follower.
	receive, stopReceiving := context.WithCancel(context.WithoutCancel(ctx))
	work, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	show, stopShowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReceiving()
	defer stopWorking()
	defer stopShowing()
	seal, stopSealing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSealing()
	var receivers, workers, shows, sealers sync.WaitGroup
	part := func(wg *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				s.log.Error("stopped", zap.String("part", name), zap.Error(err))
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	part(&shows, show, "private listener", func(ctx context.Context) error {
		return s.serveUntil(ctx, s.privateServer(), s.private)
	})
	part(&shows, show, "admin socket", func(ctx context.Context) error {
		return s.serveUntil(ctx, s.adminServer(), s.admin)
	})
	part(&receivers, receive, "public listener", func(ctx context.Context) error {
		return s.servePublic(ctx, s.informed(s.receiver.Handler()))
	})
	part(&workers, work, "pipeline", s.pipeline.Run)
	part(&workers, work, "rules", func(ctx context.Context) error { s.rules.Run(ctx); return nil })
	part(&workers, work, "signing keys", func(ctx context.Context) error { s.verifier.Run(ctx); return nil })
	part(&sealers, seal, "sealer", s.seal)
	part(&workers, receive, "retention", s.retain)
	if s.shared != nil {
		part(&workers, work, "other nodes", s.neighbours)
	}
	part(&workers, receive, "subscriptions", s.manager.Run)
	go func() {
		select {
		case err := <-s.store.Fatal():
			if err != nil {
				cancel(fmt.Errorf("store: %w", err))
			}
		case <-show.Done():
		}
	}()
	if len(s.rules.Current().Rules) == 0 {
		s.log.Warn("there is no rule: no message is ever acted on", zap.String("rules_dir", s.cfg.RulesDir))
	}
	s.ready.Store(true)
	s.log.Info("serving", zap.String("public", s.public.Addr().String()), zap.String("private", s.private.Addr().String()), zap.String("generation", s.rules.Current().Generation))

	<-ctx.Done()
	s.ready.Store(false)
	s.log.Info("draining")
	stopReceiving()
	receivers.Wait()
	stopWorking()
	workers.Wait()
	stopShowing()
	shows.Wait()
	s.flush()
	stopSealing() // last: the final checkpoint covers every entry
	sealers.Wait()
	s.log.Info("stopped")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// close releases what openService took. It may be called more than once.
func (s *service) close() {
	for _, l := range []net.Listener{s.public, s.private, s.admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Error("closing the store", zap.Error(err))
		}
	}
}

// connections is how many the public listener holds, of a process that may have so many
// files open: half is for all else. Without a file left no newcomer could be accepted,
// and none of those who wait would be closed in his favour.
func connections(files int) int { return min(webhook.MaxConnections, max(files/2, 1)) }

// servePublic serves the public listener until ctx ends, as serveUntil does.
func (s *service) servePublic(ctx context.Context, h http.Handler) error {
	srv := webhook.NewServer(s.cfg.Public.Listen, h)
	if s.publicTLS != nil {
		srv.TLSConfig.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.publicTLS.current(), nil }
	}
	ln := webhook.Guard(s.public, srv, connections(openFiles()), s.log.Named("webhook"))
	return s.serveUntil(ctx, srv, ln)
}

// serveUntil serves until ctx ends, then drains: it returns when every handler
// has, or grace is over. It serves TLS where srv has a certificate.
func (s *service) serveUntil(ctx context.Context, srv *http.Server, ln net.Listener) error {
	if srv.ErrorLog == nil {
		srv.ErrorLog = zap.NewStdLog(s.log.Named("http")) // handshakes that failed and the like; handlers keep their panics to themselves
	}
	failed := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil && srv.TLSConfig.GetCertificate != nil {
			failed <- srv.ServeTLS(ln, "", "")
			return
		}
		failed <- srv.Serve(ln)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return srv.Close()
	}
	return nil
}

// ---- the private side ----

func (s *service) privateServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/", s.desk.Handler())
	known := func(h http.Handler) http.Handler { // no figures for a page elsewhere that rebinds its name
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !s.desk.KnownHost(r) {
				http.Error(w, "this host name is not served: add it to private.hosts", http.StatusMisdirectedRequest)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	mux.Handle("GET /metrics", known(s.metrics.handler()))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /startupz", s.health(func() error {
		if !s.ready.Load() {
			return errors.New("not serving yet, or draining")
		}
		return nil
	}))
	mux.HandleFunc("GET /readyz", s.health(s.readiness))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 32 << 10,
	}
}

// readiness says why notifications should not be sent here now. That Graph is
// out of reach is no reason: it would only make Graph try again for nothing.
func (s *service) readiness() error {
	if !s.ready.Load() {
		return errors.New("not serving yet, or draining")
	}
	return s.store.Ready()
}

func (s *service) health(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// ---- rules ----

func (s *service) rulesChanged(g *rulefile.Generation) {
	s.metrics.generations.WithLabelValues(generationInForce).Inc()
	s.log.Info("rules in force", zap.String("generation", g.Set.Generation), zap.Int("rules", len(g.Set.Rules)))
	s.record(g.Set.Generation, inForce(g.Set))
}

// setAside is the pipeline's Quarantined.
func (s *service) setAside(ctx context.Context) (int64, error) {
	d, err := s.store.Depth(ctx)
	return d.Quarantined, err
}

func inForce(set *policy.Set) string { return "in force: " + plural(len(set.Rules), "rule") }

// rulesRefused is told nil once the directory holds again what is in force.
func (s *service) rulesRefused(err error) {
	current := s.rules.Current().Generation
	if err == nil {
		s.record(current, "the directory holds again what is in force")
		return
	}
	s.metrics.generations.WithLabelValues(generationRefused).Inc()
	s.log.Error("rules refused: the last good set stays in force", zap.String("generation", current), zap.Error(err))
	s.record(current, fmt.Sprintf("a change was refused with %s: this generation stays in force", plural(strings.Count(err.Error(), "\n")+1, "fault")))
}

// record writes an entry about a generation. Rules that cannot be recorded are
// in force all the same, and the program log says so: refusing them would leave
// messages to the rules that somebody just replaced.
func (s *service) record(generation, verdict string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.pipeline.Recorder().Rules(ctx, generation, verdict); err != nil {
		s.log.Error("rule generation not recorded", zap.String("generation", generation), zap.Error(err))
	}
}

// newManager makes a manager of subscriptions.
func (s *service) newManager() (*subscriptions.Manager, error) {
	return subscriptions.New(subscriptions.Options{
		API: s.graphs.subscriptions, Store: s.store, Gaps: gapRecorder{s.pipeline.Recorder(), s.metrics}, Targets: targets(s.cfg),
		URLs:        subscriptions.URLs{Notification: s.cfg.Public.NotificationURL(), Lifecycle: s.cfg.Public.LifecycleURL()},
		Certificate: s.certificate,
		Lifetime:    s.cfg.Subscriptions.Lifetime, Check: s.cfg.Subscriptions.Check,
		Observer: subscriptionLog{s.log.Named("subscriptions")},
	})
}

// mask replaces what the detectors find in people's own words.
func (s *service) mask(text string) string { return s.rules.Current().Engine().MaskAll(text) }

// ---- joints between packages that do not know one another ----

func (s *service) lifecycle(ctx context.Context, id, event string) error {
	return s.manager.Lifecycle(ctx, subscriptions.Event{SubscriptionID: id, Kind: event})
}

func (s *service) certificate() subscriptions.Certificate {
	c := s.keyring.Current()
	return subscriptions.Certificate{ID: c.ID, DER: c.DER}
}

// registry is the manager's subscriptions as the webhook needs them.
type registry struct{ m coverer }

func (r registry) Lookup(id string) (webhook.Subscription, bool) {
	have, ok := r.m.Lookup(id)
	return webhookSubscription(have), ok
}

func (r registry) Pending() []webhook.Subscription {
	var list []webhook.Subscription
	for _, p := range r.m.PendingOnes() {
		list = append(list, webhookSubscription(p))
	}
	return list
}

func webhookSubscription(s subscriptions.Subscription) webhook.Subscription {
	return webhook.Subscription{ID: s.ID, TenantID: s.TenantID, AppID: s.AppID, ClientState: s.ClientState}
}

// gapRecorder writes the manager's gaps into the action log, and counts them.
type gapRecorder struct {
	r *actions.Recorder
	m *metrics
}

func (g gapRecorder) Gap(ctx context.Context, gap subscriptions.Gap) error {
	err := g.r.Gap(ctx, gap.TenantID, actions.Gap{Resource: gap.Resource, From: gap.From, To: gap.To, Cause: gap.Cause})
	if err == nil {
		g.m.gap(gap)
	}
	return err
}

// subscriptionMend is for whoever reads that a subscription does not come about:
// check asks the same of Microsoft, one thing after the other.
const subscriptionMend = "teamsdlp check --online, with this configuration, says what is wrong and how to mend it"

// subscriptionLog tells the program log what the manager does.
type subscriptionLog struct{ log *zap.Logger }

func (l subscriptionLog) Stepped(t subscriptions.Target, step subscriptions.Step, err error, retry time.Duration) {
	fields := []zap.Field{zap.String("tenant", t.TenantID), zap.String("resource", t.Resource), zap.String("step", string(step.Kind)), zap.String("reason", step.Reason)}
	if err != nil {
		l.log.Warn("subscription step did not work", append(fields, zap.Duration("retry_in", retry), zap.Error(err), zap.String("mend", subscriptionMend))...)
		return
	}
	l.log.Info("subscription step", fields...)
}

func (l subscriptionLog) Trouble(tenant, operation string, err error) {
	if errors.Is(err, context.Canceled) {
		return // the service is stopping: it is done at the next start
	}
	fields := []zap.Field{zap.String("tenant", tenant), zap.String("operation", operation), zap.Error(err)}
	if operation == "list" { // the others are of our own store
		fields = append(fields, zap.String("mend", subscriptionMend))
	}
	l.log.Warn("subscription trouble", fields...)
}

func (l subscriptionLog) Heard(e subscriptions.Event, known bool) {
	l.log.Info("lifecycle notification", zap.String("event", e.Kind), zap.String("subscription", e.SubscriptionID), zap.Bool("known", known))
}

// ---- from configuration ----

func tenantApps(cfg *config.Config) []webhook.TenantApps {
	var list []webhook.TenantApps
	for _, t := range cfg.Tenants {
		list = append(list, webhook.TenantApps{TenantID: t.ID, AppIDs: []string{t.AppID}})
	}
	return list
}

func targets(cfg *config.Config) []subscriptions.Target {
	var list []subscriptions.Target
	for _, t := range cfg.Tenants {
		for _, path := range t.Paths() {
			list = append(list, subscriptions.Target{TenantID: t.ID, AppID: t.AppID, Resource: path, ChangeTypes: "created,updated,deleted"})
		}
	}
	return list
}
