package test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/test/trial"
)

// F22. The whole log is exported again and again while messages come in as fast as
// they are taken, and one more export waits for somebody who does not read on: nothing
// is lost, every export holds each entry once and in order, and the write-ahead log
// stays bounded. Under make chaos the log has a million entries, and the report says
// how long answers take beside an export and without.
func TestExportUnderLoad(t *testing.T) {
	t.Parallel()
	size := trial.Chaos(2_000, 1_000_000)
	e := newExporting(t, size)
	goOn := e.stalled(binary)
	var (
		alone, beside []time.Duration // p99s
		ratios        []float64       // of neighbours in time
		exports       []export
	)
	for range trial.Chaos(1, 5) {
		alone = append(alone, e.ingest(e.span))
		stop := e.exportAll()
		beside = append(beside, e.ingest(e.span))
		exports = append(exports, stop()...)
		ratios = append(ratios, float64(beside[len(beside)-1])/float64(alone[len(alone)-1]))
	}
	e.site.settle(e.traffic.twin)
	exports = append(exports, goOn())
	whole, later := e.readLog(size, exports)
	for _, fault := range whole {
		t.Error(fault)
	}
	if faults := account(e.traffic.said, e.traffic.twin, later); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	if e.largest() > e.most {
		t.Errorf("write-ahead log up to %.1f MiB, want at most %.0f", e.largest()/(1<<20), e.most/(1<<20))
	}
	wantSound(t, e.site, e.away)
	trial.Tried(t, "F22: %d exports of %d entries and more, one of them after a halt, beside %d notifications of 20 KB and %d messages: each entry once and in order, nothing lost, write-ahead log at most %.1f MiB",
		len(exports), size, e.taken.Load(), len(e.traffic.said), e.largest()/(1<<20))
	if trial.Chaos(0, 1) == 0 {
		return // a single window has too few answers to say how long they take
	}
	slices.Sort(alone)
	slices.Sort(beside)
	slices.Sort(ratios)
	middle := len(ratios) / 2
	if ratios[middle] > 4 { // 2 is what a quiet machine keeps to
		t.Errorf("p99 of an answer beside an export, times that without: %.2f", ratios)
	}
	trial.Tried(t, "F22: p99 of an answer, median of %d windows of %s each: %s without an export, %s beside one, %.2f times as much",
		len(ratios), e.span, alone[middle].Round(time.Millisecond/10), beside[middle].Round(time.Millisecond/10), ratios[middle])
}

// The controls of F22: an export that reads all of the log in one read, behind which the
// write-ahead log cannot begin anew, and one that leaves out entries.
func TestBadExportIsNoticed(t *testing.T) {
	t.Parallel()
	e := newExporting(t, 2_000)
	bad := e.export(faulty(t), "TEAMSDLP_FAULT=export-skips")
	if faults, _ := e.readLog(2_000, []export{bad}); len(faults) == 0 {
		t.Errorf("not noticed: %d entries", bad.entries)
	}
	trial.Tried(t, "control: %q is found out: %s", "export-skips", bad.wrong)
	e.stalled(faulty(t), "TEAMSDLP_FAULT=export-in-one-read")
	e.together(10) // nothing is worked off to the end here, so that it may be more
	for end := time.Now().Add(4 * patience); e.largest() <= e.most && time.Now().Before(end); {
		e.ingest(e.span)
	}
	if e.largest() <= e.most {
		t.Errorf("not noticed: write-ahead log up to %.1f MiB after %d notifications", e.largest()/(1<<20), e.taken.Load())
	}
	trial.Tried(t, "control: %q is found out: write-ahead log of %.1f MiB", "export-in-one-read", e.largest()/(1<<20))
}

// walMost is what the write-ahead log may come to, in MiB, where no read stands still,
// however fast or slow the machine is (see lookAtWAL and beginAnew in the store). At 64
// the writer waits for those who read. Before it notices, and for each wait in vain, of
// which there are six at most (25 ms and twice as much each time, up to 800 ms), one look
// goes by: 1 MiB and a commit, which is at most 2 here, since eight senders store 20 KB
// each and 128 ends change some pages each. That is 64 + 7*(1+2) = 85. A read that took
// longer than the waits together would have the log grow while it lasts; the rest, to
// 112, is for one that a busy machine stops for a second or two on its way.
const walMost = 112

// exporting is a site under full ingest: one notification of a long message, caught on
// its way, is posted again and again. It is proved and stored each time, and known
// when it is opened.
type exporting struct {
	t       *testing.T
	site    *site
	away    string // where checkpoints go
	traffic *traffic
	span    time.Duration
	most    float64 // bytes that the write-ahead log may have

	path  string
	post  []byte
	taken atomic.Int64
	wal   atomic.Int64
}

func newExporting(t *testing.T, entries int) *exporting {
	t.Helper()
	e := &exporting{t: t, span: time.Duration(trial.Chaos(3, 10)) * time.Second, most: float64(trial.Chaos(walMost, 256)) * (1 << 20)}
	e.away = filepath.Join(t.TempDir(), "checkpoints")
	twin := newTwin(t)
	caught := make(chan struct{})
	var once sync.Once
	var catching atomic.Bool
	var behind *httputil.ReverseProxy
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if catching.Load() && bytes.Contains(body, []byte("encryptedContent")) {
			once.Do(func() { e.path, e.post = r.URL.RequestURI(), body; close(caught) })
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	e.site = newSite(t, twin.URL(), func(doc node) { doc["public"].(node)["url"] = front.URL }, oftenSealed(e.away))
	behind = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.site.public})
	file := e.site.file("log.jsonl")
	writeArchive(t, file, entries)
	if p := start(t, binary, nil, "store", "import", "--config", e.site.config(), file); p.wait(t) != 0 {
		t.Fatalf("import: exit code %d\n%s%s", p.code, p.stdout.String(), p.stderr.String())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	e.site.up()
	e.traffic = newTraffic(t, twin)
	e.traffic.say(20)
	e.site.settle(twin)
	catching.Store(true) // nothing else is on its way
	say(t, twin, "ana", "ana-li", strings.Repeat("lunch at noon, ", 1000))
	e.site.settle(twin)
	<-caught
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if info, err := os.Stat(e.site.data() + "/teamsdlp.db-wal"); err == nil {
				e.wal.Store(max(e.wal.Load(), info.Size()))
			}
		}
	})
	t.Cleanup(func() { close(stop); looking.Wait() })
	return e
}

// together puts the notification into one post so many times.
func (e *exporting) together(n int) {
	e.t.Helper()
	var post struct {
		Value            []json.RawMessage `json:"value"`
		ValidationTokens []string          `json:"validationTokens"`
	}
	if err := json.Unmarshal(e.post, &post); err != nil || len(post.Value) == 0 {
		e.t.Fatalf("a post of %d notifications: %v", len(post.Value), err)
	}
	post.Value = slices.Repeat(post.Value[:1], n)
	data, err := json.Marshal(post)
	if err != nil {
		e.t.Fatal(err)
	}
	e.post = data
}

// largest is the most that the write-ahead log's file has been.
func (e *exporting) largest() float64 { return float64(e.wal.Load()) }

// ingest posts from eight connections for a time and returns the p99 of the answers.
// What is refused because the inbox is full waits a little. Meanwhile people go on
// writing: what comes of their messages is on record, of each on its own.
func (e *exporting) ingest(span time.Duration) time.Duration {
	var (
		mu   sync.Mutex
		took []time.Duration
		wg   sync.WaitGroup
	)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	for range 8 {
		wg.Go(func() {
			for end := time.Now().Add(span); time.Now().Before(end); {
				start := time.Now()
				resp, err := client.Post("http://"+e.site.public+e.path, "application/json", bytes.NewReader(e.post))
				if err != nil {
					e.t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusAccepted {
					time.Sleep(10 * time.Millisecond) //nolint:forbidigo // a pause of the sender; nothing is expected after it
					continue
				}
				e.taken.Add(1)
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	for end := time.Now().Add(span); time.Now().Before(end); <-beat.C {
		e.traffic.say(1)
	}
	wg.Wait()
	if len(took) == 0 {
		e.t.Fatal("nothing was taken")
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// export is what came of one export of all of the log. It is written to line by line
// and must hold the entries from the first on, each once and in order.
type export struct {
	entries int64
	wrong   string // the first line that is not the next entry
	code    int    // of the command
	sum     [sha256.Size]byte
}

// exportSum takes the lines of an export as they come.
type exportSum struct {
	line    []byte
	hash    hash.Hash
	entries int64
	wrong   string
	each    func(seq int64, line []byte) // called after an entry; nil: nothing is
}

func newExportSum() *exportSum { return &exportSum{hash: sha256.New()} }

// Write implements io.Writer.
func (x *exportSum) Write(p []byte) (int, error) {
	for rest, ended := p, true; ended; {
		var part []byte
		part, rest, ended = bytes.Cut(rest, []byte("\n"))
		x.line = append(x.line, part...)
		if !ended {
			break
		}
		if !bytes.HasPrefix(x.line, fmt.Appendf(nil, `{"seq":%d,`, x.entries)) && x.wrong == "" {
			x.wrong = fmt.Sprintf("in place of entry %d stands %.40s", x.entries, x.line)
		}
		_, _ = x.hash.Write(x.line)
		x.entries++
		if x.each != nil {
			x.each(x.entries-1, x.line)
		}
		x.line = x.line[:0]
	}
	return len(p), nil
}

// done is the export, whose command ended with this code.
func (x *exportSum) done(code int) export {
	if len(x.line) > 0 && x.wrong == "" {
		x.wrong = fmt.Sprintf("the line of entry %d is cut", x.entries)
	}
	return export{x.entries, x.wrong, code, [sha256.Size]byte(x.hash.Sum(nil))}
}

// command exports all of the log.
func (e *exporting) command() []string {
	return []string{"actions", "list", "--data", e.site.data(), "--entries", "--json", "--all", "after=-1"}
}

// export exports all of the log.
func (e *exporting) export(exe string, env ...string) export {
	x := newExportSum()
	p := startTo(e.t, x, exe, env, e.command()...)
	<-p.done
	return x.done(p.code)
}

// exportAll exports again and again until stop is called, and at least once.
func (e *exporting) exportAll() (stop func() []export) {
	ended, done := make(chan struct{}), make(chan []export)
	go func() {
		var list []export
		for {
			list = append(list, e.export(binary))
			select {
			case <-ended:
				done <- list
				return
			default:
			}
		}
	}()
	return func() []export { close(ended); return <-done }
}

// stalled starts an export that nobody reads further than its first lines, until goOn
// is called.
func (e *exporting) stalled(exe string, env ...string) (goOn func() export) {
	e.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { r.Close() })
	p := startTo(e.t, w, exe, env, e.command()...)
	w.Close()
	x, first := newExportSum(), make([]byte, 16)
	if _, err := io.ReadFull(r, first); err != nil {
		e.t.Fatalf("the export says nothing: %v\n%s", err, p.stderr.String())
	}
	select {
	case <-p.done:
		e.t.Fatal("the export did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	return func() export {
		if _, err := io.Copy(x, io.MultiReader(bytes.NewReader(first), r)); err != nil {
			e.t.Error(err)
		}
		return x.done(p.wait(e.t))
	}
}

// readLog reads the log as it is now, of which the first size entries are those of
// writeArchive, and says what is wrong with it and with exports of it that were made
// one after the other: each must be the log's beginning, and no shorter than the one
// before. later is what follows on the first size entries.
func (e *exporting) readLog(size int, exports []export) (faults []string, later []entry) {
	e.t.Helper()
	sums := map[int64][sha256.Size]byte{}
	for _, x := range exports {
		sums[x.entries] = [sha256.Size]byte{}
	}
	log := newExportSum()
	log.each = func(seq int64, line []byte) {
		if _, ok := sums[seq+1]; ok {
			sums[seq+1] = [sha256.Size]byte(log.hash.Sum(nil))
		}
		if seq < int64(size) {
			if id := fmt.Sprintf(`"id":"%032x",`, seq); !bytes.Contains(line, []byte(id)) && len(faults) < 10 {
				faults = append(faults, fmt.Sprintf("entry %d is another than was imported: %.100s", seq, line))
			}
			return
		}
		var x entry
		if err := json.Unmarshal(line, &x); err != nil {
			faults = append(faults, fmt.Sprintf("entry %d: %v", seq, err))
		}
		later = append(later, x)
	}
	p := startTo(e.t, log, binary, nil, e.command()...)
	now, least := log.done(p.wait(e.t)), int64(size)
	for i, x := range append(exports, now) {
		switch {
		case x.code != 0:
			faults = append(faults, fmt.Sprintf("export %d: exit code %d", i, x.code))
		case x.wrong != "":
			faults = append(faults, fmt.Sprintf("export %d: %s", i, x.wrong))
		case x.entries < least:
			faults = append(faults, fmt.Sprintf("export %d: %d entries of %d", i, x.entries, least))
		case i < len(exports) && sums[x.entries] != x.sum:
			faults = append(faults, fmt.Sprintf("export %d: %d entries, which are others than those of the log", i, x.entries))
		}
		least = max(least, x.entries)
	}
	return faults, later
}

// writeArchive writes a log of n invented entries, in the form that store import takes.
func writeArchive(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(f, 1<<20)
	line := func(v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, '\n')
		_, _ = sum.Write(data)
		_, _ = out.Write(data)
	}
	line(map[string]any{"teamsdlp_archive": 1, "created": time.Now().UTC()})
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, _ error) {
		for _, i := range indexes {
			list = append(list, hashes[i])
		}
		return list, nil
	})
	at := time.Now().UTC().Add(-time.Duration(n) * time.Second)
	for seq := range int64(n) {
		body := fmt.Appendf(nil, `{"seq":%d,"id":"%032x","case":"made%d","time":%q,"kind":"shadow","tenant":"t","rules":[{"id":"card","severity":"high","mode":"shadow","result":"matched","reason":%q}],"verdict":"shadow: card","outcome":"shadow","actor":"teamsdlp"}`,
			seq, seq, seq/2, at.Add(time.Duration(seq)*time.Second).Format(time.RFC3339Nano), strings.Repeat("a reason ", 20))
		more, err := tlog.StoredHashes(seq, body, read)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
		line(map[string]any{"kind": "entry", "seq": seq, "body": body})
	}
	root, err := tlog.TreeHash(int64(n), read)
	if err != nil {
		t.Fatal(err)
	}
	// The last line stands apart: its first field says that it is that.
	fmt.Fprintf(out, `{"end":true,"counts":{"entry":%d},"log_size":%d,"log_root":%q,"sha256":%q}`+"\n", n, n, root, hex.EncodeToString(sum.Sum(nil)))
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
