// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
	"github.com/LINBIT/golinstor/devicelayerkind"
)

func connections(ctx context.Context, t *tap, c *client.Client) {
	const key = "DrbdOptions/Net/allow-two-primaries"
	n := c.Connections
	t.good(n.SetNodeConnection(ctx, "n2", "n1", override("Aux/path", "x")), "of nodes")
	list, err := n.GetNodeConnections(ctx, "n1", "n2")
	t.ok(err == nil && len(list) == 1 && list[0].Props["Aux/path"] == "x", "it has it", list)
	list, err = n.GetNodeConnections(ctx, "", "")
	t.ok(err == nil && slices.ContainsFunc(list, func(x client.Connection) bool {
		return x.NodeA == "n1" && x.NodeB == "n2"
	}), "among all", list)
	if !deploy(ctx, t, c, "con", "n1", "n2") {
		return
	}
	list, err = n.GetResourceConnections(ctx, "con")
	t.ok(err == nil && len(list) == 1, "of a resource", list)
	t.good(n.SetResourceConnection(ctx, "con", "n2", "n1", override(key, "yes")), "changed")
	conn, err := n.GetResourceConnection(ctx, "con", "n1", "n2")
	t.ok(err == nil && conn.NodeA == "n1" && conn.NodeB == "n2" && conn.Props[key] == "yes",
		"it is", conn)
	t.good(c.Resources.ModifyConnection(ctx, "con", "n1", "n2", remove(key)), "no more")
	conn, err = n.GetResourceConnection(ctx, "con", "n1", "n2")
	t.ok(err == nil && conn.Props[key] == "", "it is not", conn)
	t.missing(n.SetResourceConnection(ctx, "con", "n1", "n9", override(key, "yes")),
		"with a node that is not there")
	t.good(c.ResourceDefinitions.Delete(ctx, "con"), "deleted")
}

// What drbd-reactor and the HA controller listen to.
func events(ctx context.Context, t *tap, c *client.Client) {
	if !deploy(ctx, t, c, "eve", "n1", "n2") {
		return
	}
	stream, err := c.Events.DRBDPromotion(ctx, "current")
	if !t.good(err, "a stream") {
		return
	}
	defer stream.Close()
	next := func(node string, may bool) bool {
		after := time.After(10 * time.Second)
		for {
			select {
			case ev := <-stream.Events:
				if ev.ResourceName == "eve" && ev.NodeName == node && ev.MayPromote == may {
					return true
				}
			case <-after:
				return false
			}
		}
	}
	t.ok(next("n2", true), "what is so comes first", "")
	h, err := hold("n1", "eve")
	if t.good(err, "opened on n1") {
		t.ok(next("n2", false), "n2 may not", "")
		h.close()
		t.ok(next("n2", true), "closed: n2 may", "")
	}
	t.good(c.ResourceDefinitions.Delete(ctx, "eve"), "deleted")
}

func encryption(ctx context.Context, t *tap, c *client.Client) {
	err := c.Encryption.Enter(ctx, "first secret")
	t.ok(err != nil, "there is no passphrase yet", err)
	t.good(c.Encryption.Create(ctx, client.Passphrase{NewPassphrase: "first secret"}), "set")
	t.refused(c.Encryption.Create(ctx, client.Passphrase{NewPassphrase: "another secret"}),
		linstor.FailExistsCryptPassphrase, "twice")
	t.good(c.Encryption.Modify(ctx, client.Passphrase{OldPassphrase: "first secret",
		NewPassphrase: "second secret"}), "changed")
	t.good(c.Encryption.Enter(ctx, "second secret"), "entered")
	err = c.Encryption.Enter(ctx, "first secret")
	var entries client.ApiCallError
	t.ok(errors.As(err, &entries), "a wrong one", err)
	t.good(c.ResourceDefinitions.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: "luks", LayerData: layers(
			devicelayerkind.Drbd, devicelayerkind.Luks, devicelayerkind.Storage)}}), "encrypted")
	got, err := c.ResourceDefinitions.Get(ctx, "luks")
	t.ok(err == nil && len(got.LayerData) == 3 && got.LayerData[1].Type == devicelayerkind.Luks,
		"it says so", got.LayerData)
	t.good(c.ResourceDefinitions.Delete(ctx, "luks"), "deleted")
}

func layers(kinds ...devicelayerkind.DeviceLayerKind) (list []client.ResourceDefinitionLayer) {
	for _, kind := range kinds {
		list = append(list, client.ResourceDefinitionLayer{Type: kind})
	}
	return list
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// Refused in a way that the library understands: not found, or entries with words.
func (t *tap) honest(err error, name string) {
	var entries client.ApiCallError
	t.ok(errors.Is(err, client.NotFoundError) || errors.As(err, &entries) && len(entries) > 0,
		name, err)
}

// Lists are empty, the rest is refused.
func absent(ctx context.Context, t *tap, c *client.Client) {
	remotes, err := c.Remote.GetAll(ctx)
	t.ok(err == nil && len(remotes.S3Remotes)+len(remotes.LinstorRemotes) == 0, "remotes", remotes)
	s3, err := c.Remote.GetAllS3(ctx)
	t.ok(err == nil && len(s3) == 0, "remotes of S3", s3)
	linstors, err := c.Remote.GetAllLinstor(ctx)
	t.ok(err == nil && len(linstors) == 0, "of LINSTOR", linstors)
	ebs, err := c.Remote.GetAllEbs(ctx)
	t.ok(err == nil && len(ebs) == 0, "of EBS", ebs)
	files, err := c.Controller.GetExternalFiles(ctx)
	t.ok(err == nil && len(files) == 0, "files", files)
	t.honest(c.Remote.CreateS3(ctx, client.S3Remote{RemoteName: "s3"}), "a remote of S3")
	t.honest(c.Remote.CreateLinstor(ctx, client.LinstorRemote{RemoteName: "l"}), "of LINSTOR")
	t.honest(c.Remote.Delete(ctx, "s3"), "deleting one")
	_, err = c.Backup.GetAll(ctx, "s3", "", "")
	t.honest(err, "backups")
	_, err = c.Backup.Create(ctx, "s3", client.BackupCreate{RscName: "x"})
	t.honest(err, "a backup")
	t.honest(c.Backup.Restore(ctx, "s3", client.BackupRestoreRequest{}), "restoring one")
	_, err = c.Backup.Ship(ctx, "s3", client.BackupShipRequest{})
	t.honest(err, "shipping one")
	t.honest(c.Controller.ModifyExternalFile(ctx, "/etc/x", client.ExternalFile{Path: "/etc/x"}),
		"a file")
	_, err = c.Controller.GetExternalFile(ctx, "/etc/x")
	t.honest(err, "reading one")
	t.honest(c.ResourceDefinitions.AttachExternalFile(ctx, "x", "/etc/x"), "attaching one")
	t.honest(c.Controller.CreateSOSReport(ctx), "a report for support")
	t.honest(c.Controller.DownloadSOSReport(ctx, discard{io.Discard}), "downloading it")
	_, err = c.Controller.GetConfig(ctx)
	t.honest(err, "the controller's configuration")
	_, err = c.Controller.GetSatelliteConfig(ctx, "n1")
	t.honest(err, "a satellite's")
	_, err = c.ResourceDefinitions.GetPropsInfos(ctx)
	t.honest(err, "what properties there are")
	t.honest(c.Nodes.CreateEbsNode(ctx, "ebs", "ebs"), "a node of EBS")
	t.honest(c.Resources.EnableDRBDProxy(ctx, "x", "n1", "n2"), "DRBD Proxy")
}

func refusals(ctx context.Context, t *tap, c *client.Client) {
	d := c.ResourceDefinitions
	err := c.Nodes.Create(ctx, client.Node{Name: "n9", Type: linstor.ValNodeTypeStlt,
		NetInterfaces: []client.NetInterface{{Name: "default", Address: net.ParseIP("192.0.2.9")}}})
	var entries client.ApiCallError
	t.ok(errors.As(err, &entries), "a node joins with a token", err)
	t.refused(d.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: "9"}}), linstor.FailInvldRscName, "a name")
	t.refused(d.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: "bcache", LayerData: layers(
			devicelayerkind.Bcache, devicelayerkind.Storage)}}), linstor.FailInvldLayerStack, "layers")
	t.missing(d.CreateVolumeDefinition(ctx, "none", client.VolumeDefinitionCreate{
		VolumeDefinition: client.VolumeDefinition{SizeKib: sizeKiB}}), "a volume of nothing")
	if !t.good(d.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: "bad"}}), "a definition") {
		return
	}
	t.refused(d.CreateVolumeDefinition(ctx, "bad", client.VolumeDefinitionCreate{
		VolumeDefinition: client.VolumeDefinition{SizeKib: 0}}), linstor.FailInvldVlmSize, "no size")
	t.good(d.CreateVolumeDefinition(ctx, "bad", client.VolumeDefinitionCreate{
		VolumeDefinition: client.VolumeDefinition{SizeKib: sizeKiB}}), "a volume")
	t.refused(c.Resources.Autoplace(ctx, "bad", client.AutoPlaceRequest{
		SelectFilter: client.AutoSelectFilter{PlaceCount: 5}}), linstor.FailNotEnoughNodes, "five copies")
	t.refused(c.Resources.Autoplace(ctx, "bad", client.AutoPlaceRequest{
		SelectFilter: client.AutoSelectFilter{PlaceCount: 1, StoragePool: "none"}}),
		linstor.FailNotEnoughNodes, "a pool that is not there")
	t.missing(c.Resources.CreateSnapshot(ctx, client.Snapshot{Name: "s1", ResourceName: "none"}),
		"a snapshot of nothing")
	t.good(d.Delete(ctx, "bad"), "deleted")
	cut, cancel := context.WithCancel(ctx)
	cancel()
	_, err = c.Nodes.GetAll(cut)
	t.ok(errors.Is(err, context.Canceled), "a call that was given up", err)
}
