// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * complete.c - sdsd completion: the shells' scripts, which ask "sdsd completion words"
 * what may come next. Called by main.c. So the scripts need no change when verbs come
 * and go, and know the names of volumes, nodes, pools and groups.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/words.h"

#define COMPLETE_LOOK_MS 700 /* nobody waits longer for a key */
#define COMPLETION_ARGS "bash|zsh|fish"

static const char bash_script[] =
	"# bash completion of sdsd; made by: sdsd completion bash\n"
	"_sdsd()\n"
	"{\n"
	"\tlocal IFS=$'\\n'\n"
	"\tCOMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" completion words -- \\\n"
	"\t\t\"${COMP_WORDS[@]:1:COMP_CWORD-1}\" 2>/dev/null)\" -- \\\n"
	"\t\t\"${COMP_WORDS[COMP_CWORD]}\"))\n"
	"}\n"
	"complete -o default -F _sdsd sdsd\n";

static const char zsh_script[] =
	"#compdef sdsd\n"
	"# zsh completion of sdsd; made by: sdsd completion zsh\n"
	"_sdsd()\n"
	"{\n"
	"\tlocal -a found\n"
	"\tfound=(\"${(@f)$(\"$words[1]\" completion words -- \\\n"
	"\t\t\"${(@)words[2,CURRENT-1]}\" 2>/dev/null)}\")\n"
	"\tcompadd -a found\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _sdsd ]; then _sdsd \"$@\"; else compdef _sdsd sdsd; fi\n";

static const char fish_script[] =
	"# fish completion of sdsd; made by: sdsd completion fish\n"
	"complete -c sdsd -f -a \\\n"
	"\t'(sdsd completion words -- (commandline -opc)[2..-1] 2>/dev/null)'\n";

/* The shell makes code of what is printed: nothing but the characters of names and options. */
static void print_word(const char *word)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-";

	if (word[0] && strspn(word, fine) == strlen(word))
		puts(word);
}

/* part: the list within the answer, NULL: the answer itself; key: the name within an element */
static void print_names(const char *path, const char *part, const char *key)
{
	struct err err;
	json *doc, *list;

	if (client_look(path, COMPLETE_LOOK_MS, &doc, &err) < 0)
		return;
	list = part ? jget(doc, part) : doc;
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		print_word(jget_str(json_object_array_get_idx(list, i), key, ""));
	json_object_put(doc);
}

static int print_words(const char *const *given, int n)
{
	json *list = json_object_new_array();
	enum words_kind kind;

	words_next(cli_verb_at, given, n, list, &kind);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		print_word(json_object_get_string(json_object_array_get_idx(list, i)));
	json_object_put(list);
	if (kind == WORDS_VOLUME)
		print_names("/v1/sds/status", "resources", "name");
	else if (kind == WORDS_NODE)
		print_names("/v1/sds/status", "nodes", "name");
	else if (kind == WORDS_POOL)
		print_names("/v1/storage-pool-definitions", NULL, "storage_pool_name");
	else if (kind == WORDS_GROUP)
		print_names("/v1/resource-groups", NULL, "name");
	return CLI_OK;
}

static int completion(int argc, char **argv)
{
	const char *words[OPTIONS_WORDS_MAX];
	struct err err;
	int n;

	if (options_parse(argc, argv, NULL, 0, words, OPTIONS_WORDS_MAX, &n, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	if (n > 0 && strcmp(words[0], "words") == 0)
		return print_words(words + 1, n - 1);
	if (n == 1 && strcmp(words[0], "bash") == 0)
		fputs(bash_script, stdout);
	else if (n == 1 && strcmp(words[0], "zsh") == 0)
		fputs(zsh_script, stdout);
	else if (n == 1 && strcmp(words[0], "fish") == 0)
		fputs(fish_script, stdout);
	else
		return client_fail(CLI_USAGE, "Usage: sdsd completion " COMPLETION_ARGS);
	return CLI_OK;
}

const struct cli_verb completion_verbs[] = {
	{ "completion", NULL, COMPLETION_ARGS, "the script that completes commands in a shell",
	  completion,
	  "Packages install them; by hand: source <(sdsd completion bash)\n"
	  "They ask sdsd completion words -- WORD...: what may follow these words, a line each.\n\n"
	  "Example: source <(sdsd completion bash)" },
	{ .noun = NULL },
};
