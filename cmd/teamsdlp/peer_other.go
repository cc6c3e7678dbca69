//go:build !linux

package main

import (
	"context"
	"errors"
	"net"
)

func withPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }

// peerOf refuses: only Linux tells us who is at the other end of a socket.
func peerOf(context.Context) (string, error) {
	return "", errors.New("peers of unix sockets are known on Linux only: use the review desk")
}
