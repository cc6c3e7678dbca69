//go:build !linux

package main

import (
	"context"
	"errors"
	"math"
	"net"
)

func withPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }

// peerOf refuses: only Linux tells us who is at the other end of a socket.
func peerOf(context.Context) (string, error) {
	return "", errors.New("peers of unix sockets are known on Linux only: use the review desk")
}

// openFiles is how many files this process may have open, as far as we can tell.
func openFiles() int { return math.MaxInt32 }
