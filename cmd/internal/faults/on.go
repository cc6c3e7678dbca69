//go:build faults

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// hit is what TEAMSDLP_HIT says: point:action[:nth], with the actions kill,
// error, stop (as SIGSTOP does) and a duration to wait. nth counts from 1; 0 is
// every time.
var hit, hitErr = parseHit(os.Getenv("TEAMSDLP_HIT"))

type plan struct {
	point  Point
	action string
	wait   time.Duration
	nth    int64
	seen   atomic.Int64
}

// ErrAsked is the error of a point that was told to fail.
var ErrAsked = errors.New("a fault was asked for")

func init() {
	if hitErr == nil {
		if m := Mutation(os.Getenv("TEAMSDLP_FAULT")); m != "" && !slices.Contains(mutations, m) {
			hitErr = fmt.Errorf("TEAMSDLP_FAULT=%s is not known", m)
		}
	}
	if hitErr != nil {
		fmt.Fprintln(os.Stderr, hitErr)
		os.Exit(3)
	}
}

var mutations = []Mutation{
	AckBeforeCommit, AckWhenFull, LogText, NoPatch, PatchTwice, NoIntent, NoLock, NoLoopGuard, NoReadFirst, NoRetryAfter, IgnoreOverride,
	ArrivalOrder, NoFence, ForgetClean, NoHMAC, TrustDeferred, ForgetUnfinished, ExportInOneRead, ExportSkips, MigrateInPieces, OpenNewer, GiveUp, Leak, RenewLate, RenewOnce, NoGap, AckWhenDown, UnsafeRedis,
}

func parseHit(s string) (*plan, error) {
	if s == "" {
		return nil, nil
	}
	fields := strings.Split(s, ":")
	p := &plan{nth: 1}
	if len(fields) < 2 || len(fields) > 3 || !slices.Contains(Points, Point(fields[0])) {
		return nil, fmt.Errorf("TEAMSDLP_HIT=%s is not point:action[:nth]", s)
	}
	p.point, p.action = Point(fields[0]), fields[1]
	if len(fields) == 3 {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("TEAMSDLP_HIT=%s: %w", s, err)
		}
		p.nth = n
	}
	if d, err := time.ParseDuration(p.action); err == nil {
		p.action, p.wait = "sleep", d
	} else if !slices.Contains([]string{"kill", "error", "stop"}, p.action) {
		return nil, fmt.Errorf("TEAMSDLP_HIT=%s: no such action", s)
	}
	return p, nil
}

// Hit is called at a point; it returns an error where one was asked for.
func Hit(at Point) error {
	if hit == nil || hit.point != at {
		return nil
	}
	if n := hit.seen.Add(1); hit.nth != 0 && n != hit.nth {
		return nil
	}
	switch hit.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop":
		goesOn := make(chan os.Signal, 1)
		signal.Notify(goesOn, syscall.SIGCONT)
		fmt.Fprintln(os.Stderr, "stopped at", at)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-goesOn // the stop may come a little after the call
	case "sleep":
		time.Sleep(hit.wait)
	case "error":
		return ErrAsked
	}
	return nil
}

// On reports whether the product was told to break a promise in this way.
func On(m Mutation) bool { return os.Getenv("TEAMSDLP_FAULT") == string(m) }
