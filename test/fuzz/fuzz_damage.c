// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_damage.c - a store's file after damage: cut, or changed in places that
 * the input says. What store/check.c calls whole is opened and read: that may
 * fail, with a sentence, and must not crash inside LMDB, which trusts its file.
 */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/check.h"
#include "store/txn.h"

#define DOCS 40
#define CHANGES_MAX 16
#define MAP (16u << 20)

static char path[128];
static uint8_t *image, *bent;
static size_t image_len;

static void fill(void)
{
	struct store *s = NULL;
	struct err err = { 0 };
	char pad[6001] = "", key[64], id[32];

	FUZZ_CHECK(store_open(fuzz_dir_path, MAP, &s, &err) == 0);
	memset(pad, 'p', sizeof(pad) - 1);
	for (uint64_t i = 1; i <= DOCS; i++) {
		struct txn_result result;
		struct txn *t;
		struct buf out;
		json *doc = json_object_new_object();

		snprintf(id, sizeof(id), "request-%d", (int)i);
		snprintf(key, sizeof(key), "volumes/some-longer-name-%03d/%d", (int)i % 20, (int)i);
		t = txn_new(id, "");
		if (i % 8 == 0)
			jset_str(doc, "pad", pad);
		txn_put(t, key, doc);
		buf_init(&out, TXN_BYTES_MAX);
		FUZZ_CHECK(txn_encode(t, &out, &err) == 0);
		FUZZ_CHECK(store_apply(s, i, out.data, out.len, &result, &err) == 0);
		buf_release(&out);
		txn_free(t);
	}
	store_close(s);
}

static int each(const char *key, json *doc, uint64_t revision, void *arg)
{
	return 0;
}

static void open_and_read(void)
{
	struct store *s = NULL;
	struct err err = { 0 };
	struct buf out;

	if (store_open(fuzz_dir_path, MAP, &s, &err) < 0) {
		FUZZ_CHECK(err.text[0]);
		return;
	}
	store_list(s, "volumes/", each, NULL);
	buf_init(&out, 8u << 20);
	store_dump(s, &out, &err);
	buf_release(&out);
	store_close(s);
}

static void write_file(size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, bent, len) == (ssize_t)len);
	close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/store.mdb", fuzz_dir());
	fill();
	fd = open(path, O_RDONLY);
	FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
	image_len = (size_t)st.st_size;
	image = malloc(image_len);
	bent = malloc(image_len);
	FUZZ_CHECK(image && bent && read(fd, image, image_len) == (ssize_t)image_len);
	close(fd);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct err err = { 0 };
	uint8_t cut = input_u8(&in);
	size_t file_len = cut ? image_len - (size_t)cut * 512 % image_len : image_len;

	memcpy(bent, image, image_len);
	for (int i = 0; i < CHANGES_MAX && in.left > 0; i++) {
		size_t page = input_take(&in, 1) % (image_len / 4096);
		size_t at = page * 4096 + input_take(&in, 2) % 4096;
		uint8_t how = input_u8(&in);
		unsigned bytes = how & 0x80 ? 2 : 1;
		uint64_t value = input_take(&in, bytes);

		for (unsigned b = 0; b < bytes && at + b < image_len; b++) {
			uint8_t byte = (uint8_t)(value >> (8 * b));

			bent[at + b] = how & 1 ? bent[at + b] ^ byte : byte;
		}
	}
	write_file(file_len);
	if (check_file(path, &err) == 0)
		open_and_read();
	else
		FUZZ_CHECK(err.text[0]);
	return 0;
}
