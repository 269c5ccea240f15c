// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"slices"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
)

// A StorageClass of Kubernetes.
func groups(ctx context.Context, t *tap, c *client.Client) {
	g := c.ResourceGroups
	_, err := g.Get(ctx, "sc-go")
	t.missing(err, "it is not there")
	t.good(g.Create(ctx, client.ResourceGroup{Name: "sc-go", Description: "of Go"}), "created")
	t.refused(g.Create(ctx, client.ResourceGroup{Name: "sc-go"}), linstor.FailExistsRscGrp, "twice")
	t.good(g.CreateVolumeGroup(ctx, "sc-go", client.VolumeGroup{}), "with a volume")
	ratio := 2.0
	t.good(g.Modify(ctx, "sc-go", client.ResourceGroupModify{
		OverrideProps: map[string]string{"DrbdOptions/auto-quorum": "suspend-io"},
		SelectFilter: client.AutoSelectFilter{PlaceCount: 2, StoragePoolList: []string{"pool"},
			LayerStack: []string{"DRBD", "STORAGE"}, ReplicasOnDifferent: []string{"Aux/host"},
			XReplicasOnDifferent: map[string]int{"Aux/rack": 2},
			ProviderList:         []string{"FILE_THIN"}, Overprovision: &ratio,
			NodeNameList: []string{"n1", "n2"}, NotPlaceWithRscRegex: "other.*"}}), "modified")
	got, err := g.Get(ctx, "sc-go")
	t.good(err, "read")
	t.ok(got.Description == "of Go" && got.Uuid != "" &&
		got.Props["DrbdOptions/auto-quorum"] == "suspend-io", "with what was written", got)
	f := got.SelectFilter
	t.ok(f.PlaceCount == 2 && slices.Equal(f.StoragePoolList, []string{"pool"}) &&
		slices.Equal(f.LayerStack, []string{"DRBD", "STORAGE"}) &&
		slices.Equal(f.ReplicasOnDifferent, []string{"Aux/host"}) &&
		f.XReplicasOnDifferent["Aux/rack"] == 2 &&
		slices.Equal(f.ProviderList, []string{"FILE_THIN"}) &&
		slices.Equal(f.NodeNameList, []string{"n1", "n2"}) &&
		f.NotPlaceWithRscRegex == "other.*", "the filter, too", f)
	t.good(g.ModifyVolumeGroup(ctx, "sc-go", 0, client.VolumeGroupModify{
		OverrideProps: map[string]string{"Aux/v": "0"}}), "the volume is modified")
	volume, err := g.GetVolumeGroup(ctx, "sc-go", 0)
	t.ok(err == nil && volume.VolumeNumber == 0 && volume.Props["Aux/v"] == "0", "it is", volume)
	volumes, err := g.GetVolumeGroups(ctx, "sc-go")
	t.ok(err == nil && len(volumes) == 1, "the only one", volumes)
	all, err := g.GetAll(ctx)
	t.ok(err == nil && slices.ContainsFunc(all, func(g client.ResourceGroup) bool {
		return g.Name == "DfltRscGrp"
	}), "there is a default one", all)
	t.good(g.DeleteVolumeGroup(ctx, "sc-go", 0), "without the volume")
	t.good(g.Delete(ctx, "sc-go"), "deleted")
	_, err = g.Get(ctx, "sc-go")
	t.missing(err, "and gone")
}

func spawn(ctx context.Context, t *tap, c *client.Client) {
	g := c.ResourceGroups
	t.good(g.Create(ctx, client.ResourceGroup{Name: "rg-go", SelectFilter: client.AutoSelectFilter{
		PlaceCount: 2, StoragePool: "pool"}}), "a group")
	t.good(g.CreateVolumeGroup(ctx, "rg-go", client.VolumeGroup{}), "with a volume")
	sizes, err := c.Resources.QueryMaxVolumeSize(ctx, client.AutoSelectFilter{PlaceCount: 2})
	t.ok(err == nil && len(sizes.Candidates) > 0 && sizes.Candidates[0].StoragePool == "pool" &&
		sizes.Candidates[0].MaxVolumeSizeKib > 16384 && len(sizes.Candidates[0].NodeNames) >= 2 &&
		sizes.Candidates[0].AllThin && sizes.DefaultMaxOversubscriptionRatio >= 1, "what fits", sizes)
	info, err := g.QuerySizeInfo(ctx, "rg-go", client.QuerySizeInfoRequest{})
	t.ok(err == nil && info.SpaceInfo != nil && info.SpaceInfo.MaxVlmSizeInKib > 16384 &&
		*info.SpaceInfo.AvailableSizeInKib > 0 && *info.SpaceInfo.CapacityInKib > 0 &&
		len(info.SpaceInfo.NextSpawnResult) == 2, "and where", info.SpaceInfo)
	volume := client.ResourceGroupSpawn{ResourceDefinitionName: "spawned", VolumeSizes: []int64{16384}}
	t.good(g.Spawn(ctx, "rg-go", volume), "spawned")
	t.refused(g.Spawn(ctx, "rg-go", volume), linstor.FailExistsRscDfn, "twice")
	list, err := c.Resources.GetAll(ctx, "spawned")
	t.ok(err == nil && len(list) == 2, "two copies", list)
	t.refused(g.Delete(ctx, "rg-go"), linstor.FailExistsRscDfn, "a group in use stays")
	t.good(g.Modify(ctx, "rg-go", client.ResourceGroupModify{
		SelectFilter: client.AutoSelectFilter{PlaceCount: 3}}), "three wanted")
	t.good(g.Adjust(ctx, "rg-go", client.ResourceGroupAdjust{}), "adjusted")
	t.good(g.AdjustAll(ctx, client.ResourceGroupAdjust{}), "all of them")
	list, err = c.Resources.GetAll(ctx, "spawned")
	t.ok(err == nil && len(list) == 3, "three copies", list)
	t.good(g.Spawn(ctx, "rg-go", client.ResourceGroupSpawn{
		ResourceDefinitionExternalName: "named from outside", VolumeSizes: []int64{4096},
		DefinitionsOnly: true}), "with a name from outside, without copies")
	all, err := c.ResourceDefinitions.GetAll(ctx, client.RDGetAllRequest{})
	t.good(err, "all definitions")
	for _, d := range all {
		if d.ExternalName == "named from outside" {
			t.good(c.ResourceDefinitions.Delete(ctx, d.Name), "deleted by the name it got")
		}
	}
	t.good(c.ResourceDefinitions.Delete(ctx, "spawned"), "deleted")
	t.good(g.Delete(ctx, "rg-go"), "the group, too")
}
