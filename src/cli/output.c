/* Standard output, and texts that are printed in more than one place. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void nn__output_prepare(void) {
  /* With descriptor 1 free, the next file opened would get it and be overwritten by messages. Opened for reading,
   * so that writing there still fails. */
  for (int file = 0; file <= 2; file++)
    if (fcntl(file, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) < 0) return;
  (void)signal(SIGPIPE, SIG_IGN);
  (void)signal(SIGXFSZ, SIG_IGN); /* likewise a file beyond `ulimit -f` */
}

nn_status nn__output_write(const char *text) {
  errno = 0;
  const bool written = fputs(text, stdout) >= 0;
  if (fflush(stdout) == 0 && written && !ferror(stdout)) return NN_OK;
  if (errno == EPIPE) return NN_OK; /* `nnmpi --help | head -1`: the reader has seen enough */
  return NN_FAIL(NN_ERR_IO, "standard output cannot be written: %s", strerror(errno));
}

nn_status nn__output_text(nn_text *text) {
  nn_status status = nn_text_status(text);
  if (status == NN_OK && text->length > 0) status = nn__output_write(text->at);
  nn_text_clear(text);
  return status;
}

void nn__shell_quote(nn_text *text, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (*word != '\0' && word[strspn(word, plain)] == '\0') {
    nn_text_add(text, "%s", word);
    return;
  }
  nn_text_add(text, "'");
  for (; *word != '\0'; word++) {
    if (*word == '\'')
      nn_text_add(text, "'\\''");
    else
      nn_text_add_bytes(text, word, 1);
  }
  nn_text_add(text, "'");
}

void nn__error_text(nn_text *text, const nn_error *error) {
  const char *line = error->message;
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == '\n') length--;
  for (size_t i = 0; i < length; i++) {
    nn_text_add_bytes(text, line + i, 1);
    if (line[i] == '\n') nn_text_add(text, "%*s", (int)strlen("nnmpi: error: "), "");
  }
  if (error->rank > 0 && error->host[0] != '\0')
    nn_text_add(text, " (rank %d on host %s)", error->rank, error->host);
  else if (error->rank > 0)
    nn_text_add(text, " (rank %d)", error->rank);
}

nn_status nn__output_apart(const char *output, const char *const *inputs) {
  struct stat out, in;
  for (; *inputs != NULL; inputs++)
    if (stat(*inputs, &in) == 0 && stat(output, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
      return NN_FAIL(NN_ERR_USAGE, "-o %s: this file is read, and would be lost: give the output another name", output);
  return nn_file_replaceable(output);
}
