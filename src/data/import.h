/** @file import.h
 *  What the importers share: the file that they write, and a reader of CSV. */
#ifndef NNMPI_DATA_IMPORT_H
#define NNMPI_DATA_IMPORT_H

#include "nnmpi/data.h"
#include "nnmpi/h5io.h"

/* Rows are stored as they are: inflating 60,000 images took six times as long as reading them (0.3 s against 0.05 s),
 * at every start of a training, to save 40 % of the disk. */
enum { NN__IMPORT_DEFLATE = 0, NN__IMPORT_PIECE = 1 << 22 /**< bytes handled at once */ };

/** An image with what every data set of ours says about itself. */
nn_status nn__import_begin(nn_h5_image **out);

/** Puts the file in place; makes the folder for it. */
nn_status nn__import_save(nn_h5_image *image, const char *path);

/** A failure to read an input is one of the data, not of the run's files. */
nn_status nn__import_input(nn_status status);

/* ---- CSV (csv.c) -------------------------------------------------------------------------------- */

/** A CSV file in memory, read record by record. Cells are cut out of the text in place. */
typedef struct nn__csv {
  const char *path;
  char *text, *at, *end;
  char delimiter;
  size_t line;        /**< of the next record */
  size_t record_line; /**< of the record in `cells`; lines count from 1 */
  char **cells;
  size_t count, capacity;
} nn__csv;

/** Read the file and find the delimiter: the first of tab, semicolon and comma that stands equally often in each of the
 *  first lines; else the most frequent one of the first line. */
nn_status nn__csv_open(const char *path, nn__csv *out);
void nn__csv_close(nn__csv *csv);
/** The next record that is not blank; `*more` false at the end. */
nn_status nn__csv_next(nn__csv *csv, bool *more);
/** A decimal number, as nn_parse_real(), faster for short ones. */
bool nn__csv_real(const char *text, double *out);
/** At most 40 bytes of a cell, for a message: no control characters, no half of a character. */
char *nn__csv_excerpt(const char *text, char buffer[48]);
/** True for well-formed UTF-8. */
bool nn__csv_is_utf8(const char *text);

/* ---- a table with a target (csv_table.c) ---------------------------------------------------------- */

typedef struct nn__csv_table {
  nn__csv csv;
  bool header;
  char **names; /**< [columns], owned, "column 3" where there is none */
  size_t columns, target, rows;
  float *features; /**< [rows, columns − 1] */
  char **targets;  /**< [rows], cells of the file */
  size_t *lines;   /**< [rows], where they stand */
  size_t row_capacity;
} nn__csv_table;

/** Read all rows. `target` is a name, or a number from 1. */
nn_status nn__csv_table_read(const char *path, const char *target, nn__csv_table *out);
void nn__csv_table_close(nn__csv_table *table);

/* ---- what the target column means (csv_target.c) --------------------------------------------------- */

typedef struct nn__csv_target {
  bool classes;
  const char *rule; /**< why, for the summary */
  size_t count;     /**< of classes */
  char **names;     /**< owned; NULL where labels are the numbers themselves */
  int32_t *labels;  /**< [rows] */
  float *values;    /**< [rows] */
} nn__csv_target;

nn_status nn__csv_target_read(const nn__csv_table *table, int mode, nn__csv_target *out);
void nn__csv_target_clear(nn__csv_target *target);

#endif
