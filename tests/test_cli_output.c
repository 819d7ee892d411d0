/* Texts that are printed: quoting for a shell, errors, what a full disk or a reader that left does. */
#include "cli/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void a_shell_reads_quoted_words_back(void **state) {
  static const char *const words[] = {"plain-1.yaml", "",          "two words",   "it's",  "a=$HOME", "*",
                                      "[1, 2]",       "tab\there", "back\\slash", "\"q\"", "~",       "-x"};
  (void)state;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    nn_text command = {0};
    nn_text_add(&command, "printf %%s ");
    nn__shell_quote(&command, words[i]);
    FILE *shell = popen(command.at, "r");
    assert_non_null(shell);
    char got[128] = "";
    const size_t length = fread(got, 1, sizeof got - 1, shell);
    got[length] = '\0';
    pclose(shell);
    assert_string_equal(got, words[i]);
    nn_text_clear(&command);
  }
}

static void errors_name_the_rank_that_failed_unless_it_is_the_first(void **state) {
  (void)state;
  nn_text text = {0};
  nn_error error = {.status = NN_ERR_DATA, .rank = 3, .host = "n2", .message = "shard 3 is empty"};
  nn__error_text(&text, &error);
  assert_string_equal(text.at, "shard 3 is empty (rank 3 on host n2)");
  nn_text_clear(&text);
  error.rank = 0;
  nn__error_text(&text, &error);
  assert_string_equal(text.at, "shard 3 is empty");
  nn_text_clear(&text);
}

static void lines_of_an_error_stand_below_each_other(void **state) {
  (void)state;
  nn_text text = {0};
  const nn_error error = {.status = NN_ERR_CONFIG, .rank = -1, .message = "a:1:1: one\na:2:1: two\n"};
  nn__error_text(&text, &error);
  assert_string_equal(text.at, "a:1:1: one\n              a:2:1: two");
  nn_text_clear(&text);
}

/* Status of nn__output_write() in a child whose standard output is `file`. */
static int write_to(int file) {
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(file, STDOUT_FILENO);
    nn__output_prepare();
    _exit((int)nn__output_write("some text\n"));
  }
  int result = 0;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_true(WIFEXITED(result));
  return WEXITSTATUS(result);
}

static void a_full_disk_is_an_error(void **state) {
  (void)state;
  const int full = open("/dev/full", O_WRONLY);
  assert_true(full >= 0);
  assert_int_equal(write_to(full), NN_ERR_IO);
  close(full);
}

static void a_reader_that_left_is_no_error(void **state) {
  (void)state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  assert_int_equal(write_to(ends[1]), NN_OK);
  close(ends[1]);
}

static void a_closed_output_is_an_error_and_no_file_gets_its_number(void **state) {
  (void)state;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(STDOUT_FILENO);
    nn__output_prepare();
    const int file = open("/dev/null", O_WRONLY);
    _exit(file == STDOUT_FILENO ? 99 : (int)nn__output_write("some text\n"));
  }
  int result = 0;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_true(WIFEXITED(result));
  assert_int_equal(WEXITSTATUS(result), NN_ERR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_shell_reads_quoted_words_back),
      cmocka_unit_test(errors_name_the_rank_that_failed_unless_it_is_the_first),
      cmocka_unit_test(lines_of_an_error_stand_below_each_other),
      cmocka_unit_test(a_full_disk_is_an_error),
      cmocka_unit_test(a_reader_that_left_is_no_error),
      cmocka_unit_test(a_closed_output_is_an_error_and_no_file_gets_its_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
