package test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
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
// is lost, the write-ahead log stays bounded, and answers take no longer than twice
// what they do without. Under make chaos the log has a million entries.
func TestExportUnderLoad(t *testing.T) {
	t.Parallel()
	size := trial.Chaos(0, 1_000_000)
	e := newExporting(t, size)
	e.stalled(binary)
	var alone, beside []time.Duration
	exports := 0
	for range trial.Chaos(1, 5) {
		alone = append(alone, e.ingest(e.span))
		stop := e.exportAll()
		beside = append(beside, e.ingest(e.span))
		exports += stop()
	}
	e.site.settleWithin(e.traffic.twin, 2*patience)
	slices.Sort(alone)
	slices.Sort(beside)
	ratio := float64(beside[len(beside)/2]) / float64(alone[len(alone)/2])
	if exports == 0 {
		t.Error("no export was whole")
	}
	if e.largest() > e.most {
		t.Errorf("write-ahead log up to %.1f MiB, want at most %.0f", e.largest()/(1<<20), e.most/(1<<20))
	}
	if size > 0 && ratio > 2 { // on the short run a window has too few answers to say
		t.Errorf("p99 of an answer is %s beside an export, %s without", beside[len(beside)/2], alone[len(alone)/2])
	}
	wantAccount(t, e.traffic, e.site)
	wantSound(t, e.site, "")
	trial.Tried(t, "F22: %d exports of %d entries and more during %d notifications of 20 KB: nothing lost, p99 of an answer %.2f times that without, write-ahead log at most %.1f MiB",
		exports, size, e.taken.Load(), ratio, e.largest()/(1<<20))
}

// The control of F22: an export that reads all of the log in one read, behind which the
// write-ahead log cannot begin anew.
func TestExportInOneReadIsNoticed(t *testing.T) {
	t.Parallel()
	e := newExporting(t, 0)
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
	twin := newTwin(t)
	caught := make(chan struct{})
	var once sync.Once
	var behind *httputil.ReverseProxy
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if len(body) > 20_000 && bytes.Contains(body, []byte("encryptedContent")) {
			once.Do(func() { e.path, e.post = r.URL.RequestURI(), body; close(caught) })
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	e.site = newSite(t, twin.URL(), func(doc node) { doc["public"].(node)["url"] = front.URL })
	behind = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.site.public})
	if entries > 0 {
		file := e.site.file("log.jsonl")
		writeArchive(t, file, entries)
		p := start(t, binary, nil, "store", "import", "--config", e.site.config(), file)
		if <-p.done; p.code != 0 {
			t.Fatalf("import: exit code %d\n%s%s", p.code, p.stdout.String(), p.stderr.String())
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	e.site.up()
	e.traffic = newTraffic(t, twin)
	e.traffic.say(120) // entries enough to fill a pipe
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
// What is refused because the inbox is full waits a little.
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
	wg.Wait()
	if len(took) == 0 {
		e.t.Fatal("nothing was taken")
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// export is the command that exports all of the log.
func (e *exporting) export() []string {
	return []string{"actions", "list", "--data", e.site.data(), "--entries", "--json", "--all", "after=-1"}
}

// exportAll exports again and again, to nowhere, until stop is called; that returns
// how many were whole.
func (e *exporting) exportAll() (stop func() int) {
	ended, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			p := startTo(e.t, io.Discard, binary, nil, e.export()...)
			if <-p.done; p.code == 0 {
				n++
			}
			select {
			case <-ended:
				done <- n
				return
			default:
			}
		}
	}()
	return func() int { close(ended); return <-done }
}

// stalled starts an export that nobody reads further than its first lines.
func (e *exporting) stalled(exe string, env ...string) {
	e.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { r.Close() })
	p := startTo(e.t, w, exe, env, e.export()...)
	w.Close()
	if _, err := bufio.NewReaderSize(r, 16).ReadByte(); err != nil {
		e.t.Fatalf("the export says nothing: %v\n%s", err, p.stderr.String())
	}
	select {
	case <-p.done:
		e.t.Fatal("the export did not wait")
	case <-time.After(100 * time.Millisecond):
	}
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
