// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"net"
	"slices"
	"time"

	linstor "github.com/LINBIT/golinstor"
	"github.com/LINBIT/golinstor/client"
	"github.com/LINBIT/golinstor/devicelayerkind"
)

func override(pairs ...string) client.GenericPropsModify {
	props := client.OverrideProps{}
	for i := 0; i+1 < len(pairs); i += 2 {
		props[pairs[i]] = pairs[i+1]
	}
	return client.GenericPropsModify{OverrideProps: props}
}

func remove(keys ...string) client.GenericPropsModify {
	return client.GenericPropsModify{DeleteProps: keys}
}

func controller(ctx context.Context, t *tap, c *client.Client) {
	version, err := c.Controller.GetVersion(ctx)
	t.good(err, "the version")
	t.ok(version.Version != "" && version.GitHash != "" && version.BuildTime != "",
		"all of it", version)
	t.eq(version.RestApiVersion, "1.27.0", "of the API")
	t.good(c.Controller.Modify(ctx, override("Aux/golinstor", "1")), "a property")
	props, err := c.Controller.GetProps(ctx)
	t.good(err, "the properties")
	t.eq(props["Aux/golinstor"], "1", "it is there")
	t.good(c.Controller.DeleteProp(ctx, "Aux/golinstor"), "deleted by its path")
	props, err = c.Controller.GetProps(ctx)
	t.ok(err == nil && props["Aux/golinstor"] == "", "it is gone", props)
	reports, err := c.Controller.GetErrorReports(ctx)
	t.ok(err == nil && len(reports) == 0, "error reports: none", err)
	reports, err = c.Controller.GetErrorReportsSince(ctx, time.Now().Add(-time.Hour))
	t.ok(err == nil && len(reports) == 0, "of the last hour: none", err)
	t.good(c.Controller.DeleteErrorReports(ctx, client.ErrorReportDelete{}),
		"deleting them all is no error")
}

func properties(ctx context.Context, t *tap, c *client.Client) {
	_, err := c.KeyValueStore.Get(ctx, "csi-backup-mapping")
	t.missing(err, "a store that is not there")
	t.good(c.KeyValueStore.CreateOrModify(ctx, "csi-backup-mapping", override("a/b", "1", "c", "2")),
		"it is made by writing")
	kv, err := c.KeyValueStore.Get(ctx, "csi-backup-mapping")
	if t.good(err, "then it is there") {
		t.eq(*kv, client.KV{Name: "csi-backup-mapping", Props: map[string]string{
			"a/b": "1", "c": "2"}}, "with what was written")
	}
	t.good(c.KeyValueStore.CreateOrModify(ctx, "csi-backup-mapping", client.GenericPropsModify{
		DeleteNamespaces: client.DeleteNamespaces{"a"}}), "a name space is deleted")
	list, err := c.KeyValueStore.List(ctx)
	t.good(err, "all stores")
	i := slices.IndexFunc(list, func(kv client.KV) bool { return kv.Name == "csi-backup-mapping" })
	t.ok(i >= 0 && list[i].Props["a/b"] == "" && list[i].Props["c"] == "2", "the rest is there", list)
	t.good(c.KeyValueStore.Delete(ctx, "csi-backup-mapping"), "the store is deleted")
	_, err = c.KeyValueStore.Get(ctx, "csi-backup-mapping")
	t.missing(err, "and gone")
}

func nodes(ctx context.Context, t *tap, c *client.Client) {
	list, err := c.Nodes.GetAll(ctx)
	t.good(err, "all of them")
	t.eq(len(list), 3, "there are three")
	for _, n := range list {
		t.ok(n.ConnectionStatus == "ONLINE" && n.Uuid != "" && len(n.Flags) == 0,
			n.Name+" is well", n)
		t.ok(slices.Contains([]string{"SATELLITE", "COMBINED"}, n.Type), "of a type known", n)
		t.ok(len(n.NetInterfaces) > 0 && n.NetInterfaces[0].Address != nil &&
			n.NetInterfaces[0].SatelliteEncryptionType != "", "it has an address", n)
		t.ok(slices.Contains(n.ResourceLayers, devicelayerkind.Drbd) &&
			slices.Contains(n.ResourceLayers, devicelayerkind.Storage), "and layers", n)
		t.ok(slices.Contains(n.StorageProviders, client.DISKLESS), "and kinds of storage", n)
	}
	list, err = c.Nodes.GetAll(ctx, &client.ListOpts{Node: []string{"n1", "n3"}})
	t.ok(err == nil && len(list) == 2, "two of them by name", list)
	list, err = c.Nodes.GetAll(ctx, &client.ListOpts{Offset: 1, Limit: 1})
	t.ok(err == nil && len(list) == 1 && list[0].Name == "n2", "a page of one", list)
	t.good(c.Nodes.Modify(ctx, "n1", client.NodeModify{
		GenericPropsModify: override("Aux/zone", "a")}), "a label")
	list, err = c.Nodes.GetAll(ctx, &client.ListOpts{Prop: []string{"Aux/zone=a"}})
	t.ok(err == nil && len(list) == 1 && list[0].Name == "n1", "found by it", list)
	n, err := c.Nodes.Get(ctx, "n1")
	t.ok(err == nil && n.Name == "n1" && n.Props["Aux/zone"] == "a", "one node", n)
	t.good(c.Nodes.Modify(ctx, "n1", client.NodeModify{
		GenericPropsModify: remove("Aux/zone")}), "without the label")
	t.good(c.Nodes.Reconnect(ctx, "n2"), "connected again")
	_, err = c.Nodes.Get(ctx, "n9")
	t.missing(err, "a node that is not there")
	t.good(c.Nodes.Evacuate(ctx, "n3", client.NodeEvacuate{DoNotTarget: []string{"n2"}}), "evacuated")
	n, err = c.Nodes.Get(ctx, "n3")
	t.ok(err == nil && slices.Contains(n.Flags, linstor.FlagEvacuate), "it says so", n.Flags)
	t.good(c.Nodes.Restore(ctx, "n3", client.NodeRestore{}), "restored")
	n, err = c.Nodes.Get(ctx, "n3")
	t.ok(err == nil && len(n.Flags) == 0, "it says so", n.Flags)
}

func interfaces(ctx context.Context, t *tap, c *client.Client) {
	list, err := c.Nodes.GetNetInterfaces(ctx, "n1")
	t.ok(err == nil && len(list) > 0 && list[0].IsActive && list[0].SatellitePort > 0,
		"of a node", list)
	second := client.NetInterface{Name: "second", Address: net.ParseIP("192.0.2.7")}
	t.good(c.Nodes.CreateNetInterface(ctx, "n1", second), "one more")
	t.refused(c.Nodes.CreateNetInterface(ctx, "n1", second), linstor.FailExistsNetIf, "twice")
	second.Address = net.ParseIP("2001:db8::7")
	t.good(c.Nodes.ModifyNetInterface(ctx, "n1", "second", second), "another address")
	got, err := c.Nodes.GetNetInterface(ctx, "n1", "second")
	t.ok(err == nil && got.Name == "second" && got.Address.Equal(second.Address), "it has it", got)
	t.good(c.Nodes.DeleteNetinterface(ctx, "n1", "second"), "deleted")
	_, err = c.Nodes.GetNetInterface(ctx, "n1", "second")
	t.missing(err, "it is gone")
}

func pools(ctx context.Context, t *tap, c *client.Client) {
	view, err := c.Nodes.GetStoragePoolView(ctx)
	t.good(err, "all of them")
	diskless := 0
	for _, p := range view {
		t.ok(p.Uuid != "" && p.FreeSpaceMgrName != "" && len(p.Reports) == 0, p.NodeName+" "+
			p.StoragePoolName, p)
		if p.ProviderKind == client.DISKLESS {
			diskless++
			continue
		}
		t.ok(p.ProviderKind == client.FILE_THIN && p.TotalCapacity > 0 &&
			p.FreeCapacity > 0 && p.FreeCapacity <= p.TotalCapacity, "its space", p)
		t.eq(p.StaticTraits["Provisioning"], "Thin", "and kind")
	}
	t.eq(diskless, 3, "each node has one without disks")
	view, err = c.Nodes.GetStoragePoolView(ctx, &client.ListOpts{Node: []string{"n2"},
		StoragePool: []string{"pool"}})
	t.ok(err == nil && len(view) == 1 && view[0].NodeName == "n2", "by node and name", view)
	list, err := c.Nodes.GetStoragePools(ctx, "n2")
	t.ok(err == nil && len(list) == 2, "of a node", list)
	pool, err := c.Nodes.GetStoragePool(ctx, "n2", "pool")
	t.ok(err == nil && pool.StoragePoolName == "pool", "one", pool)
	t.good(c.Nodes.ModifyStoragePool(ctx, "n2", "pool", override("Aux/tier", "1")), "a property")
	pool, err = c.Nodes.GetStoragePool(ctx, "n2", "pool")
	t.ok(err == nil && pool.Props["Aux/tier"] == "1", "it has it", pool.Props)
	t.good(c.Nodes.ModifyStoragePool(ctx, "n2", "pool", remove("Aux/tier")), "no more")
	_, err = c.Nodes.GetStoragePool(ctx, "n2", "none")
	t.missing(err, "a pool that is not there")
	more := client.StoragePool{StoragePoolName: "more", ProviderKind: client.FILE_THIN,
		Props: map[string]string{"StorDriver/StorPoolName": runDir("n1") + "/more"}}
	t.good(c.Nodes.CreateStoragePool(ctx, "n1", more), "one more")
	t.refused(c.Nodes.CreateStoragePool(ctx, "n1", more), linstor.FailExistsStorPool, "twice")
	t.good(c.Nodes.DeleteStoragePool(ctx, "n1", "more"), "deleted")
	poolDefinitions(ctx, t, c)
	disks, err := c.Nodes.GetPhysicalStorageView(ctx)
	t.good(err, "disks")
	for _, d := range disks {
		t.ok(d.Size > 0 && len(d.Nodes) > 0, "a disk of some nodes", d)
	}
	_, err = c.Nodes.GetPhysicalStorage(ctx, "n1")
	t.good(err, "disks of a node")
	err = c.Nodes.CreateDevicePool(ctx, "n1", client.PhysicalStorageCreate{
		ProviderKind: client.LVM_THIN, DevicePaths: []string{"/dev/none"}, PoolName: "thin"})
	t.ok(err != nil && err != client.NotFoundError, "no pool of a disk that is not there", err)
}

func poolDefinitions(ctx context.Context, t *tap, c *client.Client) {
	spd := c.StoragePoolDefinitions
	t.good(spd.Create(ctx, client.StoragePoolDefinition{StoragePoolName: "later"}), "a definition")
	t.good(spd.Modify(ctx, "later", client.StoragePoolDefinitionModify{
		GenericPropsModify: override("Aux/a", "b")}), "its property")
	one, err := spd.Get(ctx, "later")
	t.ok(err == nil && one.Props["Aux/a"] == "b", "it has it", one)
	all, err := spd.GetAll(ctx)
	t.ok(err == nil && slices.ContainsFunc(all, func(d client.StoragePoolDefinition) bool {
		return d.StoragePoolName == "pool"
	}), "all definitions", all)
	t.good(spd.Delete(ctx, "later"), "deleted")
	_, err = spd.Get(ctx, "later")
	t.missing(err, "and gone")
}
