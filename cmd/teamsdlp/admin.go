package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
)

// adminSocket is where commands ask a running service to change something.
func adminSocket(dataDir string) string { return filepath.Join(dataDir, "admin.sock") }

// adminServer answers on the socket; its peer, known from the kernel, is the
// actor.
func (s *service) adminServer() *http.Server {
	return &http.Server{
		Handler:           s.adminHandler(func(r *http.Request) (string, error) { return peerOf(r.Context()) }),
		ConnContext:       withPeer,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second, MaxHeaderBytes: 32 << 10,
	}
}

// adminHandler is what can be asked on the socket: the desk's decisions, and
// what becomes of items in quarantine, of actions that wait and of keys.
func (s *service) adminHandler(peer func(*http.Request) (string, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.desk.AdminHandler(peer))
	change := func(do func(ctx context.Context, what, actor, reason string) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { s.adminChange(w, r, peer, do) }
	}
	mux.HandleFunc("POST /inbox/{what}/retry", change(s.retryItem))
	mux.HandleFunc("POST /inbox/parked/retry", change(s.retryParked))
	mux.HandleFunc("POST /inbox/{what}/drop", change(s.dropItem))
	mux.HandleFunc("POST /keys/{what}/retire", change(s.retireKey))
	return mux
}

// maxAdminReason is how long a reason may be, in characters.
const maxAdminReason = 500

// adminRefusal is the error of a change that is not made, for whoever asked.
type adminRefusal struct {
	status int
	text   string
}

func (r adminRefusal) Error() string { return r.text }

func refuseChange(format string, args ...any) error {
	return adminRefusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// adminChange makes one change in the name of the peer. Changes take turns, so
// that what one of them looked at is so when it acts.
func (s *service) adminChange(w http.ResponseWriter, r *http.Request, peer func(*http.Request) (string, error), do func(ctx context.Context, what, actor, reason string) error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("panic on the admin socket", zap.String("type", fmt.Sprintf("%T", v)), zap.ByteString("stack", debug.Stack()))
			answerAdmin(w, http.StatusInternalServerError, "internal error")
		}
	}()
	actor, err := peer(r)
	if err != nil {
		answerAdmin(w, http.StatusForbidden, "the peer of this socket is not known")
		return
	}
	var body struct {
		Reason string `json:"reason"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		answerAdmin(w, http.StatusBadRequest, `the body is not JSON of the form {"reason": "..."}`)
		return
	}
	body.Reason = strings.TrimSpace(body.Reason)
	if len([]rune(body.Reason)) > maxAdminReason {
		answerAdmin(w, http.StatusBadRequest, fmt.Sprintf("the reason is longer than %d characters", maxAdminReason))
		return
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	err = do(r.Context(), r.PathValue("what"), actor, body.Reason)
	var refusal adminRefusal
	switch {
	case err == nil:
		answerAdmin(w, http.StatusOK, "")
	case errors.As(err, &refusal):
		answerAdmin(w, refusal.status, refusal.text)
	default:
		s.log.Error("a change asked for on the admin socket was not made", zap.String("path", r.Pattern), zap.Error(err))
		answerAdmin(w, http.StatusInternalServerError, err.Error())
	}
}

func answerAdmin(w http.ResponseWriter, status int, fault string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": fault})
}

// ask asks the service that runs on a data directory for a change. Its refusal
// is a found.
func ask(ctx context.Context, dataDir, path string, body any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", adminSocket(dataDir))
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 60 * time.Second, Transport: transport}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://teamsdlp"+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // without the address, which is only ours
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (changes go through the running service: start teamsdlp serve, and be the user it runs as)", err)
	case err != nil:
		return fmt.Errorf("%w (is teamsdlp serve running?)", err)
	}
	defer res.Body.Close()
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("the service's answer: %w", err)
	}
	switch {
	case res.StatusCode == http.StatusOK:
		return nil
	case res.StatusCode < 500:
		return found{plain(answer.Error)}
	}
	return errors.New(plain(answer.Error))
}
