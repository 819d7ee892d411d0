/* What progress looks like: numbers, durations, a line an epoch, the bar. */
#include "cli.h"

#include <math.h>
#include <string.h>

static void value_text(nn_text *out, double value) {
  const double size = fabs(value);
  const bool plain = size == 0 || (size >= 1e-3 && size < 1e5) || !isfinite(value);
  nn_text_add(out, plain ? "%.4f" : "%.3e", value);
}

void nn__metrics_text(nn_text *out, const char *prefix, const nn_metrics *metrics) {
  const struct {
    const char *name;
    double value;
  } shown[] = {
      {"acc", metrics->accuracy}, {"top-k", metrics->top_k}, {"mae", metrics->mae},
      {"rmse", metrics->rmse},    {"r2", metrics->r2},
  };
  const char *gap = *prefix == '\0' ? "  " : " "; /* what belongs to one set stands closer together */
  nn_text_add(out, "%sloss ", prefix);
  value_text(out, metrics->loss);
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
    if (isnan(shown[i].value)) continue;
    nn_text_add(out, "%s%s ", gap, shown[i].name);
    value_text(out, shown[i].value);
  }
}

void nn__rate_text(nn_text *out, double per_second) {
  if (!(per_second >= 0) || per_second > 1e15) {
    nn_text_add(out, "?");
    return;
  }
  if (per_second < 99.95) {
    nn_text_add(out, "%.3g", per_second);
    return;
  }
  double unit = 1;
  while (per_second / unit >= 999.5) unit *= 10;
  const unsigned long long value = (unsigned long long)(round(per_second / unit) * unit);
  char digits[32];
  const int length = snprintf(digits, sizeof digits, "%llu", value);
  for (int i = 0; i < length; i++) nn_text_add(out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

void nn__duration_text(nn_text *out, double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) {
    nn_text_add(out, "?");
    return;
  }
  const unsigned long whole = (unsigned long)(seconds + 0.5);
  if (seconds < 0.00995)
    nn_text_add(out, "%.2g ms", seconds * 1e3);
  else if (seconds < 0.0995)
    nn_text_add(out, "%.0f ms", seconds * 1e3);
  else if (seconds < 9.95)
    nn_text_add(out, "%.1f s", seconds);
  else if (whole < 60)
    nn_text_add(out, "%lu s", whole);
  else if (whole < 3600)
    nn_text_add(out, "%lu min %02lu s", whole / 60, whole % 60);
  else if (whole < 86400)
    nn_text_add(out, "%lu h %02lu min", whole / 3600, whole / 60 % 60);
  else
    nn_text_add(out, "%lu d %lu h", whole / 86400, whole / 3600 % 24);
}

/* "epoch  9/50": as wide for every epoch. */
static void epoch_of(nn_text *out, uint64_t epoch, uint64_t epochs) {
  const int width = snprintf(NULL, 0, "%llu", (unsigned long long)epochs);
  nn_text_add(out, "epoch %*llu/%llu", width, (unsigned long long)epoch, (unsigned long long)epochs);
}

void nn__epoch_text(nn_text *out, const nn_epoch_row *row, uint64_t epochs, int columns) {
  nn_text lr = {0}, rate = {0}, seconds = {0};
  epoch_of(out, row->epoch, epochs);
  nn_text_add(out, "  ");
  nn__metrics_text(out, "", &row->train);
  if (!isnan(row->valid.loss)) {
    nn_text_add(out, "  ");
    nn__metrics_text(out, "val ", &row->valid);
  }
  nn_text_add(&lr, "  lr %.4g", row->lr);
  nn_text_add(&rate, "  ");
  nn__rate_text(&rate, row->samples_per_second);
  nn_text_add(&rate, " samples/s");
  nn_text_add(&seconds, "  ");
  nn__duration_text(&seconds, row->seconds);
  nn_text *const gives_way[] = {&lr, &seconds, &rate};
  for (size_t i = 0; columns > 0 && i < 3; i++)
    if (out->length + lr.length + rate.length + seconds.length > (size_t)columns) nn_text_clear(gives_way[i]);
  nn_text *const parts[] = {&lr, &rate, &seconds};
  for (size_t i = 0; i < 3; i++) {
    nn_text_add_bytes(out, parts[i]->length > 0 ? parts[i]->at : "", parts[i]->length);
    nn_text_clear(parts[i]);
  }
}

/* Parts of the bar's line, in the order in which they stand; the less important ones give way first. */
enum { PART_EPOCH, PART_PERCENT, PART_LOSS, PART_RATE, PART_LEFT, PART_COUNT };

static void bar_parts(const nn__bar *bar, nn_text parts[PART_COUNT]) {
  epoch_of(&parts[PART_EPOCH], bar->epoch, bar->epochs);
  nn_text_add(&parts[PART_PERCENT], "%3.0f %%", floor(100 * bar->share));
  if (!isnan(bar->loss)) {
    nn_text_add(&parts[PART_LOSS], "loss ");
    value_text(&parts[PART_LOSS], bar->loss);
  }
  if (bar->samples_per_second > 0) {
    nn__rate_text(&parts[PART_RATE], bar->samples_per_second);
    nn_text_add(&parts[PART_RATE], " samples/s");
  }
  if (!isnan(bar->seconds_left)) {
    if (bar->seconds_left < 9.5)
      nn_text_add(&parts[PART_LEFT], "%.0f s", ceil(bar->seconds_left)); /* its tenths would only flicker */
    else
      nn__duration_text(&parts[PART_LEFT], bar->seconds_left);
    nn_text_add(&parts[PART_LEFT], " left");
  }
}

/* Columns that the parts take with two spaces between them. */
static size_t parts_width(const nn_text parts[PART_COUNT]) {
  size_t width = 0;
  for (int i = 0; i < PART_COUNT; i++)
    if (parts[i].length > 0) width += parts[i].length + (width > 0 ? 2 : 0);
  return width;
}

static void add_cells(nn_text *out, size_t cells, double share, bool utf8) {
  const size_t full = (size_t)((double)cells * fmin(fmax(share, 0), 1));
  if (!utf8) nn_text_add(out, "[");
  for (size_t i = 0; i < cells; i++) nn_text_add(out, "%s", utf8 ? i < full ? "█" : "░" : i < full ? "#" : "-");
  if (!utf8) nn_text_add(out, "]");
}

void nn__bar_text(nn_text *out, const nn__bar *bar, int columns, bool utf8) {
  enum { CELLS_MIN = 6, CELLS_MAX = 30 };
  static const int gives_way[] = {PART_RATE, PART_LOSS, PART_LEFT, PART_PERCENT};
  nn_text parts[PART_COUNT] = {{0}};
  const size_t limit = (size_t)(columns < 20 ? 20 : columns);
  const size_t frame = utf8 ? 2 : 4; /* two spaces, and the brackets */
  bar_parts(bar, parts);
  for (size_t i = 0; parts_width(parts) > limit && i < sizeof gives_way / sizeof *gives_way; i++)
    nn_text_clear(&parts[gives_way[i]]);
  const size_t used = parts_width(parts) + frame;
  size_t cells = limit > used ? limit - used : 0;
  if (cells > CELLS_MAX) cells = CELLS_MAX;
  for (int i = 0; i < PART_COUNT; i++) {
    if (i == PART_PERCENT && cells >= CELLS_MIN) {
      nn_text_add(out, "  ");
      add_cells(out, cells, bar->share, utf8);
    }
    if (parts[i].length > 0) nn_text_add(out, "%s%s", i == 0 ? "" : "  ", parts[i].at);
    nn_text_clear(&parts[i]);
  }
}
