// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * debugfs.c - /sys/kernel/debug/rvol/<resource>/, for a person who looks at one
 * that is stuck. The files go with the resource; who has one open reads errors
 * from then on. One more file: a row in files[].
 *
 *   state     its role, its copy, its peers and how far they are
 *   requests  of the application and of the lower devices, oldest first
 *   links     and what is queued on them
 *   hot       how full the hot log is
 *   fence     (written) takes the resource out of service, now; the text is the
 *             reason that its status shows. The last resort of an operator: what is
 *             to become of it then, sdsd or RVOL_CMD_RESOURCE_DEL says.
 */
#include <linux/debugfs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "print.h"

static struct dentry *root;

/* defines <name>_fops: a file that shows what print_<name>() says */
#define SHOWS(name)                                              \
	static int name##_show(struct seq_file *s, void *unused) \
	{                                                        \
		return show(s, print_##name);                    \
	}                                                        \
	DEFINE_SHOW_ATTRIBUTE(name)

/* The section is one like any other: who could not have the mutex meanwhile relies on its end. */
static int show(struct seq_file *s, void (*print)(struct seq_file *s, struct rvol *r))
{
	struct rvol *r = s->private;

	rvol_enter(r);
	print(s, r);
	rvol_leave(r);
	return 0;
}

SHOWS(state);
SHOWS(requests);
SHOWS(links);
SHOWS(hot);

static ssize_t fence_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct rvol *r = file->private_data;
	char why[RVOL_NAME_MAX] = "";
	size_t n = min(len, sizeof(why) - 1);

	if (copy_from_user(why, from, n))
		return -EFAULT;
	why[strcspn(why, "\n")] = '\0';
	if (!why[0])
		return -EINVAL; /* no reason, no fence */
	rvol_enter(r);
	rvol_fence(r, "by hand: %s", why);
	rvol_leave(r);
	return (ssize_t)len;
}

static const struct file_operations fence_ops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = fence_write,
};

static const struct {
	const char *name;
	umode_t mode;
	const struct file_operations *ops;
} files[] = {
	{ "state", 0400, &state_fops }, { "requests", 0400, &requests_fops },
	{ "links", 0400, &links_fops }, { "hot", 0400, &hot_fops },
	{ "fence", 0200, &fence_ops },
};

/* The name of the resource, where it is one that a folder can have and no other resource here has
 * it; else its uuid. */
static struct dentry *make_folder(const struct rvol *r)
{
	char uuid[2 * RVOL_UUID_BYTES + 1];
	struct dentry *d = ERR_PTR(-EINVAL);

	if (r->name[0] != '.' && !strchr(r->name, '/'))
		d = debugfs_create_dir(r->name, root);
	if (!IS_ERR(d))
		return d;
	snprintf(uuid, sizeof(uuid), "%*phN", RVOL_UUID_BYTES, r->uuid);
	return debugfs_create_dir(uuid, root);
}

void debug_add(struct rvol *r)
{
	r->debug = make_folder(r);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		debugfs_create_file(files[i].name, files[i].mode, r->debug, r, files[i].ops);
}

void debug_remove(struct rvol *r)
{
	debugfs_remove(r->debug);
}

int debug_init(void)
{
	root = debugfs_create_dir("rvol", NULL);
	return 0; /* nothing depends on it */
}

void debug_exit(void)
{
	debugfs_remove(root);
}
