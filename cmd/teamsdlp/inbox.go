package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/webhook"
)

// inboxCmd is what was accepted and could not be finished.
type inboxCmd struct {
	List  inboxListCmd  `cmd:"" help:"List the items in quarantine and what actions wait for or, with --waiting, the items that were put back."`
	Show  inboxShowCmd  `cmd:"" help:"Show one item in quarantine."`
	Retry inboxRetryCmd `cmd:"" help:"Have items in quarantine, or actions that wait, tried again, through the running service."`
	Drop  inboxDropCmd  `cmd:"" help:"Forget an item in quarantine for good, through the running service."`
}

// ---- list ----

type inboxListCmd struct {
	where
	Waiting bool `help:"List the items that were put back and wait for their time, oldest first."`
	JSON    bool `name:"json" help:"One JSON object a line."`
	All     bool `help:"Go on past the first 50, to the end."`
}

// Help is printed by --help.
func (inboxListCmd) Help() string {
	return `Lists what was accepted from Graph and could not be opened or understood, newest
first: number, since when, bytes, tenant, change, key and the reason. It is kept as
Microsoft encrypted it until it is tried again or dropped. It reads beside a
running service.

Then it says what actions wait for that somebody must mend, as a permission or the
credential: for which tenant, its chats or its channels, how many, since when, and
when the next of them is tried by itself. With --json that is
{"parked":{"reason":…,"items":…,"since":…,"next":…}}, a line for each reason.

With --waiting it lists what will be tried again by itself, with the time and the
reason.

Exit code 1 if anything is in quarantine, or an action waits for an operator; with
--waiting always 0.

Example:
  teamsdlp inbox list
  teamsdlp inbox list --all --json`
}

func (c *inboxListCmd) Run(e *env) error {
	r, err := c.openStore(e)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Waiting {
		n, err := listInbox(e, c, r.ListWaiting, waitingLine, func(w sqlite.Waiting) int64 { return w.Seq })
		switch {
		case err != nil:
			return err
		case n > firstPage && !c.All:
			fmt.Fprintf(e.stderr, "more than %d wait: --all lists the rest\n", firstPage)
		case n == 0 && !c.JSON:
			fmt.Fprintln(e.stdout, "nothing waits")
		}
		return nil
	}
	n, err := listInbox(e, c, r.ListQuarantine, quarantineLine, func(q sqlite.Quarantined) int64 { return q.ID })
	if err != nil {
		return err
	}
	aside := ""
	switch {
	case n > firstPage && !c.All:
		aside = fmt.Sprintf("more than %d items in quarantine: --all lists the rest", firstPage)
	case n > 0:
		aside = plural(n, "item") + " in quarantine"
	case !c.JSON:
		fmt.Fprintln(e.stdout, "nothing is in quarantine")
	}
	waiting, err := c.parked(e, r)
	if err != nil {
		return err
	}
	if waiting > 0 {
		aside = strings.TrimPrefix(fmt.Sprintf("%s; %s for an operator: see above", aside, waits(waiting)), "; ")
	}
	if aside != "" {
		return found{aside}
	}
	return nil
}

// parked prints what actions wait for, and returns how many do.
func (c *inboxListCmd) parked(e *env, r storeReader) (n int, err error) {
	list, err := r.CountWaiting(e.ctx, pipeline.Parked)
	if err != nil {
		return 0, err
	}
	enc := json.NewEncoder(e.stdout)
	for _, w := range list {
		n += w.Items
		if c.JSON {
			err = enc.Encode(map[string]sqlite.WaitingFor{"parked": w})
		} else {
			_, err = fmt.Fprintln(e.stdout, parkedLine(w, time.Now()))
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func parkedLine(w sqlite.WaitingFor, now time.Time) string {
	next := "now"
	if w.Next.After(now) {
		next = "at " + w.Next.UTC().Format(time.DateTime)
	}
	what := strings.TrimLeft(strings.TrimPrefix(w.Reason, pipeline.Parked), ",: ")
	return plain(fmt.Sprintf("%s for an operator since %s, next tried %s: %s", waits(w.Items), w.Since.UTC().Format(time.DateTime), next, what))
}

// waits is how many actions wait.
func waits(n int) string {
	if n == 1 {
		return "1 action waits"
	}
	return plural(n, "action") + " wait"
}

// listInbox prints pages until the end or, without --all, one of them. It returns
// how many there are, or without --all more than firstPage if there are more.
func listInbox[T any](e *env, c *inboxListCmd, page func(ctx context.Context, from int64, limit int) ([]T, error), line func(T) string, number func(T) int64) (n int, err error) {
	table := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	enc := json.NewEncoder(e.stdout)
	limit := firstPage + 1 // one more tells whether there is more
	if c.All {
		limit = 500
	}
	for from := int64(0); ; {
		list, err := page(e.ctx, from, limit)
		if err != nil {
			return n, err
		}
		n += len(list)
		if !c.All {
			list = list[:min(len(list), firstPage)]
		}
		for _, x := range list {
			if c.JSON {
				err = enc.Encode(x)
			} else {
				_, err = fmt.Fprintln(table, line(x))
			}
			if err != nil {
				return n, err
			}
			from = number(x)
		}
		if err := table.Flush(); err != nil {
			return n, err
		}
		if !c.All || len(list) == 0 || from <= 1 && !c.Waiting {
			return n, nil
		}
	}
}

func quarantineLine(q sqlite.Quarantined) string {
	return columns(strconv.FormatInt(q.ID, 10), q.At.UTC().Format(time.DateTime), fmt.Sprintf("%d B", q.Size),
		q.Item.TenantID, kindOf(q.Item), keyOf(q.Item), q.Reason)
}

func waitingLine(w sqlite.Waiting) string {
	return columns(strconv.FormatInt(w.Seq, 10), w.Received.UTC().Format(time.DateTime), plural(w.Attempts, "attempt"), "due "+w.Due.UTC().Format(time.DateTime),
		w.Item.TenantID, kindOf(w.Item), keyOf(w.Item), w.Reason)
}

// kindOf is what an item is about, in a word.
func kindOf(i webhook.Item) string {
	return cmp.Or(i.ChangeType, i.LifecycleEvent, "undecodable")
}

// keyOf is the certificate id that an item names, or a dash.
func keyOf(i webhook.Item) string {
	if i.Encrypted == nil {
		return "-"
	}
	return cmp.Or(i.Encrypted.CertificateID, "(none)")
}

// ---- show ----

type inboxShowCmd struct {
	where
	ID      int64 `arg:"" help:"The item's number, as list prints it."`
	JSON    bool  `name:"json" help:"One JSON object, with the encrypted content."`
	Content bool  `help:"Print the encrypted content alone, for teamsdlp inspect."`
}

// Help is printed by --help.
func (inboxShowCmd) Help() string {
	return `Shows one item in quarantine: why it is there, what it is about and for which key
it was encrypted. The content stays encrypted; with --content it can be given to
inspect, which says what about it is wrong.

Exit code 1 if there is no such item.

Example:
  teamsdlp inbox show 3
  teamsdlp inbox show 3 --content | teamsdlp inspect --key keys/encryption-enc-1.key.pem -`
}

func (c *inboxShowCmd) Run(e *env) error {
	r, err := c.openStore(e)
	if err != nil {
		return err
	}
	defer r.Close()
	q, err := r.GetQuarantine(e.ctx, c.ID)
	if errors.Is(err, sqlite.ErrNotQuarantined) {
		return found{fmt.Sprintf("item %d is not in quarantine: teamsdlp inbox list prints those that are", c.ID)}
	}
	if err != nil {
		return err
	}
	tokens := len(q.Item.Deferred)
	q.Item.Deferred = nil // good for nobody but whoever would replay them
	switch {
	case c.Content && q.Item.Encrypted == nil:
		return found{fmt.Sprintf("item %d came without content", c.ID)}
	case c.Content:
		return json.NewEncoder(e.stdout).Encode(q.Item.Encrypted)
	case c.JSON:
		return json.NewEncoder(e.stdout).Encode(q)
	}
	i := q.Item
	table := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, plain(value))
		}
	}
	row("item", strconv.FormatInt(q.ID, 10))
	row("set aside", q.At.UTC().Format(time.RFC3339))
	row("reason", q.Reason)
	row("put back before", plural(q.Attempts, "time"))
	row("bytes", strconv.Itoa(q.Size))
	if i.SubscriptionID == "" {
		row("content", "what is stored cannot be decoded")
		return table.Flush()
	}
	row("received", i.Received.UTC().Format(time.RFC3339Nano))
	row("tenant", i.TenantID)
	row("subscription", i.SubscriptionID)
	row("change", kindOf(i))
	row("resource", i.Resource)
	if i.Encrypted == nil {
		row("content", "came without content")
	} else {
		row("key", keyOf(i))
		row("thumbprint", i.Encrypted.CertificateThumbprint)
	}
	if tokens > 0 {
		row("tokens", plural(tokens, "validation token")+" kept, verified as of the receipt")
	}
	return table.Flush()
}

// ---- retry and drop ----

type inboxRetryCmd struct {
	where
	IDs    []int64 `arg:"" optional:"" name:"id" help:"The items' numbers, as list prints them."`
	All    bool    `help:"All that are in quarantine now."`
	Key    string  `placeholder:"ID" help:"All that were encrypted for the key of this id."`
	Parked bool    `help:"The actions that wait for an operator."`
	Reason string  `help:"Why; it goes into the action log beside your name."`
}

// Help is printed by --help.
func (inboxRetryCmd) Help() string {
	return `Puts items in quarantine back into the inbox, as received when they were, and has
the service read its encryption keys again first: put a missing key back into the
key directory, then retry. An item that still cannot be opened goes back into
quarantine, under a new number. Each is an entry of the action log, with you as
the actor.

With --parked the actions that wait for an operator are tried at once, on every
node, the oldest thousand of them: when the permission is granted again, say. They
would be tried by themselves within some five minutes. One goes first for the chats,
or the channels, of each tenant; if Graph refuses it still, the others go on waiting.

Exit code 1 if there was nothing to try, or one of them is not there any more.

Example:
  teamsdlp inbox retry 3
  teamsdlp inbox retry --parked --reason "consent granted"
  teamsdlp inbox retry --key enc-1 --reason "key restored from the safe"`
}

func (c *inboxRetryCmd) Run(e *env) error {
	ways := 0
	for _, given := range []bool{len(c.IDs) > 0, c.All, c.Key != "", c.Parked} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("name the items by their numbers, or all of them with --all, or those for a key with --key, or the actions that wait with --parked")
	}
	data, _, err := c.dirs(e)
	if err != nil {
		return err
	}
	if c.Parked {
		if err := ask(e.ctx, data, "/inbox/parked/retry", map[string]string{"reason": c.Reason}); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, "the actions that wait are tried now: teamsdlp inbox list says what still waits in a minute")
		return nil
	}
	if len(c.IDs) == 0 {
		if c.IDs, err = c.choose(e); err != nil {
			return err
		}
		if len(c.IDs) == 0 {
			return found{"nothing in quarantine fits"}
		}
	}
	return askEach(e, data, "retry", c.IDs, c.Reason, "back in the inbox", "tried again")
}

// askEach asks for the same change of several items, one after the other, and goes on
// past those that are not there.
func askEach(e *env, data, change string, ids []int64, reason, done, undone string) error {
	missing := 0
	for _, id := range ids {
		err := ask(e.ctx, data, fmt.Sprintf("/inbox/%d/%s", id, change), map[string]string{"reason": reason})
		var f found
		switch {
		case errors.As(err, &f):
			missing++
			fmt.Fprintf(e.stderr, "teamsdlp: %s\n", f.msg)
		case err != nil:
			return fmt.Errorf("item %d: %w", id, err)
		default:
			fmt.Fprintf(e.stdout, "item %d: %s\n", id, done)
		}
	}
	if missing > 0 {
		return found{fmt.Sprintf("%d of %s not %s", missing, plural(len(ids), "item"), undone)}
	}
	return nil
}

// choose lists what is in quarantine and fits, oldest first.
func (c *inboxRetryCmd) choose(e *env) (ids []int64, err error) {
	ctx := e.ctx
	r, err := c.openStore(e)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for before := int64(0); ; {
		page, err := r.ListQuarantine(ctx, before, 5000)
		if err != nil {
			return nil, err
		}
		for _, q := range page {
			if c.All || q.Item.Encrypted != nil && q.Item.Encrypted.CertificateID == c.Key {
				ids = append([]int64{q.ID}, ids...)
			}
			before = q.ID
		}
		if len(page) == 0 || before <= 1 {
			return ids, nil
		}
	}
}

type inboxDropCmd struct {
	where
	IDs    []int64 `arg:"" name:"id" help:"The items' numbers, as list prints them."`
	Reason string  `required:"" help:"Why; it goes into the action log beside your name."`
}

// Help is printed by --help.
func (inboxDropCmd) Help() string {
	return `Forgets items in quarantine for good: their ciphertext is deleted, and the messages
that they are about are never judged. That each was dropped, by whom and why, stays
in the action log.

Exit code 1 if one of them is not there.

Example:
  teamsdlp inbox drop 3 --reason "sent by the tester, for a key that never was ours"`
}

func (c *inboxDropCmd) Run(e *env) error {
	data, _, err := c.dirs(e)
	if err != nil {
		return err
	}
	return askEach(e, data, "drop", c.IDs, c.Reason, "dropped", "dropped")
}

// ---- the service's side ----

// quarantine is what the service needs of a store for it.
type quarantine interface {
	GetQuarantine(ctx context.Context, id int64) (sqlite.Quarantined, error)
	RetryQuarantine(ctx context.Context, id int64) error
	DropQuarantine(ctx context.Context, id int64) error
}

// retryItem puts an item back into the inbox, after the keys were read again: a
// key that was put back is the usual reason to try.
func (s *service) retryItem(ctx context.Context, what, actor, reason string) error {
	if err := s.reloadKeys(ctx); err != nil {
		return err
	}
	if s.shared != nil { // any node may get it
		if err := s.shared.TellReload(ctx); err != nil {
			return err
		}
	}
	return s.changeItem(ctx, what, actor, reason, "tried again", quarantine.RetryQuarantine)
}

// recallParked is how many items with actions that wait for an operator are recalled
// at once: not so many that they hold back new messages, when Graph takes them.
const recallParked = 1000

// retryParked has the actions that wait for an operator tried, on every node.
func (s *service) retryParked(ctx context.Context, _, actor, reason string) error {
	list, err := s.store.CountWaiting(ctx, pipeline.Parked)
	if err != nil {
		return err
	}
	n := 0
	for _, w := range list {
		n += w.Items
	}
	if n == 0 {
		return adminRefusal{404, "no action waits for an operator"}
	}
	if err := s.pipeline.Recorder().Inbox(ctx, "", actor, waits(n)+" for an operator: tried again", reason); err != nil {
		return err
	}
	s.pipeline.RetryParked()
	if s.shared != nil {
		if err := s.shared.TellParked(ctx); err != nil {
			return err
		}
	}
	if err := s.store.RecallWaiting(ctx, pipeline.Parked, recallParked); err != nil {
		return err
	}
	s.log.Info("actions that wait for an operator are tried", zap.Int("actions", n), zap.String("actor", actor))
	return nil
}

func (s *service) dropItem(ctx context.Context, what, actor, reason string) error {
	if reason == "" {
		return adminRefusal{400, "a reason is needed: it goes into the log beside your name"}
	}
	return s.changeItem(ctx, what, actor, reason, "dropped", quarantine.DropQuarantine)
}

// changeItem records what is about to become of an item, and does it: no record,
// no change.
func (s *service) changeItem(ctx context.Context, what, actor, reason, verb string, do func(quarantine, context.Context, int64) error) error {
	id, err := strconv.ParseInt(what, 10, 64)
	if err != nil {
		return adminRefusal{400, "an item is named by its number"}
	}
	gone := func(err error) error {
		if errors.Is(err, sqlite.ErrNotQuarantined) {
			return adminRefusal{404, fmt.Sprintf("item %d is not in quarantine: teamsdlp inbox list prints those that are", id)}
		}
		return err
	}
	var store quarantine = s.store
	q, err := store.GetQuarantine(ctx, id)
	if err != nil {
		return gone(err)
	}
	verdict := fmt.Sprintf("item %d, in quarantine since %s (%s), is %s", id, q.At.UTC().Format(time.RFC3339), q.Reason, verb)
	if err := s.pipeline.Recorder().Inbox(ctx, q.Item.TenantID, actor, verdict, reason); err != nil {
		return err
	}
	if err := do(store, ctx, id); err != nil {
		return gone(err)
	}
	s.log.Info("item in quarantine", zap.Int64("item", id), zap.String("is", verb), zap.String("actor", actor), zap.String("subscription", q.Item.SubscriptionID))
	return nil
}

// reloadKeys reads the encryption keys again, and records it if others are in
// use now.
func (s *service) reloadKeys(ctx context.Context) error {
	if err := s.keyring.Reload(); err != nil {
		return refuseChange("%v: nothing was changed", err)
	}
	return s.recordKeys(ctx)
}
