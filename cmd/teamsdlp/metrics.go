package main

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// metrics is every figure that /metrics shows. No label holds the name or id of
// a person, a message or a conversation.
type metrics struct {
	registry *prometheus.Registry

	requests    *prometheus.CounterVec // code
	ack         prometheus.Histogram
	stored      prometheus.Counter
	refused     *prometheus.CounterVec // reason
	dropped     *prometheus.CounterVec // reason
	quarantined *prometheus.CounterVec // reason
	deferred    *prometheus.CounterVec // reason
	missing     *prometheus.CounterVec // context, cause
	verdicts    *prometheus.CounterVec // action, matched
	judge       prometheus.Histogram
	outcomes    *prometheus.CounterVec // outcome
	ours        prometheus.Histogram
	microsoft   prometheus.Histogram
	generations *prometheus.CounterVec // result
	gaps        prometheus.Counter
	gapSeconds  prometheus.Counter
	undelivered prometheus.Counter
	calls       *prometheus.CounterVec   // op, code
	wait        *prometheus.HistogramVec // op
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "teamsdlp", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "teamsdlp", Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		requests:    counter("webhook_requests_total", "Requests to the public listener by status code.", "code"),
		ack:         seconds("webhook_ack_seconds", "From a request's arrival to its answer.", .001, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3),
		stored:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: "teamsdlp", Name: "webhook_items_stored_total", Help: "Items proved and stored before their 202."}),
		refused:     counter("webhook_items_refused_total", "Items and requests that were not proved, by reason.", "reason"),
		dropped:     counter("items_dropped_total", "Stored items that led to nothing, by reason.", "reason"),
		quarantined: counter("items_quarantined_total", "Stored items set aside with their ciphertext, by reason.", "reason"),
		deferred:    counter("items_deferred_total", "Stored items put back for later, by reason.", "reason"),
		missing:     counter("context_missing_total", "Context that Graph did not give, by cause; the rule stayed in force.", "context", "cause"),
		verdicts:    counter("verdicts_total", "Messages judged, by the action asked for and whether a rule matched.", "action", "matched"),
		judge:       seconds("judge_seconds", "Judging one message, fetching its context included.", .00001, .0001, .001, .01, .1, 1, 10),
		outcomes:    counter("outcomes_total", "Enforcing verdicts by outcome.", "outcome"),
		ours:        seconds("exposure_ours_seconds", "From a notification's receipt to the action applied.", .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
		microsoft:   seconds("exposure_microsoft_seconds", "From a message sent to its notification received.", .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
		calls:       counter("graph_requests_total", "Calls to Graph by what for and by status; 0: nobody answered, or it was not sent.", "op", "code"),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "teamsdlp", Name: "graph_wait_seconds",
			Help: "How long calls to Graph waited for their turn.", Buckets: []float64{.001, .01, .1, .5, 1, 2, 5, 10, 30, 60, 300}}, []string{"op"}),
		generations: counter("rule_generations_total", "Rule sets that came into force or were refused.", "result"),
		gaps:        prometheus.NewCounter(prometheus.CounterOpts{Namespace: "teamsdlp", Name: "gaps_total", Help: "Spans of a resource not provably covered, recorded at their end."}),
		undelivered: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "teamsdlp", Name: "checkpoint_failures_total", Help: "Signed checkpoints that could not be made, or did not reach a place where they are kept."}),
		gapSeconds:  prometheus.NewCounter(prometheus.CounterOpts{Namespace: "teamsdlp", Name: "gap_seconds_total", Help: "Length of these spans together."}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "teamsdlp", Name: "build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version}}, func() float64 { return 1 })
	// A rate only sees a counter rise from what it was before: those that alarms
	// are set on begin at 0, not at their first event.
	for vec, values := range map[*prometheus.CounterVec][]string{
		m.requests:    {"202", "503"},
		m.outcomes:    {string(actions.OutcomeApplied), string(actions.OutcomeNotEnforceable), string(actions.OutcomeFailed)},
		m.generations: {generationInForce, generationRefused},
	} {
		for _, value := range values {
			vec.WithLabelValues(value)
		}
	}
	for _, what := range []string{"conversation", "person", "groups"} {
		for _, cause := range []string{pipeline.ContextRefused, pipeline.ContextNotFound, pipeline.ContextUnavailable} {
			m.missing.WithLabelValues(what, cause)
		}
	}
	m.registry.MustRegister(m.gaps, m.gapSeconds, m.undelivered, m.requests, m.ack, m.stored, m.refused, m.dropped, m.quarantined, m.deferred, m.missing,
		m.verdicts, m.judge, m.outcomes, m.ours, m.microsoft, m.generations, m.calls, m.wait, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// The values of rule_generations_total's label.
const (
	generationInForce = "in_force"
	generationRefused = "refused"
)

// gap counts a gap that was recorded; one that is still open counts at its end.
func (m *metrics) gap(g subscriptions.Gap) {
	if !g.To.IsZero() {
		m.gaps.Inc()
		m.gapSeconds.Add(max(0, g.To.Sub(g.From).Seconds()))
	}
}

// gauge adds a figure that is read when it is asked for.
func (m *metrics) gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "teamsdlp", Name: name, Help: help}, read))
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// What follows is webhook.Observer.

func (m *metrics) Answered(_ string, status int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	m.ack.Observe(took.Seconds())
}

func (m *metrics) Refused(reason webhook.Reason, n int) {
	m.refused.WithLabelValues(string(reason)).Add(float64(n))
}

func (m *metrics) Stored(items, _ int) { m.stored.Add(float64(items)) }

// What follows is pipeline.Observer.

func (m *metrics) Dropped(reason string)     { m.dropped.WithLabelValues(reason).Inc() }
func (m *metrics) Quarantined(reason string) { m.quarantined.WithLabelValues(reason).Inc() }
func (m *metrics) Deferred(reason string)    { m.deferred.WithLabelValues(reason).Inc() }

func (m *metrics) ContextMissing(what, cause string) { m.missing.WithLabelValues(what, cause).Inc() }

func (m *metrics) Judged(action string, matched bool, took time.Duration) {
	word := "no"
	if matched {
		word = "yes"
	}
	m.verdicts.WithLabelValues(action, word).Inc()
	m.judge.Observe(took.Seconds())
}

func (m *metrics) Acted(outcome string, e actions.Exposure) {
	m.outcomes.WithLabelValues(outcome).Inc()
	if e.Applied.IsZero() {
		return
	}
	m.ours.Observe(e.Applied.Sub(e.Received).Seconds())
	if !e.Sent.IsZero() {
		m.microsoft.Observe(e.Received.Sub(e.Sent).Seconds())
	}
}

// What follows is graph.Observer.

func (m *metrics) Waited(op string, d time.Duration) { m.wait.WithLabelValues(op).Observe(d.Seconds()) }

func (m *metrics) Called(op string, status int) {
	m.calls.WithLabelValues(op, strconv.Itoa(status)).Inc()
}

// gauges adds the figures that are read when they are asked for.
func (s *service) gauges(graphs *graphs) {
	depth := func(read func(sqlite.Depth) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			d, err := s.store.Depth(ctx)
			if err != nil {
				return math.NaN()
			}
			return read(d)
		}
	}
	s.metrics.gauge("inbox_items", "Items stored and not ended.", depth(func(d sqlite.Depth) float64 { return float64(d.Items) }))
	s.metrics.gauge("inbox_bytes", "Bytes of the items stored and not ended.", depth(func(d sqlite.Depth) float64 { return float64(d.Bytes) }))
	s.metrics.gauge("inbox_in_flight_items", "Items that are being worked on.", depth(func(d sqlite.Depth) float64 { return float64(d.InFlight) }))
	s.metrics.gauge("inbox_waiting_items", "Items that were put back and wait for their time.", depth(func(d sqlite.Depth) float64 { return float64(d.Deferred) }))
	s.metrics.gauge("actions_parked", "Actions that wait for an operator, as for a permission; alarm above 0.", func() float64 {
		waiting, _ := s.pipeline.Parked()
		return float64(waiting)
	})
	s.metrics.gauge("actions_refused_for_all", "For how many of chats and channels of a tenant Graph takes no action at all; alarm above 0.", func() float64 {
		_, closed := s.pipeline.Parked()
		return float64(closed)
	})
	s.metrics.gauge("graph_waiting_calls", "Calls that wait for their turn under Graph's limits.", func() float64 { return float64(graphs.waiting()) })
	s.metrics.gauge("graph_paused_seconds", "For how long Graph has asked us to send nothing; 0: it has not.", func() float64 { return graphs.paused().Seconds() })
	s.metrics.gauge("signing_keys_age_seconds", "Age of the oldest set of Microsoft's token signing keys; +Inf: one was never fetched.", func() float64 {
		oldest := 0.0
		for _, k := range s.verifier.KeySets() {
			if k.Fetched.IsZero() {
				return math.Inf(1)
			}
			oldest = max(oldest, time.Since(k.Fetched).Seconds())
		}
		return oldest
	})
	s.metrics.gauge("inbox_unverified_items", "Items whose tokens are not verified yet.", depth(func(d sqlite.Depth) float64 { return float64(d.Unverified) }))
	s.metrics.gauge("inbox_oldest_age_seconds", "Age of the oldest item; 0 when there is none.", depth(func(d sqlite.Depth) float64 {
		if d.OldestReceived.IsZero() {
			return 0
		}
		return time.Since(d.OldestReceived).Seconds()
	}))
	s.metrics.gauge("quarantine_items", "Items that could not be opened; alarm above 0.", depth(func(d sqlite.Depth) float64 { return float64(d.Quarantined) }))
	s.metrics.gauge("disk_free_bytes", "Free space of the data directory.", func() float64 { return float64(s.store.Stats().DiskFree) })
	s.metrics.gauge("wal_bytes", "Size of the store's write-ahead log.", func() float64 { return float64(s.store.Stats().WALBytes) })
	if s.publicTLS != nil {
		s.metrics.gauge("tls_certificate_expiry_seconds", "Until the certificate of the public listener ends; alarm below 7 days.", func() float64 {
			return time.Until(s.publicTLS.current().Leaf.NotAfter).Seconds()
		})
	}
	if s.shared != nil {
		s.nodeGauges()
	}
	resources := func(good bool) func() float64 {
		return func() float64 {
			n := 0
			for _, c := range s.coverage() {
				if covered(c, time.Now()) == good {
					n++
				}
			}
			return float64(n)
		}
	}
	s.metrics.gauge("resources_covered", "Resources with a subscription in force and no open gap.", resources(true))
	s.metrics.gauge("resources_uncovered", "Resources without; alarm above 0.", resources(false))
	s.metrics.gauge("subscription_expiry_seconds", "Until the first subscription expires.", func() float64 {
		least := math.Inf(1)
		for _, v := range s.manager.Snapshot() {
			if !v.Expires.IsZero() {
				least = min(least, time.Until(v.Expires).Seconds())
			}
		}
		return least
	})
}

// covered reports whether a subscription is in force at now, without an open gap.
// One that expired counts as gone even while its loop still waits for Graph.
func covered(c review.Coverage, now time.Time) bool {
	return c.Status == string(subscriptions.Active) && c.OpenGap == "" && now.Before(c.Expires)
}

// nodeGauges adds the figures of several nodes.
func (s *service) nodeGauges() {
	nodes := func(count func(redis.Node) bool) func() float64 {
		return func() float64 {
			n := 0
			for _, x := range s.shared.Nodes() {
				if count(x) {
					n++
				}
			}
			return float64(n)
		}
	}
	s.metrics.gauge("nodes_live", "Nodes that share the work, this one included.", func() float64 { return float64(s.shared.Live()) })
	s.metrics.gauge("nodes_other_rules", "Live nodes that run another rule generation than this one; alarm if it stays above 0.", nodes(func(n redis.Node) bool {
		return n.Live && n.Generation != s.rules.Current().Generation
	}))
	s.metrics.gauge("partitions_held", "Partitions of the work that this node holds.", func() float64 { return float64(s.shared.Holds()) })
	s.metrics.gauge("leader", "1 on the node that holds the subscriptions and numbers the log.", func() float64 {
		if s.shared.Leads() {
			return 1
		}
		return 0
	})
	log := func(read func(redis.LogState) int64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			st, err := s.shared.LogState(ctx)
			if err != nil {
				return math.NaN()
			}
			return float64(read(st))
		}
	}
	s.metrics.gauge("log_entries_unsealed", "Entries that wait for their number; alarm if it stays above 0.", log(func(st redis.LogState) int64 { return st.Unsealed }))
	s.metrics.gauge("log_entries_missing", "Sealed entries that this node has not copied; alarm if it stays above 0.", log(func(st redis.LogState) int64 { return st.Missing }))
	s.metrics.gauge("redis_memory_bytes", "Memory that Redis uses.", log(func(st redis.LogState) int64 { return st.Memory }))
	s.metrics.gauge("redis_memory_limit_bytes", "Redis' maxmemory; 0: none.", log(func(st redis.LogState) int64 { return st.MaxMemory }))
}
