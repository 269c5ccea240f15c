// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * encryption.c - sdsd encryption create-passphrase | enter-passphrase | modify-passphrase | status.
 * Called by main.c. A passphrase is never a word of the command line, which others can see: it
 * comes from the terminal without echo, from a file, or from standard input, a line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/show.h"
#include "cli/verbs.h"

#define PATH "/v1/encryption/passphrase"
#define PASSPHRASE_MAX 1024 /* the daemon knows the real limits */
#define FILE_ARGS "[--file F]"
#define MODIFY_ARGS "[--old-file F] [--file F]"

struct passphrase {
	char text[PASSPHRASE_MAX];
};

/* the first line of a stream that is not buffered: nothing of it stays behind */
static int read_line(int fd, struct passphrase *p)
{
	size_t n = 0;
	char c;
	ssize_t got;

	while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
		if (n == sizeof(p->text) - 1)
			return client_fail(CLI_USAGE, "the passphrase is longer than %zu bytes",
					   sizeof(p->text) - 1);
		p->text[n++] = c;
	}
	if (n > 0 && p->text[n - 1] == '\r')
		n--;
	p->text[n] = '\0';
	if (got < 0 || n == 0)
		return client_fail(CLI_USAGE, "no passphrase was given");
	return CLI_OK;
}

static int read_file(const char *path, struct passphrase *p)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rv;

	if (fd < 0)
		return client_fail(CLI_FAILED, "cannot open %s: %s", path, strerror(errno));
	rv = read_line(fd, p);
	close(fd);
	return rv;
}

static int ask(const char *prompt, struct passphrase *p)
{
	struct termios shown, hidden;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), rv;

	if (fd < 0 || tcgetattr(fd, &shown) < 0) {
		if (fd >= 0)
			close(fd);
		return client_fail(CLI_FAILED, "there is no terminal to ask on: use --file");
	}
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(fd, "%s: ", prompt);
	tcsetattr(fd, TCSAFLUSH, &hidden);
	rv = read_line(fd, p);
	tcsetattr(fd, TCSAFLUSH, &shown);
	dprintf(fd, "\n");
	close(fd);
	return rv;
}

static int ask_twice(const char *prompt, struct passphrase *p)
{
	struct passphrase again;
	int rv = ask(prompt, p);

	if (rv == CLI_OK)
		rv = ask("The same again", &again);
	if (rv == CLI_OK && strcmp(p->text, again.text) != 0)
		rv = client_fail(CLI_USAGE, "the two are not the same");
	explicit_bzero(&again, sizeof(again));
	return rv;
}

/* file NULL: the terminal when there is one, else a line of standard input; "-": the latter */
static int get(const char *file, const char *prompt, bool fresh, struct passphrase *p)
{
	if (file && strcmp(file, "-") != 0)
		return read_file(file, p);
	if (file || !isatty(STDIN_FILENO))
		return read_line(STDIN_FILENO, p);
	return fresh ? ask_twice(prompt, p) : ask(prompt, p);
}

static int send_off(const char *method, json *body)
{
	json *doc;
	int rv = client_call(method, PATH, body, &doc);

	return rv == CLI_OK ? show_done(doc) : rv;
}

static int create(int argc, char **argv)
{
	const char *file = NULL;
	const struct option_spec specs[] = { { "--file", &file, NULL } };
	struct passphrase p;
	json *body;
	int rv = show_words(argc, argv, specs, 1, NULL, 0,
			    "encryption create-passphrase " FILE_ARGS);

	if (rv == CLI_OK)
		rv = get(file, "New passphrase", true, &p);
	if (rv == CLI_OK) {
		body = json_object_new_object();
		jset_str(body, "new_passphrase", p.text);
		rv = send_off("POST", body);
	}
	explicit_bzero(&p, sizeof(p));
	return rv;
}

static int enter(int argc, char **argv)
{
	const char *file = NULL;
	const struct option_spec specs[] = { { "--file", &file, NULL } };
	struct passphrase p;
	int rv =
		show_words(argc, argv, specs, 1, NULL, 0, "encryption enter-passphrase " FILE_ARGS);

	if (rv == CLI_OK)
		rv = get(file, "Passphrase", false, &p);
	if (rv == CLI_OK)
		rv = send_off("PATCH", json_object_new_string(p.text));
	explicit_bzero(&p, sizeof(p));
	return rv;
}

static int modify(int argc, char **argv)
{
	const char *file = NULL, *old_file = NULL;
	const struct option_spec specs[] = { { "--file", &file, NULL },
					     { "--old-file", &old_file, NULL } };
	struct passphrase present, p;
	json *body;
	int rv = show_words(argc, argv, specs, 2, NULL, 0,
			    "encryption modify-passphrase " MODIFY_ARGS);

	if (rv == CLI_OK)
		rv = get(old_file, "Present passphrase", false, &present);
	if (rv == CLI_OK)
		rv = get(file, "New passphrase", true, &p);
	if (rv == CLI_OK) {
		body = json_object_new_object();
		jset_str(body, "old_passphrase", present.text);
		jset_str(body, "new_passphrase", p.text);
		rv = send_off("PUT", body);
	}
	explicit_bzero(&present, sizeof(present));
	explicit_bzero(&p, sizeof(p));
	return rv;
}

static int status(int argc, char **argv)
{
	const char *is;
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, "encryption status");

	if (rv == CLI_OK)
		rv = client_call("GET", PATH, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	is = jget_str(doc, "status", "?");
	printf("%s\n", is);
	if (strcmp(is, "locked") == 0)
		printf("Encrypted volumes wait for the passphrase: sdsd encryption "
		       "enter-passphrase\n");
	else if (strcmp(is, "unset") == 0)
		printf("Nothing can be encrypted yet: sdsd encryption create-passphrase\n");
	json_object_put(doc);
	return CLI_OK;
}

#define FILE_HELP                                                               \
	"  --file F      its first line is the passphrase; -: standard input\n" \
	"                without it, it is asked for on the terminal\n"

const struct cli_verb encryption_verbs[] = {
	{ "encryption", "create-passphrase", FILE_ARGS,
	  "makes the master key of encrypted volumes, sealed by a passphrase", create,
	  FILE_HELP
	  "\nWithout the passphrase nothing that is encrypted can be read after all nodes\n"
	  "were off at once. It can be changed, and not be found out: keep it.\n\n"
	  "Example: sdsd encryption create-passphrase" },
	{ "encryption", "enter-passphrase", FILE_ARGS,
	  "unlocks encrypted volumes, after all nodes were off", enter,
	  FILE_HELP "\nExample: sdsd encryption enter-passphrase" },
	{ "encryption", "modify-passphrase", MODIFY_ARGS, "another passphrase for the same key",
	  modify,
	  FILE_HELP "  --old-file F  the same, for the present one\n\n"
		    "From standard input comes the present one first, then the new one.\n\n"
		    "Example: sdsd encryption modify-passphrase" },
	{ "encryption", "status", "", "unset, locked or unlocked", status,
	  "Example: sdsd encryption status" },
	{ .noun = NULL },
};
