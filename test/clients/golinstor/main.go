// SPDX-License-Identifier: GPL-2.0-or-later

// Speaks with a cluster of three nodes through golinstor, LINSTOR's own client library for Go,
// unchanged: what CSI, Docker and Nomad drivers call, in their order. Results are lines of TAP.
// test/cluster/test_golinstor.py starts the cluster and this program; tools/golinstor builds it.
//
// Environment: that of golinstor (LS_CONTROLLERS and so on); SDSD_RUN_DIRS, "n1=folder,n2=..." with
// the sockets of the nodes' volumes; SDSD_SNAPSHOTS, not empty when the pools can take snapshots.
// Arguments: the names of scenarios; all but hello without any.
//
// To add a scenario: a function in the file of its noun, and a line in scenarios.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/LINBIT/golinstor/cache"
	"github.com/LINBIT/golinstor/client"
)

const scenarioMax = 120 * time.Second

type scenario struct {
	name      string
	run       func(ctx context.Context, t *tap, c *client.Client)
	snapshots bool // it takes pools that have them
	asked     bool // only when it is asked for
}

var scenarios = []scenario{
	{"hello", hello, false, true},
	{"controller", controller, false, false},
	{"properties", properties, false, false},
	{"nodes", nodes, false, false},
	{"interfaces", interfaces, false, false},
	{"pools", pools, false, false},
	{"groups", groups, false, false},
	{"spawn", spawn, false, false},
	{"definitions", definitions, false, false},
	{"resources", resources, false, false},
	{"attachments", attachments, false, false},
	{"disks", toggles, false, false},
	{"connections", connections, false, false},
	{"events", events, false, false},
	{"truncate", truncate, false, false},
	{"snapshots", snapshots, true, false},
	{"rollback", rollback, true, false},
	{"clones", clones, true, false},
	{"incus", incus, false, false},
	{"encryption", encryption, false, false},
	{"absent", absent, false, false},
	{"refusals", refusals, false, false},
}

// The log of requests is for who debugs: SDSD_TRACE=1.
func connect() (*client.Client, error) {
	options := []client.Option{client.UserAgent("sdsd-golinstor")}
	if os.Getenv("SDSD_TRACE") == "" {
		options = append(options, client.Log(nil))
	}
	return client.NewClient(options...)
}

// What linstor-csi puts before a client; it reads lists with cached=true.
func cached() (*client.Client, error) {
	return client.NewClient(client.Log(nil), cache.WithCaches(
		&cache.NodeCache{Timeout: time.Minute}, &cache.ResourceCache{Timeout: 30 * time.Second}))
}

func canSnapshot() bool {
	return os.Getenv("SDSD_SNAPSHOTS") != ""
}

// Can the cluster be spoken with?
func hello(ctx context.Context, t *tap, c *client.Client) {
	version, err := c.Controller.GetVersion(ctx)
	t.good(err, "the version")
	t.ok(version.RestApiVersion != "", "there is one", version)
	list, err := c.Nodes.GetAll(ctx)
	t.good(err, "the nodes")
	t.eq(len(list), 3, "there are three")
	t.good(c.Controller.Modify(ctx, override("Aux/hello", "yes")), "a change")
}

func main() {
	t := &tap{}
	c, err := connect()
	if err != nil {
		fmt.Println("Bail out!", err)
		os.Exit(1)
	}
	for _, s := range scenarios {
		if named := slices.Contains(os.Args[1:], s.name); !named && (len(os.Args) > 1 || s.asked) {
			continue
		}
		if s.snapshots && !canSnapshot() {
			t.note("%s: left out, it takes pools that have snapshots", s.name)
			continue
		}
		t.scenario = s.name
		ctx, cancel := context.WithTimeout(context.Background(), scenarioMax)
		s.run(ctx, t, c)
		cancel()
	}
	t.done()
}
