/* Single values: strict, and where something else is found, in words that say what to write instead. */
#include "config/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: beyond it a double is no counter */

void nn__bad(nn__binder *binder, nn__node *node, const char *format, ...) {
  char words[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  node->faulty = true;
  nn__complain(binder->errors, node->mark, binder->path.at, "%s", words);
}

/* ---- ranges ------------------------------------------------------------------------------------ */

static bool has_range(const nn_key *key) {
  return key->min < 0 || key->min > 0 || key->max < 0 || key->max > 0;
}

bool nn__in_range(const nn_key *key, double value) {
  if (!has_range(key)) return true;
  if (value < key->min || value > key->max) return false;
  if ((key->flags & NN_KEY_OPEN_MIN) != 0 && !(value > key->min)) return false;
  return (key->flags & NN_KEY_OPEN_MAX) == 0 || value < key->max;
}

char *nn__range_words(const nn_key *key, char buffer[128]) {
  char low[32], high[32];
  const bool whole = key->type == NN_KEY_INT || key->type == NN_KEY_INTS;
  const bool above = has_range(key) && key->min > -NN__NO_BOUND, below = has_range(key) && key->max < NN__NO_BOUND;
  const char *noun = whole ? "an integer" : "a number", *automatic = (key->flags & NN_KEY_AUTO) ? ", or auto" : "";
  const char *from = (key->flags & NN_KEY_OPEN_MIN) ? ">" : ">=", *to = (key->flags & NN_KEY_OPEN_MAX) ? "<" : "<=";
  const bool closed = (key->flags & (NN_KEY_OPEN_MIN | NN_KEY_OPEN_MAX)) == 0;
  nn_format_real(key->min, low);
  nn_format_real(key->max, high);
  if (whole && above) snprintf(low, sizeof low, "%lld", (long long)key->min);
  if (whole && below) snprintf(high, sizeof high, "%lld", (long long)key->max);
  if (above && below && closed)
    snprintf(buffer, 128, "%s from %s to %s%s", noun, low, high, automatic);
  else if (above && below)
    snprintf(buffer, 128, "%s %s %s and %s %s%s", noun, from, low, to, high, automatic);
  else if (above)
    snprintf(buffer, 128, "%s %s %s%s", noun, from, low, automatic);
  else if (below)
    snprintf(buffer, 128, "%s %s %s%s", noun, to, high, automatic);
  else
    snprintf(buffer, 128, "%s%s", noun, automatic);
  return buffer;
}

/* ---- what was probably meant ---------------------------------------------------------------------- */

bool nn__want_scalar(nn__binder *binder, nn__node *node, const char *wanted) {
  if (node->type == NN__BROKEN) return false; /* complained about already */
  if (nn__node_is_null(node))
    nn__bad(binder, node, "no value; write %s, or remove the key", wanted);
  else if (node->type != NN__SCALAR)
    nn__bad(binder, node, "expected %s, found %s", wanted, nn__node_words(node));
  else
    return true;
  return false;
}

/* "010" and "-007" would be read differently by different programs. */
static bool has_leading_zero(const char *text) {
  if (*text == '-' || *text == '+') text++;
  return text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

/* Not a number for us, but one for other programs: `*value` is what they would read. */
static bool foreign_number(const char *text, double *value) {
  char digits[40];
  size_t count = 0;
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    char *end = NULL;
    const unsigned long long hex = strtoull(text + 2, &end, 16);
    *value = (double)hex;
    return text[2] != '\0' && *end == '\0' && *value < WHOLE_MAX;
  }
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '_') continue;
    if (count + 1 == sizeof digits) return false;
    digits[count++] = *at;
  }
  digits[count] = '\0';
  return nn_parse_real(digits, value);
}

/* Complain about a scalar that is no number of the wanted sort. */
static void bad_number(nn__binder *binder, nn__node *node, const char *wanted, bool whole) {
  static const char *const not_finite[] = {"nan", ".nan", "inf", ".inf", "infinity"};
  char shown[NN__SHOWN_MAX], number[40];
  double value = 0;
  const char *text = node->as.text, *bare = text + (*text == '-' || *text == '+');
  nn__shown(text, shown);
  for (size_t i = 0; i < sizeof not_finite / sizeof *not_finite; i++) {
    if (strcasecmp(bare, not_finite[i]) != 0) continue;
    nn__bad(binder, node, "%s is not finite; write %s", shown, wanted);
    return;
  }
  const bool known = foreign_number(text, &value), fits = known && fabs(value) < WHOLE_MAX;
  const bool integral = fits && value == floor(value);
  if (known) nn_format_real(value, number);
  if (integral) snprintf(number, sizeof number, "%lld", (long long)value);
  if (known && node->quoted)
    nn__bad(binder, node, "quoted, so it is text; write %s without quotes", number);
  else if (known && has_leading_zero(text))
    nn__bad(binder, node, "%s has leading zeros; write %s", shown, number);
  else if (integral && whole)
    nn__bad(binder, node, "%s is not an integer; write %s", shown, number);
  else if (known && whole)
    nn__bad(binder, node, "%s is %s; write %s", shown, fits ? "not an integer" : "too large", wanted);
  else if (known)
    nn__bad(binder, node, "%s is not a decimal number; write %s", shown, number);
  else
    nn__bad(binder, node, "%s is not %s; write %s", shown, whole ? "an integer" : "a number", wanted);
}

/* ---- values ---------------------------------------------------------------------------------------- */

bool nn__bind_bool(nn__binder *binder, nn__node *node, bool *out) {
  static const char *const yes[] = {"true", "yes", "y", "on", "1"}, *const no[] = {"false", "no", "n", "off", "0"};
  char shown[NN__SHOWN_MAX];
  if (!nn__want_scalar(binder, node, "true or false")) return false;
  const char *text = node->as.text;
  *out = !node->quoted && strcmp(text, "true") == 0;
  if (!node->quoted && (*out || strcmp(text, "false") == 0)) return true;
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
    const bool is_yes = strcasecmp(text, yes[i]) == 0;
    if (!is_yes && strcasecmp(text, no[i]) != 0) continue;
    nn__bad(binder, node, "%s is not true or false; write %s%s", nn__shown(text, shown), is_yes ? "true" : "false",
            node->quoted ? " without quotes" : "");
    return false;
  }
  nn__bad(binder, node, "%s is not true or false; write one of them", nn__shown(text, shown));
  return false;
}

static bool is_auto(const nn_key *key, const nn__node *node) {
  return (key->flags & NN_KEY_AUTO) != 0 && !node->quoted && strcmp(node->as.text, "auto") == 0;
}

static bool want_range(nn__binder *binder, const nn_key *key, nn__node *node, double value) {
  char wanted[128], shown[NN__SHOWN_MAX], most[32];
  if (nn__in_range(key, value)) return true;
  if (value > key->max && key->max >= NN__NO_BOUND) /* a bound that is not among the words */
    nn__bad(binder, node, "%s is out of range; the most is %s", nn__shown(node->as.text, shown),
            nn_format_real(key->max, most));
  else
    nn__bad(binder, node, "%s is out of range; write %s", nn__shown(node->as.text, shown),
            nn__range_words(key, wanted));
  return false;
}

bool nn__bind_int(nn__binder *binder, const nn_key *key, nn__node *node, int64_t *out) {
  char wanted[128];
  nn__range_words(key, wanted);
  if (!nn__want_scalar(binder, node, wanted)) return false;
  int64_t value = NN_AUTO;
  if (!is_auto(key, node)) {
    if (node->quoted || !nn_parse_int(node->as.text, &value)) {
      bad_number(binder, node, wanted, true);
      return false;
    }
    if (!want_range(binder, key, node, (double)value)) return false;
  }
  *out = value;
  return true;
}

bool nn__bind_real(nn__binder *binder, const nn_key *key, nn__node *node, double *out) {
  char wanted[128];
  nn__range_words(key, wanted);
  if (!nn__want_scalar(binder, node, wanted)) return false;
  double value = NN_AUTO;
  if (!is_auto(key, node)) {
    if (node->quoted || has_leading_zero(node->as.text) || !nn_parse_real(node->as.text, &value)) {
      bad_number(binder, node, wanted, false);
      return false;
    }
    if (!want_range(binder, key, node, value)) return false;
  }
  *out = value;
  return true;
}

bool nn__bind_word(nn__binder *binder, const nn_key *key, nn__node *node, int *out) {
  char list[256] = "", shown[NN__SHOWN_MAX];
  int count = 0;
  for (; key->words[count] != NULL; count++) {
    const size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", key->words[count]);
  }
  char wanted[300];
  snprintf(wanted, sizeof wanted, "one of %s", list);
  if (!nn__want_scalar(binder, node, wanted)) return false;
  for (int i = 0; i < count; i++) {
    if (strcmp(node->as.text, key->words[i]) != 0) continue;
    *out = i;
    return true;
  }
  const char *near = nn__nearest(node->as.text, key->words, (size_t)count);
  nn__shown(node->as.text, shown);
  if (near != NULL)
    nn__bad(binder, node, "%s is not a choice; did you mean '%s'? One of %s", shown, near, list);
  else
    nn__bad(binder, node, "%s is not a choice; write one of %s", shown, list);
  return false;
}

bool nn__bind_text(nn__binder *binder, nn__node *node, char **out) {
  if (!nn__want_scalar(binder, node, "a text")) return false;
  if (node->as.text[0] == '\0') {
    nn__bad(binder, node, "an empty text; write one, or remove the key");
    return false;
  }
  if (strlen(node->as.text) > NN__STRING_LIMIT) {
    nn__bad(binder, node, "a text of more than %d bytes; shorten it", NN__STRING_LIMIT);
    return false;
  }
  if (nn_string_copy(node->as.text, out) == NN_OK) return true;
  binder->status = NN_ERR_MEMORY;
  return false;
}
