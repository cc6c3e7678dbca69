package webhook

import (
	"crypto/tls"
	"net/http"
	"time"
)

// NewServer returns a server for the public listener with every limit set: zero
// means no limit in net/http. The certificate, if TLS ends here, goes into
// TLSConfig or to ServeTLS. TLS 1.2 stays enabled because Graph fails to reach
// an endpoint that speaks 1.3 only.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
	}
}
