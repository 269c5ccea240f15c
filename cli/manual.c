// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manual.c - sdsd help --man: the page sdsd(1), made of the tables of verbs. Called by
 * main.c. What is said of a verb in its help is said here in the same words.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/verbs.h"

/* one line or several; what would be a command or an escape of troff is told to be text */
static void put_text(const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		begins = *text == '\n';
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

/* as it stands, without filling */
static void put_block(const char *text)
{
	puts(".nf");
	put_text(text);
	puts("\n.fi");
}

static void put_verb(const struct cli_verb *v)
{
	puts(".TP");
	fputs("\\fBsdsd ", stdout);
	put_text(v->noun);
	if (v->verb) {
		putchar(' ');
		put_text(v->verb);
	}
	fputs("\\fR ", stdout);
	put_text(v->args ? v->args : "");
	putchar('\n');
	put_text(v->help);
	puts(".");
	if (v->more) {
		puts(".RS\n.PP");
		put_block(v->more);
		puts(".RE");
	}
}

static bool is_first_of_noun(int at)
{
	const char *noun = cli_verb_at(at)->noun;

	for (int i = 0; i < at; i++) {
		if (strcmp(cli_verb_at(i)->noun, noun) == 0)
			return false;
	}
	return true;
}

static void put_nouns(void)
{
	const struct cli_verb *v, *w;

	for (int i = 0; (v = cli_verb_at(i)); i++) {
		if (!is_first_of_noun(i))
			continue;
		fputs(".SS ", stdout);
		put_text(v->noun);
		putchar('\n');
		for (int k = i; (w = cli_verb_at(k)); k++) {
			if (strcmp(v->noun, w->noun) == 0)
				put_verb(w);
		}
	}
}

void manual_print(void)
{
	puts(".\\\" made by: sdsd help --man\n"
	     ".TH SDSD 1 \"\" \"sdsd " SDSD_VERSION "\" \"sdsd\"\n"
	     ".SH NAME\n"
	     "sdsd \\- replicated block storage: the daemon and its command line\n"
	     ".SH SYNOPSIS\n"
	     "\\fBsdsd\\fR \\fInoun\\fR [\\fIverb\\fR] [\\fIoptions\\fR]\n"
	     ".SH DESCRIPTION\n"
	     "A cluster of nodes keeps volumes, each with copies on several of them.\n"
	     "\\fBsdsd run\\fR is the daemon of a node.\n"
	     "\\fBsdsd init\\fR and \\fBsdsd join\\fR make a machine one.\n"
	     "All other commands ask the daemon of this node; any node will do.\n"
	     "What a program is to read is printed with \\fB\\-\\-output json\\fR.\n"
	     ".PP\n"
	     "When something is wrong: \\fBsdsd status\\fR, \\fBsdsd why\\fR \\fIvolume\\fR,\n"
	     "\\fBsdsd doctor\\fR, \\fBsdsd log\\fR.\n"
	     ".SH COMMANDS");
	put_nouns();
	puts(".SH OPTIONS AND EXIT STATUS");
	put_block(cli_global_help);
	puts(".SH ENVIRONMENT\n"
	     ".TP\n\\fBSDSD_SOCKET\\fR\nThe daemon's socket, as \\fB\\-\\-socket\\fR.\n"
	     ".TP\n\\fBSDSD_DIR\\fR\nThe state directory, as \\fB\\-\\-dir\\fR.\n"
	     ".TP\n\\fBSDSD_RUN_DIR\\fR\nIts sockets, as \\fB\\-\\-run\\-dir\\fR.\n"
	     ".TP\n\\fBSDSD_HTTP\\fR, \\fBSDSD_HTTPS\\fR\nWhere the API is served over TCP.\n"
	     ".TP\n\\fBSDSD_PLANE\\fR\nkernel, user or auto, as \\fB\\-\\-plane\\fR.\n"
	     ".TP\n\\fBSDSD_TOKEN\\fR\nThe token of \\fBsdsd join\\fR.\n"
	     ".SH FILES\n"
	     ".TP\n" CLIENT_SOCKET_DEFAULT "\nThe API for root of this node.\n"
	     ".TP\n/var/lib/sdsd\nIdentity, keys, the log and the store of the cluster.\n"
	     ".TP\n/dev/rvol<minor>\nVolumes, where the kernel module is loaded.\n"
	     ".SH SEE ALSO\n\\fBjournalctl\\fR(1), \\fBsystemctl\\fR(1)");
}
