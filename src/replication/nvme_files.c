// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_files.c - the small files of configfs and sysfs. Used by nvme_target.c, nvme_initiator.c
 * and nvme_job.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "replication/nvme_sys.h"

static char root[256];

void nvme_sys_fake(const char *to)
{
	snprintf(root, sizeof(root), "%s", to ? to : "");
}

void nvme_path(char out[NVME_FILE_PATH_MAX], const char *fmt, ...)
{
	int n = snprintf(out, NVME_FILE_PATH_MAX, "%s", root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, NVME_FILE_PATH_MAX - (size_t)n, fmt, ap);
	va_end(ap);
}

int nvme_read(const char *path, char out[NVME_FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	out[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, out, NVME_FILE_MAX - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

int nvme_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rv = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

int nvme_each(const char *folder, int (*each)(const char *name, void *arg), void *arg)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int rv = 0;

	if (!d)
		return 0;
	while (rv >= 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			rv = each(e->d_name, arg);
	closedir(d);
	return rv < 0 ? rv : 0;
}
