// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"slices"
	"time"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
	"github.com/LINBIT/golinstor/clonestatus"
)

func snapshotIsFine(t *tap, s client.Snapshot, name string) {
	t.ok(s.Name == name && s.ResourceName == "snp" && s.Uuid != "" && len(s.Nodes) == 2 &&
		slices.Contains(s.Flags, linstor.FlagSuccessful), name, s)
	t.ok(len(s.VolumeDefinitions) == 1 && s.VolumeDefinitions[0].SizeKib == sizeKiB,
		name+", its volume", s.VolumeDefinitions)
	if t.ok(len(s.Snapshots) == 2, name+", on its nodes", s.Snapshots) {
		n := s.Snapshots[0]
		t.ok(n.SnapshotName == name && n.NodeName != "" && n.Uuid != "" &&
			n.CreateTimestamp != nil && time.Since(n.CreateTimestamp.Time) < time.Hour &&
			len(n.SnapshotVolumes) == 1, name+", on a node", n)
	}
}

func snapshots(ctx context.Context, t *tap, c *client.Client) {
	r := c.Resources
	if !deploy(ctx, t, c, "snp", "n1", "n2") {
		return
	}
	_, err := r.GetSnapshot(ctx, "snp", "s1")
	t.missing(err, "it is not there")
	t.good(r.CreateSnapshot(ctx, client.Snapshot{Name: "s1", ResourceName: "snp"}), "taken")
	t.refused(r.CreateSnapshot(ctx, client.Snapshot{Name: "s1", ResourceName: "snp"}),
		linstor.FailExistsSnapshotDfn, "twice")
	s, err := r.GetSnapshot(ctx, "snp", "s1")
	t.good(err, "read")
	snapshotIsFine(t, s, "s1")
	t.good(r.CreateSnapshots(ctx, client.Snapshot{Name: "s2", ResourceName: "snp"}), "several at once")
	list, err := r.GetSnapshots(ctx, "snp")
	t.ok(err == nil && len(list) == 2, "of a resource", list)
	view, err := r.GetSnapshotView(ctx, &client.ListOpts{Resource: []string{"snp"},
		Snapshots: []string{"s2"}})
	if t.ok(err == nil && len(view) == 1, "one in the view", view) {
		snapshotIsFine(t, view[0], "s2")
	}
	t.good(c.ResourceDefinitions.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: "restored"}}), "where it goes")
	restore := client.SnapshotRestore{ToResource: "restored"}
	t.good(r.RestoreVolumeDefinitionSnapshot(ctx, "snp", "s1", restore), "its volumes")
	t.refused(r.RestoreVolumeDefinitionSnapshot(ctx, "snp", "s1", restore),
		linstor.FailExistsVlmDfn, "twice")
	restore.Nodes = []string{"n1"}
	t.good(r.RestoreSnapshot(ctx, "snp", "s1", restore), "its content")
	t.refused(r.RestoreSnapshot(ctx, "snp", "s1", restore), linstor.FailExistsRsc, "twice")
	x := one(ctx, c, "restored", "n1")
	t.ok(x != nil && x.LayerObject.Drbd.DrbdVolumes[0].UsableSizeKib == sizeKiB, "it is there", x)
	t.good(c.ResourceDefinitions.Delete(ctx, "restored"), "deleted")
	t.good(c.ResourceDefinitions.Truncate(ctx, "snp", &client.ResourceDefinitionTruncateOpts{
		DeleteEmptyResourceDefinition: true}), "no more copies")
	_, err = c.ResourceDefinitions.Get(ctx, "snp")
	t.good(err, "while there are snapshots the definition stays")
	t.good(r.DeleteSnapshot(ctx, "snp", "s2", &client.SnapshotDeleteOpts{
		DeleteEmptyResourceDefinition: true}), "one snapshot deleted")
	_, err = c.ResourceDefinitions.Get(ctx, "snp")
	t.good(err, "there is another")
	t.good(r.DeleteSnapshot(ctx, "snp", "s1", &client.SnapshotDeleteOpts{
		DeleteEmptyResourceDefinition: true}), "the other deleted")
	_, err = c.ResourceDefinitions.Get(ctx, "snp")
	t.missing(err, "then it is gone")
	t.good(r.DeleteSnapshot(ctx, "snp", "s1"), "twice is no error")
}

func rollback(ctx context.Context, t *tap, c *client.Client) {
	r := c.Resources
	if !deploy(ctx, t, c, "back", "n1", "n3") {
		return
	}
	t.good(r.CreateSnapshot(ctx, client.Snapshot{Name: "s1", ResourceName: "back",
		Nodes: []string{"n1", "n3"}}), "taken")
	h, err := hold("n1", "back")
	if t.good(err, "opened") {
		t.comes(ctx, "it is in use", func() bool { return inUse(ctx, c, "back", "n1") })
		t.refused(r.RollbackSnapshot(ctx, "back", "s1"), linstor.FailInUse, "not rolled back")
		h.close()
	}
	t.comes(ctx, "closed", func() bool { return !inUse(ctx, c, "back", "n1") })
	t.good(r.RollbackSnapshot(ctx, "back", "s1"), "rolled back")
	t.missing(r.RollbackSnapshot(ctx, "back", "none"), "to what is not there")
	t.good(r.DeleteSnapshot(ctx, "back", "s1", &client.SnapshotDeleteOpts{
		Nodes: []string{"n1"}}), "deleted on a node")
	s, err := r.GetSnapshot(ctx, "back", "s1")
	t.ok(err == nil && slices.Equal(s.Nodes, []string{"n3"}), "the other has it", s.Nodes)
	t.good(r.DeleteSnapshot(ctx, "back", "s1"), "deleted")
	t.good(c.ResourceDefinitions.Delete(ctx, "back"), "all deleted")
}

func clones(ctx context.Context, t *tap, c *client.Client) {
	d := c.ResourceDefinitions
	if !deploy(ctx, t, c, "orig", "n1", "n2") {
		return
	}
	_, err := d.CloneStatus(ctx, "orig", "twin")
	t.missing(err, "none yet")
	started, err := d.Clone(ctx, "orig", client.ResourceDefinitionCloneRequest{Name: "twin",
		GenericPropsModify: override("Aux/twin", "yes")})
	t.ok(err == nil && started.SourceName == "orig" && started.CloneName == "twin" &&
		started.Location != "" && started.Messages != nil && len(*started.Messages) > 0,
		"begun", started)
	t.comes(ctx, "it is complete", func() bool {
		status, err := d.CloneStatus(ctx, "orig", "twin")
		return err == nil && status.Status == clonestatus.Complete
	})
	got, err := d.Get(ctx, "twin")
	t.ok(err == nil && got.Props["Aux/twin"] == "yes" && len(got.Flags) == 0, "it is there", got)
	_, err = d.Clone(ctx, "orig", client.ResourceDefinitionCloneRequest{Name: "twin"})
	t.refused(err, linstor.FailExistsRscDfn, "twice")
	t.good(d.Delete(ctx, "orig"), "the original is deleted")
	x := one(ctx, c, "twin", "n1")
	t.ok(x != nil && x.Volumes[0].State.DiskState == "UpToDate", "the clone stays", x)
	t.good(d.Delete(ctx, "twin"), "deleted")
}
