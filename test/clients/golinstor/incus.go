// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"slices"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
	"github.com/LINBIT/golinstor/clonestatus"
)

const (
	incusGroup = "incus"
	incusName  = "Aux/Incus/name"
	incusType  = "Aux/Incus/type"
)

// How Incus finds its volume: by two properties, in the group of its pool.
func incusFind(ctx context.Context, c *client.Client,
	name string) *client.ResourceDefinitionWithVolumeDefinition {
	list, err := c.ResourceDefinitions.GetAll(ctx, client.RDGetAllRequest{
		Props:                 []string{incusName + "=" + name, incusType + "=virtual-machines"},
		WithVolumeDefinitions: true})
	if err != nil || len(list) != 1 || list[0].ResourceGroupName != incusGroup {
		return nil
	}
	return &list[0]
}

// A virtual machine of Incus: its volume for files and that for blocks are one resource.
func incus(ctx context.Context, t *tap, c *client.Client) {
	g, d, r := c.ResourceGroups, c.ResourceDefinitions, c.Resources
	t.good(g.Create(ctx, client.ResourceGroup{Name: incusGroup, Description: "of Incus",
		SelectFilter: client.AutoSelectFilter{PlaceCount: 2, StoragePool: "pool"}}), "its pool")
	t.good(g.Modify(ctx, incusGroup, client.ResourceGroupModify{OverrideProps: map[string]string{
		"DrbdOptions/Disk/rs-discard-granularity": "1048576"}}), "tuned")
	t.good(g.Spawn(ctx, incusGroup, client.ResourceGroupSpawn{
		ResourceDefinitionName: "incus-volume-1", VolumeSizes: []int64{4096, 8192},
		DefinitionsOnly: true}), "a volume")
	t.good(d.Modify(ctx, "incus-volume-1", override("DrbdOptions/ExactSize", "true")), "exact")
	t.good(r.Autoplace(ctx, "incus-volume-1", client.AutoPlaceRequest{}), "placed")
	t.good(d.Modify(ctx, "incus-volume-1", override(incusName, "vm1", incusType,
		"virtual-machines", "DrbdOptions/Net/allow-two-primaries", "yes")), "named")
	rd := incusFind(ctx, c, "vm1")
	if !t.ok(rd != nil && len(rd.VolumeDefinitions) == 2 &&
		rd.VolumeDefinitions[0].SizeKib == 4096 && rd.VolumeDefinitions[1].SizeKib == 8192,
		"found by its name", rd) {
		return
	}
	t.good(r.MakeAvailable(ctx, rd.Name, "n1", client.ResourceMakeAvailable{Diskful: false}),
		"mounted")
	volumes, err := r.GetVolumes(ctx, rd.Name, "n1")
	t.ok(err == nil && len(volumes) == 2 && volumes[0].DevicePath != "" &&
		volumes[1].DevicePath != "" && volumes[0].DevicePath != volumes[1].DevicePath,
		"two devices", volumes)
	t.good(d.ModifyVolumeDefinition(ctx, rd.Name, 1, client.VolumeDefinitionModify{
		SizeKib: 16384}), "the disk grows")
	t.good(g.Modify(ctx, incusGroup, client.ResourceGroupModify{
		SelectFilter: client.AutoSelectFilter{PlaceCount: 3}}), "one copy more for all")
	list, err := r.GetResourceView(ctx, &client.ListOpts{Resource: []string{rd.Name}})
	t.ok(err == nil && len(list) == 3 && !slices.ContainsFunc(list,
		func(x client.ResourceWithVolumes) bool {
			return slices.Contains(x.Flags, linstor.FlagDiskless)
		}), "it has three", list)
	incusCopies(ctx, t, c, rd.Name)
	t.good(d.Delete(ctx, rd.Name), "deleted")
	t.ok(incusFind(ctx, c, "vm1") == nil, "not found any more", "")
	t.good(g.Delete(ctx, incusGroup), "the pool, too")
}

// What takes pools that have snapshots: backups of the machine, and its twin.
func incusCopies(ctx context.Context, t *tap, c *client.Client, name string) {
	d, r := c.ResourceDefinitions, c.Resources
	if !canSnapshot() {
		return
	}
	const mark = "Aux/Incus/snapshot-name/before"
	t.good(r.CreateSnapshot(ctx, client.Snapshot{Name: "incus-volume-2", ResourceName: name}),
		"a snapshot")
	t.good(d.Modify(ctx, name, override(mark, "incus-volume-2")), "and what it is called")
	rd := incusFind(ctx, c, "vm1")
	t.ok(rd != nil && rd.Props[mark] == "incus-volume-2", "found by that", rd)
	t.good(r.RollbackSnapshot(ctx, name, "incus-volume-2"), "rolled back")
	_, err := d.Clone(ctx, name, client.ResourceDefinitionCloneRequest{Name: "incus-volume-3",
		GenericPropsModify: override(incusName, "vm2")})
	t.good(err, "copied")
	t.comes(ctx, "the copy is complete", func() bool {
		status, err := d.CloneStatus(ctx, name, "incus-volume-3")
		return err == nil && status.Status == clonestatus.Complete
	})
	rd = incusFind(ctx, c, "vm2")
	t.ok(rd != nil && len(rd.VolumeDefinitions) == 2 && rd.VolumeDefinitions[1].SizeKib == 16384,
		"found by its name", rd)
	t.good(d.Delete(ctx, "incus-volume-3"), "deleted")
	t.good(r.DeleteSnapshot(ctx, name, "incus-volume-2"), "the snapshot, too")
	t.good(d.Modify(ctx, name, remove(mark)), "and its name")
}
