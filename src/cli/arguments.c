/* The command line: which command, its options and operands. */
#include "cli.h"

#include <string.h>

const char *nn__closest_word(const char *typed, const char *const *words) {
  const size_t length = strlen(typed);
  const char *best = NULL;
  int least = length < 5 ? 3 : 4; /* one change in three to four letters is a slip, more is another word */
  for (; *words != NULL; words++) {
    const int distance = nn_edit_distance(typed, *words);
    if (distance < least && distance < (int)strlen(*words)) {
      least = distance;
      best = *words;
    }
    /* "--dry" for "--dry-run" is far away by letters */
    if (best == NULL && length >= 3 && strncmp(typed, *words, length) == 0) best = *words;
  }
  return best;
}

/* ---- which command ---------------------------------------------------------------------------- */

/* Words of the command line that name this command: 0 if it is another one. */
static int words_matched(const nn__command *command, int argc, char *const *argv) {
  const char *rest = command->name;
  int words = 0;
  while (*rest != '\0') {
    const size_t length = strcspn(rest, " ");
    if (words >= argc || strlen(argv[words]) != length || strncmp(argv[words], rest, length) != 0) return 0;
    words++;
    rest += length;
    rest += strspn(rest, " ");
  }
  return words;
}

static const nn__command *find_command(int argc, char *const *argv, int *words) {
  const nn__command *found = nn__commands[0];
  *words = 0;
  for (size_t i = 0; nn__commands[i] != NULL; i++) {
    const int matched = words_matched(nn__commands[i], argc, argv);
    if (matched > *words) {
      *words = matched;
      found = nn__commands[i];
    }
  }
  return found;
}

/* ---- options ----------------------------------------------------------------------------------- */

static const char *space_before(const nn__command *command) {
  return command->name[0] != '\0' ? " " : "";
}

static nn_status unknown_option(const nn__command *command, const char *typed) {
  const char *names[NN__OPTIONS_MAX + 2];
  size_t count = 0;
  for (const nn__option *option = command->options; option->name != NULL; option++) names[count++] = option->name;
  names[count++] = "help";
  names[count] = NULL;
  char bare[64];
  const char *start = typed + strspn(typed, "-");
  snprintf(bare, sizeof bare, "%.*s", (int)strcspn(start, "="), start);
  const char *close = nn__closest_word(bare, names);
  if (close != NULL) return NN_FAIL(NN_ERR_USAGE, "unknown option '%s'; did you mean '--%s'?", typed, close);
  return NN_FAIL(NN_ERR_USAGE, "unknown option '%s'; 'nnmpi%s%s --help' lists what there is", typed,
                 space_before(command), command->name);
}

static int find_long(const nn__command *command, const char *name, size_t length) {
  for (int i = 0; command->options[i].name != NULL; i++)
    if (strlen(command->options[i].name) == length && strncmp(command->options[i].name, name, length) == 0) return i;
  return -1;
}

static int find_letter(const nn__command *command, char letter) {
  for (int i = 0; command->options[i].name != NULL; i++)
    if (command->options[i].letter == letter) return i;
  return -1;
}

static nn_status keep_value(nn__arguments *out, int index, const char *value) {
  const nn__option *option = &out->command->options[index];
  if (option->repeats)
    out->repeated[out->repeated_count++] = value;
  else if (out->values[index] != NULL && option->value != NULL)
    return NN_FAIL(NN_ERR_USAGE, "--%s is given twice: '%s' and '%s'", option->name, out->values[index], value);
  out->values[index] = value;
  return NN_OK;
}

/* The option argv[*at]; moves *at past its value. */
static nn_status parse_option(int argc, char *const *argv, int *at, nn__arguments *out) {
  const char *typed = argv[*at], *value = NULL;
  int index = -1;
  if (strncmp(typed, "--", 2) == 0) {
    const size_t length = strcspn(typed + 2, "=");
    if (strcmp(typed, "--help") == 0) {
      out->help = true;
      return NN_OK;
    }
    index = find_long(out->command, typed + 2, length);
    if (typed[2 + length] == '=') value = typed + 3 + length;
  } else {
    if (strcmp(typed, "-h") == 0) {
      out->help = true;
      return NN_OK;
    }
    index = find_letter(out->command, typed[1]);
    if (index >= 0 && typed[2] != '\0') { /* -oFILE and -o=FILE; but -restart is a misspelt --restart */
      if (out->command->options[index].value == NULL ||
          find_long(out->command, typed + 1, strcspn(typed + 1, "=")) >= 0)
        index = -1;
      value = typed + 2 + (typed[2] == '=');
    }
  }
  if (index < 0) return unknown_option(out->command, typed);
  const nn__option *option = &out->command->options[index];
  if (option->value == NULL) {
    if (value != NULL) return NN_FAIL(NN_ERR_USAGE, "--%s takes no value ('%s')", option->name, typed);
    return keep_value(out, index, option->name);
  }
  if (value == NULL) {
    const bool there = *at + 1 < argc && (strncmp(argv[*at + 1], "--", 2) != 0);
    if (!there) return NN_FAIL(NN_ERR_USAGE, "--%s needs a value: --%s %s", option->name, option->name, option->value);
    value = argv[++*at];
  }
  if (*value == '\0') return NN_FAIL(NN_ERR_USAGE, "--%s has an empty value; it needs %s", option->name, option->value);
  return keep_value(out, index, value);
}

/* ---- operands ---------------------------------------------------------------------------------- */

nn_status nn__unknown_command(const char *typed) {
  const char *names[16];
  size_t count = 0;
  for (size_t i = 1; nn__commands[i] != NULL && count + 1 < 16; i++)
    if (strchr(nn__commands[i]->name, ' ') == NULL) names[count++] = nn__commands[i]->name;
  names[count] = NULL;
  if (strcmp(typed, "train") == 0)
    return NN_FAIL(NN_ERR_USAGE, "unknown command 'train': training needs no command, only 'nnmpi CONFIG.yaml'");
  const char *close = nn__closest_word(typed, names);
  if (close != NULL) return NN_FAIL(NN_ERR_USAGE, "unknown command '%s'; did you mean '%s'?", typed, close);
  return NN_FAIL(NN_ERR_USAGE, "unknown command '%s', and no file of this name; 'nnmpi --help' lists what there is",
                 typed);
}

static nn_status too_many_operands(const nn__arguments *arguments, const char *extra) {
  const nn__command *command = arguments->command;
  const char *first = arguments->operands[0]; /* NULL for a command that takes none */
  if (command == nn__commands[0]) {
    for (size_t i = 1; nn__commands[i] != NULL; i++)
      if (strcmp(nn__commands[i]->name, first) == 0)
        return NN_FAIL(NN_ERR_USAGE, "'%s' must come first, before options: nnmpi %s ...", first, first);
    if (strpbrk(first, "./") == NULL) return nn__unknown_command(first);
    const char *equals = strchr(extra, '=');
    if (equals != NULL && equals != extra)
      return NN_FAIL(NN_ERR_USAGE, "'%s' is one word too many; did you mean '--set %s'?", extra, extra);
  }
  return NN_FAIL(NN_ERR_USAGE, "'%s' is one word too many; 'nnmpi%s%s --help' shows what is expected", extra,
                 space_before(command), command->name);
}

static nn_status add_operand(nn__arguments *out, const char *operand) {
  size_t limit = 0;
  while (out->command->operands[limit] != NULL) limit++;
  if (out->operand_count == limit) {
    return too_many_operands(out, operand);
  }
  out->operands[out->operand_count++] = operand;
  return NN_OK;
}

static nn_status check_operands(const nn__arguments *arguments) {
  const nn__command *command = arguments->command;
  if (arguments->operand_count >= command->required) return NN_OK;
  nn_text all = {0};
  for (size_t i = 0; i < command->required; i++) nn_text_add(&all, " %s", command->operands[i]);
  const nn_status status =
      NN_FAIL(NN_ERR_USAGE, "%s is missing: nnmpi%s%s%s", command->operands[arguments->operand_count],
              space_before(command), command->name, all.at == NULL ? "" : all.at);
  nn_text_clear(&all);
  return status;
}

/* Switches of training that are commands of their own. */
static bool asks_for_text(const nn__arguments *arguments) {
  return arguments->help || (arguments->command == nn__commands[0] &&
                             (nn__option_given(arguments, "version") || nn__option_given(arguments, "help-config")));
}

nn_status nn__arguments_parse(int argc, char *const *argv, nn__arguments *out) {
  *out = (nn__arguments){0};
  int at = 0;
  out->command = find_command(argc, argv, &at);
  void *memory = NULL;
  NN_TRY(nn_alloc((size_t)argc + 1, sizeof *out->repeated, "the command line", &memory));
  out->repeated = memory;
  if (out->command->run == nn__import_run && at < argc && argv[at][0] != '-') return nn__unknown_format(argv[at]);
  bool options_end = false;
  for (; at < argc; at++) {
    if (!options_end && strcmp(argv[at], "--") == 0)
      options_end = true;
    else if (!options_end && argv[at][0] == '-' && argv[at][1] != '\0')
      NN_TRY(parse_option(argc, argv, &at, out));
    else
      NN_TRY(add_operand(out, argv[at]));
    if (out->help) return NN_OK;
  }
  if (asks_for_text(out)) return NN_OK;
  if (argc == 0)
    return NN_FAIL(NN_ERR_USAGE, "nothing to do: 'nnmpi CONFIG.yaml' trains, 'nnmpi --help' lists all commands");
  return check_operands(out);
}

void nn__arguments_clear(nn__arguments *arguments) {
  nn_free(arguments->repeated);
  *arguments = (nn__arguments){0};
}

/* ---- values ------------------------------------------------------------------------------------ */

const char *nn__option_text(const nn__arguments *arguments, const char *name) {
  const int index = find_long(arguments->command, name, strlen(name));
  NN_ASSERT(index >= 0);
  return arguments->values[index];
}

bool nn__option_given(const nn__arguments *arguments, const char *name) {
  return nn__option_text(arguments, name) != NULL;
}

nn_status nn__option_int(const nn__arguments *arguments, const char *name, int64_t min, int64_t max, int64_t *out) {
  const char *text = nn__option_text(arguments, name);
  int64_t value = 0;
  if (text == NULL) return NN_OK;
  if (!nn_parse_int(text, &value) || value < min || value > max)
    return NN_FAIL(NN_ERR_USAGE, "--%s: '%s' is not a whole number from %lld to %lld", name, text, (long long)min,
                   (long long)max);
  *out = value;
  return NN_OK;
}

nn_status nn__option_share(const nn__arguments *arguments, const char *name, double *out) {
  const char *text = nn__option_text(arguments, name);
  double value = 0;
  if (text == NULL) return NN_OK;
  if (!nn_parse_real(text, &value) || value < 0 || value >= 1)
    return NN_FAIL(NN_ERR_USAGE, "--%s: '%s' is not a share from 0 up to below 1 (such as 0.2)", name, text);
  *out = value;
  return NN_OK;
}

nn_status nn__option_word(const nn__arguments *arguments, const char *name, const char *const *words,
                          const char **out) {
  const char *text = nn__option_text(arguments, name);
  if (text == NULL) return NN_OK;
  nn_text all = {0};
  for (const char *const *word = words; *word != NULL; word++) {
    if (strcmp(*word, text) == 0) {
      *out = *word;
      nn_text_clear(&all);
      return NN_OK;
    }
    nn_text_add(&all, "%s%s", word == words ? "" : word[1] == NULL ? " or " : ", ", *word);
  }
  const nn_status status = NN_FAIL(NN_ERR_USAGE, "--%s: '%s' is not one of %s", name, text, all.at);
  nn_text_clear(&all);
  return status;
}

nn_status nn__option_required(const nn__arguments *arguments, const char *name, const char **out) {
  const int index = find_long(arguments->command, name, strlen(name));
  NN_ASSERT(index >= 0);
  const nn__option *option = &arguments->command->options[index];
  *out = arguments->values[index];
  if (*out != NULL) return NN_OK;
  char letter[4] = "";
  if (option->letter != 0) snprintf(letter, sizeof letter, "-%c", option->letter);
  return NN_FAIL(NN_ERR_USAGE, "%s%s %s is missing; 'nnmpi %s --help' shows an example",
                 option->letter != 0 ? letter : "--", option->letter != 0 ? "" : option->name, option->value,
                 arguments->command->name);
}
