// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	nbdOptMagic     = 0x49484156454F5054 // "IHAVEOPT"
	nbdRequestMagic = 0x25609513
	nbdFlags        = 3 // fixed newstyle, no zeroes
	nbdExportName   = 1
	nbdDisconnect   = 2
)

// An application that has volume 0 of a resource open on a node.
type holder struct {
	conn net.Conn
}

func runDir(node string) string {
	for _, word := range strings.Split(os.Getenv("SDSD_RUN_DIRS"), ",") {
		name, folder, found := strings.Cut(word, "=")
		if found && name == node {
			return folder
		}
	}
	return ""
}

func hold(node, resource string) (*holder, error) {
	conn, err := net.DialTimeout("unix",
		filepath.Join(runDir(node), "nbd", resource+"-0.sock"), 5*time.Second)
	if err != nil {
		return nil, err
	}
	if err = greet(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return &holder{conn}, nil
}

func greet(conn net.Conn) error {
	var hello struct {
		Magic, Option uint64
		Flags         uint16
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if err := binary.Read(conn, binary.BigEndian, &hello); err != nil {
		return err
	}
	if hello.Option != nbdOptMagic {
		return fmt.Errorf("no NBD server of the new style: %#x", hello.Option)
	}
	if err := binary.Write(conn, binary.BigEndian, struct {
		Flags  uint32
		Magic  uint64
		Option uint32
		Length uint32
	}{nbdFlags, nbdOptMagic, nbdExportName, 0}); err != nil {
		return err
	}
	var export [10]byte // its size and what it can do
	_, err := io.ReadFull(conn, export[:])
	return err
}

func (h *holder) close() {
	_ = binary.Write(h.conn, binary.BigEndian, struct {
		Magic          uint32
		Flags, Type    uint16
		Cookie, Offset uint64
		Length         uint32
	}{Magic: nbdRequestMagic, Type: nbdDisconnect})
	h.conn.Close()
}
