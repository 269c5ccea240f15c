// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"slices"
	"time"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
	"github.com/LINBIT/golinstor/devicelayerkind"
)

const sizeKiB = 16384

// A definition with one volume and copies on these nodes; false when that does not work.
func deploy(ctx context.Context, t *tap, c *client.Client, name string, nodes ...string) bool {
	if !t.good(c.ResourceDefinitions.Create(ctx, client.ResourceDefinitionCreate{
		ResourceDefinition: client.ResourceDefinition{Name: name}}), name) ||
		!t.good(c.ResourceDefinitions.CreateVolumeDefinition(ctx, name,
			client.VolumeDefinitionCreate{VolumeDefinition: client.VolumeDefinition{
				SizeKib: sizeKiB}}), "its volume") {
		return false
	}
	return t.good(c.Resources.Autoplace(ctx, name, client.AutoPlaceRequest{
		SelectFilter: client.AutoSelectFilter{PlaceCount: int32(len(nodes)),
			NodeNameList: nodes}}), "its copies")
}

func one(ctx context.Context, c *client.Client, name, node string) *client.ResourceWithVolumes {
	list, err := c.Resources.GetResourceView(ctx, &client.ListOpts{Resource: []string{name},
		Node: []string{node}})
	if err != nil || len(list) != 1 || len(list[0].Volumes) == 0 {
		return nil
	}
	return &list[0]
}

func inUse(ctx context.Context, c *client.Client, name, node string) bool {
	r := one(ctx, c, name, node)
	return r != nil && r.State != nil && r.State.InUse != nil && *r.State.InUse
}

func definitions(ctx context.Context, t *tap, c *client.Client) {
	d := c.ResourceDefinitions
	_, err := d.Get(ctx, "pvc-go")
	t.missing(err, "it is not there")
	request := client.ResourceDefinitionCreate{ResourceDefinition: client.ResourceDefinition{
		Name: "pvc-go", ResourceGroupName: "DfltRscGrp",
		Props: map[string]string{"Aux/csi-volume-name": "pvc-go"}}}
	t.good(d.Create(ctx, request), "created")
	t.refused(d.Create(ctx, request), linstor.FailExistsRscDfn, "twice")
	number := int32(0)
	volume := client.VolumeDefinitionCreate{VolumeDefinition: client.VolumeDefinition{
		VolumeNumber: &number, SizeKib: sizeKiB}}
	_, err = d.GetVolumeDefinition(ctx, "pvc-go", 0)
	t.missing(err, "no volume yet")
	t.good(d.CreateVolumeDefinition(ctx, "pvc-go", volume), "a volume")
	t.refused(d.CreateVolumeDefinition(ctx, "pvc-go", volume), linstor.FailExistsVlmDfn, "twice")
	t.good(d.Modify(ctx, "pvc-go", override("Aux/csi-provisioning-completed-by", "x")), "modified")
	got, err := d.Get(ctx, "pvc-go")
	t.ok(err == nil && got.Name == "pvc-go" && got.ResourceGroupName == "DfltRscGrp" &&
		got.Uuid != "" && got.Props["Aux/csi-provisioning-completed-by"] == "x" &&
		len(got.Flags) == 0, "it is so", got)
	t.ok(len(got.LayerData) == 2 && got.LayerData[0].Type == devicelayerkind.Drbd &&
		got.LayerData[0].Data != nil && got.LayerData[1].Type == devicelayerkind.Storage,
		"its layers", got.LayerData)
	volumes, err := d.GetVolumeDefinitions(ctx, "pvc-go")
	if t.ok(err == nil && len(volumes) == 1 && volumes[0].VolumeNumber != nil &&
		volumes[0].SizeKib == sizeKiB && len(volumes[0].LayerData) > 0, "its volumes", volumes) {
		drbd, is := volumes[0].LayerData[0].Data.(*client.DrbdVolumeDefinition)
		t.ok(is && drbd.MinorNumber >= 1000, "which have minors", volumes[0].LayerData)
	}
	t.good(d.ModifyVolumeDefinition(ctx, "pvc-go", 0, client.VolumeDefinitionModify{
		SizeKib: 2 * sizeKiB, GenericPropsModify: override("Aux/a", "b")}), "larger")
	one, err := d.GetVolumeDefinition(ctx, "pvc-go", 0)
	t.ok(err == nil && one.SizeKib == 2*sizeKiB && one.Props["Aux/a"] == "b", "it is", one)
	all, err := d.GetAll(ctx, client.RDGetAllRequest{ResourceDefinitions: []string{"pvc-go"},
		WithVolumeDefinitions: true})
	t.ok(err == nil && len(all) == 1 && len(all[0].VolumeDefinitions) == 1, "in a list", all)
	all, err = d.GetAll(ctx, client.RDGetAllRequest{Props: []string{"Aux/csi-volume-name=pvc-go"}})
	t.ok(err == nil && len(all) == 1 && all[0].Name == "pvc-go", "by a property", all)
	t.good(d.DeleteVolumeDefinition(ctx, "pvc-go", 0), "the volume is deleted")
	t.good(d.Delete(ctx, "pvc-go"), "and the definition")
	t.good(d.Delete(ctx, "pvc-go"), "twice is no error")
	_, err = d.Get(ctx, "pvc-go")
	t.missing(err, "it is gone")
	_, err = d.GetVolumeDefinitions(ctx, "pvc-go")
	t.missing(err, "with its volumes")
}

// A copy as linstor-csi looks at it.
func copyIsFine(t *tap, r client.ResourceWithVolumes) {
	at := "on " + r.NodeName
	if !t.ok(r.Uuid != "" && r.State != nil && r.State.InUse != nil && len(r.Flags) == 0 &&
		len(r.Volumes) == 1 && r.LayerObject != nil, at, r) {
		return
	}
	created := r.CreateTimestamp
	t.ok(created != nil && time.Since(created.Time) < time.Hour, at+", made a moment ago", created)
	l := r.LayerObject
	t.ok(l.Type == devicelayerkind.Drbd && len(l.Children) == 1 &&
		l.Children[0].Type == devicelayerkind.Storage, at+", layers", l)
	t.ok(l.Drbd != nil && l.Drbd.PromotionScore > 0 && len(l.Drbd.DrbdVolumes) == 1 &&
		l.Drbd.DrbdVolumes[0].UsableSizeKib == sizeKiB, at+", as of DRBD", l.Drbd)
	v := r.Volumes[0]
	t.ok(v.StoragePoolName == "pool" && v.ProviderKind == client.FILE_THIN &&
		v.DevicePath != "" && v.State.DiskState == "UpToDate" && v.Uuid != "" &&
		len(v.Reports) == 0, at+", volume", v)
	if t.ok(len(v.LayerDataList) == 2, at+", its layers", v.LayerDataList) {
		drbd, is := v.LayerDataList[0].Data.(*client.DrbdVolume)
		t.ok(is && drbd.UsableSizeKib == sizeKiB && drbd.DevicePath == v.DevicePath,
			at+", DRBD's", drbd)
		storage, is := v.LayerDataList[1].Data.(*client.StorageVolume)
		t.ok(is && storage.UsableSizeKib >= sizeKiB, at+", that of storage", storage)
	}
}

func resources(ctx context.Context, t *tap, c *client.Client) {
	r := c.Resources
	if !deploy(ctx, t, c, "res", "n1", "n2") {
		return
	}
	view, err := r.GetResourceView(ctx, &client.ListOpts{Resource: []string{"res"}})
	t.ok(err == nil && len(view) == 2, "a view", view)
	for _, x := range view {
		copyIsFine(t, x)
	}
	if fast, err := cached(); t.good(err, "a client with caches") {
		list, err := fast.Resources.GetAll(ctx, "res")
		t.ok(err == nil && len(list) == 2, "sees the same", list)
		nodes, err := fast.Nodes.GetAll(ctx)
		t.ok(err == nil && len(nodes) == 3, "and the nodes", nodes)
	}
	status, err := c.ResourceDefinitions.SyncStatus(ctx, "res")
	t.ok(err == nil && status.SyncedOnAll, "in sync", status)
	got, err := r.Get(ctx, "res", "n1")
	t.ok(err == nil && got.Name == "res" && got.NodeName == "n1", "one of them", got)
	t.good(r.Modify(ctx, "res", "n1", override("Aux/a", "1")), "its property")
	got, err = r.Get(ctx, "res", "n1")
	t.ok(err == nil && got.Props["Aux/a"] == "1", "is there", got.Props)
	t.good(r.ModifyVolume(ctx, "res", "n1", 0, override("Aux/b", "2")), "one of its volume")
	volume, err := r.GetVolume(ctx, "res", "n1", 0)
	t.ok(err == nil && volume.Props["Aux/b"] == "2" && volume.DevicePath != "", "there, too", volume)
	volumes, err := r.GetVolumes(ctx, "res", "n1")
	t.ok(err == nil && len(volumes) == 1, "all volumes", volumes)
	t.good(r.Create(ctx, client.ResourceCreate{Resource: client.Resource{Name: "res",
		NodeName: "n3", Props: map[string]string{"StorPoolName": "pool"}}}), "a third copy")
	t.good(r.Create(ctx, client.ResourceCreate{Resource: client.Resource{Name: "res",
		NodeName: "n3"}}), "twice is no error")
	t.good(r.Autoplace(ctx, "res", client.AutoPlaceRequest{}), "nothing more to place")
	t.good(r.Deactivate(ctx, "res", "n3"), "deactivated")
	got, err = r.Get(ctx, "res", "n3")
	t.ok(err == nil && slices.Contains(got.Flags, linstor.FlagRscInactive), "it says so", got.Flags)
	t.good(r.Activate(ctx, "res", "n3"), "activated")
	t.good(r.Delete(ctx, "res", "n3", &client.ResourceDeleteOpts{KeepTiebreaker: true}), "deleted")
	t.good(r.Delete(ctx, "res", "n3"), "twice is no error")
	_, err = r.Get(ctx, "res", "n3")
	t.missing(err, "it is gone")
	_, err = r.GetAll(ctx, "none")
	t.missing(err, "copies of what is not there")
	t.good(c.ResourceDefinitions.ModifyVolumeDefinition(ctx, "res", 0,
		client.VolumeDefinitionModify{SizeKib: 2 * sizeKiB}), "the volume grows")
	x := one(ctx, c, "res", "n2")
	t.ok(x != nil && x.LayerObject.Drbd.DrbdVolumes[0].UsableSizeKib == 2*sizeKiB, "it has", x)
	t.good(c.ResourceDefinitions.Delete(ctx, "res"), "all deleted")
}

// ControllerPublishVolume and the reverse, with an application.
func attachments(ctx context.Context, t *tap, c *client.Client) {
	r := c.Resources
	if !deploy(ctx, t, c, "att", "n1", "n2") {
		return
	}
	for range 2 { // the sidecar asks again
		t.good(r.MakeAvailable(ctx, "att", "n3", client.ResourceMakeAvailable{}), "made available")
	}
	t.missing(r.MakeAvailable(ctx, "att", "n9", client.ResourceMakeAvailable{}),
		"a node that is not there")
	x := one(ctx, c, "att", "n3")
	t.ok(x != nil && slices.Contains(x.Flags, linstor.FlagDiskless) &&
		slices.Contains(x.Flags, linstor.FlagDrbdDiskless) && x.Volumes[0].DevicePath != "" &&
		x.Volumes[0].ProviderKind == client.DISKLESS &&
		x.Volumes[0].StoragePoolName == "DfltDisklessStorPool" &&
		x.Volumes[0].State.DiskState == "Diskless", "a client", x)
	h, err := hold("n3", "att")
	if t.good(err, "opened there") {
		t.comes(ctx, "it is in use", func() bool { return inUse(ctx, c, "att", "n3") })
		t.ok(!inUse(ctx, c, "att", "n1"), "and nowhere else", "")
		t.refused(r.Delete(ctx, "att", "n3"), linstor.FailInUse, "not deleted")
		t.refused(r.UnmakeAvailable(ctx, "att", "n3"), linstor.FailInUse, "nor made unavailable")
		t.refused(c.ResourceDefinitions.Delete(ctx, "att"), linstor.FailInUse, "nor all of it")
		t.refused(c.ResourceDefinitions.Truncate(ctx, "att"), linstor.FailInUse, "nor all copies")
		t.good(r.MakeAvailable(ctx, "att", "n2", client.ResourceMakeAvailable{
			AutoManageDualPrimary: true}), "a live migration is prepared")
		t.ok(two(ctx, c, "att", "n2", "n3"), "two may have it open", "")
		h.close()
	}
	t.comes(ctx, "it is closed", func() bool { return !inUse(ctx, c, "att", "n3") })
	t.good(r.UnmakeAvailable(ctx, "att", "n3"), "no longer available")
	_, err = r.Get(ctx, "att", "n3")
	t.missing(err, "it is gone")
	t.ok(!two(ctx, c, "att", "n2", "n3"), "only one may have it open", "")
	t.good(r.UnmakeAvailable(ctx, "att", "n3"), "twice is no error")
	t.good(r.UnmakeAvailable(ctx, "att", "n1"), "of a copy: none")
	_, err = r.Get(ctx, "att", "n1")
	t.good(err, "as it stays")
	t.good(r.UnmakeAvailable(ctx, "none", "n1"), "nor of what is not there")
	t.missing(r.UnmakeAvailable(ctx, "att", "n9"), "a node that is not there is one")
	t.good(r.MakeAvailable(ctx, "att", "n3", client.ResourceMakeAvailable{Diskful: true}), "with disk")
	x = one(ctx, c, "att", "n3")
	t.ok(x != nil && len(x.Flags) == 0, "a copy", x)
	t.good(c.ResourceDefinitions.Delete(ctx, "att"), "all deleted")
}

// May both nodes have the resource open at once, by their connection or everywhere?
func two(ctx context.Context, c *client.Client, name, a, b string) bool {
	const key = "DrbdOptions/Net/allow-two-primaries"
	conn, err := c.Connections.GetResourceConnection(ctx, name, a, b)
	if err == nil && conn.Props[key] == "yes" {
		return true
	}
	d, err := c.ResourceDefinitions.Get(ctx, name)
	return err == nil && d.Props[key] == "yes"
}

func toggles(ctx context.Context, t *tap, c *client.Client) {
	r := c.Resources
	if !deploy(ctx, t, c, "tog", "n1", "n2") {
		return
	}
	t.good(r.Create(ctx, client.ResourceCreate{Resource: client.Resource{Name: "tog",
		NodeName: "n3", Flags: []string{linstor.FlagDiskless}}}), "a client")
	t.good(r.Diskful(ctx, "tog", "n3", "pool", nil), "gets a disk")
	t.comes(ctx, "it is a copy", func() bool {
		x := one(ctx, c, "tog", "n3")
		return x != nil && len(x.Flags) == 0 && x.Volumes[0].State.DiskState == "UpToDate"
	})
	t.good(r.Diskless(ctx, "tog", "n3", ""), "loses it")
	t.comes(ctx, "it is a client", func() bool {
		x := one(ctx, c, "tog", "n3")
		return x != nil && slices.Contains(x.Flags, linstor.FlagDiskless)
	})
	t.good(r.Migrate(ctx, "tog", "n1", "n3", "pool"), "the copy of n1 moves there")
	t.comes(ctx, "it has", func() bool {
		_, err := r.Get(ctx, "tog", "n1")
		x := one(ctx, c, "tog", "n3")
		return err == client.NotFoundError && x != nil && len(x.Flags) == 0
	})
	t.good(r.Delete(ctx, "tog", "n2"), "the second copy goes")
	t.good(r.MakeAvailable(ctx, "tog", "n1", client.ResourceMakeAvailable{}), "a client again")
	t.refused(r.Delete(ctx, "tog", "n3"), linstor.FailInUse, "the last copy stays while there is one")
	t.good(c.ResourceDefinitions.Delete(ctx, "tog"), "all deleted")
}

// All copies go at once; the definition stays, or goes as well.
func truncate(ctx context.Context, t *tap, c *client.Client) {
	d := c.ResourceDefinitions
	if !deploy(ctx, t, c, "trunc", "n1", "n2") {
		return
	}
	t.good(c.Resources.MakeAvailable(ctx, "trunc", "n3", client.ResourceMakeAvailable{}), "a client")
	t.good(d.Truncate(ctx, "trunc"), "truncated")
	list, err := c.Resources.GetAll(ctx, "trunc")
	t.ok(err == nil && len(list) == 0, "no copy is left", list)
	volumes, err := d.GetVolumeDefinitions(ctx, "trunc")
	t.ok(err == nil && len(volumes) == 1, "the definition is", volumes)
	t.good(d.Truncate(ctx, "trunc"), "twice is no error")
	t.good(c.Resources.Autoplace(ctx, "trunc", client.AutoPlaceRequest{
		SelectFilter: client.AutoSelectFilter{PlaceCount: 2}}), "placed anew")
	x, err := c.Resources.GetAll(ctx, "trunc")
	t.ok(err == nil && len(x) == 2, "there are copies", x)
	t.good(d.Truncate(ctx, "trunc", &client.ResourceDefinitionTruncateOpts{
		DeleteEmptyResourceDefinition: true}), "with the definition")
	_, err = d.Get(ctx, "trunc")
	t.missing(err, "it is gone")
	t.good(d.Truncate(ctx, "trunc"), "of what is not there")
}
