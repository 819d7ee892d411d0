/* Progress of a training: a bar on a terminal, lines elsewhere. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How much is printed where nobody watches. A line an epoch is right for 50 epochs of a minute; 100,000 epochs of a
 * millisecond would fill a job's log (the full record is metrics.csv). So trainings of many epochs print the first
 * 20, then at most one a second, and always the last; epochs of hours print a sign of life each minute. */
static const uint64_t EPOCHS_ALL_PRINTED = 100, LINES_FIRST = 20;
static const double SECONDS_PER_LINE = 1, SECONDS_PER_HEARTBEAT = 60, SECONDS_PER_DRAW = 0.1;

/* ---- the bar ------------------------------------------------------------------------------------ */

static void erase_bar(nn__progress *progress) {
  if (progress->drawn == 0) return;
  if (progress->erase)
    fputs("\r\033[K", progress->stream);
  else
    fprintf(progress->stream, "\r%*s\r", (int)progress->drawn, "");
  fflush(progress->stream);
  progress->drawn = 0;
}

/* Columns of a text: bytes that begin a character. */
static size_t text_columns(const char *text) {
  size_t columns = 0;
  for (; *text != '\0'; text++) columns += ((unsigned char)*text & 0xc0) != 0x80;
  return columns;
}

static void draw_bar(nn__progress *progress, const nn__bar *bar) {
  nn_text line = {0};
  /* one column stays free: some terminals begin a new line when the last is written */
  nn__bar_text(&line, bar, nn__terminal_columns(&progress->terminal) - 1, progress->utf8);
  if (nn_text_status(&line) == NN_OK) {
    const size_t columns = text_columns(line.at);
    const size_t rest = progress->drawn > columns ? progress->drawn - columns : 0;
    if (progress->erase)
      fprintf(progress->stream, "\r%s\033[K", line.at);
    else
      fprintf(progress->stream, "\r%s%*s", line.at, (int)rest, "");
    fflush(progress->stream);
    progress->drawn = columns;
  }
  nn_text_clear(&line);
}

/* mpirun passes standard output and error on as two streams: a message must not overtake the erasing of the bar. */
static void let_erasing_arrive(const nn__progress *progress) {
  const struct timespec moment = {.tv_nsec = 50000000};
  if (progress->terminal.opened) (void)nanosleep(&moment, NULL);
}

static void before_line(void *context, nn_log_level level) {
  nn__progress *progress = context;
  const bool drawn = progress->drawn > 0;
  erase_bar(progress);
  if (drawn && level != NN_LOG_INFO) let_erasing_arrive(progress);
}

/* ---- what training reports ------------------------------------------------------------------------ */

static void note_start(nn__progress *progress, double now, double share) {
  if (progress->started) return;
  progress->started = true;
  progress->first_time = now;
  progress->first_share = share;
}

/* From the average since the start of this process: with evaluation and checkpoints in it. */
static double seconds_left(const nn__progress *progress, double now, double share) {
  const double gained = share - progress->first_share, elapsed = now - progress->first_time;
  if (gained <= 0 || elapsed < 0.2) return NAN;
  return elapsed * (1 - share) / gained;
}

static void print_heartbeat(nn__progress *progress, const nn__bar *bar, uint64_t done, uint64_t total) {
  nn_text line = {0};
  nn_text_add(&line, "epoch %llu/%llu, step %llu of %llu: loss %.4f  ", (unsigned long long)bar->epoch,
              (unsigned long long)bar->epochs, (unsigned long long)done, (unsigned long long)total, bar->loss);
  nn__rate_text(&line, bar->samples_per_second);
  nn_text_add(&line, " samples/s");
  if (!isnan(bar->seconds_left)) {
    nn_text_add(&line, "  ");
    nn__duration_text(&line, bar->seconds_left);
    nn_text_add(&line, " left");
  }
  if (nn_text_status(&line) == NN_OK) nn_log_info(progress->log, "%s", line.at);
  nn_text_clear(&line);
}

static void observe_step(void *context, uint64_t epoch, uint64_t epochs, uint64_t done, uint64_t total, double loss,
                         double samples_per_second) {
  nn__progress *progress = context;
  const double now = progress->clock();
  const double share = total > 0 ? (double)done / (double)total : 0;
  note_start(progress, now, share);
  const nn__bar bar = {.epoch = epoch,
                       .epochs = epochs,
                       .share = share,
                       .loss = loss,
                       .samples_per_second = samples_per_second,
                       .seconds_left = seconds_left(progress, now, share)};
  if (progress->style == NN__PROGRESS_BAR && now - progress->last_draw >= SECONDS_PER_DRAW) {
    draw_bar(progress, &bar);
    progress->last_draw = now;
  }
  if (progress->style == NN__PROGRESS_LINES && now - progress->last_line >= SECONDS_PER_HEARTBEAT) {
    print_heartbeat(progress, &bar, done, total);
    progress->last_line = now;
  }
}

static void print_epoch(nn__progress *progress, const nn_epoch_row *row, double now) {
  nn_text line = {0};
  nn__epoch_text(&line, row, progress->epochs,
                 progress->style == NN__PROGRESS_BAR ? nn__terminal_columns(&progress->terminal) : 0);
  if (nn_text_status(&line) == NN_OK) nn_log_info(progress->log, "%s", line.at);
  nn_text_clear(&line);
  progress->last_line = now;
  progress->lines++;
  progress->holds = false;
}

static void observe_epoch(void *context, const nn_epoch_row *row, uint64_t epochs) {
  nn__progress *progress = context;
  const double now = progress->clock();
  note_start(progress, now, epochs > 0 ? (double)row->epoch / (double)epochs : 0);
  if (progress->style == NN__PROGRESS_NONE) return;
  progress->epochs = epochs;
  if (epochs <= EPOCHS_ALL_PRINTED || progress->lines < LINES_FIRST || row->epoch == epochs ||
      now - progress->last_line >= SECONDS_PER_LINE) {
    print_epoch(progress, row, now);
  } else {
    progress->held = *row;
    progress->holds = true;
  }
}

/* ---- start and end --------------------------------------------------------------------------------- */

static bool locale_is_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL && *value != '\0')
      return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL || strstr(value, "utf-8") != NULL;
  }
  return false;
}

void nn__progress_start(nn__progress *progress, nn_log *log, int mode, bool quiet, bool launched) {
  const char *term = getenv("TERM");
  *progress = (nn__progress){.log = log, .terminal = {.file = -1}, .stream = stdout, .clock = nn_seconds};
  progress->utf8 = locale_is_utf8();
  progress->last_line = progress->clock();
  if (mode == NN_PROGRESS_OFF) return;
  progress->style = NN__PROGRESS_LINES;
  if (quiet || mode == NN_PROGRESS_LINES) return; /* a quiet log still writes its file */
  progress->terminal = nn__terminal_find(launched);
  if (progress->terminal.file < 0 && mode != NN_PROGRESS_BAR) return;
  progress->style = NN__PROGRESS_BAR;
  progress->erase = progress->terminal.file >= 0 && term != NULL && strcmp(term, "dumb") != 0;
  nn_log_set_before_line(log, before_line, progress);
}

/* What was asked for goes to standard output; if it cannot be written, training is worth more than its trace. */
static void observe_trace(void *context, const char *text) {
  const nn__progress *progress = context;
  if (nn__output_write(text) != NN_OK) nn_log_warn(progress->log, "%s", nn_error_last()->message);
}

nn_observer nn__progress_observer(nn__progress *progress) {
  return (nn_observer){.context = progress, .step = observe_step, .epoch = observe_epoch, .trace = observe_trace};
}

void nn__progress_end(nn__progress *progress) {
  if (progress->drawn > 0) {
    erase_bar(progress);
    let_erasing_arrive(progress);
  }
  nn_log_set_before_line(progress->log, NULL, NULL);
  if (progress->holds) print_epoch(progress, &progress->held, progress->clock());
  nn__terminal_close(&progress->terminal);
}
